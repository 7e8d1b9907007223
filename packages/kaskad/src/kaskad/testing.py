"""Fakes that we own: a clock that is moved by hand, chance from a seed, a fixed catalogue."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count

from kaskad.app.ports import Finding, Judgement, Snapshot
from kaskad.core.model import Widget

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class FakeTimer:
    """A callback of a :class:`FakeClock`."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget it."""
        self.callback = None


class FakeClock:
    """Time that passes only in :meth:`advance`.

    ``settled`` returns once every task waits for time; a test whose tasks wait
    for something real as well (a disk) puts one there that waits for that too.
    """

    def __init__(self, at: datetime = START) -> None:
        self.settled: Callable[[], Awaitable[None]] = settle
        self._now = at
        self._timers: list[tuple[datetime, int, FakeTimer]] = []
        self._order = count()

    def now(self) -> datetime:
        """The time."""
        return self._now

    def call_at(self, when: datetime, callback: Callable[[], None]) -> FakeTimer:
        """Call back once the time has been moved there."""
        timer = FakeTimer(callback)
        heappush(self._timers, (when, next(self._order), timer))
        return timer

    @property
    def timers(self) -> int:
        """How many callbacks have been asked for, and neither run nor forgotten."""
        return sum(timer.callback is not None for _, _, timer in self._timers)

    async def advance(self, seconds: float = 0.0) -> None:
        """Move the time; timers fire in order, and tasks run until they wait again."""
        until = self._now + timedelta(seconds=seconds)
        await self.settled()
        while self._timers and self._timers[0][0] <= until:
            at, _, timer = heappop(self._timers)
            if timer.callback is None:
                continue
            self._now = max(self._now, at)
            timer.callback()
            await self.settled()
        self._now = until
        await self.settled()

    async def leap(self, seconds: float) -> None:
        """Move the time in one go, as a machine that was suspended sees it.

        Timers that came due meanwhile fire late, all of them at the new time.
        """
        await self.settled()
        self._now += timedelta(seconds=seconds)
        await self.advance()

    async def until(self, done: Callable[[], bool], *, within: float = 3600.0) -> None:
        """Move from timer to timer until something holds; fails when it never does."""
        await self.settled()
        limit = self._now + timedelta(seconds=within)
        while not done():
            pending = [at for at, _, timer in self._timers if timer.callback is not None]
            if not pending or min(pending) > limit:
                raise TimeoutError
            await self.advance(max(0.0, (min(pending) - self._now).total_seconds()))


async def settle(rounds: int = 50) -> None:
    """Let every task run until it waits for something that only time can bring."""
    for _ in range(rounds):
        await asyncio.sleep(0)


class FakeEntropy:
    """Chance that a seed repeats."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311  # tests want the same chance again

    def uuid(self) -> str:
        """The next UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def token(self, size: int) -> bytes:
        """The next bytes."""
        return self._random.randbytes(size)

    def jitter(self) -> float:
        """The next number in [0, 1)."""
        return self._random.random()


class FixedCatalog:
    """:class:`kaskad.app.ports.Catalog` that holds what it is given."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.used: dict[str, datetime] = {}
        self.rows: list[tuple[str, str, str, str]] = []

    async def note_token_use(self, used: Mapping[str, datetime]) -> None:
        """Remember the last uses."""
        self.used |= used

    async def audit(
        self, *, tenant: str, actor: str, action: str, subject: str, at: datetime
    ) -> None:
        """Keep a row."""
        self.rows.append((tenant, actor, action, subject))


class FakeCaptchas:
    """:class:`kaskad.app.ports.Captchas` whose good tokens are those that begin with ``good``."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.trouble = ""
        self.misset = False

    async def judge(self, widget: Widget, token: str, address: str) -> Judgement:
        """Let tasks go first, as asking somebody does."""
        self.asked.append((token, address))
        await asyncio.sleep(0)
        if self.trouble:
            return Judgement(finding=Finding.UNAVAILABLE, reason=self.trouble)
        if not token.startswith("good"):
            return Judgement(finding=Finding.REFUSED, reason="not solved", misset=self.misset)
        return Judgement(finding=Finding.PASSED, key=f"fake:{token}")

    async def challenge(self, widget: Widget) -> Mapping[str, object] | None:
        """None of ours."""
        return None
