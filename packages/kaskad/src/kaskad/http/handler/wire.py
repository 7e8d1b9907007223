"""The public API's bodies, in the names of the wire."""

from datetime import datetime
from typing import Annotated

import msgspec

from kaskad.core import model
from kaskad.core.model import CaptchaProvider, ChannelType, CodeType, Widget
from kaskad.core.view import View

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


END = r"$(?!\n)"
"""In Python alone a ``$`` lets a line break follow."""

Number = Annotated[str, msgspec.Meta(max_length=256)]
CaptchaToken = Annotated[str, msgspec.Meta(max_length=8192)]
Locale = Annotated[
    str, msgspec.Meta(max_length=35, pattern=f"^[A-Za-z]{{2,8}}([-_][A-Za-z0-9]{{1,8}})*{END}")
]


class PageSendRequest(msgspec.Struct, kw_only=True):
    """What a page may ask for; whatever else it sends is not read."""

    widgetId: str
    recipient: Number
    captchaToken: CaptchaToken | None = None
    locale: Locale | None = None


class SendRequest(msgspec.Struct, kw_only=True):
    """Whom to verify with which widget."""

    widgetId: str
    recipient: Number
    userIp: str | None = None
    captchaToken: CaptchaToken | None = None
    locale: Locale | None = None
    email: (
        Annotated[str, msgspec.Meta(max_length=254, pattern=f"^[^@\\s]+@[^@\\s]+{END}")] | None
    ) = None


class SendResponse(msgspec.Struct, kw_only=True):
    """The session that was begun."""

    requestId: str
    recipient: str


class CheckCodeRequest(msgspec.Struct, kw_only=True):
    """What the person typed."""

    code: Text


class ResendRequest(msgspec.Struct, kw_only=True):
    """``next`` asks for another way instead of a restart."""

    next: bool = False


class SuccessResponse(msgspec.Struct, kw_only=True):
    """Whether it is so."""

    success: bool


class WidgetResponse(msgspec.Struct, kw_only=True):
    """What a page needs to know of a widget."""

    isBlocked: bool
    isActive: bool
    name: str
    captchaIsRequired: bool
    captchaProvider: CaptchaProvider | msgspec.UnsetType = msgspec.UNSET
    captchaSiteKey: str | msgspec.UnsetType = msgspec.UNSET
    captchaVersion: int | msgspec.UnsetType = msgspec.UNSET
    captchaAction: str | msgspec.UnsetType = msgspec.UNSET
    captchaChallengeUrl: str | msgspec.UnsetType = msgspec.UNSET


class ChallengeResponse(msgspec.Struct, kw_only=True):
    """A piece of work for Altcha in a page, in its own names."""

    algorithm: str
    challenge: str
    maxnumber: int
    salt: str
    signature: str


class CodeForm(msgspec.Struct, kw_only=True):
    """How a code looks."""

    length: int
    beautify: bool


class Settings(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The current launch's settings; durations in seconds, no ``code`` when codeless."""

    lifetime: int
    numberOfTries: int
    numberOfRestart: int
    restartCooldown: int
    code: CodeForm | None = None


class NextMove(msgspec.Struct, kw_only=True):
    """What a resend does: ``restart`` this channel or start another ``channel``."""

    action: str
    type: ChannelType
    label: str


class Payload(msgspec.Struct, kw_only=True):
    """What a page needs to draw the channel."""

    now: datetime
    expiresAt: datetime
    resendAt: datetime | None
    next: NextMove | None
    another: NextMove | None
    help: str | msgspec.UnsetType = msgspec.UNSET
    callerIdMask: str | msgspec.UnsetType = msgspec.UNSET


class ChannelResponse(msgspec.Struct, kw_only=True):
    """The current channel."""

    type: ChannelType
    status: str
    label: str
    codeType: CodeType
    payload: Payload
    settings: Settings
    remainingCodeAttempts: int


class ErrorPayload(msgspec.Struct, kw_only=True):
    """What each field should be, by its name; or the seconds until another try makes sense."""

    fields: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    retryAfter: Annotated[int, msgspec.Meta(ge=1)] | msgspec.UnsetType = msgspec.UNSET


class ErrorResponse(msgspec.Struct, kw_only=True):
    """Every refusal looks like this."""

    type: str
    message: str
    httpStatus: int
    payload: ErrorPayload | msgspec.UnsetType = msgspec.UNSET


def widget_body(widget: Widget, *, captcha_is_required: bool) -> WidgetResponse:
    """A widget on the wire. The challenge's address is relative to that of these calls."""
    body = WidgetResponse(
        isBlocked=widget.blocked,
        isActive=widget.active,
        name=widget.name,
        captchaIsRequired=captcha_is_required,
    )
    captcha = widget.captcha
    if captcha is not None:
        body.captchaProvider = captcha.provider
        body.captchaSiteKey = captcha.site_key
        if captcha.provider is CaptchaProvider.GOOGLE:
            body.captchaVersion = captcha.version
        body.captchaAction = captcha.action or msgspec.UNSET
        if captcha.provider is CaptchaProvider.ALTCHA:
            body.captchaChallengeUrl = f"widget/{widget.id}/challenge"
    return body


def channel_body(view: View, now: datetime, *, english: bool) -> ChannelResponse:
    """A view on the wire."""
    return ChannelResponse(
        type=view.type,
        status=view.status.value,
        label=view.label,
        codeType=view.code_type,
        payload=_payload(view, now, english=english),
        settings=_settings(view),
        remainingCodeAttempts=view.remaining_code_attempts,
    )


def _settings(view: View) -> Settings:
    settings = view.settings
    form = None
    if view.code_type is CodeType.CODE:
        form = CodeForm(length=settings.code_length, beautify=settings.beautify)
    return Settings(
        code=form,
        lifetime=settings.lifetime_s,
        numberOfTries=settings.number_of_tries,
        numberOfRestart=settings.number_of_restart,
        restartCooldown=settings.restart_cooldown_s,
    )


def _move(move: model.NextMove | None) -> NextMove | None:
    return NextMove(action=move.action, type=move.type, label=move.label) if move else None


def _payload(view: View, now: datetime, *, english: bool) -> Payload:
    payload = Payload(
        now=now,
        expiresAt=view.expires_at,
        resendAt=view.resend_at,
        next=_move(view.next),
        another=_move(view.another),
    )
    texts = _HELP.get(view.type)
    if texts is not None:
        payload.help = texts[english].format(length=view.settings.code_length)
    if view.type is ChannelType.FLASHCALL and view.code_type is CodeType.CODE:
        payload.callerIdMask = "+* *** ***" + " " + "_" * view.settings.code_length
    return payload


_HELP: dict[ChannelType, tuple[str, str]] = {
    ChannelType.FLASHCALL: (
        "Вам позвонят. Отвечать не нужно: код — последние {length} цифр номера, с которого звонят.",
        "You will get a call. Do not answer: the code is the last {length} digits of its number.",
    ),
    ChannelType.VOICE: (
        "Вам позвонят и продиктуют код.",
        "You will get a call that reads the code to you.",
    ),
    ChannelType.SIM_PUSH: (
        "На экране телефона появится запрос. Подтвердите его.",
        "A request will appear on the screen of your phone. Confirm it there.",
    ),
}
