"""Handing messages to providers.

Every lane (one provider account) has places of its own: a provider that hangs
fills its own places and delays nobody else.
"""

import asyncio
import contextlib
import re
from collections import Counter
from datetime import datetime, timedelta
from itertools import count

import structlog
from msgspec.structs import replace

from kaskad.app import templates
from kaskad.app.engine import Engine
from kaskad.app.ports import (
    Busy,
    Catalog,
    Claim,
    Drivers,
    Entropy,
    Message,
    Refusal,
    SendResult,
    StoreUnavailableError,
    Taken,
    Telemetry,
    Unknown,
)
from kaskad.app.timing import sleep, within
from kaskad.core import codes
from kaskad.core.errors import KaskadError
from kaskad.core.inputs import Accepted, Errored, Input, Rejected, Unsure
from kaskad.core.model import Launch, Session, State
from kaskad.core.recipients import mask

log = structlog.get_logger()

PLACES_PER_LANE = 64
LEASE_S = 15.0
EXTEND_EVERY_S = 5.0
MOST_TRIES = 4
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 3600.0
LONGEST_REASON = 200
AFTER_TROUBLE_S = 0.5


class KeyGoneError(Exception):
    """The key of a code has been taken out of rotation before the code was sent."""


_DIGITS = re.compile(r"\d{4,}")


def tidy(reason: str, number: str) -> str:
    """A provider's words as they may be kept: short, without the number or what may be a code."""
    short = reason.encode("utf-8", "replace").decode()[:LONGEST_REASON]
    return _DIGITS.sub("***", short.replace(number, mask(number)))


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
        self._catalog = catalog
        self._drivers = drivers
        self._entropy = entropy
        self._telemetry = telemetry
        self._clock = engine.clock
        self._poked = asyncio.Event()
        self._running: dict[asyncio.Task[None], Claim] = {}
        self._busy: Counter[str] = Counter()
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
        self._busy[claim.job.lane] += 1
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        lane = self._running.pop(task).job.lane
        self._busy[lane] -= 1
        if self._busy[lane] == PLACES_PER_LANE - 1:
            self._poked.set()

    async def _extend_forever(self) -> None:
        while True:
            await sleep(self._clock, EXTEND_EVERY_S)
            claims = list(self._running.values())
            try:
                await self._engine.store.extend(claims, lease_s=LEASE_S, now=self._clock.now())
            except StoreUnavailableError:
                pass
            except Exception:
                log.exception("leases not kept")

    # --- one job -------------------------------------------------------------------

    async def _run(self, claim: Claim) -> None:
        try:
            await self._hand_over(claim)
        except (StoreUnavailableError, KaskadError) as trouble:
            # The lease runs out and the job is claimed again.
            log.warning("job put off", lane=claim.job.lane, trouble=type(trouble).__name__)
        except Exception:
            log.exception("job failed", lane=claim.job.lane)

    async def _hand_over(self, claim: Claim) -> None:
        job = claim.job
        session = await self._engine.store.load(job.session)
        if session is None or session.state is not State.WAIT or session.current != job.launch:
            return
        launch = session.launch
        if session.test:
            await self._tell(claim, launch, Accepted(launch=launch.number))
            return
        result = await self._send(session, launch)
        if result is None:
            return
        waited = (self._clock.now() - job.due_at).total_seconds()
        self._telemetry.handed_over(job.lane, type(result).__name__.lower(), waited)
        event = self._judge(claim, launch, result, session.recipient.number)
        if event is None:
            await self._again_later(claim, result)
        else:
            await self._tell(claim, launch, event)

    async def _tell(self, claim: Claim, launch: Launch, event: Input) -> None:
        """Tell the machine. The person may have the message: a store that is away is waited for."""
        for tried in count():
            try:
                await self._engine.apply(claim.job.session, event, claim=claim)
            except (StoreUnavailableError, KaskadError):
                if self._clock.now() >= launch.send_by:
                    raise
                await sleep(self._clock, min(1.0, 0.1 * 2**tried))
            else:
                return

    async def _send(self, session: Session, launch: Launch) -> SendResult | None:
        """The driver's answer; ``None`` when it did not come by the launch's deadline."""
        try:
            driver = self._drivers.get(session.tenant, launch.provider)
            message = self._message(session, launch)
        except templates.UnrenderableError as problem:
            return Refusal(reason=f"template: {problem}", ours=True)
        except Exception as problem:  # settings or a key: another try would end the same way
            return Refusal(reason=f"no message: {type(problem).__name__}", ours=True)
        if driver is None:
            return Refusal(reason="provider is not configured", ours=True)
        try:
            return await within(
                lambda stop: self._clock.call_at(launch.send_by, stop), driver.send(message)
            )
        except TimeoutError:
            return self._late(launch)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return Unknown(reason="CancelledError")  # the driver's own doing
        except Exception as failure:
            log.error("driver broke", provider=launch.provider, failure=type(failure).__name__)
            return Unknown(reason=type(failure).__name__)

    def _late(self, launch: Launch) -> SendResult | None:
        """A time-out before the deadline is the driver's own, and tells as little."""
        if self._clock.now() >= launch.send_by:
            return None
        return Unknown(reason="TimeoutError")

    def _message(self, session: Session, launch: Launch) -> Message:
        code = None
        if launch.code is not None:
            code = codes.digits(session.codes[launch.code - 1], session.id, self._engine.keyring)
            if code is None:
                raise KeyGoneError
        widget = self._catalog.snapshot.widgets.get(session.widget)
        text = templates.render(
            launch.text,
            code=code or "",
            widget=widget.name if widget else "",
            domain=widget.domain if widget else "",
            minutes=max(1, launch.settings.lifetime_s // 60),
        )
        return Message(
            reference=f"{session.id}-{launch.number}",
            session=session.id,
            launch=launch.number,
            recipient=session.recipient.number,
            type=launch.type,
            label=launch.label,
            text=text,
            code=code,
            locale=session.locale,
            ttl_s=launch.settings.lifetime_s,
        )

    def _judge(self, claim: Claim, launch: Launch, result: SendResult, number: str) -> Input | None:
        """What the machine is told; ``None`` to try again."""
        if not isinstance(result, Taken):
            result = replace(result, reason=tidy(result.reason, number))
        match result:
            case Taken(provider_id=_, code=code, code_type=code_type):
                return Accepted(launch=launch.number, code=code, code_type=code_type)
            case Refusal(reason=reason, ours=ours):
                if ours:
                    log.error("provider account", provider=launch.provider, reason=reason)
                return Rejected(launch=launch.number, reason=reason)
            case Busy(reason=reason):
                if self._next_try(claim, result) < launch.send_by:
                    return None
                return Errored(launch=launch.number, reason=reason)
            case Unknown(reason=reason, idempotent=idempotent):
                if idempotent and self._next_try(claim, result) < launch.send_by:
                    return None
                return Unsure(launch=launch.number, reason=reason)

    def _next_try(self, claim: Claim, result: SendResult) -> datetime:
        tries = claim.job.tries
        if tries + 1 >= MOST_TRIES:
            return datetime.max.replace(tzinfo=self._clock.now().tzinfo)
        wished = result.retry_after_s if isinstance(result, Busy) else None
        pause_s = FIRST_PAUSE_S * 2**tries
        if wished is not None and wished >= 0:  # not so for what is not a number
            pause_s = min(wished, LONGEST_PAUSE_S)
        return self._clock.now() + timedelta(seconds=pause_s)

    async def _again_later(self, claim: Claim, result: SendResult) -> None:
        spread = timedelta(seconds=0.1 * self._entropy.jitter())
        await self._engine.store.release(claim, due_at=self._next_try(claim, result) + spread)
        self._poked.set()
