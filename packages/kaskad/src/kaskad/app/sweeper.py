"""Noticing that time has passed."""

import asyncio
from datetime import datetime, timedelta

import structlog

from kaskad.app.engine import Engine
from kaskad.app.ports import StoreUnavailableError

log = structlog.get_logger()

AFTER_TROUBLE_S = 0.5


class Sweeper:
    """Lets deadlines happen on time and cleans up behind everybody."""

    BATCH = 200
    PURGE_EVERY_S = 1.0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clock = engine.clock
        self._poked = asyncio.Event()
        self._armed_at: datetime | None = None
        self._loop: asyncio.Task[None] | None = None
        engine.on_deadline(self._expect)

    def start(self) -> None:
        """Begin to watch deadlines."""
        self._loop = asyncio.create_task(self._sweep_forever(), name="kaskad-sweeper")

    async def stop(self) -> None:
        """Stop watching."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    def _expect(self, at: datetime) -> None:
        if self._armed_at is None or at < self._armed_at:
            self._poked.set()

    async def _sweep_forever(self) -> None:
        while True:
            self._poked.clear()
            try:
                await self._sweep()
                due = await self._engine.store.next_due()
            except StoreUnavailableError:
                due = self._clock.now() + timedelta(seconds=AFTER_TROUBLE_S)
            except Exception:
                log.exception("sweep failed")
                due = self._clock.now() + timedelta(seconds=AFTER_TROUBLE_S)
            latest = self._clock.now() + timedelta(seconds=self.PURGE_EVERY_S)
            self._armed_at = min(due or latest, latest)
            timer = self._clock.call_at(self._armed_at, self._poked.set)
            try:
                await self._poked.wait()
            finally:
                timer.cancel()

    async def _sweep(self) -> None:
        now = self._clock.now()
        await self._move_due()
        while await self._engine.store.purge(now):
            await asyncio.sleep(0)  # after a long stop there may be a day's records to forget
            await self._move_due()

    async def _move_due(self) -> None:
        store, now = self._engine.store, self._clock.now()
        while ids := await store.due(now, self.BATCH):
            results = await asyncio.gather(
                *(self._engine.read(session_id) for session_id in ids), return_exceptions=True
            )
            for result in results:
                if isinstance(result, BaseException):
                    raise result
