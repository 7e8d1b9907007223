"""Stores, worlds, and an event loop in which nothing may block."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import apsw
import pytest
from blockbuster import BlockBuster, BlockBusterFunction, blockbuster_ctx

from kaskad.app.ports import Snapshot, Store
from kaskad.stores.memory import MemoryStore
from kaskad.stores.sqlite import SqliteStore
from kaskad.testing import FakeClock
from packages.kaskad.tests.app.faulty import FaultyStore
from packages.kaskad.tests.app.world import Script, World
from packages.kaskad.tests.logs import Logged, captured

NewWorld = Callable[..., World]


@pytest.fixture(autouse=True)
def logged() -> Iterator[Logged]:
    """What the code under test logs."""
    with captured() as entries:
        yield entries


@pytest.fixture(autouse=True)
def no_blocking() -> Iterator[BlockBuster]:
    """A blocking call in the event loop fails the test; opening and closing a file may block."""
    with blockbuster_ctx() as buster:
        name = "apsw.Connection.execute"
        buster.functions[name] = BlockBusterFunction(apsw.Connection, "execute").activate()
        for function in buster.functions.values():
            function.can_block_in("stores/sqlite.py", {"_take_lock", "_load", "_connect"})
            # /proc is memory, not a disk.
            function.can_block_in("prometheus_client/process_collector.py", {"collect"})
        yield buster


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def memory(clock: FakeClock) -> FaultyStore:
    return FaultyStore(MemoryStore(clock.now))


@pytest.fixture(params=["memory", "sqlite"])
async def store(
    request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[FaultyStore]:
    opened: Store
    if request.param == "memory":
        opened = MemoryStore(clock.now)
    else:
        opened = await SqliteStore.open(tmp_path / "sessions.db", clock.now)
    faulty = FaultyStore(opened)
    yield faulty
    await faulty.close()


def _worlds(store: FaultyStore, clock: FakeClock) -> tuple[NewWorld, list[World]]:
    made: list[World] = []

    def new(
        snapshot: Snapshot | None = None,
        *,
        scripts: dict[str, Script] | None = None,
        running: bool = True,
    ) -> World:
        world = World(store, clock, snapshot, scripts=scripts)
        made.append(world)
        if running:
            world.start()
        return world

    return new, made


@pytest.fixture
async def new_world(memory: FaultyStore, clock: FakeClock) -> AsyncIterator[NewWorld]:
    """Makes running nodes on a store in memory."""
    new, made = _worlds(memory, clock)
    yield new
    for world in made:
        await world.stop()


@pytest.fixture
async def durable_world(store: FaultyStore, clock: FakeClock) -> AsyncIterator[NewWorld]:
    """Makes running nodes on each store."""
    new, made = _worlds(store, clock)
    yield new
    for world in made:
        await world.stop()
