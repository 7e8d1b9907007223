"""The public API's calls as data: paths, methods, and every error that each may answer.

The router, the OpenAPI document, the reference docs and the tests all read this
table, so none of them can say something else.
"""

from typing import Final, NamedTuple

import msgspec

from kaskad.core import errors as e
from kaskad.http.handler import wire

BASE: Final = "/api/n/otp-handler"
PAGE_BASE: Final = "/sdk"

_ALWAYS: Final = (
    e.ValidateError,
    e.UnauthorizedException,
    e.RateLimitException,
    e.InternalServerErrorException,
    e.ServiceUnavailableException,
)
_SESSION: Final = (e.ForbiddenException, e.SessionNotFoundException)
_OVER: Final = (
    e.ResendChannelException,
    e.AttemptsExpiredException,
    e.NoAvailableChannelsException,
)


class Parameter(NamedTuple):
    """A parameter of the query."""

    name: str
    required: bool
    what: str


class Route(NamedTuple):
    """One call."""

    name: str
    method: str
    path: str
    status: int
    summary: str
    answer: type[msgspec.Struct] | None
    errors: tuple[type[e.KaskadError], ...]
    body: type[msgspec.Struct] | None = None
    body_required: bool = True
    query: tuple[Parameter, ...] = ()
    etag: bool = False
    idempotent: bool = False
    for_pages: bool = True

    @property
    def all_errors(self) -> tuple[type[e.KaskadError], ...]:
        """What the call may answer besides its success."""
        return (*self.errors, *_ALWAYS)

    @property
    def page_body(self) -> type[msgspec.Struct] | None:
        """The body as pages may send it."""
        return wire.PageSendRequest if self.body is wire.SendRequest else self.body

    @property
    def page_errors(self) -> tuple[type[e.KaskadError], ...]:
        """The same for a page, which has no token that could be wrong."""
        return tuple(error for error in self.all_errors if error is not e.UnauthorizedException)


_RECIPIENT = Parameter("recipient", True, "The number that the session verifies, in any form")
_MAYBE_RECIPIENT = _RECIPIENT._replace(required=False)
_SINCE = Parameter("since", False, "The view version (ETag) that the caller has drawn")
_WIDGET = Parameter("widgetId", False, "The widget that the session must belong to")
_USER_IP = Parameter("userIp", False, "The person's address; not read from pages")

ROUTES: Final[tuple[Route, ...]] = (
    Route(
        name="getWidget",
        method="GET",
        path="/widget/{widgetId}",
        status=200,
        summary="What a page needs to know of a widget",
        answer=wire.WidgetResponse,
        errors=(e.ForbiddenException, e.WidgetNotFoundException),
        query=(_USER_IP,),
    ),
    Route(
        name="getChallenge",
        method="GET",
        path="/widget/{widgetId}/challenge",
        status=200,
        summary="A new challenge for the page, if the widget has a captcha of our own",
        answer=wire.ChallengeResponse,
        errors=(e.ForbiddenException, e.WidgetNotFoundException, e.NotFoundException),
    ),
    Route(
        name="send",
        method="POST",
        path="/",
        status=201,
        summary="Begin a verification",
        answer=wire.SendResponse,
        errors=(
            e.NoAvailableChannelsException,
            e.CaptchaNotConfirmedException,
            e.WidgetIsBlockedException,
            e.ForbiddenException,
            e.WidgetNotFoundException,
        ),
        body=wire.SendRequest,
        idempotent=True,
    ),
    Route(
        name="getChannel",
        method="GET",
        path="/{requestId}/channel",
        status=200,
        summary="The current channel",
        answer=wire.ChannelResponse,
        errors=(*_OVER, e.SessionClosedException, *_SESSION),
        etag=True,
    ),
    Route(
        name="getChannelLongPolling",
        method="GET",
        path="/longPolling/{requestId}/channel",
        status=200,
        summary="The current channel, once there is something new to read",
        answer=wire.ChannelResponse,
        errors=(*_OVER, e.SessionClosedException, *_SESSION, e.LongPollingTimeoutException),
        query=(_SINCE,),
        etag=True,
    ),
    Route(
        name="getStatus",
        method="GET",
        path="/{requestId}/status",
        status=200,
        summary="Whether the recipient is proven",
        answer=wire.SuccessResponse,
        errors=(
            *_OVER,
            e.SessionClosedException,
            e.ChannelChangedException,
            *_SESSION,
            e.PhoneNumberMismatchException,
        ),
        query=(_RECIPIENT, _SINCE),
    ),
    Route(
        name="getStatusLongPolling",
        method="GET",
        path="/longPolling/{requestId}/status",
        status=200,
        summary="Answers once the recipient is proven",
        answer=wire.SuccessResponse,
        errors=(
            *_OVER,
            e.SessionClosedException,
            e.ChannelChangedException,
            *_SESSION,
            e.LongPollingTimeoutException,
            e.PhoneNumberMismatchException,
        ),
        query=(_RECIPIENT, _SINCE),
    ),
    Route(
        name="checkCode",
        method="POST",
        path="/{requestId}/checkCode",
        status=201,
        summary="Check the code that a person typed",
        answer=wire.SuccessResponse,
        errors=(
            *_OVER,
            e.SessionClosedException,
            e.InvalidCodeException,
            e.IsCodelessChannelException,
            *_SESSION,
        ),
        body=wire.CheckCodeRequest,
    ),
    Route(
        name="checkStatusAndComplete",
        method="POST",
        path="/{requestId}/checkStatusAndComplete",
        status=201,
        summary="Collect the verdict: true to one caller, once",
        answer=wire.SuccessResponse,
        errors=(*_OVER, *_SESSION, e.PhoneNumberMismatchException),
        query=(_RECIPIENT, _WIDGET),
        for_pages=False,
    ),
    Route(
        name="complete",
        method="POST",
        path="/{requestId}/complete",
        status=201,
        summary="Collect the verdict without asking why there is none",
        answer=wire.SuccessResponse,
        errors=_SESSION,
        query=(_MAYBE_RECIPIENT,),
        for_pages=False,
    ),
    Route(
        name="resend",
        method="POST",
        path="/{requestId}/resend",
        status=201,
        summary="Restart the channel, or start the next one",
        answer=wire.SuccessResponse,
        errors=(
            *_OVER,
            *_SESSION,
            e.RestartCooldownActiveException,
            e.SessionAlreadyConfirmedException,
        ),
        body=wire.ResendRequest,
        body_required=False,
        idempotent=True,
    ),
    Route(
        name="cancel",
        method="POST",
        path="/{requestId}/cancel",
        status=201,
        summary="Give an unconfirmed session up",
        answer=wire.SuccessResponse,
        errors=_SESSION,
    ),
    Route(
        name="events",
        method="GET",
        path="/{requestId}/events",
        status=200,
        summary="The current channel as Server-Sent Events",
        answer=None,
        errors=_SESSION,
        query=(_SINCE,),
    ),
)
