"""The machine's clock and entropy: the only places that know time and chance."""

import asyncio
import os
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class SystemClock:
    """Wall time at the start, counted on by a clock that nobody can set.

    A step of the wall clock neither kills a code early nor lets one live
    longer: only a restart looks at the wall again.
    """

    def __init__(self) -> None:
        self._epoch = datetime.now(UTC)
        self._started = _uptime()

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return self._epoch + timedelta(seconds=_uptime() - self._started)

    def call_at(self, when: datetime, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back from the running loop at ``when``."""
        delay = (when - self.now()).total_seconds()
        return asyncio.get_running_loop().call_later(max(0.0, delay), callback)


def _uptime() -> float:
    """Seconds that include those in suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SystemEntropy:
    """The operating system's random bytes."""

    def uuid(self) -> str:
        """A new UUID, version 4."""
        return str(uuid.uuid4())

    def token(self, size: int) -> bytes:
        """That many unguessable bytes."""
        return os.urandom(size)

    def jitter(self) -> float:
        """A number in [0, 1) that spreads retries; not for secrets."""
        return random.random()  # noqa: S311  # nothing secret depends on it
