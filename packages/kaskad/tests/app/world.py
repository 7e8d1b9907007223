"""The application shell on a fake clock: every part of it, and providers that play a script."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from kaskad.app.engine import Engine, Memo
from kaskad.app.gate import Gate
from kaskad.app.inbox import Delivered, Inbox
from kaskad.app.polling import Departure, Hub, Watch
from kaskad.app.ports import (
    ApiToken,
    Driver,
    Drivers,
    Message,
    SendResult,
    Snapshot,
    Taken,
)
from kaskad.app.reports import Reports
from kaskad.app.sweeper import Sweeper
from kaskad.app.verification import Verifications
from kaskad.app.worker import Worker
from kaskad.core.inputs import Input
from kaskad.core.model import Channel, Session, State, TestRecipient
from kaskad.core.session import Start
from kaskad.drivers.registry import DriverSet
from kaskad.telemetry.metrics import Metrics
from kaskad.testing import FakeCaptchas, FakeClock, FakeEntropy, FixedCatalog
from packages.kaskad.tests import builders
from packages.kaskad.tests.app.faulty import FaultyStore
from packages.kaskad.tests.builders import KEYRING, NUMBER, WIDGET_ID, recipient

Play = SendResult | Exception | Callable[[Message], Awaitable[SendResult]]


class _Unwatched:
    def cancel(self) -> None: ...


def stays(_: Callable[[], None]) -> Watch:
    """A client that never leaves."""
    return _Unwatched()


def leaves_on(gone: asyncio.Event) -> Departure:
    """A client that leaves then."""

    def departed(tell: Callable[[], None]) -> Watch:
        watch = asyncio.ensure_future(gone.wait())
        watch.add_done_callback(lambda _: tell())
        return watch

    return departed


class Script:
    """A provider that answers what it is told, the last answer for ever."""

    def __init__(self, *answers: Play) -> None:
        self._answers = list(answers) or [Taken()]
        self.messages: list[Message] = []
        self.under_way = 0
        self.closed = False

    async def send(self, message: Message) -> SendResult:
        self.messages.append(message)
        self.under_way += 1
        try:
            answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return await answer(message) if callable(answer) else answer
        finally:
            self.under_way -= 1

    def play(self, *answers: Play) -> None:
        """Answer so from now on."""
        self._answers = list(answers)

    async def close(self) -> None:
        self.closed = True


async def hang(_: Message) -> SendResult:
    await asyncio.Event().wait()
    raise AssertionError


class Table:
    """:class:`kaskad.app.ports.Drivers` of scripts, by the id of the provider."""

    def __init__(self, scripts: dict[str, Script]) -> None:
        self._scripts = scripts

    def get(self, tenant: str, provider: str) -> Driver | None:
        assert tenant == builders.TENANT
        return self._scripts.get(provider)


class World:
    """One node. What it does not start by itself, a test starts."""

    def __init__(
        self,
        store: FaultyStore,
        clock: FakeClock,
        snapshot: Snapshot | None = None,
        *,
        scripts: dict[str, Script] | None = None,
        seed: int = 0,
    ) -> None:
        self.store, self.clock = store, clock
        clock.settled = store.quiet
        self.catalog = FixedCatalog(snapshot or builders.snapshot())
        self.metrics = Metrics()
        self.entropy = FakeEntropy(seed)
        self.engine = Engine(
            store=store,
            catalog=self.catalog,
            clock=clock,
            keyring=KEYRING,
            telemetry=self.metrics,
        )
        self.inbox, self.reports = Inbox(), Reports(self.engine)
        self.hub = Hub(clock, self.metrics)
        store.subscribe(self.hub.wake)
        self.accounts = DriverSet(
            catalog=self.catalog,
            inbox=self.inbox,
            reports=self.reports.receive,
            clock=clock,
            entropy=self.entropy,
        )
        self.scripts = scripts if scripts is not None else {}
        self.drivers: Drivers = self.accounts if scripts is None else Table(self.scripts)
        self.worker = self.new_worker()
        self.sweeper = Sweeper(self.engine)
        self.verifications = Verifications(
            engine=self.engine,
            gate=Gate(self.engine, FakeCaptchas(), self.metrics),
            catalog=self.catalog,
            hub=self.hub,
            entropy=self.entropy,
            telemetry=self.metrics,
            session_lifetime_s=900,
            default_region="RU",
            long_poll_timeout_s=25,
        )

    def new_worker(self) -> Worker:
        return Worker(
            engine=self.engine,
            catalog=self.catalog,
            drivers=self.drivers,
            entropy=self.entropy,
            telemetry=self.metrics,
        )

    def start(self) -> None:
        self.worker.start()
        self.sweeper.start()

    async def stop(self) -> None:
        self.hub.drain()
        await self.worker.stop(0)
        await self.sweeper.stop()
        await self.reports.drain()
        await self.accounts.close()
        await self.store.quiet()

    # --- what people and back ends do -------------------------------------------------

    async def send(
        self,
        number: str = NUMBER,
        *,
        widget_id: str = WIDGET_ID,
        lifetime_s: int = 900,
        address: str | None = None,
        test: TestRecipient | None = None,
        memo: Memo | None = None,
    ) -> Session:
        wish = Start(
            id=self.entropy.uuid(),
            widget=self.catalog.snapshot.widgets[widget_id],
            recipient=recipient(number),
            locale="ru",
            lifetime_s=lifetime_s,
            address=address,
            test=test,
        )
        session = await self.engine.start(wish, memo)
        self.metrics.started(session)
        return session

    async def tell(self, session: Session, event: Input) -> object:
        step = await self.engine.apply(session.id, event)
        assert step is not None
        return step.answer

    async def now(self, session: Session) -> Session:
        found = await self.store.load(session.id)
        assert found is not None
        return found

    async def state(self, session: Session) -> State:
        return (await self.now(session)).state

    async def walked(self, session: Session) -> list[str]:
        """The channels of the launches so far."""
        return [launch.channel for launch in (await self.now(session)).launches]

    def shown(self, number: str = NUMBER) -> list[Delivered]:
        return self.inbox.messages(number)

    def figure(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"kaskad_{name}", labels) or 0.0


CALLER: ApiToken = builders.api_token()


def cascade(*kinds: str, **providers: Mapping[str, object]) -> Snapshot:
    """A widget with these channels; providers are named after the channels' types."""
    accounts = {f"{kind}-provider": settings for kind, settings in providers.items()}
    return builders.snapshot(*map(builders.channel, kinds), providers=accounts)


def with_channels(*channels: Channel, **providers: Mapping[str, object]) -> Snapshot:
    accounts = {f"{kind}-provider": settings for kind, settings in providers.items()}
    return builders.snapshot(*channels, providers=accounts)
