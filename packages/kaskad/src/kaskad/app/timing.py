"""Sleeping by the clock port, so that tests can move the time."""

import asyncio
from datetime import timedelta

from kaskad.app.ports import Clock


async def sleep(clock: Clock, seconds: float) -> None:
    """Sleep that long, as the clock counts it."""
    elapsed = asyncio.Event()
    timer = clock.call_at(clock.now() + timedelta(seconds=seconds), elapsed.set)
    try:
        await elapsed.wait()
    finally:
        timer.cancel()
