"""The clock that tests move."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.app.timing import sleep
from kaskad.testing import START, FakeClock, FakeEntropy


def at(seconds: float) -> object:
    return START + timedelta(seconds=seconds)


@given(st.lists(st.integers(0, 50), max_size=20))
def test_callbacks_come_in_order_at_their_time(delays: list[int]) -> None:
    async def run() -> None:
        clock, seen = FakeClock(), []
        for n, delay in enumerate(delays):

            def called(n: int = n) -> None:
                seen.append((clock.now(), n))

            clock.call_at(START + timedelta(seconds=delay), called)
        await clock.advance(50)
        expected = sorted((delay, n) for n, delay in enumerate(delays))
        assert seen == [(START + timedelta(seconds=delay), n) for delay, n in expected]
        assert clock.timers == 0
        assert clock.now() == at(50)

    asyncio.run(run())


async def test_a_callback_in_the_past_comes_at_the_next_move() -> None:
    clock, seen = FakeClock(), []
    clock.call_at(START - timedelta(seconds=5), lambda: seen.append(clock.now()))
    assert seen == []
    await clock.advance()
    assert seen == [START]


async def test_what_is_forgotten_does_not_come() -> None:
    clock, seen = FakeClock(), []
    timer = clock.call_at(START + timedelta(seconds=1), lambda: seen.append(1))
    assert clock.timers == 1
    timer.cancel()
    assert clock.timers == 0
    await clock.advance(2)
    timer.cancel()
    assert seen == []


async def test_a_callback_may_ask_for_another_in_the_same_move() -> None:
    clock, seen = FakeClock(), []

    def again() -> None:
        seen.append(clock.now())
        if len(seen) < 3:
            clock.call_at(clock.now() + timedelta(seconds=1), again)

    clock.call_at(START + timedelta(seconds=1), again)
    await clock.advance(10)
    assert seen == [at(1), at(2), at(3)]


async def test_sleepers_wake_at_their_time_and_go_on() -> None:
    clock, seen = FakeClock(), []

    async def walk() -> None:
        for seconds in (1, 2, 0.5):
            await sleep(clock, seconds)
            seen.append(clock.now())

    task = asyncio.create_task(walk())
    await clock.advance(3.4)
    assert seen == [at(1), at(3)]
    await clock.advance(0.1)
    assert seen[-1] == at(3.5)
    assert task.done()


async def test_a_sleeper_that_is_cancelled_leaves_no_timer() -> None:
    clock = FakeClock()
    task = asyncio.create_task(sleep(clock, 5))
    await clock.advance(1)
    task.cancel()
    await asyncio.wait([task])
    assert clock.timers == 0


async def test_after_a_leap_every_timer_that_is_due_fires_late_and_in_order() -> None:
    clock, seen = FakeClock(), []
    for seconds in (20, 10, 31):

        def called(due: int = seconds) -> None:
            seen.append((due, clock.now()))

        clock.call_at(START + timedelta(seconds=seconds), called)
    await clock.leap(30)
    assert seen == [(10, at(30)), (20, at(30))]
    await clock.leap(1)
    assert seen[-1] == (31, at(31))


async def test_until_goes_from_timer_to_timer() -> None:
    clock, seen = FakeClock(), []
    for seconds in (1, 60, 600):
        clock.call_at(START + timedelta(seconds=seconds), lambda: seen.append(clock.now()))
    await clock.until(lambda: len(seen) == 2)
    assert clock.now() == at(60)
    with pytest.raises(TimeoutError):
        await clock.until(lambda: len(seen) == 3, within=30)
    with pytest.raises(TimeoutError):
        await FakeClock().until(lambda: False)


def test_chance_repeats_with_its_seed() -> None:
    first, same, other = FakeEntropy(1), FakeEntropy(1), FakeEntropy(2)
    ids = [first.uuid() for _ in range(3)]
    assert ids == [same.uuid() for _ in range(3)]
    assert ids != [other.uuid() for _ in range(3)]
    assert first.token(9) == same.token(9)
    assert 0 <= first.jitter() < 1
