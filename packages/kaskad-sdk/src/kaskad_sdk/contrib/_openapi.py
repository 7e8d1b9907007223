"""What FastAPI's document says of the page's endpoints: their parameters, bodies and answers.

Nothing is read or written with these models: the service alone knows what is valid.
"""

from typing import Final, NamedTuple

try:
    from pydantic import BaseModel, Field
except ModuleNotFoundError as missing:
    raise ImportError("kaskad_sdk.contrib.fastapi needs FastAPI") from missing


class SendRequest(BaseModel):
    """Whom to verify with which widget."""

    widgetId: str
    recipient: str = Field(max_length=256)
    captchaToken: str | None = Field(None, max_length=8192)
    locale: str | None = Field(None, max_length=35)


class SendResponse(BaseModel):
    """The session that was begun."""

    requestId: str
    recipient: str


class CheckCodeRequest(BaseModel):
    """What the person typed."""

    code: str = Field(min_length=1, max_length=64)


class ResendRequest(BaseModel):
    """``next`` asks for another way instead of a restart."""

    next: bool = False


class SuccessResponse(BaseModel):
    """Whether it is so."""

    success: bool


class WidgetResponse(BaseModel):
    """What a page needs to know of a widget."""

    isBlocked: bool
    isActive: bool
    name: str
    captchaIsRequired: bool
    captchaProvider: str | None = None
    captchaSiteKey: str | None = None
    captchaVersion: int | None = None
    captchaAction: str | None = None
    captchaChallengeUrl: str | None = None


class ChallengeResponse(BaseModel):
    """A piece of work for Altcha in a page, in its own names."""

    algorithm: str
    challenge: str
    maxnumber: int
    salt: str
    signature: str


class CodeForm(BaseModel):
    """How a code looks."""

    length: int
    beautify: bool


class Settings(BaseModel):
    """The current launch's settings; durations in seconds, no ``code`` when codeless."""

    lifetime: int
    numberOfTries: int
    numberOfRestart: int
    restartCooldown: int
    code: CodeForm | None = None


class NextMove(BaseModel):
    """What a resend does: ``restart`` this channel or start another ``channel``."""

    action: str
    type: str
    label: str


class Payload(BaseModel):
    """What a page needs to draw the channel; instants in ISO 8601, UTC."""

    now: str
    expiresAt: str
    resendAt: str | None
    next: NextMove | None
    another: NextMove | None
    help: str | None = None
    callerIdMask: str | None = None


class ChannelResponse(BaseModel):
    """The current channel."""

    type: str
    status: str
    label: str
    codeType: str
    payload: Payload
    settings: Settings
    remainingCodeAttempts: int


class ErrorPayload(BaseModel):
    """What each field should be, by its name; or the seconds until another try makes sense."""

    fields: dict[str, str] | None = None
    retryAfter: int | None = None


class ErrorResponse(BaseModel):
    """Every refusal looks like this."""

    type: str
    message: str
    httpStatus: int
    payload: ErrorPayload | None = None


class Call(NamedTuple):
    """An endpoint as the document shows it."""

    name: str
    method: str
    path: str
    summary: str
    answer: type[BaseModel]
    query: tuple[tuple[str, bool], ...] = ()
    body: type[BaseModel] | None = None
    body_required: bool = True
    completes: bool = False
    unguarded: bool = False

    @property
    def status(self) -> int:
        """The status of success."""
        return 201 if self.method == "POST" else 200

    @property
    def segments(self) -> int:
        """The segments of the path."""
        return len(self.path.strip("/").split("/")) if self.path.strip("/") else 0


_SINCE = ("since", False)
_RECIPIENT = ("recipient", True)

CALLS: Final = (
    Call(
        "getWidget",
        "GET",
        "/widget/{widgetId}",
        "What a page needs to know of a widget",
        WidgetResponse,
    ),
    Call(
        "getChallenge",
        "GET",
        "/widget/{widgetId}/challenge",
        "A new challenge for the page, if the service has a captcha of its own for the widget",
        ChallengeResponse,
        unguarded=True,
    ),
    Call("send", "POST", "/", "Begin a verification", SendResponse, body=SendRequest),
    Call("getChannel", "GET", "/{requestId}/channel", "The current channel", ChannelResponse),
    Call(
        "getChannelLongPolling",
        "GET",
        "/longPolling/{requestId}/channel",
        "The current channel, once there is something new to read",
        ChannelResponse,
        query=(_SINCE,),
    ),
    Call(
        "getStatus",
        "GET",
        "/{requestId}/status",
        "Whether the recipient is proven",
        SuccessResponse,
        query=(_RECIPIENT, _SINCE),
    ),
    Call(
        "getStatusLongPolling",
        "GET",
        "/longPolling/{requestId}/status",
        "Answers once the recipient is proven",
        SuccessResponse,
        query=(_RECIPIENT, _SINCE),
    ),
    Call(
        "checkCode",
        "POST",
        "/{requestId}/checkCode",
        "Check the code that a person typed",
        SuccessResponse,
        body=CheckCodeRequest,
    ),
    Call(
        "checkStatusAndComplete",
        "POST",
        "/{requestId}/checkStatusAndComplete",
        "Collect the verdict: true to one caller, once",
        SuccessResponse,
        query=(_RECIPIENT, ("widgetId", False)),
        completes=True,
    ),
    Call(
        "complete",
        "POST",
        "/{requestId}/complete",
        "Collect the verdict without asking why there is none",
        SuccessResponse,
        query=(("recipient", False),),
        completes=True,
    ),
    Call(
        "resend",
        "POST",
        "/{requestId}/resend",
        "Restart the channel, or start the next one",
        SuccessResponse,
        body=ResendRequest,
        body_required=False,
    ),
    Call(
        "cancel", "POST", "/{requestId}/cancel", "Give an unconfirmed session up", SuccessResponse
    ),
)
