"""One process of the service on a fake clock, in parts that a test can end as it likes."""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from kaskad.app.engine import Engine
from kaskad.app.gate import Gate
from kaskad.app.polling import Hub
from kaskad.app.ports import (
    Catalog,
    Change,
    Committed,
    Drivers,
    Entropy,
    Store,
    Telemetry,
    Verdict,
)
from kaskad.app.reports import Reports
from kaskad.app.sweeper import Sweeper
from kaskad.app.verification import Verifications
from kaskad.app.worker import Worker
from kaskad.core.effects import DropJob, PushJob
from kaskad.core.model import Session
from kaskad.testing import FakeCaptchas, FakeClock
from packages.kaskad.tests.app.faulty import FaultyStore
from packages.kaskad.tests.builders import KEYRING


class Archive:
    """What has been made durable, as whoever stands at the store saw it."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.jobs: dict[str, set[int]] = {}
        self.watchers: list[Callable[[Change], None]] = []

    def enter(self, change: Change) -> None:
        """Enter one change that was stored."""
        jobs = self.jobs.setdefault(change.session.id, set())
        for effect in change.effects:
            match effect:
                case PushJob():
                    assert effect.launch not in jobs
                    jobs.add(effect.launch)
                case DropJob():
                    jobs.remove(effect.launch)
                case _:
                    pass
        for watch in self.watchers:
            watch(change)
        self.sessions[change.session.id] = change.session

    @property
    def open_jobs(self) -> int:
        """How many jobs there must be in the store."""
        return sum(map(len, self.jobs.values()))


class Watched(FaultyStore):
    """A store whose durable changes are written down, also those that nobody waits for any more."""

    def __init__(self, inner: Store, archive: Archive) -> None:
        super().__init__(inner)
        self._archive = archive
        self.writing: set[asyncio.Task[Verdict]] = set()

    async def commit(self, change: Change) -> Verdict:
        """A write that has been begun ends by itself: killing whoever asked does not stop it."""
        task = asyncio.ensure_future(self._commit(change))
        self.writing.add(task)
        task.add_done_callback(self.writing.discard)
        return await asyncio.shield(task)

    async def _commit(self, change: Change) -> Verdict:
        verdict = await super().commit(change)
        if isinstance(verdict, Committed):
            self._archive.enter(change)
        return verdict


class Node:
    """The running parts over a store. A new process is a new node over the same file."""

    def __init__(
        self,
        store: Store,
        *,
        clock: FakeClock,
        catalog: Catalog,
        drivers: Drivers,
        entropy: Entropy,
        telemetry: Telemetry,
    ) -> None:
        self.store = store
        self.engine = Engine(
            store=store, catalog=catalog, clock=clock, keyring=KEYRING, telemetry=telemetry
        )
        self.reports = Reports(self.engine)
        self.hub = Hub(clock, telemetry)
        store.subscribe(self.hub.wake)
        self.worker = Worker(
            engine=self.engine,
            catalog=catalog,
            drivers=drivers,
            entropy=entropy,
            telemetry=telemetry,
        )
        self.sweeper = Sweeper(self.engine)
        self.calls = Verifications(
            engine=self.engine,
            gate=Gate(self.engine, FakeCaptchas(), telemetry),
            catalog=catalog,
            hub=self.hub,
            entropy=entropy,
            telemetry=telemetry,
            session_lifetime_s=900,
            default_region="RU",
            long_poll_timeout_s=25,
        )

    def start(self) -> None:
        """Begin the background work."""
        self.worker.start()
        self.sweeper.start()

    async def stop(self) -> None:
        """End in order: what is being handed over goes back to the queue."""
        self.hub.drain()
        await self.worker.stop(0)
        await self.sweeper.stop()
        await self.reports.drain()

    async def kill(self, spared: Collection[asyncio.Task[Any]] = ()) -> None:
        """End at once, wherever everybody stands; only writes that were begun are ended."""
        writing = self.store.writing if isinstance(self.store, Watched) else set()
        spared = {*spared, *writing}
        own = asyncio.current_task()
        victims = [x for x in asyncio.all_tasks() if x is not own and x not in spared]
        for task in victims:
            task.cancel()
        await asyncio.gather(*victims, *writing, return_exceptions=True)
