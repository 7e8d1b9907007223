"""A provider that needs no account: what it delivers appears on the handset."""

import asyncio
from datetime import timedelta
from enum import StrEnum

import msgspec

from kaskad.app.inbox import Delivered, Inbox
from kaskad.app.ports import (
    Clock,
    Entropy,
    Message,
    Refusal,
    ReportSink,
    SendResult,
    Taken,
    Timer,
)
from kaskad.app.timing import sleep
from kaskad.core.model import ChannelType, ReportKind

VOICE_CALLER = "+78005550199"
FLASHCALL_PREFIX = "+78005550000"


class Outcome(StrEnum):
    """What becomes of every message of a simulated account."""

    DELIVER = "deliver"
    REJECT = "reject"
    UNDELIVERED = "undelivered"
    HANG = "hang"
    CONFIRM = "confirm"
    DECLINE = "decline"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``outcome``: what becomes of a message; ``delay``: seconds until it does."""

    outcome: Outcome = Outcome.DELIVER
    delay: float = 0.2


_LATER = {
    Outcome.UNDELIVERED: ReportKind.UNDELIVERED,
    Outcome.CONFIRM: ReportKind.CONFIRMED,
    Outcome.DECLINE: ReportKind.DECLINED,
}


class Simulator:
    """:class:`kaskad.app.ports.Driver` that plays a provider and a phone."""

    def __init__(
        self,
        settings: Settings,
        *,
        inbox: Inbox,
        reports: ReportSink,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._settings = settings
        self._inbox = inbox
        self._reports = reports
        self._clock = clock
        self._entropy = entropy
        self._timers: set[Timer] = set()

    async def send(self, message: Message) -> SendResult:
        """Do what the outcome says."""
        outcome = self._settings.outcome
        match outcome:
            case Outcome.DELIVER:
                await self._pause()
                self._deliver(message)
            case Outcome.REJECT:
                await self._pause()
                return Refusal(reason="the simulator rejects")
            case Outcome.HANG:
                await asyncio.Event().wait()
            case Outcome.CONFIRM | Outcome.DECLINE:
                self._later(message, _LATER[outcome], self._deliver(message))
            case Outcome.UNDELIVERED:
                self._later(message, _LATER[outcome], None)
        return Taken(provider_id=message.reference)

    async def _pause(self) -> None:
        if self._settings.delay > 0:
            await sleep(self._clock, self._settings.delay)

    def _deliver(self, message: Message) -> str:
        codeless = message.code is None
        message_id = self._entropy.uuid()
        self._inbox.put(
            Delivered(
                id=message_id,
                type=message.type,
                label=message.label,
                recipient=message.recipient,
                text=message.text,
                code=message.code,
                caller_id=caller_id(message.type, message.code),
                session=message.session,
                launch=message.launch,
                at=self._clock.now(),
            ),
            self._reports if codeless else None,
        )
        return message_id

    def _later(self, message: Message, kind: ReportKind, message_id: str | None) -> None:
        def happen() -> None:
            self._timers.discard(timer)
            if message_id is not None and message.code is None:
                word = "confirm" if kind is ReportKind.CONFIRMED else "decline"
                if not self._inbox.mark(message_id, word):
                    return  # the person has answered already
            self._reports(message.session, message.launch, kind, "the simulator says so")

        timer = self._clock.call_at(
            self._clock.now() + timedelta(seconds=self._settings.delay), happen
        )
        self._timers.add(timer)

    async def close(self) -> None:
        """Forget outcomes that have not come yet."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


def caller_id(kind: ChannelType, code: str | None) -> str | None:
    """The number that calls: of a flash call its last digits are the code."""
    if kind is ChannelType.FLASHCALL and code is not None:
        return FLASHCALL_PREFIX[: len(FLASHCALL_PREFIX) - len(code)] + code
    return VOICE_CALLER if kind is ChannelType.VOICE else None
