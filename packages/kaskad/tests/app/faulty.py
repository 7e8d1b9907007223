"""A store that breaks, conflicts and waits as a test wants it to, around one that works."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from kaskad.app.ports import (
    Change,
    Claim,
    Conflict,
    DeadLetter,
    ReadMarks,
    Remembered,
    Store,
    StoreUnavailableError,
    Verdict,
)
from kaskad.core.limits import Window
from kaskad.core.model import Session
from kaskad.testing import settle


class FaultyStore:
    """:class:`kaskad.app.ports.Store`: hands everything on, unless told otherwise.

    A call that is ``broken`` is unavailable; ``defects`` says how often a call breaks in a way
    that no caller expects, with words that nobody may repeat.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.away = False
        self.broken: set[str] = set()
        self.defects: Counter[str] = Counter()
        self.conflicts = 0
        self.commits: list[Change] = []
        self.calls: list[str] = []
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def busy(self) -> bool:
        """Whether somebody waits for the store inside."""
        return self._under_way > 0

    @contextlib.contextmanager
    def _call(self, name: str) -> Iterator[None]:
        self.calls.append(name)
        if self.away or name in self.broken:
            raise StoreUnavailableError("away")
        if self.defects[name]:
            self.defects[name] -= 1
            raise ZeroDivisionError("+79001234567 123456")
        self._under_way += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def quiet(self) -> None:
        """Let every task run until it waits for time, and not for the disk."""
        await settle()
        while self._under_way:
            await self._idle.wait()
            await settle()

    # --- the port --------------------------------------------------------------------

    async def load(self, session_id: str) -> Session | None:
        with self._call("load"):
            return await self.inner.load(session_id)

    async def commit(self, change: Change) -> Verdict:
        with self._call("commit"):
            if self.conflicts:
                self.conflicts -= 1
                return Conflict()
            self.commits.append(change)
            return await self.inner.commit(change)

    async def take(self, subject: str, windows: Sequence[Window], now: datetime) -> int | None:
        with self._call("take"):
            return await self.inner.take(subject, windows, now)

    async def wait(self, subject: str, windows: Sequence[Window], now: datetime) -> int | None:
        with self._call("wait"):
            return await self.inner.wait(subject, windows, now)

    async def remembered(self, key: bytes, now: datetime) -> Remembered | None:
        with self._call("remembered"):
            return await self.inner.remembered(key, now)

    async def claim(self, lane: str, *, limit: int, lease_s: float, now: datetime) -> list[Claim]:
        with self._call("claim"):
            return await self.inner.claim(lane, limit=limit, lease_s=lease_s, now=now)

    async def extend(self, claims: Sequence[Claim], *, lease_s: float, now: datetime) -> None:
        with self._call("extend"):
            await self.inner.extend(claims, lease_s=lease_s, now=now)

    async def release(self, claim: Claim, *, due_at: datetime) -> bool:
        with self._call("release"):
            return await self.inner.release(claim, due_at=due_at)

    async def bury(self, letter: DeadLetter) -> None:
        with self._call("bury"):
            await self.inner.bury(letter)

    async def dead_letters(self, now: datetime) -> list[DeadLetter]:
        with self._call("dead_letters"):
            return await self.inner.dead_letters(now)

    async def lanes(self) -> Mapping[str, datetime]:
        with self._call("lanes"):
            return await self.inner.lanes()

    async def due(self, now: datetime, limit: int) -> list[str]:
        with self._call("due"):
            return await self.inner.due(now, limit)

    async def next_due(self) -> datetime | None:
        with self._call("next_due"):
            return await self.inner.next_due()

    async def marks(self, session_id: str) -> ReadMarks:
        with self._call("marks"):
            return await self.inner.marks(session_id)

    async def mark(self, session_id: str, marks: ReadMarks) -> None:
        with self._call("mark"):
            await self.inner.mark(session_id, marks)

    async def purge(self, now: datetime) -> int:
        with self._call("purge"):
            return await self.inner.purge(now)

    def sizes(self) -> Mapping[str, int]:
        return self.inner.sizes()

    def subscribe(self, listener: Callable[[str], None]) -> None:
        self.inner.subscribe(listener)

    async def check(self) -> None:
        with self._call("check"):
            await self.inner.check()

    async def close(self) -> None:
        await self.inner.close()
