"""Calls that are held until something happens.

A held call is a future in a table. It ends when its session changes, when its
time is up, when its client leaves, when a newer call needs its place, or when
the service stops: whatever comes first.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from typing import TypeVar

from kaskad.app.ports import Clock, Telemetry
from kaskad.core.errors import LongPollingTimeoutException

HELD_PER_SESSION = 8

T = TypeVar("T")
Look = Callable[[], Awaitable[T | None]]
Departure = Callable[[], Awaitable[None]]


class ClientLeft(Exception):  # not an error
    """Nobody waits for the answer any more."""


class Wake(Enum):
    """Why a held call is looked at again."""

    CHANGED = auto()
    TIMEOUT = auto()
    LEFT = auto()


class Waiter:
    """One held call."""

    __slots__ = ("_future", "_wake", "session_id")

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self._wake: Wake | None = None
        self._future: asyncio.Future[None] | None = None

    def wake(self, why: Wake) -> None:
        """Let the call go on; the reason to end it for good is not overwritten."""
        if self._wake is None or self._wake is Wake.CHANGED:
            self._wake = why
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> Wake:
        """Sleep until there is a reason not to."""
        if self._wake is None:
            self._future = asyncio.get_running_loop().create_future()
            try:
                await self._future
            finally:
                self._future = None
        wake, self._wake = self._wake, None
        return wake or Wake.CHANGED


class Hub:
    """All calls that this node holds, by session."""

    def __init__(self, clock: Clock, telemetry: Telemetry) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._held: dict[str, list[Waiter]] = {}
        self.draining = False

    @property
    def held(self) -> int:
        """How many calls are held."""
        return sum(map(len, self._held.values()))

    def join(self, session_id: str) -> Waiter:
        """Take a place; the oldest call of the session loses its own when there are too many."""
        waiter = Waiter(session_id)
        waiters = self._held.setdefault(session_id, [])
        waiters.append(waiter)
        self._telemetry.held(1)
        if len(waiters) > HELD_PER_SESSION:
            waiters[0].wake(Wake.TIMEOUT)
            self.leave(waiters[0])
        if self.draining:
            waiter.wake(Wake.TIMEOUT)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Give the place back; harmless when that has happened."""
        waiters = self._held.get(waiter.session_id)
        if waiters is None or waiter not in waiters:
            return
        waiters.remove(waiter)
        self._telemetry.held(-1)
        if not waiters:
            del self._held[waiter.session_id]

    def wake(self, session_id: str) -> None:
        """Something has happened to a session."""
        for waiter in self._held.get(session_id, ()):
            waiter.wake(Wake.CHANGED)

    def drain(self) -> None:
        """Answer every held call now, and every later one at once."""
        self.draining = True
        for waiters in list(self._held.values()):
            for waiter in waiters:
                waiter.wake(Wake.TIMEOUT)

    async def hold(
        self, session_id: str, look: Look[T], *, timeout_s: float, departed: Departure
    ) -> T:
        """Look, and look again whenever the session has changed, until there is an answer.

        Raises :class:`LongPollingTimeoutException` when the time is up, and
        :class:`ClientLeft` when ``departed`` returns first.
        """
        waiter = self.join(session_id)
        try:
            answer = await look()
            if answer is not None:
                return answer
            return await self._held_look(waiter, look, timeout_s, departed)
        finally:
            self.leave(waiter)

    async def _held_look(
        self, waiter: Waiter, look: Look[T], timeout_s: float, departed: Departure
    ) -> T:
        deadline = self._clock.now() + timedelta(seconds=timeout_s)
        timer = self._clock.call_at(deadline, lambda: waiter.wake(Wake.TIMEOUT))
        watch = asyncio.ensure_future(departed())
        watch.add_done_callback(partial(_left, waiter))
        try:
            while (why := await waiter.wait()) is Wake.CHANGED:
                answer = await look()
                if answer is not None:
                    return answer
        finally:
            timer.cancel()
            watch.cancel()
        if why is Wake.LEFT:
            raise ClientLeft
        raise LongPollingTimeoutException


def _left(waiter: Waiter, watch: asyncio.Future[None]) -> None:
    """The client has gone; a connection that broke while it was watched has gone as well."""
    if not watch.cancelled():
        watch.exception()
    waiter.wake(Wake.LEFT)
