"""Noticing that something keeps the event loop from its work."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

BLOCKED: Final = "the event loop was blocked"

log = structlog.get_logger()


class LagWatch:
    """Asks the event loop to call back many times a second, and measures how late it is.

    One blocking call makes every other call wait: it shows here, whoever made it.
    ``measured`` hears of each delay, in seconds. A long one is logged, but not
    more often than every few seconds: what blocks once mostly does so again.
    """

    EVERY_S = 0.05
    WORTH_A_WARNING_S = 0.25
    WARN_EVERY_S = 10.0

    def __init__(self, measured: Callable[[float], None]) -> None:
        self._measured = measured
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._silent_until = 0.0

    def start(self) -> None:
        """Begin to measure the running loop."""
        self._due = time.monotonic() + self.EVERY_S
        self._timer = asyncio.get_running_loop().call_later(self.EVERY_S, self._called)

    def stop(self) -> None:
        """Measure no more; harmless when nothing was begun."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _called(self) -> None:
        now = time.monotonic()
        late = max(0.0, now - self._due)
        self._measured(late)
        if late >= self.WORTH_A_WARNING_S and now >= self._silent_until:
            self._silent_until = now + self.WARN_EVERY_S
            log.warning(BLOCKED, seconds=round(late, 3))
        self.start()
