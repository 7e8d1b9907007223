"""What a client tells its listeners of a verification, and how a listener stops listening.

``OtpEvent`` is any of the events. Listeners get them one after the other.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from kaskad_sdk.errors import OtpException
from kaskad_sdk.models import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChangedEvent:
    """A page has something new to draw: the first channel, another one, another state of it."""

    request_id: str
    recipient: str | None
    """The number that the listener means, if it named one or the client sent to it."""
    channel: Channel
    previous: Channel | None = None
    """What the listeners were last told; ``None`` for the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessConfirmationEvent:
    """The number is proven: collect the verdict with ``check_status_and_complete``.

    Where the client knows the ``recipient``, it has asked whether it is that number.
    """

    request_id: str
    recipient: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendChannelEvent:
    """The current message has had its time: offer to call ``resend``. Listening goes on."""

    request_id: str
    recipient: str | None
    error: OtpException


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent:
    """Nothing more will be told: the verification is over, or the service out of reach."""

    request_id: str
    recipient: str | None
    error: OtpException


OtpEvent: TypeAlias = (
    ChannelChangedEvent | SuccessConfirmationEvent | ResendChannelEvent | ErrorEvent
)
"""Any of the four."""

E = TypeVar("E", bound=OtpEvent)
AsyncListener: TypeAlias = Callable[[E], Awaitable[None] | None]
"""Gets events one after the other; may be a coroutine function, and is then awaited."""
Listener: TypeAlias = Callable[[E], None]
"""Gets events one after the other, on the thread that polls."""


class Subscription:
    """A listener's place. The poll ends with the last one of its verification."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end: Callable[[], None] | None = end

    def unsubscribe(self) -> None:
        """Hear no more; harmless when that has happened.

        A listener that is at work is not cut off, be it the one that calls this.
        """
        end, self._end = self._end, None
        if end is not None:
            end()
