"""The whole service behind its real server, on a real socket, in this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from kaskad.bootstrap import Options, Service, build
from kaskad.http.porch import Patience
from kaskad.http.server import Server, bind
from kaskad.stores.memory import MemoryStore
from kaskad.system import SystemClock, SystemEntropy
from kaskad.testing import FixedCatalog
from packages.kaskad.tests.builders import KEY, TOKEN
from packages.kaskad.tests.http.house import SMS, configuration

BASE = "/api/n/otp-handler"


class Site:
    def __init__(self, service: Service, server: Server, port: int) -> None:
        self.service, self.server, self.port = service, server, port

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def raw(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send these bytes, read one answer."""
        reader, writer = await self.open()
        try:
            writer.write(request)
            await writer.drain()
            return await answer(reader)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def call(
        self, method: str, path: str, body: bytes = b"", *more: str
    ) -> tuple[int, dict[str, str], bytes]:
        return await self.raw(request(method, path, body, *more))


def request(method: str, path: str, body: bytes = b"", *more: str) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {TOKEN}",
        *more,
    ]
    if body and not any(line.lower().startswith("content-length") for line in more):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(head[0].split(" ")[1]), headers, body


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


@contextlib.asynccontextmanager
async def serving(
    *,
    patience: Patience | None = None,
    request_timeout_s: float = 10.0,
    hold_s: float = 5.0,
) -> AsyncIterator[Site]:
    """A site for as long as the block runs."""
    clock = SystemClock()
    service = build(
        Options(secret_keys=[KEY], long_poll_timeout_s=hold_s, request_timeout_s=request_timeout_s),
        store=MemoryStore(clock.now),
        catalog=FixedCatalog(configuration(outcomes={"sms": {"delay": 0.0}})),
        clock=clock,
        entropy=SystemEntropy(),
    )
    listener = bind("127.0.0.1", 0)
    server = Server(service.application, service.drain, patience)
    async with service.running():
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
        try:
            yield Site(service, server, listener.getsockname()[1])
        finally:
            server.stop()
            await asyncio.wait_for(serving, 10)


async def begin(site: Site) -> str:
    body = b'{"widgetId":"%s","recipient":"+79001234561"}' % SMS.encode()
    status, _, found = await site.call("POST", BASE, body)
    assert status == 201
    return found.split(b'"')[3].decode()


def held(request_id: str) -> str:
    return f"{BASE}/longPolling/{request_id}/status?recipient=%2B79001234561"
