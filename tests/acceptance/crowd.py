"""Many clients on raw sockets, so that what is measured is the server."""

import asyncio
import os
import resource
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Self

from tests.acceptance.harness import BASE, WIDGET, Kaskad

AT_ONCE = 64
NUMBERS_FROM = 79_001_000_000
# Tests of the suite share the machine with each other, and it may stand still for a while.
NEIGHBOURS = 10


def allowed(promised_s: float) -> float:
    """The longest time that passes: what is promised when the long tests have the machine alone."""
    return promised_s if "KASKAD_SOAK" in os.environ else NEIGHBOURS * promised_s


def many_sockets() -> None:
    """Raise this process's soft limit of open files to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def rss(kaskad: Kaskad) -> int:
    """The resident memory of the server, in bytes."""
    assert kaskad.process is not None
    pages = int(Path(f"/proc/{kaskad.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def open_files(kaskad: Kaskad) -> int:
    assert kaskad.process is not None
    return sum(1 for _ in Path(f"/proc/{kaskad.process.pid}/fd").iterdir())


class Target(NamedTuple):
    """Where a server is, for those who only call it."""

    port: int
    token: str


class Connection(asyncio.Protocol):
    """A connection that can say when its answer came."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.received = bytearray()
        self.answered_at: float | None = None
        self.closed = False
        self._news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.answered_at is None:
            self.answered_at = time.perf_counter()
        self._news.set()

    def connection_lost(self, _: Exception | None) -> None:
        self.closed = True
        self._news.set()

    @classmethod
    async def open(cls, kaskad: Kaskad | Target, first: bytes = b"") -> Self:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, "127.0.0.1", kaskad.port)
        connection.write(first)
        return connection

    def write(self, data: bytes) -> None:
        assert self.transport is not None
        if data:
            self.transport.write(data)

    def hang_up(self) -> None:
        assert self.transport is not None
        self.transport.abort()

    @property
    def status(self) -> int | None:
        """The status of the newest answer, once it is there."""
        return int(self.received[9:12]) if len(self.received) > 12 else None

    async def until(self, holds: Callable[[Self], bool], within_s: float = 10.0) -> None:
        async with asyncio.timeout(within_s):
            while not holds(self):
                self._news.clear()
                await self._news.wait()

    async def exchange(self, request: bytes) -> bytes:
        """Send a request on a kept connection and read its answer whole."""
        self.received.clear()
        self.answered_at = None
        self.write(request)
        await self.until(lambda me: whole(me.received) or me.closed)
        return bytes(self.received)


def whole(received: bytearray) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return False
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return len(body) >= int(length or 0)


def request(
    kaskad: Kaskad | Target, method: str, path: str, body: bytes = b"", *more: str
) -> bytes:
    lines = [
        f"{method} {BASE}{path} HTTP/1.1",
        "Host: 127.0.0.1:8480",
        "Accept: */*",
        "Accept-Encoding: gzip, deflate",
        "Connection: keep-alive",
        "User-Agent: python-httpx2/2.0.0",
        f"Authorization: Bearer {kaskad.token}",
        *more,
    ]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def each(work: Iterable[Callable[[], Awaitable[None]]], at_once: int = AT_ONCE) -> None:
    """Do the work, so many at a time."""
    waiting = iter(work)

    async def hand() -> None:
        for job in waiting:
            await job()

    await asyncio.gather(*(hand() for _ in range(at_once)))


async def sessions(kaskad: Kaskad, count: int) -> dict[str, str]:
    """Begin that many sessions; their numbers by id."""
    begun: dict[str, str] = {}
    numbers = iter(range(NUMBERS_FROM, NUMBERS_FROM + count))

    async def hand() -> None:
        connection = await Connection.open(kaskad)
        for digits in numbers:
            body = b'{"widgetId":"%s","recipient":"+%d"}' % (WIDGET.encode(), digits)
            answer = await connection.exchange(request(kaskad, "POST", "/", body))
            assert answer.startswith(b"HTTP/1.1 201"), answer
            begun[answer.partition(b'"requestId":"')[2][:36].decode()] = f"+{digits}"
        connection.hang_up()

    many_sockets()
    await asyncio.gather(*(hand() for _ in range(AT_ONCE)))
    return begun


def status_poll(kaskad: Kaskad, request_id: str, number: str) -> bytes:
    return request(
        kaskad, "GET", f"/longPolling/{request_id}/status?recipient=%2B{number[1:]}&since=99"
    )


async def hold(kaskad: Kaskad, begun: dict[str, str]) -> dict[str, Connection]:
    """A held call for each session."""
    held: dict[str, Connection] = {}

    async def one(request_id: str, number: str) -> None:
        held[request_id] = await Connection.open(kaskad, status_poll(kaskad, request_id, number))

    await each(_bound(one, *pair) for pair in begun.items())
    return held


def _bound(
    call: Callable[[str, str], Awaitable[None]], *arguments: str
) -> Callable[[], Awaitable[None]]:
    return lambda: call(*arguments)


async def figure(kaskad: Kaskad, name: str) -> float:
    """One of the server's own figures."""
    connection = await Connection.open(kaskad)
    connection.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await connection.until(lambda me: me.closed)
    for line in connection.received.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"{name} is not measured")


async def until_held(kaskad: Kaskad, count: int, within_s: float = 20.0) -> None:
    ends = time.perf_counter() + within_s
    while (held := await figure(kaskad, "kaskad_held_polls")) != count:
        assert time.perf_counter() < ends, f"{held} held instead of {count}"
        await asyncio.sleep(0.02)
