"""What only the real server shows: raw paths, lengths, slow bodies, hung-up clients, the stop."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kaskad.http.server import PortInUseError, bind
from packages.kaskad.tests.http.site import BASE, Site, begin, held, request, serving, until


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as site:
        yield site


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
