"""The public API's bodies, in the names of the wire."""

from datetime import datetime
from typing import Annotated

import msgspec

from kaskad.core.model import ChannelType, CodeType, Widget
from kaskad.core.view import View

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class SendRequest(msgspec.Struct, kw_only=True):
    """Whom to verify with which widget."""

    widgetId: str
    recipient: Annotated[str, msgspec.Meta(max_length=256)]
    userIp: str | None = None
    captchaToken: Annotated[str, msgspec.Meta(max_length=8192)] | None = None
    locale: (
        Annotated[
            str, msgspec.Meta(max_length=35, pattern="^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$")
        ]
        | None
    ) = None
    email: Annotated[str, msgspec.Meta(max_length=254, pattern="^[^@\\s]+@[^@\\s]+$")] | None = None


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
    """What a resend would do: ``restart`` this channel or start another ``channel``."""

    action: str
    type: ChannelType
    label: str


class Payload(msgspec.Struct, kw_only=True):
    """What a page needs to draw the channel."""

    now: datetime
    expiresAt: datetime
    resendAt: datetime | None
    next: NextMove | None
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


def widget_body(widget: Widget) -> WidgetResponse:
    """A widget on the wire."""
    return WidgetResponse(
        isBlocked=widget.blocked,
        isActive=widget.active,
        name=widget.name,
        captchaIsRequired=False,
    )


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


def _payload(view: View, now: datetime, *, english: bool) -> Payload:
    move = view.next
    payload = Payload(
        now=now,
        expiresAt=view.expires_at,
        resendAt=view.resend_at,
        next=NextMove(action=move.action, type=move.type, label=move.label) if move else None,
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
