"""Where the shared scenarios are played: a client of each world, and what a test does to it."""

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2

from kaskad.app.inbox import Delivered
from kaskad.app.ports import ApiToken, Snapshot
from kaskad.bootstrap import Options, Service, build
from kaskad.core.model import ReportKind
from kaskad.stores.memory import MemoryStore
from kaskad.testing import FakeClock, FakeEntropy, FixedCatalog
from kaskad_sdk import AsyncOtpClient, ForbiddenException, RateLimitException
from kaskad_sdk._simulated_exchange import Trouble
from kaskad_sdk.testing import SimulatedChannel, SimulatedWidget, Simulation
from packages.kaskad.tests import builders
from tests.acceptance.harness import Kaskad
from tests.sdk.faulty import FaultyServer, Reply, Seen
from tests.sdk.stage import HOLD_S, IDS, NARROW_TOKEN, TOKEN, WAYS, WIDGETS, Way, configuration
from tests.sdk.twins import Client, Twin

Flaw = Literal["garbage", "slow"]


class World(ABC):
    """A service, or something that passes for one."""

    def __init__(self, kind: type[Client]) -> None:
        self.kind = kind
        self.stack = AsyncExitStack()

    @abstractmethod
    def client(self, **settings: Any) -> Client:
        """A client of this world."""

    def twin(self, **settings: Any) -> Twin:
        twin = Twin(self.client(**settings))
        self.stack.push_async_callback(twin.close)
        return twin

    @abstractmethod
    async def pass_time(self, seconds: float) -> None: ...

    @abstractmethod
    async def codes(self, number: str) -> list[str]:
        """The codes that reached a number, the oldest first."""

    @abstractmethod
    async def answer(self, number: str, *, yes: bool) -> None:
        """The person answers the newest codeless message."""

    @abstractmethod
    async def go_away(self) -> None: ...

    @abstractmethod
    async def come_back(self) -> None: ...

    @abstractmethod
    def flawed(self, flaw: Flaw) -> Twin:
        """A client whose every answer is spoilt on the way."""

    @abstractmethod
    def forbid(self) -> Twin:
        """A client whose token is for another widget."""

    async def use_up(self, twin: Twin, number: str) -> None:
        """Send until no more sends to a number are allowed."""
        for _ in range(3):
            await twin("send", IDS["sms"], number)

    async def code(self, number: str) -> str:
        return (await self.codes(number))[-1]


# --- the simulation --------------------------------------------------------------------------


def _simulated(way: Way) -> SimulatedChannel:
    return SimulatedChannel(
        type=way.type,
        label=way.label,
        outcome=way.outcome,  # type: ignore[arg-type]  # one of them
        delay_s=way.delay,
        code_length=way.code_length,
        lifetime_s=way.lifetime,
        number_of_tries=way.tries,
        number_of_restart=way.restarts,
        restart_cooldown_s=way.cooldown,
        send_timeout_s=way.send_timeout,
    )


class Fake(World):
    """:class:`kaskad_sdk.testing.Simulation`."""

    def __init__(self, kind: type[Client]) -> None:
        super().__init__(kind)
        widgets = {
            IDS[name]: SimulatedWidget(
                name=name,
                active=name != "inactive",
                blocked=name == "blocked",
                channels=[_simulated(WAYS[x]) for x in ways if WAYS[x].enabled],
            )
            for name, ways in WIDGETS.items()
        }
        self.simulation = Simulation(
            widgets=widgets, code=None, long_poll_timeout_s=HOLD_S, token=TOKEN
        )

    def client(self, **settings: Any) -> Client:
        settings.setdefault("api_token", TOKEN)
        return self.kind(simulation=self.simulation, **settings)

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(0.05)
        self.simulation.advance(seconds)
        await asyncio.sleep(0.05)

    async def codes(self, number: str) -> list[str]:
        found = [m.code for m in self.simulation.messages if m.recipient == number]
        return [code for code in found if code is not None]

    async def answer(self, number: str, *, yes: bool) -> None:
        (self.simulation.confirm if yes else self.simulation.decline)(number)

    async def go_away(self) -> None:
        self.simulation.down = True

    async def come_back(self) -> None:
        self.simulation.down = False

    def flawed(self, flaw: Flaw) -> Twin:
        trouble: Trouble = flaw
        self.simulation.trouble(trouble, times=1000)
        return self.twin(timeout=1.0 if flaw == "slow" else 10.0)

    def forbid(self) -> Twin:
        error = ForbiddenException()
        for call in ("getWidget", "send", "getChannel", "getStatus", "checkCode", "complete"):
            self.simulation.refuse(call, error)
        return self.twin()

    async def use_up(self, twin: Twin, number: str) -> None:
        self.simulation.refuse("send", RateLimitException(retry_after_s=42))


# --- a service in this process ---------------------------------------------------------------


class _Line(httpx2.AsyncBaseTransport):
    """The way to the service, which may be cut or spoil what it carries."""

    def __init__(self) -> None:
        self.service: Service | None = None
        self.flaw: Flaw | None = None
        self.cut = asyncio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.service is None:
            raise httpx2.ConnectError("nobody is there")
        if self.flaw == "garbage":
            return httpx2.Response(500, content=b"<html>oops</html>")
        if self.flaw == "slow":
            await asyncio.sleep(60)
        app: Any = self.service.application
        call = asyncio.ensure_future(httpx2.ASGITransport(app=app).handle_async_request(request))
        cut = asyncio.ensure_future(self.cut.wait())
        await asyncio.wait({call, cut}, return_when=asyncio.FIRST_COMPLETED)
        cut.cancel()
        if call.done():
            return call.result()
        call.cancel()
        raise httpx2.RemoteProtocolError("the line was cut")


class _Bridge(httpx2.BaseTransport):
    """The same for a client that blocks, from its thread."""

    def __init__(self, line: _Line, loop: asyncio.AbstractEventLoop) -> None:
        self._line, self._loop = line, loop

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        body = request.read()

        async def call() -> tuple[int, Any, bytes]:
            whole = httpx2.Request(
                request.method, request.url, headers=request.headers, content=body
            )
            answer = await self._line.handle_async_request(whole)
            return answer.status_code, answer.headers, await answer.aread()

        future = asyncio.run_coroutine_threadsafe(call(), self._loop)
        try:
            status, headers, content = future.result(request.extensions["timeout"]["read"])
        except TimeoutError as late:
            future.cancel()
            raise httpx2.ReadTimeout("too late") from late
        return httpx2.Response(status, headers=headers, content=content)


class InProcess(World):
    """The real service on a fake clock; what it knows outlives it."""

    def __init__(self, kind: type[Client]) -> None:
        super().__init__(kind)
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock.now)
        self.line = _Line()
        self.loop = asyncio.get_running_loop()
        self._running = AsyncExitStack()
        self.stack.push_async_callback(self.go_away)
        self._inbox: list[Delivered] = []

    def client(self, **settings: Any) -> Client:
        settings.setdefault("api_token", TOKEN)
        http: Any = httpx2.Client(transport=_Bridge(self.line, self.loop))
        if self.kind is AsyncOtpClient:
            http = httpx2.AsyncClient(transport=self.line)
        return self.kind(api_url="http://kaskad.test", http_client=http, **settings)

    async def pass_time(self, seconds: float) -> None:
        for part in (0.0, seconds, 0.0):
            await asyncio.sleep(0.03)
            await self.clock.advance(part)
        await asyncio.sleep(0.03)

    async def codes(self, number: str) -> list[str]:
        assert self.line.service is not None
        messages = self.line.service.inbox.messages()
        return [m.code for m in messages if m.recipient == number and m.code is not None]

    async def answer(self, number: str, *, yes: bool) -> None:
        assert self.line.service is not None
        inbox = self.line.service.inbox
        newest = [m for m in inbox.messages() if m.recipient == number and m.code is None][-1]
        inbox.answer(newest.id, ReportKind.CONFIRMED if yes else ReportKind.DECLINED)
        await self.clock.advance()

    async def go_away(self) -> None:
        self.line.service = None
        self.line.cut.set()
        await self._running.aclose()

    async def come_back(self) -> None:
        self.line.cut.clear()
        service = build(
            Options(secret_keys=[builders.KEY], long_poll_timeout_s=HOLD_S),
            store=self.store,
            catalog=FixedCatalog(_snapshot()),
            clock=self.clock,
            entropy=FakeEntropy(secrets.randbits(32)),
        )
        await self._running.enter_async_context(service.running())
        self.line.service = service

    def flawed(self, flaw: Flaw) -> Twin:
        self.line.flaw = flaw
        return self.twin(timeout=1.0 if flaw == "slow" else 10.0)

    def forbid(self) -> Twin:
        return self.twin(api_token=NARROW_TOKEN)


def _snapshot() -> Snapshot:
    channels = [
        builders.channel(
            way.type,
            id=name,
            label=way.label,
            provider=f"p-{name}",
            enabled=way.enabled,
            code_length=way.code_length,
            lifetime_s=way.lifetime,
            number_of_tries=way.tries,
            number_of_restart=way.restarts,
            restart_cooldown_s=way.cooldown,
            send_timeout_s=way.send_timeout,
        )
        for name, way in WAYS.items()
    ]
    widgets = tuple(
        builders.widget(
            id=IDS[name],
            name=name,
            channels=ways,
            active=name != "inactive",
            blocked=name == "blocked",
        )
        for name, ways in WIDGETS.items()
    )
    providers = {f"p-{n}": {"outcome": w.outcome, "delay": w.delay} for n, w in WAYS.items()}
    tokens: tuple[ApiToken, ...] = (
        builders.api_token(TOKEN, id="all"),
        builders.api_token(NARROW_TOKEN, id="narrow", widgets=(IDS["other"],)),
    )
    return builders.snapshot(*channels, providers=providers, widgets=widgets, tokens=tokens)


# --- a real process --------------------------------------------------------------------------


class Process(World):
    """A `kaskad serve`; spoilt answers come through a server in front of it."""

    def __init__(self, kind: type[Client], kaskad: Kaskad) -> None:
        super().__init__(kind)
        self.kaskad = kaskad

    def client(self, **settings: Any) -> Client:
        settings.setdefault("api_token", TOKEN)
        settings.setdefault("api_url", self.kaskad.url)
        return self.kind(**settings)

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds + 0.3 if seconds else 0.1)

    async def _messages(self, number: str) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self.kaskad.messages, number)

    async def codes(self, number: str) -> list[str]:
        return [m["code"] for m in await self._messages(number) if m["code"] is not None]

    async def answer(self, number: str, *, yes: bool) -> None:
        newest = [m for m in await self._messages(number) if m["code"] is None][-1]
        path = f"/handset/messages/{newest['id']}/{'confirm' if yes else 'decline'}"
        answer = await asyncio.to_thread(httpx2.post, self.kaskad.url + path)
        assert answer.status_code < 300, answer.text

    async def go_away(self) -> None:
        assert await asyncio.to_thread(self.kaskad.stop) == 0

    async def come_back(self) -> None:
        await asyncio.to_thread(self.kaskad.start)

    def flawed(self, flaw: Flaw) -> Twin:
        def script(seen: Seen) -> Reply:
            if flaw == "garbage":
                return Reply(status=500, body=b"<html>oops</html>")
            return Reply(drip_s=0.3, body=b"{" * 400, drip_head="checkCode" in seen.target)

        front = self.stack.enter_context(FaultyServer(script))
        return self.twin(api_url=front.url, timeout=1.0 if flaw == "slow" else 10.0)

    def forbid(self) -> Twin:
        return self.twin(api_token=NARROW_TOKEN)


def real(folder: Path) -> Kaskad:
    """A service with the stage, not started yet."""
    kaskad = Kaskad(folder, config=configuration())
    kaskad.token = TOKEN
    return kaskad


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[World]:
    """The world, while it lasts."""
    async with world.stack:
        if isinstance(world, InProcess):
            await world.come_back()
        yield world
