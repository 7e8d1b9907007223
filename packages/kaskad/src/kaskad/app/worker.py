"""Handing messages to providers.

Every lane (one provider account) has places of its own: a provider that hangs
fills its own places and delays nobody else.
"""

import asyncio
import contextlib
from collections import Counter
from datetime import datetime, timedelta
from itertools import count

import structlog
from msgspec.structs import replace

from kaskad.app.courier import Again, Attempt, Courier, StandBy, UnmadeError
from kaskad.app.engine import Engine
from kaskad.app.ports import (
    Catalog,
    Claim,
    DeadLetter,
    Drivers,
    Entropy,
    LetterKind,
    StoreUnavailableError,
    Telemetry,
)
from kaskad.app.timing import sleep
from kaskad.core.errors import KaskadError
from kaskad.core.inputs import Accepted, Errored, Input, Rejected, Unsure
from kaskad.core.model import Session, State

log = structlog.get_logger()

PLACES_PER_LANE = 64
LEASE_S = 15.0
EXTEND_EVERY_S = 5.0
AFTER_TROUBLE_S = 0.5


class Worker:
    """Claims due jobs and tells the machine what became of them."""

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
        self._courier = Courier(
            engine=engine, catalog=catalog, drivers=drivers, entropy=entropy, telemetry=telemetry
        )
        self._telemetry = telemetry
        self._clock = engine.clock
        self._poked = asyncio.Event()
        self._running: dict[asyncio.Task[None], Claim] = {}
        self._busy: Counter[str] = Counter()
        self._placed: set[int] = set()
        self._extend_at = self._clock.now()
        self._loops: list[asyncio.Task[None]] = []
        engine.on_job(self._poked.set)

    def start(self) -> None:
        """Begin to claim jobs."""
        self._loops = [
            asyncio.create_task(self._dispatch_forever(), name="kaskad-dispatch"),
            asyncio.create_task(self._extend_forever(), name="kaskad-leases"),
        ]

    async def stop(self, grace_s: float) -> None:
        """Claim nothing more; what does not end within the grace goes back to the queue."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._running:
            await asyncio.wait(list(self._running), timeout=grace_s)
        for task, claim in list(self._running.items()):
            task.cancel()
            with contextlib.suppress(StoreUnavailableError):
                await self._engine.store.release(claim, due_at=self._clock.now())
        await asyncio.gather(*self._running, return_exceptions=True)

    # --- claiming ------------------------------------------------------------------

    async def _dispatch_forever(self) -> None:
        while True:
            self._poked.clear()
            try:
                next_due = await self._dispatch()
            except StoreUnavailableError:
                next_due = self._clock.now() + timedelta(seconds=AFTER_TROUBLE_S)
            except Exception:
                log.exception("dispatch failed")
                next_due = self._clock.now() + timedelta(seconds=AFTER_TROUBLE_S)
            timer = self._clock.call_at(next_due, self._poked.set) if next_due else None
            try:
                await self._poked.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    async def _dispatch(self) -> datetime | None:
        """Start what is due and has a place; when the next job is due."""
        store, now = self._engine.store, self._clock.now()
        self._courier.accounts.follow()
        await self._keep_leases(now)
        for lane, due_at in (await store.lanes()).items():
            places = PLACES_PER_LANE - self._busy[lane]
            if due_at <= now and places > 0:
                for claim in await store.claim(lane, limit=places, lease_s=LEASE_S, now=now):
                    self._begin(claim)
        free = [
            at for lane, at in (await store.lanes()).items() if self._busy[lane] < PLACES_PER_LANE
        ]
        return min(free, default=None)

    def _begin(self, claim: Claim) -> None:
        task = asyncio.create_task(self._run(claim), name="kaskad-job")
        self._running[task] = claim
        self._placed.add(claim.fence)
        self._busy[claim.job.lane] += 1
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._leave(self._running.pop(task))

    def _leave(self, claim: Claim) -> None:
        """Give the place in the lane back: the provider has answered, or the job is over."""
        if claim.fence not in self._placed:
            return
        self._placed.remove(claim.fence)
        lane = claim.job.lane
        self._busy[lane] -= 1
        if self._busy[lane] == PLACES_PER_LANE - 1:
            self._poked.set()

    async def _keep_leases(self, now: datetime) -> None:
        """Lengthen the leases of what is under way, if it is time.

        Before anything is claimed as well: a process that was suspended would
        find its own jobs abandoned, and hand their messages over again.
        """
        if self._running and now >= self._extend_at:
            claims = list(self._running.values())
            await self._engine.store.extend(claims, lease_s=LEASE_S, now=now)
            self._extend_at = now + timedelta(seconds=EXTEND_EVERY_S)

    async def _extend_forever(self) -> None:
        while True:
            await sleep(self._clock, EXTEND_EVERY_S)
            try:
                self._courier.accounts.follow()
                await self._keep_leases(self._clock.now())
            except StoreUnavailableError:
                pass
            except Exception:
                log.exception("leases not kept")

    # --- one job -------------------------------------------------------------------

    async def _run(self, claim: Claim) -> None:
        attempt = Attempt(claim)
        try:
            await self._hand_over(attempt)
        except (StoreUnavailableError, KaskadError) as trouble:
            # The lease runs out and the job is claimed again.
            log.warning("job put off", lane=claim.job.lane, trouble=type(trouble).__name__)
        except UnmadeError as problem:
            log.error("message not made", lane=claim.job.lane, reason=str(problem))
            await self._give_up(attempt, LetterKind.UNMADE, str(problem))
        except Exception as failure:
            log.exception("job failed", lane=claim.job.lane)
            await self._give_up(attempt, LetterKind.FAILED, type(failure).__name__)

    async def _hand_over(self, attempt: Attempt) -> None:
        claim = attempt.claim
        job = claim.job
        session = attempt.session = await self._engine.store.load(job.session)
        if session is None or session.state is not State.WAIT or session.current != job.launch:
            self._courier.accounts.make_use(job.lane)  # perhaps it was its turn
            return
        if session.test:
            await self._tell(claim, session, Accepted(launch=job.launch))
            return
        verdict = await self._courier.carry(session, attempt)
        self._leave(claim)  # what is left is to write it down
        match verdict:
            case None:
                return
            case Again(due_at=due_at, doubtful=doubtful):
                tried = replace(job, doubtful=job.doubtful or doubtful)
                await self._give_back(replace(claim, job=tried), due_at)
            case StandBy(lane=lane):
                await self._courier.accounts.stand_by(lane, job.expires_at)
                untried = replace(job, tries=job.tries - 1)  # giving it back counts one
                back = await self._give_back(replace(claim, job=untried), job.due_at)
                if not back or self._clock.now() >= job.expires_at:
                    self._courier.accounts.make_use(lane)  # nobody comes to take its turn
            case event:
                await self._tell(claim, session, event)

    async def _give_back(self, claim: Claim, due_at: datetime) -> bool:
        held = await self._engine.store.release(claim, due_at=due_at)
        self._poked.set()
        return held

    async def _tell(self, claim: Claim, session: Session | None, event: Input) -> None:
        """Tell the machine. The person may have the message: a store that is away is waited for."""
        job = claim.job
        for tried in count():
            try:
                await self._engine.apply(job.session, event, known=session, claim=claim)
            except (StoreUnavailableError, KaskadError):
                if self._clock.now() >= job.expires_at:
                    raise
                session = None
                await sleep(self._clock, min(1.0, 0.1 * 2**tried))
            else:
                return

    # --- jobs that cannot be carried out -------------------------------------------------

    async def _give_up(self, attempt: Attempt, kind: LetterKind, reason: str) -> None:
        """Let the session go on without this job, and keep a letter of it.

        If not even that can be told the job is left to its launch's deadline: to
        try it again would fail again.
        """
        claim = attempt.claim
        self._leave(claim)
        try:
            await self._tell(claim, attempt.session, _farewell(attempt, kind, reason))
        except (StoreUnavailableError, KaskadError) as trouble:
            log.warning("job not given up", lane=claim.job.lane, trouble=type(trouble).__name__)
        except Exception:
            log.exception("job left to its deadline", lane=claim.job.lane)
            await self._set_aside(claim)
        await self._bury(attempt, kind, reason)

    async def _set_aside(self, claim: Claim) -> None:
        """Give a job back for when it is worthless."""
        try:
            await self._engine.store.release(claim, due_at=claim.job.expires_at)
        except Exception:
            log.exception("job not set aside", lane=claim.job.lane)

    async def _bury(self, attempt: Attempt, kind: LetterKind, reason: str) -> None:
        """Keep a letter. Only the letter suffers if that fails."""
        job, session = attempt.claim.job, attempt.session
        known = session is not None and 0 < job.launch <= len(session.launches)
        letter = DeadLetter(
            session=job.session,
            launch=job.launch,
            lane=job.lane,
            kind=kind,
            reason=reason,
            tries=job.tries,
            at=self._clock.now(),
            type=session.launches[job.launch - 1].type if session and known else None,
        )
        self._telemetry.dead_letter(job.lane)
        try:
            await self._engine.store.bury(letter)
        except Exception as failure:
            log.warning("dead letter lost", lane=job.lane, failure=type(failure).__name__)


def _farewell(attempt: Attempt, kind: LetterKind, reason: str) -> Input:
    """What the machine is told of a job that is given up.

    A message that the provider may have is not denied: its code may be the
    person's only one.
    """
    job = attempt.claim.job
    if attempt.asked or job.doubtful:
        return Unsure(launch=job.launch, reason=reason)
    if kind is LetterKind.UNMADE:
        return Rejected(launch=job.launch, reason=reason)
    return Errored(launch=job.launch, reason=reason)
