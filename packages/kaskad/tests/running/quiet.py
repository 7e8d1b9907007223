"""An event loop that knows when nothing more can happen before time is moved."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

SHORT_S = 0.05
"""A wait that the loop would sit out by itself: somebody's real timer is about to ring."""


class QuietSelector(selectors.DefaultSelector):
    """Notices that the loop is about to sleep: then every task waits for time, or for the disk."""

    def __init__(self) -> None:
        super().__init__()
        self.busy: Callable[[], bool] = lambda: False
        self._waiting: list[asyncio.Future[None]] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As every selector; whoever waits for quiet is woken instead of sleeping."""
        sleeps = timeout is None or timeout > SHORT_S
        if not sleeps or self.busy() or not self._waiting:
            return super().select(timeout)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
        return []

    async def quiet(self) -> None:
        """Return once no task can go on by itself."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future


class QuietLoop:
    """A loop of one's own, run from outside, step by step."""

    def __init__(self) -> None:
        self.selector = QuietSelector()
        self._runner = asyncio.Runner(
            loop_factory=lambda: asyncio.SelectorEventLoop(self.selector), debug=False
        )

    @property
    def quiet(self) -> Callable[[], Coroutine[Any, Any, None]]:
        """What a :class:`kaskad.testing.FakeClock` waits for between two timers."""
        return self.selector.quiet

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something, and then everything that follows from it."""

        async def and_what_follows() -> T:
            try:
                return await work
            finally:
                await self.selector.quiet()

        return self._runner.get_loop().run_until_complete(and_what_follows())

    def close(self) -> None:
        """Cancel what still runs and close the loop."""
        self._runner.close()
