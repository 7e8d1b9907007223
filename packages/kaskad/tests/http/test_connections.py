"""Clients that are slow, silent, deaf or not HTTP at all, and what they cost everybody else."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import ClassVar

import msgspec
import pytest

from kaskad.http.connection import LARGEST_HEAD, LARGEST_REST
from kaskad.http.porch import Patience, Porch
from packages.kaskad.tests.http.site import BASE, Site, answer, begin, held, request, serving, until

ALMOST_NOTHING = 12_000
QUICK = Patience(connections=20, request_s=0.3, idle_s=2.0, unread_s=0.3)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving(patience=QUICK, request_timeout_s=0.3, hold_s=60) as site:
        yield site
        for caller in Caller.here:
            await caller.leave()
        Caller.here.clear()


class Caller:
    here: ClassVar[list["Caller"]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.here.append(self)

    @classmethod
    async def at(cls, site: Site) -> "Caller":
        return cls(*await site.open())

    async def leave(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def say(self, data: bytes) -> bool:
        """Send; whether anybody is there to take it."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except ConnectionError:
            return False
        return True

    async def ended(self, within_s: float = 4.0) -> bytes:
        """What came until the server ended the connection."""
        async with asyncio.timeout(within_s):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def goes_on(self, piece: bytes) -> float:
        """Say the piece again and again until the connection ends; how long that was."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        ended = asyncio.create_task(self.ended(8))
        await self.repeats(piece, ended)
        await ended
        return loop.time() - began

    async def repeats(self, piece: bytes, ended: asyncio.Task[bytes]) -> None:
        while await self.say(piece):
            await asyncio.wait([ended], timeout=0.05)
            # What came meanwhile is read first: to write to somebody who has left loses it.
            for _ in range(9):
                await asyncio.sleep(0)
            if ended.done():
                return


async def served(site: Site) -> bool:
    return (await site.call("GET", "/healthz"))[0] == 200


# --- too slow -------------------------------------------------------------------------


async def test_who_says_nothing_is_sent_away(site: Site) -> None:
    silent = [await Caller.at(site) for _ in range(10)]
    assert await served(site)
    assert [await caller.ended() for caller in silent] == [b""] * 10


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (b"GET /healthz HTTP/1.1\r\n", b"X-A: b\r\n"),
        (b"GET /", b"a"),
        (b"", b"\r\n"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n"),
    ],
    ids=["headers", "a path", "blank lines", "blank lines after a request"],
)
async def test_a_head_has_to_come_in_good_time(site: Site, begun: bytes, piece: bytes) -> None:
    caller = await Caller.at(site)
    await caller.say(begun)
    assert await caller.goes_on(piece) < 3
    assert await served(site)


async def test_a_kept_connection_may_rest_longer_but_not_for_ever(site: Site) -> None:
    caller = await Caller.at(site)
    began = asyncio.get_running_loop().time()
    for _ in range(2):
        await caller.say(request("GET", "/healthz"))
        assert (await answer(caller.reader))[0] == 200
        await asyncio.sleep(QUICK.request_s + 0.1)
    await caller.say(request("GET", "/healthz"))
    assert (await answer(caller.reader))[0] == 200
    assert await caller.ended() == b""
    assert asyncio.get_running_loop().time() - began > QUICK.idle_s


async def test_a_slow_body_is_refused_and_does_not_keep_the_connection(site: Site) -> None:
    caller = await Caller.at(site)
    path = f"{BASE}/{await begin(site)}/checkCode"
    await caller.say(request("POST", path, b"", "Content-Length: 100"))
    ended = asyncio.create_task(caller.ended())
    await caller.repeats(b" ", ended)
    head, _, body = (await ended).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert msgspec.json.decode(body)["payload"] == {"fields": {"body": "sent within 0.3 seconds"}}


async def test_who_does_not_read_is_cut_off(site: Site) -> None:
    asked = request("GET", "/openapi.json", b"", "X-Pad: " + "a" * 8000)
    loop = asyncio.get_running_loop()
    deaf = socket.socket()
    deaf.setblocking(False)
    await loop.sock_connect(deaf, ("127.0.0.1", site.port))
    asking = asyncio.create_task(loop.sock_sendall(deaf, asked * 1000))
    connections = site.server.server_state.connections
    await until(lambda: len(connections) == 1)
    await until(lambda: not connections)
    assert await served(site)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    deaf.close()


async def test_who_reads_all_but_the_end_is_cut_off(site: Site) -> None:
    """The rest is so little that writing would go on, but there is nothing more to write."""
    loop = asyncio.get_running_loop()
    deaf = socket.socket()
    deaf.setblocking(False)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await loop.sock_connect(deaf, ("127.0.0.1", site.port))
    connections = site.server.server_state.connections
    await until(lambda: len(connections) == 1)
    [transport] = [connection.transport for connection in connections]
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    asked = request("GET", "/openapi.json")
    last = request("GET", "/openapi.json", b"", "Connection: close")
    await loop.sock_sendall(deaf, asked * 6 + last)
    await until(lambda: transport.get_write_buffer_size() > 2 * ALMOST_NOTHING)
    while not transport.is_closing() or transport.get_write_buffer_size() > ALMOST_NOTHING:
        assert await loop.sock_recv(deaf, 1000)
        await asyncio.sleep(0)
    assert transport.get_write_buffer_size() > 0
    await until(lambda: not connections)
    deaf.close()


# --- too much -------------------------------------------------------------------------


async def test_a_megabyte_is_refused_and_the_connection_is_still_good(site: Site) -> None:
    caller = await Caller.at(site)
    path = f"{BASE}/{await begin(site)}/checkCode"
    assert await caller.say(request("POST", path, b" " * 2**20))
    status, _, body = await answer(caller.reader)
    assert (status, msgspec.json.decode(body)["type"]) == (413, "ValidateError")
    await caller.say(request("GET", "/healthz"))
    assert (await answer(caller.reader))[0] == 200


async def test_a_body_that_nobody_asked_for_does_not_cost_the_answer(site: Site) -> None:
    request_id = await begin(site)
    caller = await Caller.at(site)
    await caller.say(request("GET", held(request_id), b" " * 2**20))
    await until(lambda: site.service.hub.held == 1)
    await asyncio.sleep(0.1)  # all of it has come
    assert site.service.hub.held == 1
    assert (await site.call("POST", f"{BASE}/{request_id}/cancel"))[0] == 201
    assert (await answer(caller.reader))[0] == 400
    await caller.say(request("GET", "/healthz"))
    assert (await answer(caller.reader))[0] == 200


async def test_chunks_without_end_are_refused_and_cut_off(site: Site) -> None:
    caller = await Caller.at(site)
    path = f"{BASE}/{await begin(site)}/checkCode"
    await caller.say(request("POST", path, b"", "Transfer-Encoding: chunked"))
    sent = 0
    while sent < 64 * 2**20 and await caller.say(b"10000\r\n%s\r\n" % (b" " * 65536)):
        sent += 65536
    assert sent < LARGEST_REST + 16 * 2**20  # what the sockets' buffers swallow comes on top


@pytest.mark.parametrize("piece", [b"X: " + b"a" * 65000 + b"\r\n", b"a" * 65000])
async def test_a_head_without_end_is_refused(site: Site, piece: bytes) -> None:
    caller = await Caller.at(site)
    await caller.say(b"GET /healthz HTTP/1.1\r\nX-Begin: ")
    ended = asyncio.create_task(caller.ended())
    for _ in range(100):
        if ended.done() or not await caller.say(piece):
            break
        await asyncio.sleep(0)
    found = await ended
    if found:  # a reset may overtake the answer
        head, _, body = found.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413 ")
        fields = msgspec.json.decode(body)["payload"]["fields"]
        assert fields == {"head": f"at most {LARGEST_HEAD} bytes"}
    assert await served(site)


@pytest.mark.parametrize(
    "piece", [b"10000\r\n" + b"a" * 65536 + b"\r\n", b"0\r\n" + b"X-A: b\r\n" * 8000]
)
async def test_a_held_call_takes_no_endless_body(site: Site, piece: bytes) -> None:
    request_id = await begin(site)
    caller = await Caller.at(site)
    await caller.say(request("GET", held(request_id), b"", "Transfer-Encoding: chunked"))
    await until(lambda: site.service.hub.held == 1)
    began, sent = asyncio.get_running_loop().time(), 0
    while sent < 64 * 2**20 and await caller.say(piece):
        sent += len(piece)
        if piece.startswith(b"0"):
            piece = piece[3:] or piece
    assert sent < 64 * 2**20
    await until(lambda: site.service.hub.held == 0)
    assert asyncio.get_running_loop().time() - began < 30  # not because its time was up


async def test_who_asks_again_and_again_without_awaiting_an_answer_is_cut_off(site: Site) -> None:
    caller = await Caller.at(site)
    await caller.say(request("GET", held(await begin(site))) + b"GET / HTTP/1.1\r\n\r\n" * 64)
    await until(lambda: site.service.hub.held == 1)
    await asyncio.sleep(0.05)
    assert site.service.hub.held == 1  # so many are in order

    other = await Caller.at(site)
    await other.say(request("GET", held(await begin(site))) + b"GET / HTTP/1.1\r\n\r\n" * 65)
    assert await other.ended() == b""
    await until(lambda: site.service.hub.held == 1)


# --- not as it should be ----------------------------------------------------------------


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"EHLO mail.example.com\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nA\x00: b\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_a_refusal_in_our_shape(site: Site, garbage: bytes) -> None:
    caller = await Caller.at(site)
    await caller.say(garbage)
    head, _, body = (await caller.ended()).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    assert lines[0].split()[1] in {"400", "404"}
    assert msgspec.json.decode(body)["httpStatus"] == int(lines[0].split()[1])
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"]
    assert int(headers["content-length"]) == len(body)


async def test_garbage_behind_a_held_call_ends_the_call(site: Site) -> None:
    caller = await Caller.at(site)
    await caller.say(request("GET", held(await begin(site))))
    await until(lambda: site.service.hub.held == 1)
    await caller.say(b"\x00\x01\x02\r\n\r\n")
    assert await caller.ended() == b""
    await until(lambda: site.service.hub.held == 0)


async def test_a_half_closed_connection_frees_its_place(site: Site) -> None:
    caller = await Caller.at(site)
    await caller.say(request("GET", held(await begin(site))))
    await until(lambda: site.service.hub.held == 1)
    caller.writer.write_eof()
    await until(lambda: site.service.hub.held == 0)
    await caller.ended()


async def test_requests_that_are_sent_ahead_are_answered_in_order(site: Site) -> None:
    request_id = await begin(site)
    caller = await Caller.at(site)
    path = f"{BASE}/{request_id}"
    small = b'{"code":"x"}'
    await caller.say(
        request("GET", f"{path}/channel")
        + request("POST", f"{path}/checkCode", small)
        + request("GET", "/nothing")
        + request("GET", "/healthz")
    )
    assert [(await answer(caller.reader))[0] for _ in range(4)] == [200, 400, 404, 200]


async def test_a_call_is_continued_on_request(site: Site) -> None:
    caller = await Caller.at(site)
    path = f"{BASE}/{await begin(site)}/checkCode"
    body = b'{"code":"x"}'
    head = request("POST", path, b"", f"Content-Length: {len(body)}", "Expect: 100-continue")
    await caller.say(head)
    assert await caller.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await caller.say(body)
    assert (await answer(caller.reader))[0] == 400


# --- too many ---------------------------------------------------------------------------


async def test_when_all_places_are_taken_the_silent_go_first(site: Site) -> None:
    silent = [await Caller.at(site) for _ in range(QUICK.connections)]
    late = asyncio.gather(*(served(site) for _ in range(5)))
    assert await late == [True] * 5
    assert [await caller.ended() for caller in silent] == [b""] * QUICK.connections


async def test_when_all_hold_calls_the_newest_is_told_to_come_again(site: Site) -> None:
    request_ids = [await begin(site) for _ in range(3)]
    await until(lambda: not site.server.server_state.connections)
    holders = []
    for n in range(QUICK.connections):
        holders.append(await Caller.at(site))
        await holders[-1].say(request("GET", held(request_ids[n // 8])))
    await until(lambda: site.service.hub.held == QUICK.connections)

    late = await Caller.at(site)
    await late.say(request("GET", "/healthz", b"", "Accept-Language: en"))
    status, headers, body = await answer(late.reader)
    assert (status, headers["retry-after"], headers["connection"]) == (503, "5", "close")
    assert msgspec.json.decode(body)["type"] == "ServiceUnavailableException"
    assert await late.ended() == b""

    holders[0].writer.close()
    await until(lambda: site.service.hub.held == QUICK.connections - 1)
    assert await served(site)
    assert site.service.hub.held == QUICK.connections - 1


class Guest:
    def __init__(self, name: str, left: list[str]) -> None:
        self.name, self._left = name, left

    def drop(self) -> None:
        self._left.append(self.name)


def full(left: list[str]) -> Porch:
    """Everybody has waited since 100.0."""
    porch = Porch(Patience(request_s=10, idle_s=75, unread_s=20), lambda: "id")
    for name, place in (("asks", porch.asking), ("rests", porch.idle), ("is deaf", porch.unread)):
        place[Guest(name, left)] = 100.0
    return porch


@pytest.mark.parametrize(
    ("now", "names"),
    [
        (109.9, []),
        (110.0, ["asks"]),
        (119.9, ["asks"]),
        (120.0, ["asks", "is deaf"]),
        (174.9, ["asks", "is deaf"]),
        (175.0, ["asks", "rests", "is deaf"]),
    ],
)
def test_everybody_is_sent_away_when_the_own_time_is_up_and_not_before(
    now: float, names: list[str]
) -> None:
    left: list[str] = []
    full(left).sweep(now)
    assert left == names


def test_nobody_is_sent_away_for_what_the_service_had_no_time_to_read() -> None:
    left: list[str] = []
    porch = full(left)
    porch.sweep(101.0)
    porch.sweep(500.0)
    assert left == []
    porch.sweep(501.0)
    assert left == ["asks", "rests", "is deaf"]


def test_a_service_that_is_always_late_gets_rid_of_them_too() -> None:
    left: list[str] = []
    porch = full(left)
    for now in (101.0, 500.0, 900.0):
        porch.sweep(now)
    assert len(left) == 3


def test_the_one_who_has_asked_longest_makes_room() -> None:
    left: list[str] = []
    porch = Porch(Patience(), lambda: "id")
    assert not porch.make_room()
    for name, place in (("rests", porch.idle), ("first", porch.asking), ("second", porch.asking)):
        place[Guest(name, left)] = 1.0
    assert porch.make_room()
    assert left == ["first"]
