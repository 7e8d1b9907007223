"""Live sessions, jobs and limits in memory, and the rules of changing them.

Both embedded stores are built on it. A change goes in two halves: ``reserve``
checks everything that it rests on and holds its place, ``settle`` makes it
visible. Between them a store can make it durable; ``undo`` gives the place back.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from math import ceil

from msgspec.structs import replace

from kaskad.app.ports import (
    Change,
    Claim,
    Conflict,
    Duplicate,
    Fenced,
    Job,
    ReadMarks,
    Refused,
    Remembered,
)
from kaskad.core.effects import DropJob, PushJob, Take
from kaskad.core.limits import Window, wait_for_room
from kaskad.core.model import Session
from kaskad.core.view import wake_at

REDELIVER_AFTER = timedelta(seconds=1)
PURGED_AT_ONCE = 500

Key = tuple[str, int]


@dataclass(slots=True)
class Hits:
    """When a subject was hit, ascending, and for how long that matters."""

    times: list[datetime] = field(default_factory=list)
    span: timedelta = timedelta(0)

    def forget(self, now: datetime) -> None:
        """Drop what has left the longest window."""
        kept = next((i for i, at in enumerate(self.times) if at + self.span > now), None)
        del self.times[: len(self.times) if kept is None else kept]


@dataclass(slots=True)
class _Job:
    job: Job
    fence: int = 0
    leased_until: datetime | None = None


@dataclass(slots=True)
class Purged:
    """What was forgotten in one go."""

    sessions: list[str] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    subjects: int = 0

    @property
    def records(self) -> int:
        """How many records that were."""
        return len(self.sessions) + len(self.keys) + self.subjects


@dataclass(slots=True, frozen=True)
class Reservation:
    """A change that holds its place."""

    change: Change
    takes: tuple[Take, ...]
    at: datetime


class LiveState:
    """Everything that an embedded node knows of its sessions."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.sessions: dict[str, Session] = {}
        self.hits: dict[str, Hits] = {}
        self.kept: dict[bytes, Remembered] = {}
        self.keys_held: dict[bytes, str] = {}
        self._jobs: dict[Key, _Job] = {}
        self._lanes: dict[str, list[tuple[datetime, int, Key]]] = {}
        self._wakes: list[tuple[datetime, str]] = []
        self._ends: list[tuple[datetime, str]] = []
        self._stale: list[tuple[datetime, str]] = []
        self._expiring: list[tuple[datetime, bytes]] = []
        self._marks: dict[str, ReadMarks] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._fences = count(1)
        self._order = count()

    # --- one atomic step ---------------------------------------------------------

    def reserve(self, change: Change) -> Reservation | Conflict | Fenced | Refused | Duplicate:
        """Hold the place of a change, or say what it fails on."""
        now = self._now()
        known = self.sessions.get(change.session.id)
        if (known.version if known else 0) != change.expected:
            return Conflict()
        if change.claim is not None and not self._holds(change.claim):
            return Fenced()
        key = change.remember.key if change.remember else None
        if key is not None and (key in self.keys_held or self._remembers(key, now)):
            return Duplicate()
        takes = tuple(e for e in change.effects if isinstance(e, Take))
        for take in takes:
            wait = self._wait(take.subject, take.windows, now) if take.refuse else None
            if wait is not None:
                return Refused(subject=take.subject, retry_after_s=wait)
        counted = tuple(take for take in takes if not take.weightless)
        for take in counted:
            self.hit(take.subject, take.windows, now)
        if key is not None:
            self.keys_held[key] = change.session.id
        return Reservation(change=change, takes=counted, at=now)

    def undo(self, reservation: Reservation) -> None:
        """Give the place back: nothing has happened."""
        for take in reservation.takes:
            self.unhit(take.subject, reservation.at)
        if reservation.change.remember is not None:
            self.keys_held.pop(reservation.change.remember.key, None)

    def settle(self, reservation: Reservation) -> None:
        """Make the change visible and tell whoever listens."""
        change = reservation.change
        self.put_session(change.session)
        for effect in change.effects:
            match effect:
                case PushJob():
                    self.put_job(job_of(effect))
                case DropJob():
                    self._jobs.pop((effect.session, effect.launch), None)
                case Take():
                    pass
        if change.remember is not None:
            self.keys_held.pop(change.remember.key, None)
            self.keep(change.remember)
        for listener in self._listeners:
            listener(change.session.id)

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Tell the listener of every settled change."""
        self._listeners.append(listener)

    # --- sessions ----------------------------------------------------------------

    def put_session(self, session: Session) -> None:
        """Know a session, and when to look at it again."""
        if session.id not in self.sessions:
            heappush(self._ends, (session.gone_at, session.id))
        self.sessions[session.id] = session
        at = wake_at(session)
        if at is not None:
            heappush(self._wakes, (at, session.id))

    def due(self, now: datetime, limit: int) -> list[str]:
        """Sessions whose deadline has come; offered again after a second if nobody cares."""
        found: list[str] = []
        while self._wakes and self._wakes[0][0] <= now and len(found) < limit:
            _, session_id = heappop(self._wakes)
            if self._is_due(session_id, now) and session_id not in found:
                found.append(session_id)
        for session_id in found:
            heappush(self._wakes, (now + REDELIVER_AFTER, session_id))
        return found

    def _is_due(self, session_id: str, now: datetime) -> bool:
        session = self.sessions.get(session_id)
        at = wake_at(session) if session else None
        return at is not None and at <= now

    def next_due(self) -> datetime | None:
        """The earliest instant at which :meth:`due` may have something."""
        return self._wakes[0][0] if self._wakes else None

    def marks(self, session_id: str) -> ReadMarks:
        """What readers have seen."""
        return self._marks.get(session_id) or ReadMarks()

    def mark(self, session_id: str, marks: ReadMarks) -> None:
        """Remember what readers have seen of a session that exists."""
        if session_id in self.sessions:
            self._marks[session_id] = marks

    # --- limits ------------------------------------------------------------------

    def _wait(self, subject: str, windows: Sequence[Window], now: datetime) -> int | None:
        hits = self.hits.get(subject)
        wait = wait_for_room(hits.times if hits else (), windows, now)
        return None if wait is None else max(1, ceil(wait.total_seconds()))

    def room(self, subject: str, windows: Sequence[Window], now: datetime) -> int | None:
        """Count a hit if it fits; else the seconds until it does."""
        wait = self._wait(subject, windows, now)
        if wait is None:
            self.hit(subject, windows, now)
        return wait

    def hit(self, subject: str, windows: Sequence[Window], at: datetime) -> None:
        """Count a hit."""
        hits = self.hits.setdefault(subject, Hits())
        hits.span = max(hits.span, longest(windows))
        hits.forget(at)
        hits.times.append(at)
        heappush(self._stale, (at + hits.span, subject))

    def unhit(self, subject: str, at: datetime) -> None:
        """Take a hit back."""
        hits = self.hits.get(subject)
        if hits is not None and at in hits.times:
            hits.times.remove(at)

    # --- jobs --------------------------------------------------------------------

    def put_job(self, job: Job) -> None:
        """Queue a job in its lane."""
        key = (job.session, job.launch)
        self._jobs[key] = _Job(job)
        self._queue(job.lane, job.due_at, key)

    def _queue(self, lane: str, at: datetime, key: Key) -> None:
        heappush(self._lanes.setdefault(lane, []), (at, next(self._order), key))

    def _holds(self, claim: Claim) -> bool:
        known = self._jobs.get((claim.job.session, claim.job.launch))
        return known is not None and known.fence == claim.fence

    def claim(self, lane: str, limit: int, lease_s: float, now: datetime) -> list[Claim]:
        """Lease due jobs of a lane."""
        claims: list[Claim] = []
        while len(claims) < limit and self._first(lane) <= now:
            _, _, key = heappop(self._lanes[lane])
            known = self._jobs[key]
            if known.job.expires_at <= now:
                del self._jobs[key]
                continue
            known.fence = next(self._fences)
            known.leased_until = now + timedelta(seconds=lease_s)
            self._queue(lane, known.leased_until, key)
            claims.append(Claim(job=known.job, fence=known.fence))
        return claims

    def _first(self, lane: str) -> datetime:
        """When the first job of a lane is due; entries that lost their meaning are dropped."""
        heap = self._lanes.get(lane, [])
        while heap:
            at, _, key = heap[0]
            known = self._jobs.get(key)
            if known is not None and at == (known.leased_until or known.job.due_at):
                return at
            heappop(heap)
        self._lanes.pop(lane, None)
        return NEVER

    def lanes(self) -> Mapping[str, datetime]:
        """When each lane has something to do."""
        firsts = {lane: self._first(lane) for lane in list(self._lanes)}
        return {lane: at for lane, at in firsts.items() if at is not NEVER}

    def extend(self, claims: Iterable[Claim], lease_s: float, now: datetime) -> None:
        """Lengthen leases that are still held."""
        for claim in claims:
            if self._holds(claim):
                known = self._jobs[claim.job.session, claim.job.launch]
                known.leased_until = now + timedelta(seconds=lease_s)
                self._queue(
                    claim.job.lane, known.leased_until, (claim.job.session, claim.job.launch)
                )

    def release(self, claim: Claim, due_at: datetime) -> None:
        """Put a job back, one try older."""
        if not self._holds(claim):
            return
        key = (claim.job.session, claim.job.launch)
        job = replace(claim.job, due_at=due_at, tries=claim.job.tries + 1)
        self._jobs[key] = _Job(job, fence=next(self._fences))
        self._queue(job.lane, due_at, key)

    # --- memory of answers, and forgetting ----------------------------------------

    def keep(self, answer: Remembered) -> None:
        """Remember an answer until it expires."""
        self.kept[answer.key] = answer
        heappush(self._expiring, (answer.expires_at, answer.key))

    def _remembers(self, key: bytes, now: datetime) -> bool:
        return self.remembered(key, now) is not None

    def remembered(self, key: bytes, now: datetime) -> Remembered | None:
        """The answer that a key stands for."""
        found = self.kept.get(key)
        return found if found is not None and now < found.expires_at else None

    def purge(self, now: datetime) -> "Purged":
        """Forget what no rule needs, so much at a time that nobody notices."""
        purged = Purged()
        while len(purged.sessions) < PURGED_AT_ONCE and self._ended(now, purged):
            pass
        while purged.subjects < PURGED_AT_ONCE and self._stale and self._stale[0][0] <= now:
            purged.subjects += 1
            self._forget_hits(heappop(self._stale)[1], now)
        while self._expiring and self._expiring[0][0] <= now:
            _, key = heappop(self._expiring)
            answer = self.kept.get(key)
            if answer is not None and answer.expires_at <= now and key not in self.keys_held:
                del self.kept[key]
                purged.keys.append(key)
        return purged

    def _ended(self, now: datetime, purged: "Purged") -> bool:
        if not self._ends or self._ends[0][0] > now:
            return False
        _, session_id = heappop(self._ends)
        session = self.sessions[session_id]
        if session.gone_at > now:
            heappush(self._ends, (session.gone_at, session_id))
            return True
        purged.sessions.append(session_id)
        del self.sessions[session_id]
        self._marks.pop(session_id, None)
        return True

    def _forget_hits(self, subject: str, now: datetime) -> None:
        hits = self.hits.get(subject)
        if hits is not None:
            hits.forget(now)
            if not hits.times:
                del self.hits[subject]

    def sizes(self) -> dict[str, int]:
        """How many records of each kind there are."""
        return {
            "sessions": len(self.sessions),
            "jobs": len(self._jobs),
            "limits": len(self.hits),
            "answers": len(self.kept),
            "marks": len(self._marks),
            "deadlines": len(self._wakes),
        }


NEVER = datetime.max.replace(tzinfo=UTC)


def job_of(effect: PushJob) -> Job:
    """The job that an effect asks for."""
    return Job(
        session=effect.session,
        launch=effect.launch,
        lane=effect.lane,
        due_at=effect.due_at,
        expires_at=effect.expires_at,
    )


def longest(windows: Sequence[Window]) -> timedelta:
    """The longest span of some windows."""
    return max(window.span for window in windows)
