"""Whatever callers do at the same time, they see a session that does one thing after the other."""

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from kaskad.app.ports import Store
from kaskad.stores.memory import MemoryStore
from kaskad.stores.sqlite import SqliteStore
from kaskad.testing import FakeClock
from packages.kaskad.tests.linearizability.callers import Callers
from packages.kaskad.tests.linearizability.checker import Operation, first_refused
from packages.kaskad.tests.linearizability.sequential import Sequential, apply
from packages.kaskad.tests.linearizability.stores import Careless, Forgetful, Hasty, Restless

pytestmark = pytest.mark.untraced

HISTORIES = {"memory": 100, "sqlite": 50}
SOAKED = 10_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
async def inner(kind: str, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store
    if kind == "memory":
        opened = MemoryStore(clock.now)
    else:
        opened = await SqliteStore.open(tmp_path / "sessions.db", clock.now)
    yield opened
    await opened.close()


async def refused(store: Restless, clock: FakeClock, histories: int) -> list[list[Operation]]:
    """The beginnings of those histories that nothing explains."""
    callers = Callers(store, clock, store.dice)
    found = []
    for _ in range(histories):
        clients = store.dice.randrange(2, 7)
        history = await callers.history(clients, store.dice.randrange(3, 7))
        beginning = first_refused(history, Sequential(), apply)
        if beginning is not None:
            found.append(beginning)
    return found


async def hold(inner: Store, clock: FakeClock, seed: int, histories: int) -> None:
    store = Restless(inner, Random(seed))
    found = await refused(store, clock, histories)
    shown = "\n".join(map(str, found[0])) if found else ""
    assert not found, f"seed {seed}: {len(found)} of {histories} histories, the first\n{shown}"
    assert store.lost_races > histories / 3, "nobody was in anybody's way"


@pytest.mark.parametrize("seed", range(3))
async def test_attempts_and_verdicts_are_linearizable(
    kind: str, inner: Store, clock: FakeClock, seed: int
) -> None:
    await hold(inner, clock, seed, HISTORIES[kind])


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 110))
async def test_attempts_and_verdicts_are_linearizable_for_long(
    inner: Store, clock: FakeClock, seed: int
) -> None:
    await hold(inner, clock, seed, SOAKED // 10)


@pytest.mark.parametrize("defect", [Careless, Forgetful, Hasty])
async def test_a_store_that_loses_changes_is_found_out(
    defect: type[Restless], inner: Store, clock: FakeClock
) -> None:
    found = await refused(defect(inner, Random(7)), clock, 40)
    assert len(found) > 3
