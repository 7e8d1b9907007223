"""The watch over the event loop."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import structlog

from kaskad.app.ports import Message, SendResult, Taken
from kaskad.stores.memory import MemoryStore
from kaskad.telemetry.lag import BLOCKED, LagWatch
from kaskad.telemetry.metrics import Metrics
from kaskad.testing import FakeClock
from packages.kaskad.tests.app.faulty import FaultyStore
from packages.kaskad.tests.app.world import Script, World
from packages.kaskad.tests.builders import channel, snapshot


class Eager(LagWatch):
    EVERY_S = 0.01
    WORTH_A_WARNING_S = 0.1
    WARN_EVERY_S = 0.0


class Terse(Eager):
    WARN_EVERY_S = 60.0


@pytest.fixture(params=[Eager])
async def lags(request: pytest.FixtureRequest) -> AsyncIterator[list[float]]:
    """What a watch measures while a test runs."""
    measured: list[float] = []
    watch: LagWatch = request.param(measured.append)
    watch.start()
    yield measured
    watch.stop()


async def until_measured(lags: list[float], above: float) -> None:
    for _ in range(200):
        if max(lags, default=0) > above:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_a_driver_that_blocks_is_noticed(lags: list[float]) -> None:
    async def blocks(_: Message) -> SendResult:
        time.sleep(0.3)  # noqa: ASYNC251  # this is what must not be
        return Taken()

    clock = FakeClock()
    scripts = {"sms-provider": Script(blocks)}
    world = World(FaultyStore(MemoryStore(clock.now)), clock, snapshot(channel()), scripts=scripts)
    world.start()
    with structlog.testing.capture_logs() as logged:
        await world.send()
        await until_measured(lags, 0.2)
    await world.stop()
    entries = [e for e in logged if e["event"] == BLOCKED]
    assert {e["log_level"] for e in entries} == {"warning"}
    assert max(e["seconds"] for e in entries) >= 0.2


async def block_thrice(lags: list[float]) -> list[str]:
    """What was logged of three times that the loop was blocked."""
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            time.sleep(0.12)  # noqa: ASYNC251
            await asyncio.sleep(0.02)
    assert sum(late >= 0.1 for late in lags) >= 3
    return [entry["event"] for entry in logged]


@pytest.mark.parametrize("lags", [Terse], indirect=True)
async def test_what_blocks_again_is_not_logged_each_time(lags: list[float]) -> None:
    assert await block_thrice(lags) == [BLOCKED]


async def test_what_blocks_again_later_is_logged_again(lags: list[float]) -> None:
    events = await block_thrice(lags)
    assert len(events) >= 3
    assert set(events) == {BLOCKED}


async def test_waiting_is_not_blocking(lags: list[float]) -> None:
    async with asyncio.timeout(30):
        while len(lags) < 20:  # noqa: ASYNC110  # a list tells nobody
            await asyncio.sleep(0.01)
    assert sorted(lags)[len(lags) // 2] < 0.05


async def test_a_watch_that_was_stopped_measures_nothing() -> None:
    measured: list[float] = []
    watch = Eager(measured.append)
    watch.stop()
    watch.start()
    watch.stop()
    await asyncio.sleep(0.05)
    assert measured == []


def test_delays_are_counted_without_labels() -> None:
    metrics = Metrics()
    for seconds in (0.0, 0.004, 0.3):
        metrics.lagged(seconds)

    def below(bound: str) -> float | None:
        return metrics.registry.get_sample_value(
            "kaskad_event_loop_lag_seconds_bucket", {"le": bound}
        )

    assert [below(bound) for bound in ("0.001", "0.005", "0.1", "+Inf")] == [1, 2, 2, 3]
