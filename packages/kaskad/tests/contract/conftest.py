"""Every store, each on a clock that is moved by hand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kaskad.app.ports import Store
from kaskad.stores.memory import MemoryStore
from kaskad.stores.sqlite import SqliteStore
from kaskad.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(
    request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Store]:
    opened: Store
    if request.param == "memory":
        opened = MemoryStore(clock.now)
    else:
        opened = await SqliteStore.open(tmp_path / "sessions.db", clock.now)
    yield opened
    await opened.close()
