"""Requests to the simulation instead of a network, awaiting or blocking."""

import asyncio
import threading
from contextlib import suppress

from kaskad_sdk import _system
from kaskad_sdk._simulation import Simulation
from kaskad_sdk._steps import NoAnswer, Request, Response
from kaskad_sdk._transport import Cancel


class AsyncSimulated:
    """:class:`~kaskad_sdk._transport.AsyncTransport` to a simulation."""

    def __init__(self, simulation: Simulation, *, timeout_s: float) -> None:
        self._simulation = simulation
        self._timeout_s = timeout_s
        self._under_way: set[asyncio.Event] = set()
        self._closed = False

    async def exchange(self, request: Request) -> Response:
        """The answer; held as long as the service would hold it."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(changed.set)

        stop = self._simulation.listen(wake)
        self._under_way.add(changed)
        try:
            async with asyncio.timeout(request.within_s or self._timeout_s + request.hold_s):
                return await self._exchange(request, changed)
        except TimeoutError as late:
            raise NoAnswer("no answer in time", sent=True) from late
        finally:
            self._under_way.discard(changed)
            stop()

    async def _exchange(self, request: Request, changed: asyncio.Event) -> Response:
        began, fresh = self._simulation.now(), True
        while True:
            changed.clear()
            if self._closed:
                raise NoAnswer("closed", sent=not fresh)
            found = self._simulation.serve(request, began, fresh=fresh)
            if isinstance(found, Response):
                await asyncio.sleep(0)
                return found
            fresh = False
            try:
                async with asyncio.timeout(found):
                    await changed.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        """End what is held."""
        self._closed = True
        for changed in self._under_way:
            changed.set()


class _Waking(threading.Event):
    """An event that a cancelled call wakes up by."""

    def abort(self) -> None:
        """Wake up."""
        self.set()


class Simulated:
    """:class:`~kaskad_sdk._transport.Transport` to a simulation."""

    def __init__(self, simulation: Simulation, *, timeout_s: float) -> None:
        self._simulation = simulation
        self._timeout_s = timeout_s

    def exchange(self, request: Request, cancel: Cancel) -> Response:
        """The answer; held as long as the service would hold it."""
        changed = _Waking()
        stop = self._simulation.listen(changed.set)
        cancel.attach(changed)
        try:
            return self._exchange(request, changed, cancel)
        finally:
            cancel.attach(None)
            stop()

    def _exchange(self, request: Request, changed: _Waking, cancel: Cancel) -> Response:
        ends = _system.monotonic() + (request.within_s or self._timeout_s + request.hold_s)
        began, fresh = self._simulation.now(), True
        while True:
            changed.clear()
            if cancel.asked.is_set():
                raise NoAnswer("cancelled", sent=not fresh)
            found = self._simulation.serve(request, began, fresh=fresh)
            if isinstance(found, Response):
                return found
            fresh = False
            left = ends - _system.monotonic()
            if left <= 0:
                raise NoAnswer("no answer in time", sent=True)
            changed.wait(min(found, left))

    def close(self) -> None:
        """Nothing is open."""
