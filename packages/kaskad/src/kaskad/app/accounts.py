"""Which accounts are at work and which rest, and what their answers say of them.

The rules of resting are in :mod:`kaskad.app.breaker`. What counts as a failure
is decided here: no answer in time, an answer that leaves open what became of the
message, and a refusal that is our account's fault. Who is busy and says for how
long is at work: a rate limit is no trouble, and the pauses between tries heed
it. Who is busy without a word fails once the message is given up over it, or
when the account was just being tried out.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

import structlog

from kaskad.app.breaker import UNTROUBLED, Breaker, Health, Pass, Rested, Returned
from kaskad.app.engine import Engine
from kaskad.app.ports import (
    Busy,
    Catalog,
    Driver,
    Drivers,
    Entropy,
    Job,
    Refusal,
    SendResult,
    Taken,
    Telemetry,
    Timer,
)
from kaskad.core.cascade import further_channels, lane_of
from kaskad.core.model import Session

log = structlog.get_logger()

PLACES_AT_REST = 32
"""Of an account's places, how many may be held at a time by messages that go to it although it
rests. The others stay free for those that are only passed on."""
SILENCE = "no answer in time"
A_LITTLE_S = 0.05
"""Timers may fire a millisecond early, and then the rest would not be over yet."""


class Accounts:
    """Lets messages to their accounts, or sends them another way."""

    def __init__(
        self,
        *,
        engine: Engine,
        catalog: Catalog,
        drivers: Drivers,
        entropy: Entropy,
        telemetry: Telemetry,
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._drivers = drivers
        self._telemetry = telemetry
        self._clock = engine.clock
        self._breaker = Breaker(entropy.jitter, self._told)
        self._snapshot = catalog.snapshot
        self._in_vain: Counter[str] = Counter()
        self._standing_by: dict[str, dict[asyncio.Event, None]] = {}
        self._rest_ends: dict[str, Timer] = {}

    def admit(self, session: Session, job: Job, driver: Driver) -> Pass | None:
        """Leave to hand the current launch's message over; ``None`` if it shall go another way."""
        if job.lane not in self._breaker:
            return UNTROUBLED
        given = self._breaker.admit(
            job.lane,
            driver,
            self._clock.now(),
            until=job.expires_at,
            elsewhere=lambda: self._leads_elsewhere(session, job),
        )
        if given is None:
            self._telemetry.passed_over(job.lane)
        return given

    def _leads_elsewhere(self, session: Session, job: Job) -> bool:
        """Whether the cascade goes on to an account that does not rest, unlike the message's own.

        Not for a message that the provider may have from an earlier try: that would be
        denied by saying that it was not handed over.
        """
        if job.doubtful:
            return False
        cascade = self._engine.context(session.widget).cascade
        providers = self._catalog.snapshot.providers
        return any(
            (session.tenant, channel.provider) in providers
            and not self._breaker.rests(lane_of(session.tenant, channel.provider))
            for channel in further_channels(session, cascade, self._clock.now())
        )

    # --- places of those that go to an account at rest ----------------------------------

    def is_crowded(self, lane: str) -> bool:
        """Whether all of those places are taken."""
        return self._in_vain[lane] >= PLACES_AT_REST

    @contextlib.contextmanager
    def place(self, lane: str) -> Iterator[None]:
        """Hold such a place; afterwards it is for whoever has been waiting longest."""
        self._in_vain[lane] += 1
        try:
            yield
        finally:
            self._in_vain[lane] -= 1
            if not self._in_vain[lane]:
                del self._in_vain[lane]
            self._call_up(lane, 1)

    async def stand_by(self, lane: str, until: datetime) -> None:
        """Wait until there may be a place, or the account is back; no longer than that."""
        called = asyncio.Event()
        waiting = self._standing_by.setdefault(lane, {})
        waiting[called] = None
        timer = self._clock.call_at(until, called.set)
        try:
            await called.wait()
        finally:
            timer.cancel()
            waiting.pop(called, None)
            if not waiting and self._standing_by.get(lane) is waiting:
                del self._standing_by[lane]

    def make_use(self, lane: str) -> None:
        """Call whoever has been waiting longest, if there is a place.

        For those who were called themselves and did not take it.
        """
        if not self.is_crowded(lane):
            self._call_up(lane, 1)

    def _call_up(self, lane: str, most: int | None = None) -> None:
        waiting = self._standing_by.get(lane, {})
        for called in list(islice(waiting, most)):
            del waiting[called]
            called.set()

    # --- what answers say ---------------------------------------------------------------

    def heard(
        self,
        session: Session,
        job: Job,
        driver: Driver,
        given: Pass,
        result: SendResult | None,
        *,
        given_up: bool,
    ) -> None:
        """Take note of a result, ``None`` being silence; ``given_up``: for good, as nobody took it.

        A failure is nobody's once the account has other settings.
        """
        if type(result) is Taken and job.lane not in self._breaker:
            return  # as nearly always
        health = _health(result, given_up=given_up, trial=given.trial != 0)
        why = ""
        if health is Health.ILL:
            if self._driver(session.tenant, session.launch.provider) is not driver:
                return
            why = SILENCE if result is None else getattr(result, "reason", "")
        self._breaker.heard(job.lane, driver, given, health, self._clock.now(), why)

    def _told(self, lane: str, word: Rested | Returned) -> None:
        if lane in self._rest_ends:
            self._rest_ends.pop(lane).cancel()
        match word:
            case Rested(seconds=seconds, why=why, again=again):
                tell = log.info if again else log.warning
                tell("provider rests", provider=lane, why=why, for_s=round(seconds, 1))
                self._telemetry.resting(lane, begins=True)
                self._call_one_after(seconds, lane)
            case Returned(why=why):
                log.info("provider is back", provider=lane, why=why)
                self._telemetry.resting(lane, begins=False)
                self._call_up(lane)

    def _call_one_after(self, rest_s: float, lane: str) -> None:
        """Who waits for a place tries the account out as well: perhaps nobody else comes."""
        over_at = self._clock.now() + timedelta(seconds=rest_s + A_LITTLE_S)
        self._rest_ends[lane] = self._clock.call_at(over_at, lambda: self._call_up(lane, 1))

    # --- accounts that change -----------------------------------------------------------

    def follow(self) -> None:
        """Let go of what is known of accounts that have other settings now, or are gone."""
        snapshot = self._catalog.snapshot
        if snapshot is self._snapshot:
            return
        self._snapshot = snapshot
        known = {lane_of(*key): key for key in snapshot.providers}
        lanes = self._breaker.lanes()
        self._breaker.keep({x: self._driver(*known[x]) for x in lanes if x in known})

    def _driver(self, tenant: str, provider: str) -> Driver | None:
        try:
            return self._drivers.get(tenant, provider)
        except Exception:  # settings of which no driver can be made: whoever sends is told
            return None


def wish_of(busy: Busy) -> float | None:
    """After how many seconds to come back, if the provider said so."""
    wished = busy.retry_after_s
    return wished if wished is not None and wished >= 0 else None  # not so for what is no number


def _health(result: SendResult | None, *, given_up: bool, trial: bool) -> Health:
    match result:
        case Taken() | Refusal(ours=False):
            return Health.WELL
        case Busy() if wish_of(result) is not None or not (given_up or trial):
            return Health.UNTOLD
        case _:
            return Health.ILL
