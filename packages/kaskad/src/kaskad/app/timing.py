"""Sleeping and waiting with an end, by timers that tests can move."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from datetime import timedelta
from types import coroutine
from typing import Any, TypeVar

from kaskad.app.ports import Clock, Timer

T = TypeVar("T")


@coroutine
def within(
    arm: Callable[[Callable[[], None]], Timer], work: Coroutine[Any, Any, T]
) -> Generator[Any, Any, T]:
    """Await some work in this task, until the timer that ``arm`` sets fires.

    Raises :class:`TimeoutError` then. Most of what is awaited this way does not
    wait at all: the timer is armed only when it does, and there is no task.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # a coroutine's StopIteration has a T
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # a coroutine runs in a task
    late = False

    def stop() -> None:
        nonlocal late
        late = True
        task.cancel()

    timer = arm(stop)
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as thrown:
                waits_for = work.throw(thrown)
            else:
                waits_for = work.send(sent)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
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
