"""One message on its way to its provider: made, handed over, and what came of it."""

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from msgspec.structs import replace

from kaskad.app import templates
from kaskad.app.accounts import Accounts, wish_of
from kaskad.app.engine import Engine
from kaskad.app.ports import (
    Busy,
    Catalog,
    Claim,
    Driver,
    Drivers,
    Entropy,
    Job,
    Message,
    Refusal,
    SendResult,
    Taken,
    Telemetry,
    Unknown,
)
from kaskad.app.results import understood
from kaskad.app.timing import within
from kaskad.core import codes
from kaskad.core.inputs import Accepted, Errored, Input, Rejected, Unsure
from kaskad.core.model import Launch, Session
from kaskad.core.recipients import mask

log = structlog.get_logger()

MOST_TRIES = 4
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 3600.0
LONGEST_REASON = 200
RESTING = "provider is resting"


class UnmadeError(Exception):
    """The message cannot be made; the text says why, fit to be kept. Trying again is of no use."""


class KeyGoneError(Exception):
    """The key of a code has been taken out of rotation before the code was sent."""


@dataclass(slots=True)
class Attempt:
    """One try of a job, and how far it got; ``asked``: its driver may have handed it over."""

    claim: Claim
    session: Session | None = None
    asked: bool = False


class Again(NamedTuple):
    """The message is to be tried again then; ``doubtful`` if this try may have been taken."""

    due_at: datetime
    doubtful: bool = False


class StandBy(NamedTuple):
    """There is no place for the message at this moment: its account rests."""

    lane: str


Verdict = Input | Again | StandBy | None

_OUTCOMES = {kind: kind.__name__.lower() for kind in (Taken, Refusal, Busy, Unknown)}
_DIGITS = re.compile(r"\d{4,}")


def _undenied(job: Job, verdict: Verdict) -> Verdict:
    """What came of a job: not that it was given up, if an earlier try may have left the message.

    To deny that would be to deny the person's code. A refusal is an answer to the message.
    """
    if job.doubtful and isinstance(verdict, Errored):
        return Unsure(launch=verdict.launch, reason=verdict.reason)
    return verdict


def tidy(reason: str, number: str) -> str:
    """A provider's words as they may be kept: short, without the number or what may be a code."""
    short = reason.encode("utf-8", "replace").decode()[:LONGEST_REASON]
    return _DIGITS.sub("***", short.replace(number, mask(number)))


class Courier:
    """Hands messages to drivers and understands what they answer."""

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
        self.accounts = Accounts(
            engine=engine, catalog=catalog, drivers=drivers, entropy=entropy, telemetry=telemetry
        )

    async def carry(self, session: Session, attempt: Attempt) -> Verdict:
        """Hand the current launch's message over: what the machine is to be told of it.

        Or when to try again; ``None`` when there was no answer by the launch's deadline.
        A provider that rests is passed over if there is another way. Raises
        :class:`UnmadeError`.
        """
        job, launch = attempt.claim.job, session.launch
        driver, message = self._parcel(session, launch)
        given = self.accounts.admit(session, job, driver)
        if given is None:
            self.accounts.make_use(job.lane)  # perhaps it was its turn
            return Errored(launch=launch.number, reason=RESTING)
        if given.in_vain and self.accounts.is_crowded(job.lane):
            return StandBy(job.lane)
        attempt.asked = True
        if given.in_vain:
            with self.accounts.place(job.lane):
                answer = await self._ask(driver, message, launch)
        else:
            if given.trial:
                self.accounts.make_use(job.lane)  # perhaps it was its turn
            answer = await self._ask(driver, message, launch)
        result = None if answer is None else self._counted(job, answer, session)
        verdict = None if result is None else self._judge(job, launch, result)
        given_up = isinstance(verdict, Errored)
        self.accounts.heard(session, job, driver, given, result, given_up=given_up)
        return _undenied(job, verdict)

    def _counted(self, job: Job, result: SendResult, session: Session) -> SendResult:
        """A result, counted, in words that may be kept."""
        waited = (self._clock.now() - job.due_at).total_seconds()
        self._telemetry.handed_over(job.lane, _OUTCOMES[type(result)], waited)
        if isinstance(result, Taken):
            return result
        return replace(result, reason=tidy(result.reason, session.recipient.number))

    # --- making it and handing it over ------------------------------------------------

    def _parcel(self, session: Session, launch: Launch) -> tuple[Driver, Message]:
        number = session.recipient.number
        try:
            driver = self._drivers.get(session.tenant, launch.provider)
            message = self._message(session, launch)
        except templates.UnrenderableError as problem:
            raise UnmadeError(tidy(f"template: {problem}", number)) from problem
        except KeyGoneError as problem:
            raise UnmadeError("the key of its code is gone") from problem
        except Exception as problem:  # settings, as a rule: another try would end the same way
            raise UnmadeError(f"no message: {type(problem).__name__}") from problem
        if driver is None:
            raise UnmadeError("provider is not configured")
        return driver, message

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

    async def _ask(self, driver: Driver, message: Message, launch: Launch) -> SendResult | None:
        """The driver's answer; ``None`` when it did not come by the launch's deadline."""
        try:
            return understood(
                await within(
                    lambda stop: self._clock.call_at(launch.send_by, stop), driver.send(message)
                )
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

    # --- what came of it --------------------------------------------------------------

    def _judge(self, job: Job, launch: Launch, result: SendResult) -> Input | Again:
        match result:
            case Taken(provider_id=_, code=code, code_type=code_type):
                return Accepted(launch=launch.number, code=code, code_type=code_type)
            case Refusal(reason=reason, ours=ours):
                if ours:
                    log.error("provider account", provider=launch.provider, reason=reason)
                return Rejected(launch=launch.number, reason=reason)
            case Busy(reason=reason):
                due_at = self._next_try(job, wish_of(result))
                if due_at is not None and due_at < launch.send_by:
                    return Again(self._spread(due_at))
                return Errored(launch=launch.number, reason=reason)
            case Unknown(reason=reason, idempotent=idempotent):
                due_at = self._next_try(job, None)
                if idempotent and due_at is not None and due_at < launch.send_by:
                    return Again(self._spread(due_at), doubtful=True)
                return Unsure(launch=launch.number, reason=reason)

    def _next_try(self, job: Job, wished_s: float | None) -> datetime | None:
        if job.tries + 1 >= MOST_TRIES:
            return None
        pause_s = FIRST_PAUSE_S * 2**job.tries
        if wished_s is not None:
            pause_s = min(wished_s, LONGEST_PAUSE_S)
        return self._clock.now() + timedelta(seconds=pause_s)

    def _spread(self, due_at: datetime) -> datetime:
        return due_at + timedelta(seconds=0.1 * self._entropy.jitter())
