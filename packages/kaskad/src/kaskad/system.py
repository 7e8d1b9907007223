"""The machine's clock and entropy: the only places that know time and chance."""

import asyncio
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from kaskad.app.ports import Timebase

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


_uptime = partial(time.clock_gettime, time.CLOCK_BOOTTIME)


class SystemClock:
    """Wall time at the start, counted on by a clock that nobody can set.

    A step of the wall clock neither kills a code early nor lets one live
    longer: only a new clock looks at the wall again. ``uptime`` counts seconds
    evenly and includes those in suspend. Within :attr:`RESOLUTION_S` the time
    stands still: to look at it costs a quarter then, and what follows from one
    event looks at it several times.
    """

    RESOLUTION_S = 0.0001

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        uptime: Callable[[], float] = _uptime,
    ) -> None:
        self._uptime = uptime
        self._epoch = wall() - uptime()
        self._read_again_at = 0.0
        self._now = datetime.fromtimestamp(self._epoch, UTC)

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        uptime = self._uptime()
        if uptime >= self._read_again_at:
            self._read_again_at = uptime + self.RESOLUTION_S
            self._now = datetime.fromtimestamp(self._epoch + uptime, UTC)
        return self._now

    @property
    def timebase(self) -> Timebase | None:
        """What this clock started with; ``None`` where the system does not name its starts."""
        try:
            boot = _BOOT_ID.read_text().strip()
        except OSError:
            return None
        return Timebase(boot=boot, epoch=self._epoch)

    def call_at(self, when: datetime, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back from the running loop at ``when``."""
        delay = (when - self.now()).total_seconds()
        return asyncio.get_running_loop().call_later(max(0.0, delay), callback)


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
