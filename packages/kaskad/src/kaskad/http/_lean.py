"""Small stand-ins for what uvicorn keeps for every connection and most never use.

An event of asyncio and a deque take some 700 bytes each while they are empty. A
connection has three of them, and a held call is a connection.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl


class Signal:
    """An event as asyncio's, without a queue until somebody waits."""

    __slots__ = ("_set", "_waiting")

    def __init__(self, *, raised: bool = False) -> None:
        self._set = raised
        self._waiting: tuple[asyncio.Future[None], ...] = ()

    def set(self) -> None:
        """Let everybody go on who waits."""
        self._set = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def clear(self) -> None:
        """Let those wait who come from now on."""
        self._set = False

    async def wait(self) -> bool:
        """Return once it is set."""
        if not self._set:
            future = asyncio.get_running_loop().create_future()
            self._waiting = (*self._waiting, future)
            try:
                await future
            finally:
                self._waiting = tuple(x for x in self._waiting if x is not future)
        return True


class Flow(FlowControl):
    """uvicorn's, with a signal for its event."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = False
        self.write_paused = False
        self._is_writable_event = cast("asyncio.Event", Signal(raised=True))


class Queue(list[Any]):
    """As much of a deque as uvicorn uses."""

    __slots__ = ()

    def appendleft(self, item: object) -> None:
        """Put in front; requests that are sent ahead are few."""
        self.insert(0, item)
