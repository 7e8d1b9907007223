"""Live sessions, jobs and limits in memory, and the rules of changing them.

Both embedded stores are built on it. A change goes in two halves: ``reserve``
checks everything that it rests on and holds its place, ``settle`` makes it
visible. Between them a store can make it durable; ``undo`` gives the place back.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from math import ceil
from operator import itemgetter

from msgspec import Struct
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

REDELIVER_AFTER = timedelta(seconds=1)
PURGED_AT_ONCE = 500

NEVER = datetime.max.replace(tzinfo=UTC)

_CONFLICT, _FENCED = Conflict(), Fenced()

Key = tuple[str, int]


class Hits(Struct, gc=False):
    """When a subject was hit, ascending, and for how long that matters."""

    times: list[datetime] = []
    span: timedelta = timedelta(0)

    def forget(self, now: datetime) -> None:
        """Drop what has left the longest window."""
        past = 0
        for at in self.times:
            if at + self.span > now:
                break
            past += 1
        if past:
            del self.times[:past]


class _Job(Struct, gc=False):
    job: Job
    fence: int = 0


class _Lane(Struct, gc=False):
    """The jobs of one account: a heap of those that wait, and those on lease by their end."""

    waiting: list[tuple[datetime, int, Key]] = []
    leased: dict[Key, datetime] = {}

    def lease(self, key: Key, until: datetime) -> None:
        """Lend a job, or lend it longer. Leases of one length end in the order of their giving."""
        self.leased.pop(key, None)
        out_of_order = self.leased and until < next(reversed(self.leased.values()))
        self.leased[key] = until
        if out_of_order:
            self.leased = dict(sorted(self.leased.items(), key=itemgetter(1)))

    def first(self) -> datetime:
        """When there is a job to claim."""
        waiting = self.waiting[0][0] if self.waiting else NEVER
        if not self.leased:
            return waiting
        return min(waiting, next(iter(self.leased.values())))

    def take(self) -> tuple[Key, bool]:
        """The job that :meth:`first` meant, and whether it had been lent before."""
        if self.leased:
            key, leased_until = next(iter(self.leased.items()))
            if not self.waiting or leased_until < self.waiting[0][0]:
                del self.leased[key]
                return key, True
        return heappop(self.waiting)[2], False


class Purged(Struct, gc=False):
    """What was forgotten in one go."""

    sessions: list[str] = []
    keys: list[bytes] = []
    subjects: int = 0

    @property
    def records(self) -> int:
        """How many records that were."""
        return len(self.sessions) + len(self.keys) + self.subjects


class Reservation(Struct, frozen=True, gc=False):
    """A change that holds its place."""

    change: Change
    takes: tuple[Take, ...] = ()
    at: datetime = NEVER


class LiveState:
    """Everything that an embedded node knows of its sessions."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.sessions: dict[str, Session] = {}
        self.hits: dict[str, Hits] = {}
        self.kept: dict[bytes, Remembered] = {}
        self.keys_held: dict[bytes, str] = {}
        self._jobs: dict[Key, _Job] = {}
        self._lanes: dict[str, _Lane] = {}
        self._wakes: list[tuple[datetime, str]] = []
        self._wakes_at: dict[str, datetime] = {}
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
        known = self.sessions.get(change.session.id)
        if (0 if known is None else known.version) != change.expected:
            return _CONFLICT
        if change.claim is not None and not self._holds(change.claim):
            return _FENCED
        takes = [effect for effect in change.effects if isinstance(effect, Take)]
        if not takes and change.remember is None:
            return Reservation(change)
        return self._reserve_room(change, takes, self._now())

    def _reserve_room(
        self, change: Change, takes: Sequence[Take], now: datetime
    ) -> Reservation | Refused | Duplicate:
        """Hold the place in limits and in the memory of answers."""
        key = change.remember.key if change.remember else None
        if key is not None and (key in self.keys_held or self._remembers(key, now)):
            return Duplicate()
        for take in takes:
            wait = self._wait(take.subject, take.windows, now) if take.refuse else None
            if wait is not None:
                return Refused(subject=take.subject, retry_after_s=wait)
        counted = tuple([take for take in takes if not take.weightless])
        for take in counted:
            self.hit(take.subject, take.windows, now)
        if key is not None:
            self.keys_held[key] = change.session.id
        return Reservation(change, counted, now)

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
            if isinstance(effect, PushJob):
                self.put_job(job_of(effect))
            elif isinstance(effect, DropJob):
                self._drop_job((effect.session, effect.launch))
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
        if session.due_at is not None:
            self._wake(session.id, session.due_at)

    def _wake(self, session_id: str, at: datetime) -> None:
        """Look at a session no later than that; it may be looked at for nothing before."""
        known = self._wakes_at.get(session_id)
        if known is None or at < known:
            self._wakes_at[session_id] = at
            heappush(self._wakes, (at, session_id))

    def due(self, now: datetime, limit: int) -> list[str]:
        """Sessions whose deadline has come; offered again after a second if nobody cares."""
        found: list[str] = []
        while self._wakes and self._wakes[0][0] <= now and len(found) < limit:
            at, session_id = heappop(self._wakes)
            if self._wakes_at.get(session_id) != at:
                continue  # there is, or was, an earlier look
            del self._wakes_at[session_id]
            session = self.sessions.get(session_id)
            if session is None or session.due_at is None:
                continue
            if session.due_at <= now:
                found.append(session_id)
            else:
                self._wake(session_id, session.due_at)
        for session_id in found:
            self._wake(session_id, now + REDELIVER_AFTER)
        return found

    def next_due(self) -> datetime | None:
        """The earliest instant at which :meth:`due` may have something."""
        while self._wakes:
            at, session_id = self._wakes[0]
            session = self.sessions.get(session_id)
            due_at = session.due_at if session else None
            if due_at is not None and due_at <= at:
                return at
            # The session has moved on: nobody needs to wake up for it then.
            heappop(self._wakes)
            if self._wakes_at.get(session_id) == at:
                del self._wakes_at[session_id]
                if due_at is not None:
                    self._wake(session_id, due_at)
        return None

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

    def wait(self, subject: str, windows: Sequence[Window], now: datetime) -> int | None:
        """The seconds until a hit fits, ``None`` if it does now."""
        return self._wait(subject, windows, now)

    def room(self, subject: str, windows: Sequence[Window], now: datetime) -> int | None:
        """Count a hit if it fits; else the seconds until it does."""
        wait = self._wait(subject, windows, now)
        if wait is None:
            self.hit(subject, windows, now)
        return wait

    def hit(self, subject: str, windows: Sequence[Window], at: datetime) -> None:
        """Count a hit."""
        hits = self.hits.get(subject)
        if hits is None:
            hits = self.hits[subject] = Hits()
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
        self._queue(key, job)

    def _queue(self, key: Key, job: Job) -> None:
        lane = self._lanes.get(job.lane)
        if lane is None:
            lane = self._lanes[job.lane] = _Lane()
        lane.leased.pop(key, None)
        heappush(lane.waiting, (job.due_at, next(self._order), key))

    def _drop_job(self, key: Key) -> None:
        known = self._jobs.pop(key, None)
        if known is not None and known.job.lane in self._lanes:
            self._lanes[known.job.lane].leased.pop(key, None)

    def _holds(self, claim: Claim) -> bool:
        known = self._jobs.get((claim.job.session, claim.job.launch))
        return known is not None and known.fence == claim.fence

    def claim(self, lane: str, limit: int, lease_s: float, now: datetime) -> list[Claim]:
        """Lease due jobs of a lane."""
        claims: list[Claim] = []
        queue = self._lanes.get(lane)
        leased_until = now + timedelta(seconds=lease_s)
        while queue is not None and len(claims) < limit and self._first(queue) <= now:
            key, lent = queue.take()
            known = self._jobs[key]
            if known.job.expires_at <= now:
                del self._jobs[key]
                continue
            if lent:
                known.job = replace(known.job, doubtful=True)
            known.fence = next(self._fences)
            queue.lease(key, leased_until)
            claims.append(Claim(job=known.job, fence=known.fence))
        return claims

    def _first(self, lane: "_Lane") -> datetime:
        """When the first job of a lane may be claimed; entries without a job are dropped."""
        while lane.waiting:
            at, _, key = lane.waiting[0]
            known = self._jobs.get(key)
            if known is not None and known.job.due_at == at and key not in lane.leased:
                break
            heappop(lane.waiting)
        return lane.first()

    def lanes(self) -> Mapping[str, datetime]:
        """When each lane has something to do."""
        firsts = {name: self._first(lane) for name, lane in self._lanes.items()}
        for name in [name for name, at in firsts.items() if at is NEVER]:
            del self._lanes[name], firsts[name]
        return firsts

    def extend(self, claims: Iterable[Claim], lease_s: float, now: datetime) -> None:
        """Lengthen leases that are still held."""
        leased_until = now + timedelta(seconds=lease_s)
        for claim in claims:
            if self._holds(claim):
                key = (claim.job.session, claim.job.launch)
                self._lanes[claim.job.lane].lease(key, leased_until)

    def release(self, claim: Claim, due_at: datetime) -> bool:
        """Put a job back, one try older; ``False`` if the claim is stale."""
        if not self._holds(claim):
            return False
        key = (claim.job.session, claim.job.launch)
        job = replace(claim.job, due_at=due_at, tries=claim.job.tries + 1)
        self._jobs[key] = _Job(job, fence=next(self._fences))
        self._queue(key, job)
        return True

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
        while len(purged.keys) < PURGED_AT_ONCE and self._expired(now, purged):
            pass
        return purged

    def _expired(self, now: datetime, purged: "Purged") -> bool:
        if not self._expiring or self._expiring[0][0] > now:
            return False
        _, key = heappop(self._expiring)
        answer = self.kept.get(key)
        if answer is not None and answer.expires_at <= now and key not in self.keys_held:
            del self.kept[key]
            purged.keys.append(key)
        return True

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
    span = windows[0].span
    for window in windows:
        span = max(span, window.span)
    return span
