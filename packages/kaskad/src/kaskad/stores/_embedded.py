"""The store port over live state, without making anything durable."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import count

from kaskad.app.ports import Change, Claim, Committed, DeadLetter, ReadMarks, Remembered, Verdict
from kaskad.core.limits import Window
from kaskad.core.model import Session
from kaskad.stores._letters import Letters
from kaskad.stores._live import LiveState, Reservation


class EmbeddedStore:
    """:class:`kaskad.app.ports.Store` for one process; see there what each method promises."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._live = LiveState(now)
        self._letters = Letters()
        self._numbered = count(1)

    async def load(self, session_id: str) -> Session | None:
        """The session, if there is one."""
        return self._live.sessions.get(session_id)

    async def commit(self, change: Change) -> Verdict:
        """Apply a change, or say what it fails on."""
        held = self._live.reserve(change)
        if not isinstance(held, Reservation):
            return held
        self._live.settle(held)
        return Committed()

    async def take(self, subject: str, windows: Sequence[Window], now: datetime) -> int | None:
        """Count a hit if there is room."""
        return self._live.room(subject, windows, now)

    async def wait(self, subject: str, windows: Sequence[Window], now: datetime) -> int | None:
        """The seconds until there is room."""
        return self._live.wait(subject, windows, now)

    async def remembered(self, key: bytes, now: datetime) -> Remembered | None:
        """What an idempotency key answered."""
        return self._live.remembered(key, now)

    async def claim(self, lane: str, *, limit: int, lease_s: float, now: datetime) -> list[Claim]:
        """Lease due jobs."""
        return self._live.claim(lane, limit, lease_s, now)

    async def extend(self, claims: Sequence[Claim], *, lease_s: float, now: datetime) -> None:
        """Hold claims longer."""
        self._live.extend(claims, lease_s, now)

    async def release(self, claim: Claim, *, due_at: datetime) -> bool:
        """Give a job back, if the claim still holds it."""
        return self._live.release(claim, due_at)

    async def lanes(self) -> Mapping[str, datetime]:
        """When each lane has something to do."""
        return self._live.lanes()

    async def bury(self, letter: DeadLetter) -> None:
        """Keep a letter."""
        self._letters.add(next(self._numbered), letter)

    async def dead_letters(self, now: datetime) -> list[DeadLetter]:
        """The letters that are kept, newest first."""
        return self._letters.newest_first(now)

    async def due(self, now: datetime, limit: int) -> list[str]:
        """Sessions whose deadline has come."""
        return self._live.due(now, limit)

    async def next_due(self) -> datetime | None:
        """The earliest deadline."""
        return self._live.next_due()

    async def marks(self, session_id: str) -> ReadMarks:
        """What readers have seen."""
        return self._live.marks(session_id)

    async def mark(self, session_id: str, marks: ReadMarks) -> None:
        """Remember what readers have seen."""
        self._live.mark(session_id, marks)

    async def purge(self, now: datetime) -> int:
        """Forget what no rule needs."""
        self._letters.forget(now)
        purged = self._live.purge(now)
        return purged.records

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Tell the listener of every change."""
        self._live.subscribe(listener)

    def sizes(self) -> dict[str, int]:
        """How many records of each kind there are."""
        return self._live.sizes()

    async def check(self) -> None:
        """Memory is always there."""

    async def close(self) -> None:
        """Nothing to let go of."""
