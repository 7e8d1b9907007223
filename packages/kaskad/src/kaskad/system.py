"""The machine's clock and entropy: the only places that know time and chance."""

import asyncio
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime


class SystemClock:
    """Wall time at the start, counted on by a clock that nobody can set.

    A step of the wall clock neither kills a code early nor lets one live
    longer: only a restart looks at the wall again.
    """

    def __init__(self) -> None:
        self._epoch = datetime.now(UTC).timestamp() - _uptime()

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.fromtimestamp(self._epoch + _uptime(), UTC)

    def call_at(self, when: datetime, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back from the running loop at ``when``."""
        delay = (when - self.now()).total_seconds()
        return asyncio.get_running_loop().call_later(max(0.0, delay), callback)


def _uptime() -> float:
    """Seconds that include those in suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SystemEntropy:
    """The operating system's random bytes, fetched some at a time."""

    FETCHED = 4096

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """A forked process must not give the bytes that its parent gives."""
        self._bytes = b""
        self._used = 0

    def uuid(self) -> str:
        """A new UUID, version 4."""
        text = self.token(16).hex()
        variant = "89ab"[int(text[16], 16) & 3]
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"

    def token(self, size: int) -> bytes:
        """That many unguessable bytes; none of them is ever given twice."""
        start, end = self._used, self._used + size
        if end > len(self._bytes):
            self._bytes = os.urandom(max(size, self.FETCHED))
            start, end = 0, size
        self._used = end
        return self._bytes[start:end]

    def jitter(self) -> float:
        """A number in [0, 1) that spreads retries; not for secrets."""
        return random.random()  # noqa: S311  # nothing secret depends on it
