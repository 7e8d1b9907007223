"""Verify that a person holds a phone number: the back end's side of kaskad."""

from typing import TYPE_CHECKING

from kaskad_sdk._version import __version__
from kaskad_sdk.errors import (
    AttempsExpiredException,
    AttemptsExpiredException,
    CaptchaNotConfirmedException,
    ChannelChangedException,
    CommonForbiddenException,
    ForbiddenException,
    FormIsBlockedException,
    FormNotFoundException,
    InternalServerErrorException,
    InvalidCodeException,
    IsCodelessChannelException,
    LongPollingTimeoutException,
    MethodNotAllowedException,
    NoAvailableChannelsException,
    NoConnectionException,
    NotFoundException,
    OtpException,
    PhoneNumberMismatchException,
    RateLimitException,
    RequestNotFoundException,
    ResendChannelException,
    RestartCooldownActiveException,
    ServiceUnavailableException,
    SessionAlreadyConfirmedException,
    SessionClosedException,
    SessionNotFoundException,
    SessionTimeoutException,
    UnauthorizedException,
    ValidateError,
    WidgetIsBlockedException,
    WidgetNotFoundException,
)
from kaskad_sdk.events import (
    ChannelChangedEvent,
    ErrorEvent,
    OtpEvent,
    ResendChannelEvent,
    Subscription,
    SuccessConfirmationEvent,
)
from kaskad_sdk.models import (
    Channel,
    ChannelPayload,
    ChannelSettings,
    ChannelStatus,
    ChannelType,
    CodeForm,
    CodeType,
    NextMove,
    SendData,
    StatusData,
    WidgetData,
)

if TYPE_CHECKING:
    from kaskad_sdk.client import AsyncOtpClient, OtpClient

__all__ = [
    "AsyncOtpClient",
    "AttempsExpiredException",
    "AttemptsExpiredException",
    "CaptchaNotConfirmedException",
    "Channel",
    "ChannelChangedEvent",
    "ChannelChangedException",
    "ChannelPayload",
    "ChannelSettings",
    "ChannelStatus",
    "ChannelType",
    "CodeForm",
    "CodeType",
    "CommonForbiddenException",
    "ErrorEvent",
    "ForbiddenException",
    "FormIsBlockedException",
    "FormNotFoundException",
    "InternalServerErrorException",
    "InvalidCodeException",
    "IsCodelessChannelException",
    "LongPollingTimeoutException",
    "MethodNotAllowedException",
    "NextMove",
    "NoAvailableChannelsException",
    "NoConnectionException",
    "NotFoundException",
    "OtpClient",
    "OtpEvent",
    "OtpException",
    "PhoneNumberMismatchException",
    "RateLimitException",
    "RequestNotFoundException",
    "ResendChannelEvent",
    "ResendChannelException",
    "RestartCooldownActiveException",
    "SendData",
    "ServiceUnavailableException",
    "SessionAlreadyConfirmedException",
    "SessionClosedException",
    "SessionNotFoundException",
    "SessionTimeoutException",
    "StatusData",
    "Subscription",
    "SuccessConfirmationEvent",
    "UnauthorizedException",
    "ValidateError",
    "WidgetData",
    "WidgetIsBlockedException",
    "WidgetNotFoundException",
    "__version__",
]


def __getattr__(name: str) -> object:
    """The clients bring an HTTP client along, and so are loaded only when they are asked for."""
    if name in {"AsyncOtpClient", "OtpClient"}:
        from kaskad_sdk import client  # noqa: PLC0415

        found: object = getattr(client, name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
