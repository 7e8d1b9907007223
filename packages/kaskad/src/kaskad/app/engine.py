"""Load, decide, store: every change of a session goes through here.

The core decides on what was loaded; the store accepts the decision only if
nothing has changed meanwhile. A lost race loads and decides again.
"""

import asyncio
import contextlib
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
    StoreUnavailableError,
    Telemetry,
)
from kaskad.core import session as machine
from kaskad.core.cascade import Cascade, Context
from kaskad.core.codes import Keyring
from kaskad.core.effects import Effect, PushJob, Step, Take
from kaskad.core.errors import (
    CaptchaNotConfirmedException,
    KaskadError,
    RateLimitException,
    ServiceUnavailableException,
)
from kaskad.core.inputs import Input, Tick
from kaskad.core.model import Session

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
        self._following: set[asyncio.Task[None]] = set()
        self._cascades: dict[str, Cascade] = {}
        self._snapshot = catalog.snapshot

    def on_job(self, listener: Callable[[], None]) -> None:
        """Call back whenever there is a new job."""
        self._on_job.append(listener)

    def on_deadline(self, listener: Callable[[datetime], None]) -> None:
        """Call back with the next deadline of each session that changes."""
        self._on_deadline.append(listener)

    def context(self, widget_id: str) -> Context:
        """What a step may look at besides the session."""
        snapshot = self._catalog.snapshot
        if snapshot is not self._snapshot:
            self._cascades.clear()
            self._snapshot = snapshot
        cascade = self._cascades.get(widget_id)
        if cascade is None:
            cascade = self._cascades[widget_id] = snapshot.cascade(widget_id)
        return Context(cascade=cascade, keyring=self.keyring)

    def blind(self, tenant: str, subject: str) -> str:
        """A subject of a limit as it is stored: the number or address is not readable."""
        return self.keyring.mac("limit", tenant, subject)[:15].hex()

    # --- steps -------------------------------------------------------------------

    def foresee(self, wish: machine.Start) -> Step:
        """What a start would lead to if the limits let it; raises why to nothing."""
        step = machine.start(wish, self.clock.now(), self.context(wish.widget.id))
        if isinstance(step, KaskadError):
            raise step
        return step

    async def start(self, wish: machine.Start, memo: Memo | None = None) -> Session:
        """Begin a session; raises what it is refused with, or :class:`Repeated`."""
        step = self.foresee(wish)
        if not await self._commit(step, 0, memo=memo):
            raise ServiceUnavailableException
        return step.session

    async def read(self, session_id: str) -> Session | None:
        """The session as of now: deadlines that are due have happened."""
        session = await self.store.load(session_id)
        now = self.clock.now()
        if session is None or session.gone_at <= now:
            return None
        if session.due_at is not None and session.due_at <= now:
            step = await self.apply(session_id, Tick())
            return None if step is None else step.session
        return session

    async def apply(
        self,
        session_id: str,
        event: Input,
        *,
        known: Session | None = None,
        claim: Claim | None = None,
        memo: Memo | None = None,
    ) -> Step | None:
        """Let an input happen; ``None`` when there is no such session.

        ``known`` is the session as it was just read, to save a look at the store:
        should it be out of date, the store says so. With a ``claim`` nothing
        happens once the job is somebody else's.
        """
        for _ in range(MOST_RACES):
            session, known = known or await self.store.load(session_id), None
            now = self.clock.now()
            if session is None or session.gone_at <= now:
                return None
            step = machine.advance(session, event, now, self.context(session.widget))
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
            effects=self._blinded(session.tenant, step.effects),
            claim=claim,
            remember=memo(step) if memo else None,
        )
        try:
            verdict = await self.store.commit(change)
        except asyncio.CancelledError:
            # The write goes on without its caller, or is over already.
            self._following.add(following := asyncio.create_task(self._follow(step)))
            following.add_done_callback(self._following.discard)
            raise
        match verdict:
            case Committed():
                self._announce(step)
                return True
            case Conflict():
                return False
            case Fenced():
                return None
            case Refused():
                raise _refusal(change, verdict)
            case Duplicate():
                raise Repeated

    def _blinded(self, tenant: str, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        if Take not in map(type, effects):
            return effects
        return tuple(
            [
                replace(effect, subject=self.blind(tenant, effect.subject))
                if isinstance(effect, Take)
                else effect
                for effect in effects
            ]
        )

    async def _follow(self, step: Step) -> None:
        """Announce a change whose caller has left once its write is over, whatever came of it."""
        with contextlib.suppress(StoreUnavailableError):
            await self.store.load(step.session.id)
        self._announce(step)

    def _announce(self, step: Step) -> None:
        due = step.session.due_at
        if due is not None:
            for expect in self._on_deadline:
                expect(due)
        for effect in step.effects:
            if isinstance(effect, PushJob):
                for poke in self._on_job:
                    poke()


def _refusal(change: Change, refused: Refused) -> KaskadError:
    """What a full limit means to the caller."""
    for effect in change.effects:
        if isinstance(effect, Take) and effect.captcha and effect.subject == refused.subject:
            return CaptchaNotConfirmedException()
    return RateLimitException(retry_after_s=refused.retry_after_s)
