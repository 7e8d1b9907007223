"""The running service as the machine drives it: calls by the API, answers by the provider."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from msgspec.structs import replace

from kaskad.app.ports import (
    Busy,
    Driver,
    Message,
    Refusal,
    SendResult,
    Snapshot,
    Taken,
    Unknown,
)
from kaskad.app.verification import SendWish
from kaskad.core import errors, inputs
from kaskad.core.cascade import Cascade, Context
from kaskad.core.codes import digits
from kaskad.core.model import Channel, Launch, Recipient, Session, State, Widget
from kaskad.core.session import advance
from kaskad.core.view import View
from kaskad.telemetry.metrics import Metrics
from kaskad.testing import FakeClock, FakeEntropy, FixedCatalog
from packages.kaskad.tests.builders import KEYRING, TENANT, api_token
from packages.kaskad.tests.core.scene import Outcome, outcome
from packages.kaskad.tests.core.system import Opened, System
from packages.kaskad.tests.running.files import Place
from packages.kaskad.tests.running.node import Archive, Node, Watched
from packages.kaskad.tests.running.quiet import QuietLoop

CALLER = api_token()
FOR_EVER_S = 86400.0

Key = tuple[str, int]


class Held:
    """A provider that answers when, and what, a test says. It has every account."""

    def __init__(self) -> None:
        self.pending: dict[Key, asyncio.Future[SendResult]] = {}

    def get(self, tenant: str, provider: str) -> Driver | None:
        return self

    async def send(self, message: Message) -> SendResult:
        key = message.session, message.launch
        assert key not in self.pending, "handed over again while the first is under way"
        self.pending[key] = asyncio.get_running_loop().create_future()
        try:
            return await self.pending[key]
        finally:
            del self.pending[key]

    async def close(self) -> None:
        pass


class RunningSystem(System):
    """Engine, worker, sweeper and store, with time that leaps: deadlines are noticed late."""

    def __init__(self, place: Place) -> None:
        self._loop = QuietLoop()
        self._clock = FakeClock()
        self._clock.settled = self._loop.quiet
        self._catalog = FixedCatalog(Snapshot())
        self._entropy = FakeEntropy()
        self._archive = Archive()
        self._place = place
        self._provider = Held()
        self._forgotten: dict[str, Session] = {}
        self._watching = True
        self._node = self._loop.run(self._new_node())
        self._loop.run(self._start())

    # --- the process

    async def _new_node(self) -> Node:
        store = Watched(await self._place.open(self._clock.now), self._archive)
        self._loop.selector.busy = lambda: store.busy
        return Node(
            store,
            clock=self._clock,
            catalog=self._catalog,
            drivers=self._provider,
            entropy=self._entropy,
            telemetry=Metrics(),
        )

    async def _start(self) -> None:
        self._watching = True
        self._node.start()

    async def _end(self, *, killed: bool) -> None:
        if killed:
            await self._node.kill()
        else:
            await self._node.stop()
        await self._place.close(killed=killed)

    def restart(self, *, killed: bool) -> None:
        """End the process and begin another over what it left: every session is as it was."""
        self._loop.run(self._end(killed=killed))
        assert not self._provider.pending
        self._node = self._loop.run(self._new_node())
        for name, session in self._archive.sessions.items():
            found = self._loop.run(self._node.store.load(name))
            assert found == session or (found is None and session.gone_at <= self.now)
        self._loop.run(self._start())

    def close(self) -> None:
        """End the process for good; no job may be left over."""
        try:
            left_over = self._node.store.sizes()["jobs"]
            self._loop.run(self._end(killed=False))
            self._place.remove()
            assert left_over == 0
        finally:
            self._loop.close()

    # --- the system that the machine knows

    @property
    def now(self) -> datetime:
        return self._clock.now()

    def configure(self, widget: Widget, channels: Sequence[Channel]) -> None:
        """Channels belong to a tenant here: each is named after its widget as well."""
        named = [replace(c, id=f"{widget.id}/{c.id}") for c in channels]
        known = self._catalog.snapshot
        others = {k: c for k, c in known.channels.items() if not k[1].startswith(f"{widget.id}/")}
        there = replace(
            widget,
            id=_uuid_of(widget.id),
            tenant=TENANT,
            channels=tuple(c.id for c in named),
        )
        self._catalog.snapshot = replace(
            known,
            revision=known.revision + 1,
            widgets={**known.widgets, there.id: there},
            channels={**others, **{(TENANT, c.id): c for c in named}},
        )

    def advance_time(self, seconds: float, *, asleep: bool) -> None:
        self._loop.run(self._leap(seconds, asleep=asleep))
        if not asleep:
            self._hold_jobs()

    async def _leap(self, seconds: float, *, asleep: bool) -> None:
        if asleep and self._watching:
            self._watching = False
            await self._node.sweeper.stop()
        await self._clock.leap(seconds)
        if not asleep and not self._watching:
            self._watching = True
            self._node.sweeper.start()

    def _hold_jobs(self) -> None:
        """The store has the jobs that its changes have pushed and not dropped."""
        assert self._node.store.sizes()["jobs"] == self._archive.open_jobs

    def send(self, widget: str, to: Recipient, address: str | None) -> Opened | str:
        wish = SendWish(widget_id=_uuid_of(widget), recipient=to.number, user_ip=address)
        try:
            sent = self._loop.run(self._node.calls.send(CALLER, wish))
        except errors.WidgetIsBlockedException:
            # The API says so before the cascade, which has nothing for such a widget, is asked.
            return "NoAvailableChannelsException"
        except errors.KaskadError as refusal:
            return refusal.type
        return Opened(sent.request_id)

    def state(self, session: str) -> Session:
        found = self._forgotten.get(session) or self._loop.run(self._node.store.load(session))
        return _unnamed(found or self._archive.sessions[session])

    def digits(self, session: str, launch: int) -> str | None:
        record = self._archive.sessions[session]
        number = record.launches[launch - 1].code
        return None if number is None else digits(record.codes[number - 1], session, KEYRING)

    def jobs(self, session: str) -> set[int]:
        """The launches that the provider is asked for and that have not lost their job."""
        asked = {launch for name, launch in self._provider.pending if name == session}
        return asked & self._archive.jobs.get(session, set())

    def view(self, session: str) -> View | str:
        if self._is_gone(session):
            return super().view(session)
        answer = self._loop.run(self._node.calls.channel(CALLER, session))
        return answer.view if isinstance(answer.view, View) else answer.view.type

    def do(self, session: str, event: inputs.Input) -> Outcome:
        if self._is_gone(session):
            return self._do_without(session, event)
        key = session, getattr(event, "launch", 0)
        match event:
            case inputs.Accepted(code=code, code_type=turned) if key in self._provider.pending:
                return self._answer(key, Taken(code=code, code_type=turned))
            case inputs.Rejected() if key in self._provider.pending:
                return self._answer(key, Refusal(reason="no"))
            case inputs.Errored() if key in self._provider.pending:
                return self._answer(key, Busy(reason="not now", retry_after_s=FOR_EVER_S))
            case inputs.Unsure() if key in self._provider.pending:
                return self._answer(key, Unknown(reason="silence"))
            case inputs.Reported():
                return self._loop.run(self._report(session, event))
        call = self._call(session, event)
        if call is None:
            step = self._loop.run(self._node.engine.apply(session, event))
            assert step is not None
            return outcome(step.answer)
        return self._asked(call)

    def _call(self, session: str, event: inputs.Input) -> Awaitable[bool] | None:
        """The call of the API that an input stands for."""
        calls, number = self._node.calls, self._archive.sessions[session].recipient.number
        match event:
            case inputs.CheckCode(code=code):
                return calls.check_code(CALLER, session, code)
            case inputs.Resend(next=another_way):
                return calls.resend(CALLER, session, another_way=another_way)
            case inputs.Complete():
                return calls.complete(CALLER, session, number)
            case inputs.CheckAndComplete():
                return calls.check_and_complete(CALLER, session, number, None)
            case inputs.Cancel():
                return calls.cancel(CALLER, session)
            case _:
                return None

    def _asked(self, call: Awaitable[bool]) -> Outcome:
        async def ask() -> Outcome:
            try:
                return await call
            except errors.KaskadError as refusal:
                return refusal.type

        return self._loop.run(ask())

    def _answer(self, key: Key, answer: SendResult) -> Outcome:
        async def say() -> None:
            self._provider.pending[key].set_result(answer)

        self._loop.run(say())
        return None

    async def _report(self, session: str, event: inputs.Reported) -> None:
        self._node.reports.receive(session, event.launch, event.kind, event.reason)

    # --- sessions that the service has forgotten

    def _is_gone(self, session: str) -> bool:
        known = self._forgotten.get(session) or self._archive.sessions[session]
        return session in self._forgotten or known.gone_at <= self.now

    def _do_without(self, session: str, event: inputs.Input) -> Outcome:
        """The service answers 404; the machine's books are closed as the core would close them."""
        call = self._call(session, event)
        if call is None:
            assert self._loop.run(self._node.engine.apply(session, event)) is None
        else:
            assert self._asked(call) in {"SessionNotFoundException", "RateLimitException"}
        before = self._forgotten.get(session) or self._archive.sessions[session]
        context = Context(cascade=Cascade(widget=None, channels=()), keyring=KEYRING)
        step = advance(before, event, self.now, context)
        assert step.session.state is State.CLOSED
        self._forgotten[session] = step.session
        return outcome(step.answer)


def _uuid_of(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


def _unnamed(session: Session) -> Session:
    """The record with the machine's names of channels."""
    return replace(
        session,
        launches=tuple(_unnamed_launch(launch) for launch in session.launches),
        channel_misses=tuple((_short(name), n) for name, n in session.channel_misses),
        barred=tuple(map(_short, session.barred)),
    )


def _unnamed_launch(launch: Launch) -> Launch:
    return replace(launch, channel=_short(launch.channel))


def _short(name: str) -> str:
    return name.rpartition("/")[2]
