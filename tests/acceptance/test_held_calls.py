"""Thousands of held calls on one process: what each costs, and how soon each is answered."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.acceptance import crowd
from tests.acceptance.crowd import Connection
from tests.acceptance.harness import CONFIG, Kaskad

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300), pytest.mark.untraced]

PATIENT = CONFIG.replace("long_poll_timeout = 5", "long_poll_timeout = 240")
SIZES = [1_000, pytest.param(10_000, marks=pytest.mark.soak)]
MOST_BYTES = 12 * 1024
SINGLY = 300

Story = Callable[[Kaskad, dict[str, str], dict[str, Connection]], Awaitable[None]]


def tell(tmp_path: Path, size: int, story: Story) -> None:
    """So many sessions, a held call for each, and then the story."""

    async def run(kaskad: Kaskad) -> None:
        begun = await crowd.sessions(kaskad, size)
        held = await crowd.hold(kaskad, begun)
        await crowd.until_held(kaskad, size)
        await story(kaskad, begun, held)
        for connection in held.values():
            connection.hang_up()

    with Kaskad(tmp_path, config=PATIENT) as kaskad:
        asyncio.run(run(kaskad))


@pytest.mark.parametrize("size", SIZES)
def test_a_held_call_costs_twelve_kibibytes_at_most(tmp_path: Path, size: int) -> None:
    async def run(kaskad: Kaskad) -> float:
        begun = await crowd.sessions(kaskad, size)
        await asyncio.sleep(1)  # the messages are handed over
        before = crowd.rss(kaskad)
        held = await crowd.hold(kaskad, begun)
        await crowd.until_held(kaskad, size)
        cost = (crowd.rss(kaskad) - before) / size
        for connection in held.values():
            connection.hang_up()
        return cost

    kaskad = Kaskad(tmp_path, config=PATIENT)
    # What is measured is the service, not what measures its tests' coverage.
    kaskad.env = {k: v for k, v in kaskad.env.items() if not k.startswith("COVERAGE")}
    with kaskad:
        cost = asyncio.run(run(kaskad))
    print(f"{size} held calls: {cost / 1024:.2f} KiB each")
    assert cost <= MOST_BYTES


@pytest.mark.parametrize("size", SIZES)
def test_one_that_is_woken_among_many_is_answered_at_once(tmp_path: Path, size: int) -> None:
    async def story(kaskad: Kaskad, begun: dict[str, str], held: dict[str, Connection]) -> None:
        actor, lags = await Connection.open(kaskad), []
        for request_id in list(begun)[:SINGLY]:
            answer = await actor.exchange(crowd.request(kaskad, "POST", f"/{request_id}/cancel"))
            assert answer.startswith(b"HTTP/1.1 201")
            await held[request_id].until(lambda me: me.status is not None)
            assert b"SessionClosedException" in held[request_id].received
            assert actor.answered_at is not None
            lags.append((held[request_id].answered_at or 0.0) - actor.answered_at)
        lags.sort()
        p99 = lags[int(len(lags) * 0.99) - 1]
        print(f"{size} held calls: {1000 * p99:.3f} ms from the change's answer to the poll's, p99")
        assert p99 <= crowd.allowed(0.005)
        actor.hang_up()
        others = [held[request_id] for request_id in list(begun)[SINGLY:]]
        assert {other.status for other in others} == {None}

    tell(tmp_path, size, story)


@pytest.mark.parametrize("size", SIZES)
def test_clients_that_vanish_free_their_places_within_a_second(tmp_path: Path, size: int) -> None:
    async def story(kaskad: Kaskad, _: dict[str, str], held: dict[str, Connection]) -> None:
        vanishing, staying = list(held.values())[::2], list(held.values())[1::2]
        began = time.perf_counter()
        for connection in vanishing:
            connection.hang_up()
        await crowd.until_held(kaskad, len(staying))
        seconds = time.perf_counter() - began
        print(f"{len(vanishing)} clients vanish: places free in {seconds:.3f} s")
        assert seconds <= crowd.allowed(1)
        assert {connection.status for connection in staying} == {None}

    tell(tmp_path, size, story)


@pytest.mark.parametrize("size", SIZES)
def test_a_stop_answers_everybody_within_a_second(tmp_path: Path, size: int) -> None:
    async def story(kaskad: Kaskad, _: dict[str, str], held: dict[str, Connection]) -> None:
        assert kaskad.process is not None
        began = time.perf_counter()
        os.kill(kaskad.process.pid, signal.SIGTERM)
        for connection in held.values():
            await connection.until(lambda me: crowd.whole(me.received))
        last = max(connection.answered_at or 0.0 for connection in held.values()) - began
        print(f"SIGTERM with {size} held calls: the last is answered after {last:.3f} s")
        assert last <= crowd.allowed(1)
        assert {connection.status for connection in held.values()} == {408}
        assert all(b"LongPollingTimeoutException" in c.received for c in held.values())

    tell(tmp_path, size, story)
