"""Providers that behave as providers do: late, twice, in another order, or not at all."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Protocol

from kaskad.app.ports import (
    Busy,
    Driver,
    Message,
    Refusal,
    SendResult,
    Snapshot,
    Taken,
    Unknown,
)
from kaskad.app.timing import sleep
from kaskad.core.model import ChannelType, CodeType, ReportKind
from kaskad.testing import START, FakeClock
from packages.kaskad.tests.simulation.ledger import Ledger
from packages.kaskad.tests.simulation.story import Story, chance

Report = Callable[[str, int, ReportKind], bool]
"""Hands a report to the service; whether it was there to take it."""

FATES = ("take", "reject", "busy", "unsure", "break", "hang", "crawl")
LIKELY = (60, 10, 8, 6, 3, 5, 8)
VERDICTS = (ReportKind.CONFIRMED, ReportKind.CONFIRMED, ReportKind.DECLINED)
REDELIVERED_AFTER_S = (5, 30, 300)
OUTAGE_S, OUTAGES = 180.0, 0.2
"""How long an account is silent, and for which part of the time."""


class HasSnapshot(Protocol):
    """A catalogue, as far as carriers look."""

    @property
    def snapshot(self) -> Snapshot: ...


class Carriers:
    """Every account that is configured; the seed and its name decide what becomes of a message."""

    def __init__(
        self, seed: int, catalog: HasSnapshot, clock: FakeClock, ledger: Ledger, story: Story
    ) -> None:
        self._seed = seed
        self._catalog = catalog
        self._clock = clock
        self._ledger = ledger
        self._story = story
        self.report: Report = lambda *_: False
        self.phones: dict[str, list[Message]] = {}
        self._tries: Counter[tuple[str, int]] = Counter()

    def get(self, tenant: str, provider: str) -> Driver | None:
        return self if (tenant, provider) in self._catalog.snapshot.providers else None

    async def close(self) -> None:
        pass

    async def send(self, message: Message) -> SendResult:
        key = message.session, message.launch
        self._tries[key] += 1
        name = self._ledger.name(message.session)
        dice = chance(self._seed, "message", name, message.launch, self._tries[key])
        fate = "hang" if self._is_out(message.type) else dice.choices(FATES, LIKELY)[0]
        self._story.tell(name, f"message {message.launch} ({message.type}) to a provider: {fate}")
        self._ledger.hand_over(message)
        if (
            fate not in {"reject", "busy"}
            and not self._is_out(message.type)
            and dice.random() < 0.9
        ):
            self._carry(message, dice)
        await sleep(self._clock, 20.0 if fate == "crawl" else dice.expovariate(2))
        return await self._answer(message, fate, dice)

    def _is_out(self, kind: ChannelType) -> bool:
        """Whether the account of a type of channel is silent at this moment."""
        period = (self._clock.now() - START).total_seconds() // OUTAGE_S
        return chance(self._seed, "outage", kind, period).random() < OUTAGES

    async def _answer(self, message: Message, fate: str, dice: Random) -> SendResult:
        match fate:
            case "reject":
                return Refusal(reason="no such number", ours=dice.random() < 0.1)
            case "busy":
                self._ledger.again[message.session, message.launch] += 1
                return Busy(reason="slow down", retry_after_s=dice.choice([None, 0, 2, 60]))
            case "unsure":
                idempotent = dice.random() < 0.5
                self._ledger.again[message.session, message.launch] += idempotent
                return Unknown(reason="reset", idempotent=idempotent)
            case "break":
                raise ConnectionError("broken pipe")
            case "hang":
                await asyncio.Event().wait()
        if message.type is ChannelType.FLASHCALL and dice.random() < 0.5:
            return Taken(code=f"{dice.randrange(10**4):04}")
        turned = CodeType.CODELESS if dice.random() < 0.03 else None
        return Taken(provider_id=message.reference, code_type=turned)

    # --- what happens after, or before, the answer

    def _carry(self, message: Message, dice: Random) -> None:
        """The message gets to the phone, and reports are on their way: each at its own time."""
        self._later(dice.expovariate(1 / 3), lambda: self._ring(message))
        kinds = [dice.choices((ReportKind.DELIVERED, ReportKind.UNDELIVERED), (8, 2))[0]]
        if message.code is None and dice.random() < 0.6:
            kinds.append(dice.choice(VERDICTS))
        kinds += [kind for kind in kinds if dice.random() < 0.2]
        for kind in kinds:
            if dice.random() < 0.85:
                late = dice.random() < 0.05
                after = dice.uniform(600, 5000) if late else dice.expovariate(1 / 6)
                self._later(after, self._teller(message, message.launch, kind))
        if dice.random() < 0.02:
            self._later(1.0, self._teller(message, 77, ReportKind.CONFIRMED))

    def _ring(self, message: Message) -> None:
        self._story.tell(self._ledger.name(message.session), f"message {message.launch} is there")
        self.phones.setdefault(message.recipient, []).append(message)

    def _teller(self, message: Message, launch: int, kind: ReportKind) -> Callable[[], None]:
        def tell(tried: int = 0) -> None:
            told = self.report(message.session, launch, kind)
            word = "reported" if told else "nobody there to report"
            self._story.tell(self._ledger.name(message.session), f"{word} {launch} {kind}")
            if not told and tried < len(REDELIVERED_AFTER_S):
                self._later(REDELIVERED_AFTER_S[tried], lambda: tell(tried + 1))

        return tell

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        self._clock.call_at(self._clock.now() + timedelta(seconds=seconds), what)
