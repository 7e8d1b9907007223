"""A town with a service in it: everything that happens in it follows from one number."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from msgspec.structs import replace

from kaskad.app.ports import Change, Provider, Snapshot, Store, Verdict
from kaskad.app.timing import sleep
from kaskad.app.verification import Verifications
from kaskad.core.model import Channel, ReportKind, Rules
from kaskad.telemetry.metrics import Metrics
from kaskad.testing import FakeClock, FakeEntropy, FixedCatalog
from packages.kaskad.tests.builders import TENANT, channel, snapshot, widget
from packages.kaskad.tests.running.files import Files, OneFile
from packages.kaskad.tests.running.node import Archive, Node, Watched
from packages.kaskad.tests.running.quiet import QuietLoop
from packages.kaskad.tests.simulation.carriers import Carriers
from packages.kaskad.tests.simulation.ledger import Ledger
from packages.kaskad.tests.simulation.people import LostError, Person
from packages.kaskad.tests.simulation.story import Story, chance

T = TypeVar("T")

ARRIVE_WITHIN_S = 1500.0
LOOKED_AT_EVERY_S = 10.0
UNTIL_FORGOTTEN_S = 7200.0
WIDGETS = [f"123634df-ddfe-4dda-b31d-f3b4e75fc5d{n}" for n in range(3)]
CASCADES = (
    ("sms", "whatsapp", "voice", "sim_push"),
    ("sim_push", "flashcall", "sms"),
    ("viber", "sms"),
)


class Fragile(Watched):
    """A store whose process ends at a change that was chosen, before or after it is durable."""

    def __init__(self, inner: Store, archive: Archive, ended: asyncio.Event) -> None:
        super().__init__(inner, archive)
        self._ended = ended
        self.fuse: int | None = None
        self.durable = False

    async def commit(self, change: Change) -> Verdict:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse == 0 and self.durable:
                await super().commit(change)
            if self.fuse <= 0:
                self._ended.set()
                await asyncio.Event().wait()  # nobody is answered any more
        return await super().commit(change)


Wrap = Callable[[Store], Store]


class Town:
    """People, providers, an operator who edits, and a service that dies now and then."""

    def __init__(
        self, seed: int, folder: Path, *, people: int, wrap: Wrap = lambda store: store
    ) -> None:
        self.seed = seed
        self._loop = QuietLoop()
        self.clock = FakeClock()
        self.clock.settled = self._loop.quiet
        self.story = Story(self.clock)
        self._catalog = FixedCatalog(_first_snapshot())
        self._archive = Archive()
        self.ledger = Ledger(self._archive, self._catalog, self.clock, self.story)
        self.carriers = Carriers(seed, self._catalog, self.clock, self.ledger, self.story)
        self.carriers.report = self._report
        self._entropy = FakeEntropy(seed)
        folder.mkdir(exist_ok=True)
        self._place = OneFile(Files(folder))
        self._wrap = wrap
        self._people = [Person(self, seed, n, WIDGETS) for n in range(people)]
        self._node: Node | None = None
        self._store: Fragile | None = None
        self._spared: set[asyncio.Task[Any]] = set()
        self._ended = asyncio.Event()
        self._moving = False

    def live(self) -> None:
        """Let everything happen, up to the first thing that may not happen."""
        try:
            self._loop.run(self._live())
        finally:
            self._loop.close()
            self._place.remove()

    async def _live(self) -> None:
        await self._open()
        residents = [*(p.live(ARRIVE_WITHIN_S) for p in self._people), self._edit(), self._die()]
        self._spared = {asyncio.create_task(resident) for resident in residents}
        self._spared |= {self._current()}
        for _ in range(int((ARRIVE_WITHIN_S + UNTIL_FORGOTTEN_S) / LOOKED_AT_EVERY_S)):
            await self.clock.advance(LOOKED_AT_EVERY_S)
            if self._node is not None and self._store is not None:
                self.ledger.inspect(self._store.sizes()["jobs"])
            if self.story.wrongs:
                break
        else:
            self._hold_end()
        await self._leave()

    def _hold_end(self) -> None:
        self.ledger.close()
        with self.story.holding("town"):
            assert self._store is not None
            sizes = self._store.sizes()
            assert (sizes["sessions"], sizes["jobs"], sizes["marks"]) == (0, 0, 0)

    async def _leave(self) -> None:
        others = self._spared - {self._current()}
        for task in others:
            task.cancel()
        ended = await asyncio.gather(*others, return_exceptions=True)
        for failure in ended:
            if isinstance(failure, Exception):
                with self.story.holding("town"):
                    raise failure
        if self._node is not None:
            await self._close(killed=False)

    def _current(self) -> asyncio.Task[Any]:
        task = asyncio.current_task()
        assert task is not None
        return task

    # --- the service

    async def _open(self) -> None:
        self._moving = True
        await self._begin()
        self._moving = False

    async def _begin(self) -> None:
        opened = self._wrap(await self._place.open(self.clock.now))
        store = Fragile(opened, self._archive, self._ended)
        for name, session in self._archive.sessions.items():
            found = await store.load(name)
            with self.story.holding(self.ledger.name(name)):
                assert found == session or session.gone_at <= self.clock.now(), "not as it was"
        self._loop.selector.busy = lambda: store.busy or self._moving
        self._store = store
        self._node = Node(
            store,
            clock=self.clock,
            catalog=self._catalog,
            drivers=self.carriers,
            entropy=self._entropy,
            telemetry=Metrics(),
        )
        self._node.start()

    async def _close(self, *, killed: bool) -> None:
        node, self._node = self._node, None
        assert node is not None
        if not killed:
            await node.stop()
        await node.kill(self._spared)
        self._moving = True
        await self._place.close(killed=killed)
        self._moving = False

    async def call(self, work: Callable[[Verifications], Coroutine[Any, Any, T]]) -> T:
        """Ask the service; raises :class:`LostError` when it ends meanwhile."""
        if self._node is None:
            raise LostError
        task = asyncio.create_task(work(self._node.calls))
        try:
            return await task
        except asyncio.CancelledError:
            if task.cancelled() and not self._current().cancelling():
                raise LostError from None
            raise

    async def together(self, *doings: Coroutine[Any, Any, T]) -> list[T]:
        """Do several things at once, as people, whom the end of the service does not end."""
        tasks = [asyncio.create_task(doing) for doing in doings]
        self._spared.update(tasks)
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            self._spared.difference_update(tasks)

    def _report(self, session: str, launch: int, kind: ReportKind) -> bool:
        if self._node is None:
            return False
        self._node.reports.receive(session, launch, kind, "the provider says so")
        return True

    async def _die(self) -> None:
        """End the service now and then: in order, at any moment, or in the middle of a change."""
        dice = chance(self.seed, "deaths")
        while True:
            await sleep(self.clock, dice.uniform(20, 200))
            how = dice.choice(["in order", "killed", "killed before a write", "killed after one"])
            self._ended.clear()
            if how.startswith("killed "):
                assert self._store is not None
                self._store.durable = how == "killed after one"
                self._store.fuse = dice.randrange(1, 20)
                await self._ended.wait()
            self.story.tell("town", f"the service ends: {how}")
            self.ledger.restarts += 1
            await self._close(killed=how != "in order")
            if dice.random() < 0.5:
                await sleep(self.clock, dice.uniform(0, 30))
            await self._open()
            self.story.tell("town", "the service is back")

    # --- the operator

    async def _edit(self) -> None:
        """Change the configuration under everybody's feet, and change it back."""
        dice = chance(self.seed, "edits")
        while True:
            await sleep(self.clock, dice.uniform(20, 120))
            what, changed = _edited(self._catalog.snapshot, dice)
            self._catalog.snapshot = changed
            self.story.tell("town", f"edit: {what}")
            await sleep(self.clock, dice.uniform(5, 60))
            self._catalog.snapshot = _first_snapshot()
            self.story.tell("town", "edit: as it was")


def _first_snapshot() -> Snapshot:
    kinds = sorted({kind for cascade in CASCADES for kind in cascade})
    channels = {kind: _channel(kind) for kind in kinds}
    widgets = tuple(
        widget(*(channels[kind] for kind in cascade), id=name)
        for name, cascade in zip(WIDGETS, CASCADES, strict=True)
    )
    return snapshot(*channels.values(), widgets=widgets)


def _channel(kind: str) -> Channel:
    made = channel(kind, number_of_restart=2, restart_cooldown_s=15)
    if kind == "whatsapp":
        return replace(made, rules=Rules(countries=("RU",)))
    return made


def _edited(known: Snapshot, dice: Random) -> tuple[str, Snapshot]:
    """One edit that an operator may make."""
    chosen, kind = dice.choice(WIDGETS), dice.choice(sorted(name for _, name in known.channels))
    old, made = known.widgets[chosen], known.channels[TENANT, kind]
    match dice.choice(["block", "remove", "disable", "turn round", "tries", "provider", "country"]):
        case "block":
            return "block", _with_widget(known, replace(old, blocked=True))
        case "remove":
            rest = tuple(name for name in old.channels if name != kind)
            return f"remove {kind}", _with_widget(known, replace(old, channels=rest))
        case "turn round":
            return "turn round", _with_widget(known, replace(old, channels=old.channels[::-1]))
        case "disable":
            return f"disable {kind}", _with_channel(known, replace(made, enabled=False))
        case "tries":
            settings = replace(made.settings, number_of_tries=1, lifetime_s=40, send_timeout_s=3)
            return f"hurry {kind}", _with_channel(known, replace(made, settings=settings))
        case "country":
            rules = Rules(countries=("KZ",))
            return f"{kind} abroad", _with_channel(known, replace(made, rules=rules))
        case _:
            gone: dict[tuple[str, str], Provider] = dict(known.providers)
            gone.pop((TENANT, made.provider))
            return f"no account for {kind}", replace(known, providers=gone)


def _with_widget(known: Snapshot, changed: Any) -> Snapshot:
    return replace(known, widgets={**known.widgets, changed.id: changed})


def _with_channel(known: Snapshot, changed: Channel) -> Snapshot:
    return replace(known, channels={**known.channels, (TENANT, changed.id): changed})
