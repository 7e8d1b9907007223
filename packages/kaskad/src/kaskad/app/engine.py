"""Load, decide, store: every change of a session goes through here.

The core decides on what was loaded; the store accepts the decision only if
nothing has changed meanwhile. A lost race loads and decides again.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from kaskad.app.ports import (
    Catalog,
    Change,
    Claim,
    Clock,
    Committed,
    Conflict,
    Duplicate,
    Fenced,
    Refused,
    Remembered,
    Store,
    Telemetry,
)
from kaskad.core import session as machine
from kaskad.core.cascade import Context
from kaskad.core.codes import Keyring
from kaskad.core.effects import Effect, PushJob, Step, Take
from kaskad.core.errors import (
    KaskadError,
    RateLimitException,
    ServiceUnavailableException,
)
from kaskad.core.inputs import Input, Tick
from kaskad.core.model import Session
from kaskad.core.view import wake_at

MOST_RACES = 1000

Memo = Callable[[Step], Remembered | None]


class Repeated(Exception):  # not an error: the call has been answered before
    """The idempotency key of a call was taken by another one with the same key."""


class Engine:
    """Carries the machine's steps out, each as one atomic change."""

    def __init__(
        self,
        *,
        store: Store,
        catalog: Catalog,
        clock: Clock,
        keyring: Keyring,
        telemetry: Telemetry,
    ) -> None:
        self.store = store
        self.clock = clock
        self.keyring = keyring
        self._catalog = catalog
        self._telemetry = telemetry
        self._on_job: list[Callable[[], None]] = []
        self._on_deadline: list[Callable[[datetime], None]] = []
        self._orphans: dict[str, Step] = {}
        store.subscribe(self._stored)

    def on_job(self, listener: Callable[[], None]) -> None:
        """Call back whenever there is a new job."""
        self._on_job.append(listener)

    def on_deadline(self, listener: Callable[[datetime], None]) -> None:
        """Call back with the next deadline of each session that changes."""
        self._on_deadline.append(listener)

    def context(self, widget_id: str) -> Context:
        """What a step may look at besides the session."""
        cascade = self._catalog.snapshot.cascade(widget_id)
        return Context(cascade=cascade, keyring=self.keyring)

    def blind(self, tenant: str, subject: str) -> str:
        """A subject of a limit as it is stored: the number or address is not readable."""
        return self.keyring.mac("limit", tenant, subject)[:15].hex()

    # --- steps -------------------------------------------------------------------

    async def start(self, wish: machine.Start, memo: Memo | None = None) -> Session:
        """Begin a session; raises what it is refused with, or :class:`Repeated`."""
        step = machine.start(wish, self.clock.now(), self.context(wish.widget.id))
        if isinstance(step, KaskadError):
            raise step
        if not await self._commit(step, 0, memo=memo):
            raise ServiceUnavailableException
        return step.session

    async def read(self, session_id: str) -> Session | None:
        """The session as of now: deadlines that are due have happened."""
        session = await self.store.load(session_id)
        if session is None or session.gone_at <= self.clock.now():
            return None
        due = wake_at(session)
        if due is not None and due <= self.clock.now():
            step = await self.apply(session_id, Tick())
            return None if step is None else step.session
        return session

    async def apply(
        self,
        session_id: str,
        event: Input,
        *,
        claim: Claim | None = None,
        memo: Memo | None = None,
    ) -> Step | None:
        """Let an input happen; ``None`` when there is no such session.

        With a ``claim`` nothing happens once the job is somebody else's.
        """
        for _ in range(MOST_RACES):
            session = await self.store.load(session_id)
            if session is None or session.gone_at <= self.clock.now():
                return None
            step = machine.advance(session, event, self.clock.now(), self.context(session.widget))
            if step.session is session:
                return step
            done = await self._commit(step, session.version, claim=claim, memo=memo)
            if done is None:
                return Step(session, note="fenced")
            if done:
                self._telemetry.happened(event, session, step)
                return step
        raise ServiceUnavailableException(retry_after_s=1)

    async def _commit(
        self, step: Step, expected: int, *, claim: Claim | None = None, memo: Memo | None = None
    ) -> bool | None:
        """Whether the change was stored; ``None`` when the claim is stale."""
        session = step.session
        change = Change(
            session=session,
            expected=expected,
            effects=tuple(self._blinded(session.tenant, effect) for effect in step.effects),
            claim=claim,
            remember=memo(step) if memo else None,
        )
        try:
            verdict = await self.store.commit(change)
        except asyncio.CancelledError:
            # The write goes on without its caller: whoever must know is told once it is done.
            self._orphans[session.id] = step
            raise
        match verdict:
            case Committed():
                self._announce(step)
                return True
            case Conflict():
                return False
            case Fenced():
                return None
            case Refused(subject=_, retry_after_s=wait):
                raise RateLimitException(retry_after_s=wait)
            case Duplicate():
                raise Repeated

    def _blinded(self, tenant: str, effect: Effect) -> Effect:
        if isinstance(effect, Take):
            return replace(effect, subject=self.blind(tenant, effect.subject))
        return effect

    def _stored(self, session_id: str) -> None:
        orphan = self._orphans.pop(session_id, None)
        if orphan is not None:
            self._announce(orphan)

    def _announce(self, step: Step) -> None:
        due = wake_at(step.session)
        if due is not None:
            for expect in self._on_deadline:
                expect(due)
        if any(isinstance(effect, PushJob) for effect in step.effects):
            for poke in self._on_job:
                poke()
