"""What only the real server shows: raw paths, lengths, slow bodies, hung-up clients, the stop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from kaskad.bootstrap import Options, Service, build
from kaskad.http.server import PortInUseError, Server, bind
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


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    clock = SystemClock()
    service = build(
        Options(secret_keys=[KEY], long_poll_timeout_s=5),
        store=MemoryStore(clock.now),
        catalog=FixedCatalog(configuration(outcomes={"sms": {"delay": 0.0}})),
        clock=clock,
        entropy=SystemEntropy(),
    )
    listener = bind("127.0.0.1", 0)
    server = Server(service.application, service.drain)
    async with service.running():
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
        yield Site(service, server, listener.getsockname()[1])
        server.stop()
        await asyncio.wait_for(serving, 10)


async def begin(site: Site) -> str:
    body = b'{"widgetId":"%s","recipient":"+79001234561"}' % SMS.encode()
    status, _, found = await site.call("POST", BASE, body)
    assert status == 201
    return found.split(b'"')[3].decode()


def held(request_id: str) -> str:
    return f"{BASE}/longPolling/{request_id}/status?recipient=%2B79001234561"


async def test_paths_and_bodies_arrive_as_they_were_sent(site: Site) -> None:
    request_id = await begin(site)
    expected = {
        f"GET {BASE}/{request_id}/channel": 200,
        f"GET {BASE}/{request_id}/channel?": 200,
        f"GET {BASE}/{request_id}%2Fchannel": 404,
        f"GET {BASE}/{request_id.upper()}/%63hannel": 200,
        f"GET {BASE}/{request_id}/status?recipient=+79001234561": 200,
        f"GET {BASE}/{request_id}/status?recipient=8%20(900)%20123-45-61": 200,
        f"GET http://elsewhere.example{BASE}/{request_id}/channel": 200,
        f"GET {BASE}//{request_id}/channel": 404,
        f"PUT {BASE}/": 405,
        "GET /nothing": 404,
        "GET /healthz": 200,
    }
    found = {}
    for line in expected:
        method, path = line.split(" ", 1)
        status, headers, _ = await site.call(method, path)
        found[line] = status
        assert "server" not in headers
        assert headers["x-request-id"]
    assert found == expected


async def test_a_body_that_is_too_large_is_refused(site: Site) -> None:
    path = f"{BASE}/{await begin(site)}/checkCode"
    status, _, body = await site.call("POST", path, b"", "Content-Length: 16385")
    assert (status, b'"httpStatus":413' in body) == (413, True)

    chunk = b"%x\r\n%s\r\n" % (8000, b" " * 8000)
    head = request("POST", path, b"", "Transfer-Encoding: chunked")
    status, _, _ = await site.raw(head + chunk * 3 + b"0\r\n\r\n")
    assert status == 413

    small = b'{"code":"x"}'
    status, _, body = await site.raw(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(small), small))
    assert (status, b"InvalidCodeException" in body) == (400, True)


async def test_a_client_that_hangs_up_frees_its_place(site: Site) -> None:
    request_id = await begin(site)
    reader, writer = await site.open()
    writer.write(request("GET", held(request_id)))
    await until(lambda: site.service.hub.held == 1)
    writer.close()
    await until(lambda: site.service.hub.held == 0)
    assert await reader.read() == b""


async def test_a_stop_answers_who_waits_and_then_ends(site: Site) -> None:
    request_id = await begin(site)
    poll = asyncio.create_task(site.call("GET", held(request_id)))
    stream = asyncio.create_task(_to_its_end(site, f"{BASE}/{request_id}/events"))
    await until(lambda: site.service.hub.held == 2)
    site.server.stop()
    async with asyncio.timeout(2):
        assert (await poll)[0] == 408
        assert b"event: channel" in await stream


async def _to_its_end(site: Site, path: str) -> bytes:
    reader, writer = await site.open()
    writer.write(request("GET", path, b"", "Connection: close"))
    found = await reader.read()
    writer.close()
    return found


async def test_the_server_logs_no_request(site: Site) -> None:
    assert not site.server.config.access_log
    assert not site.server.config.proxy_headers


async def test_a_second_stop_does_not_wait(site: Site) -> None:
    site.server.stop()
    assert not site.server.force_exit
    site.server.stop()
    assert site.server.force_exit


async def test_a_port_that_is_taken_is_said_so(site: Site) -> None:
    with pytest.raises(PortInUseError, match=f"127.0.0.1:{site.port}: "):
        bind("127.0.0.1", site.port)
    with pytest.raises(PortInUseError):
        bind("::ffff:203.0.113.1", 0)
