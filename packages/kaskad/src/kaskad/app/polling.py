"""Calls that are held until something happens.

A held call is a future in a table. It ends when its session changes, when its
time is up, when its client leaves, when a newer call needs its place, or when
the service stops: whatever comes first.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from enum import Enum, auto
from typing import Protocol, TypeVar

from kaskad.app.ports import Clock, Telemetry
from kaskad.core.errors import LongPollingTimeoutException

HELD_PER_SESSION = 8
HELD_PER_OWNER = 64

T = TypeVar("T")
Look = Callable[[], Awaitable[T | None]]


class Watch(Protocol):
    """Somebody looks out for something."""

    def cancel(self) -> object:
        """Look no more; harmless when it has happened."""


Departure = Callable[[Callable[[], None]], Watch]
"""Calls back when the client has left, at once if that was earlier."""


class ClientLeft(Exception):  # not an error
    """Nobody waits for the answer any more."""


class Wake(Enum):
    """Why a held call is looked at again."""

    CHANGED = auto()
    TIMEOUT = auto()
    LEFT = auto()


class Waiter:
    """One held call."""

    __slots__ = ("_future", "_wake", "owner", "seated", "session_id")

    def __init__(self, session_id: str, owner: str | None = None) -> None:
        self.session_id = session_id
        self.owner = owner
        self.seated = False
        self._wake: Wake | None = None
        self._future: asyncio.Future[None] | None = None

    def wake(self, why: Wake) -> None:
        """Let the call go on; the reason to end it for good is not overwritten."""
        if self._wake is None or self._wake is Wake.CHANGED:
            self._wake = why
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def time_out(self) -> None:
        """The time is up."""
        self.wake(Wake.TIMEOUT)

    def abandon(self) -> None:
        """The client has left."""
        self.wake(Wake.LEFT)

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
        self._known: dict[str, list[Waiter]] = {}
        self._owned: dict[str, list[Waiter]] = {}
        self.draining = False

    @property
    def held(self) -> int:
        """How many calls are held."""
        return sum(waiter.seated for waiters in self._known.values() for waiter in waiters)

    def join(self, session_id: str, owner: str | None = None) -> Waiter:
        """Hear of the session's changes from here on."""
        waiter = Waiter(session_id, owner)
        self._known.setdefault(session_id, []).append(waiter)
        if self.draining:
            waiter.time_out()
        return waiter

    def seat(self, waiter: Waiter) -> None:
        """Take a place; the oldest call loses its own when there are too many.

        That is of the session, and of an owner, if there is one.
        """
        waiter.seated = True
        self._telemetry.held(1)
        held = [other for other in self._known[waiter.session_id] if other.seated]
        if len(held) > HELD_PER_SESSION:
            self._unseat(held[0])
        if waiter.owner is not None:
            owned = self._owned.setdefault(waiter.owner, [])
            owned.append(waiter)
            if len(owned) > HELD_PER_OWNER:
                self._unseat(owned[0])

    def _unseat(self, waiter: Waiter) -> None:
        waiter.time_out()
        self.leave(waiter)

    def leave(self, waiter: Waiter) -> None:
        """Give the place back; harmless when that has happened."""
        waiters = self._known.get(waiter.session_id)
        if waiters is None or waiter not in waiters:
            return
        waiters.remove(waiter)
        if waiter.seated:
            self._telemetry.held(-1)
            self._disown(waiter)
        if not waiters:
            del self._known[waiter.session_id]

    def _disown(self, waiter: Waiter) -> None:
        owned = self._owned.get(waiter.owner) if waiter.owner is not None else None
        if owned is not None:
            owned.remove(waiter)
            if not owned:
                del self._owned[str(waiter.owner)]

    def wake(self, session_id: str) -> None:
        """Something has happened to a session."""
        for waiter in self._known.get(session_id, ()):
            waiter.wake(Wake.CHANGED)

    def drain(self) -> None:
        """Answer every held call now, and every later one at once."""
        self.draining = True
        for waiters in list(self._known.values()):
            for waiter in waiters:
                waiter.time_out()

    async def hold(
        self,
        session_id: str,
        look: Look[T],
        *,
        timeout_s: float,
        departed: Departure,
        owner: str | None = None,
    ) -> T:
        """Look, and look again whenever the session has changed, until there is an answer.

        Only a call that is going to wait needs a place: one that is answered at
        once costs nobody else's. An ``owner`` has only so many over all sessions.
        Raises :class:`LongPollingTimeoutException` when the time is up, and
        :class:`ClientLeft` when the client leaves first.
        """
        waiter = self.join(session_id, owner)
        try:
            answer = await look()
            if answer is not None:
                return answer
            self.seat(waiter)
            return await self._held_look(waiter, look, timeout_s, departed)
        finally:
            self.leave(waiter)

    async def _held_look(
        self, waiter: Waiter, look: Look[T], timeout_s: float, departed: Departure
    ) -> T:
        deadline = self._clock.now() + timedelta(seconds=timeout_s)
        timer = self._clock.call_at(deadline, waiter.time_out)
        watch = departed(waiter.abandon)
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
