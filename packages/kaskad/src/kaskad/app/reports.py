"""What providers say after they took a message, on its way into the machine."""

import asyncio

import structlog

from kaskad.app.engine import Engine
from kaskad.app.ports import StoreUnavailableError
from kaskad.app.timing import sleep
from kaskad.core.errors import KaskadError
from kaskad.core.inputs import Reported
from kaskad.core.model import ReportKind

log = structlog.get_logger()

TRIES = 5
DRAIN_WITHIN_S = 1.0


class Reports:
    """Takes reports from drivers, in any order and any number of times."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tasks: set[asyncio.Task[None]] = set()

    def receive(self, session_id: str, launch: int, kind: ReportKind, reason: str) -> None:
        """Hand a report to the session it is about; unknown ones are forgotten."""
        event = Reported(launch=launch, kind=kind, reason=reason)
        task = asyncio.get_running_loop().create_task(self.apply(session_id, event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def apply(self, session_id: str, event: Reported) -> None:
        """Apply a report; while the store is away, try a few times."""
        for tried in range(TRIES):
            try:
                await self._engine.apply(session_id, event)
            except (StoreUnavailableError, KaskadError):
                await sleep(self._engine.clock, 0.2 * 2**tried)
            else:
                return
        log.error("report lost", kind=event.kind, launch=event.launch)

    async def drain(self) -> None:
        """Wait a moment for the reports under way."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=DRAIN_WITHIN_S)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
