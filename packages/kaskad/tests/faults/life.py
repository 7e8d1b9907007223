"""One life of the service on a recorded disk, from the opening of its file to its death.

Everything that somebody outside can notice is told to the disk, between the
writes where it happened: calls, answers, messages at the provider. So is every
moment at which a task stops to wait. A story that was recorded so can end at
any of its events.
"""

import asyncio
import types
from collections.abc import Coroutine, Generator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from kaskad.app.inbox import Delivered
from kaskad.app.ports import Change, Committed, Snapshot, Verdict
from kaskad.bootstrap import Options, Service, build
from kaskad.core.model import Session
from kaskad.http.exchange import Receive, Scope, Send
from kaskad.stores.sqlite import SqliteStore
from kaskad.testing import START, FakeClock, FakeEntropy, FixedCatalog
from packages.kaskad.tests.app.faulty import FaultyStore
from packages.kaskad.tests.builders import KEY
from packages.kaskad.tests.faults.disk import STORE, Disk
from packages.kaskad.tests.http.client import Answer, Client, Exchange


class Asked(NamedTuple):
    """Somebody made a call; ``label`` is its request id."""

    label: str


class Answered(NamedTuple):
    """The caller has the whole answer."""

    label: str
    status: int


class Offered(NamedTuple):
    """A change is on its way to the store."""

    session: Session


class Stored(NamedTuple):
    """The store has promised a change."""

    session: Session


class Handed(NamedTuple):
    """The provider has a message."""

    session: str
    launch: int


class Paused(NamedTuple):
    """A task waits."""

    task: str
    at: datetime


class Watched(FaultyStore):
    """The store, telling what it is given and what it promises."""

    def __init__(self, inner: SqliteStore, disk: Disk) -> None:
        super().__init__(inner)
        self._disk = disk

    async def commit(self, change: Change) -> Verdict:
        self._disk.tell(Offered(change.session))
        verdict = await super().commit(change)
        if isinstance(verdict, Committed):
            self._disk.tell(Stored(change.session))
        return verdict

    async def quiet(self) -> None:
        """Return once every task waits for time, for a client, or for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0)
            if self._under_way and not loop._ready:  # type: ignore[attr-defined]
                await self._idle.wait()
            elif not loop._ready:  # type: ignore[attr-defined]
                return


class Life:
    """A running service; leave the block and it is shut down in an orderly way."""

    def __init__(
        self, disk: Disk, snapshot: Snapshot, *, at: datetime = START, seed: int = 0
    ) -> None:
        self.disk = disk
        self.clock = FakeClock(at)
        self._snapshot, self._seed = snapshot, seed
        self._stack = AsyncExitStack()

    async def open(self) -> Self:
        """Open the file; nothing runs yet."""
        opened = await SqliteStore.open(self.disk.folder / STORE, self.clock.now)
        self.store = Watched(opened, self.disk)
        self.clock.settled = self.store.quiet
        self.service: Service = build(
            Options(secret_keys=[KEY]),
            store=self.store,
            catalog=FixedCatalog(self._snapshot),
            clock=self.clock,
            entropy=FakeEntropy(self._seed),
        )
        self.service.inbox.subscribe(self._handed)
        self.api = Client(self._told)
        return self

    async def __aenter__(self) -> Self:
        await self.open()
        await self._stack.enter_async_context(self.service.running())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.clock.advance(12)  # whatever a provider was given meanwhile is over
        await self._stack.aclose()
        await self.store.close()

    def _handed(self, message: Delivered) -> None:
        if message.answer is None:
            self.disk.tell(Handed(message.session, message.launch))

    async def _told(self, scope: Scope, receive: Receive, send: Send) -> None:
        label = dict(scope["headers"]).get(b"x-request-id", b"").decode()
        status = 0

        async def tell(message: Any) -> None:
            nonlocal status
            await send(message)
            status = message.get("status", status)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.disk.tell(Answered(label, status))

        self.disk.tell(Asked(label))
        await self.service.application(scope, receive, tell)

    async def call(
        self, method: str, path: str, body: object = None, *, label: str = "", key: str = ""
    ) -> Answer:
        """Make a call and let it end, without time passing."""
        exchange = self.begin(method, path, body, label=label, key=key)
        await self.clock.advance()
        return exchange.answer()

    def begin(
        self, method: str, path: str, body: object = None, *, label: str = "", key: str = ""
    ) -> Exchange:
        """Make a call."""
        headers = {"x-request-id": label} if label else {}
        if key:
            headers["idempotency-key"] = key
        return self.api.begin(method, path, body=body, headers=headers)

    async def ready(self) -> int:
        """The status of the readiness probe."""
        exchange = self.api.begin("GET", "/readyz", absolute=True, token=None)
        await self.clock.advance()
        return exchange.answer().status

    def messages(self, request_id: str) -> list[Delivered]:
        """What the handset shows of a session."""
        return [m for m in self.service.inbox.messages() if m.session == request_id]


def pausing(disk: Disk, clock: FakeClock) -> None:
    """Let every task that is made from now on tell whenever it waits."""

    @types.coroutine
    def told(work: Coroutine[Any, Any, Any], name: str) -> Generator[Any, Any, Any]:
        steps, error = work.__await__(), None
        while True:
            try:
                waits_for = steps.send(None) if error is None else _thrown(steps, error)
            except StopIteration as end:
                return end.value
            disk.tell(Paused(name, clock.now()))
            try:
                yield waits_for
                error = None
            except BaseException as raised:  # whatever it is belongs to the task
                error = raised

    def make(loop: asyncio.AbstractEventLoop, work: Any, **how: Any) -> asyncio.Task[Any]:
        async def run() -> Any:
            return await told(work, work.__qualname__)

        return asyncio.Task(run(), loop=loop, **how)

    asyncio.get_running_loop().set_task_factory(make)


def _thrown(steps: Generator[Any, Any, Any], error: BaseException) -> Any:
    return steps.throw(error)


def later(at: datetime, seconds: float) -> datetime:
    return at + timedelta(seconds=seconds)
