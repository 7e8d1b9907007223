"""Thousands of clients that mean harm: everybody else is served as if they were not there."""

import asyncio
import multiprocessing
import multiprocessing.process
import time
from collections.abc import Callable, Coroutine
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from tests.acceptance import crowd
from tests.acceptance.crowd import Connection, Target
from tests.acceptance.harness import BASE, CONFIG, Kaskad

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300), pytest.mark.untraced]

HASTY = CONFIG.replace("long_poll_timeout = 5", "long_poll_timeout = 5\nrequest_timeout = 2")
SIZES = [400, pytest.param(5_000, marks=pytest.mark.soak)]
# Thousands whose time is up in one instant are all answered in it.
MOST_S = {400: 0.25, 5_000: 0.5}
MOST_BYTES_EACH = 16 * 1024
PROBES = 100

Attack = Callable[[Target, int], Coroutine[None, None, list[Connection]]]


async def idle(kaskad: Target, size: int) -> list[Connection]:
    """Say nothing."""
    return await _all(kaskad, size, b"")


async def slow_heads(kaskad: Target, size: int) -> list[Connection]:
    """A header every now and then."""
    return await _dripping(kaskad, size, b"GET / HTTP/1.1\r\nHost: a\r\n", b"X-A: b\r\n")


async def slow_bodies(kaskad: Target, size: int) -> list[Connection]:
    """A byte of the body every now and then."""
    head = crowd.request(kaskad, "POST", "/", b"", "Content-Length: 1000")
    return await _dripping(kaskad, size, head, b" ")


async def slow_chunks(kaskad: Target, size: int) -> list[Connection]:
    """A chunk every now and then, and never the last one."""
    head = crowd.request(kaskad, "POST", "/", b"", "Transfer-Encoding: chunked")
    return await _dripping(kaskad, size, head, b"1\r\n \r\n")


async def large_bodies(kaskad: Target, size: int) -> list[Connection]:
    """A megabyte each, for a tenth of the clients."""
    return await _all(kaskad, size // 10, crowd.request(kaskad, "POST", "/", b" " * 2**20))


async def garbage(kaskad: Target, size: int) -> list[Connection]:
    """Good requests, and something else behind them."""
    good = crowd.request(kaskad, "GET", "/nothing") * 3
    return await _all(kaskad, size, good + bytes(range(256)))


async def deaf(kaskad: Target, size: int) -> list[Connection]:
    """Ask for much and read nothing, a hundredth of the clients."""
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Pad: " + b"a" * 8000 + b"\r\n\r\n"
    found = []
    for _ in range(size // 100):
        connection = await Connection.open(kaskad)
        assert connection.transport is not None
        connection.transport.pause_reading()
        connection.write(asked * 300)
        found.append(connection)
    return found


async def half_closed(kaskad: Target, size: int) -> list[Connection]:
    """Ask, and close one side."""
    found = await _all(kaskad, size, crowd.request(kaskad, "GET", "/nothing"))
    for connection in found:
        assert connection.transport is not None
        if not connection.closed:
            connection.transport.write_eof()
    return found


async def _all(kaskad: Target, size: int, first: bytes) -> list[Connection]:
    found: list[Connection] = []

    async def one() -> None:
        found.append(await Connection.open(kaskad, first))

    await crowd.each([one] * size)
    return found


async def _dripping(kaskad: Target, size: int, first: bytes, drop: bytes) -> list[Connection]:
    found = await _all(kaskad, size, first)
    loop = asyncio.get_running_loop()

    def drip() -> None:
        alive = [c for c in found if not c.closed]
        for connection in alive:
            connection.write(drop)
        if alive:
            loop.call_later(0.5, drip)

    loop.call_later(0.5, drip)
    return found


async def probe(kaskad: Kaskad, request_ids: list[str]) -> list[float]:
    """How long well-behaved callers wait for the answer to a check, some on new connections."""
    kept, waits = await Connection.open(kaskad), []
    for n in range(PROBES):
        request_id = request_ids[n % len(request_ids)]
        check = crowd.request(kaskad, "POST", f"/{request_id}/checkCode", b'{"code":"wrong!"}')
        began = time.perf_counter()
        connection = kept if n % 2 else await Connection.open(kaskad)
        answer = await connection.exchange(check)
        waits.append(time.perf_counter() - began)
        assert answer.startswith(b"HTTP/1.1 400 "), answer
        if connection is not kept:
            connection.hang_up()
        await asyncio.sleep(0.01)
    kept.hang_up()
    return sorted(waits)


def elsewhere(
    kaskad: Kaskad, attack: Attack, size: int, started: Event
) -> multiprocessing.process.BaseProcess:
    """The attack from a process of its own, that its work is not measured as the server's."""
    context = multiprocessing.get_context("spawn")
    where = (kaskad.port, kaskad.token)
    process = context.Process(target=_run, args=(attack, where, size, started), daemon=True)
    process.start()
    return process


def _run(attack: Attack, where: tuple[int, str], size: int, started: Event) -> None:
    async def run() -> None:
        crowd.many_sockets()
        started.set()
        await attack(crowd.Target(*where), size)
        await asyncio.sleep(120)

    asyncio.run(run())


async def gone(kaskad: Kaskad, files: int) -> None:
    """Wait until the server has got rid of them all, though none of them leaves."""
    ends = time.perf_counter() + 30
    while crowd.open_files(kaskad) > files + 5:
        assert time.perf_counter() < ends, f"{crowd.open_files(kaskad)} sockets are left"
        await asyncio.sleep(0.2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "attack",
    [idle, slow_heads, slow_bodies, slow_chunks, large_bodies, garbage, deaf, half_closed],
    ids=lambda attack: attack.__name__,
)
def test_others_are_served_and_nothing_stays(tmp_path: Path, attack: Attack, size: int) -> None:
    async def run(kaskad: Kaskad) -> None:
        request_ids = list(await crowd.sessions(kaskad, 40))
        await probe(kaskad, request_ids)  # what is made at the first use is there
        before, files = crowd.rss(kaskad), crowd.open_files(kaskad)
        started = multiprocessing.get_context("spawn").Event()
        attacking = elsewhere(kaskad, attack, size, started)
        try:
            await asyncio.to_thread(started.wait, 30)
            waits = await probe(kaskad, request_ids)
            grown = crowd.rss(kaskad) - before
            await gone(kaskad, files)
        finally:
            attacking.kill()
            attacking.join()
        p99 = waits[int(PROBES * 0.99) - 1]
        print(
            f"{attack.__name__} {size}: p99 {1000 * p99:.1f} ms, "
            f"{grown / 2**20:.1f} MiB more, {grown / size / 1024:.1f} KiB each"
        )
        assert p99 <= crowd.allowed(MOST_S[size])
        assert grown <= MOST_BYTES_EACH * max(size, 4000)
        assert len(await probe(kaskad, request_ids)) == PROBES

    with Kaskad(tmp_path, config=HASTY) as kaskad:
        asyncio.run(run(kaskad))
        assert kaskad.get(BASE + "/nothing").status_code == 404
