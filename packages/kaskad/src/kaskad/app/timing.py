"""Sleeping and waiting with an end, by timers that tests can move."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from kaskad.app.ports import Clock, Timer

T = TypeVar("T")


async def within(arm: Callable[[Callable[[], None]], Timer], work: Awaitable[T]) -> T:
    """Await something in this task, until the timer that ``arm`` sets fires.

    Raises :class:`TimeoutError` then. A task of its own would cost more than
    most of what is awaited this way.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # a coroutine runs in a task
    late = False

    def stop() -> None:
        nonlocal late
        late = True
        task.cancel()

    timer = arm(stop)
    try:
        return await work
    except asyncio.CancelledError:
        if late and task.uncancel() == 0:
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()


async def sleep(clock: Clock, seconds: float) -> None:
    """Sleep that long, as the clock counts it."""
    elapsed = asyncio.Event()
    timer = clock.call_at(clock.now() + timedelta(seconds=seconds), elapsed.set)
    try:
        await elapsed.wait()
    finally:
        timer.cancel()
