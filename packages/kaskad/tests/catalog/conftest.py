"""Catalogues for tests: migrated once, copied for each."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from kaskad.stores._database import prepare
from kaskad.stores.catalog import SqlCatalog
from kaskad.testing import FakeClock, FakeEntropy
from packages.kaskad.tests.catalog.declarations import KEYS
from packages.kaskad.tests.logs import Logged, captured

Opener = Callable[..., Awaitable[SqlCatalog]]


@pytest.fixture(autouse=True)
def logged() -> Iterator[Logged]:
    """What the code under test logs."""
    with captured() as entries:
        yield entries


@pytest.fixture(autouse=True)
def no_blocking() -> Iterator[BlockBuster]:
    """A blocking call in the event loop of kaskad fails the test."""
    with blockbuster_ctx("kaskad") as buster:
        # It asks for the working directory, not for a disk.
        buster.functions["os.path.abspath"].can_block_in(
            "sqlite/pysqlite.py", {"create_connect_args"}
        )
        yield buster


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty catalogue at the newest revision; not to be written to."""
    path = tmp_path_factory.mktemp("catalog") / "template.db"
    prepare(path, 5.0)
    return path


@pytest.fixture
def path(migrated: Path, tmp_path: Path) -> Path:
    """A catalogue of the test's own."""
    copy = tmp_path / "kaskad.db"
    shutil.copy(migrated, copy)
    return copy


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def opener(path: Path, clock: FakeClock) -> AsyncIterator[Opener]:
    """Open the test's catalogue, as often as there are processes; closed at the end."""
    entropy = FakeEntropy()
    async with AsyncExitStack() as stack:

        async def open_(**options: Any) -> SqlCatalog:
            given: dict[str, Any] = {"keys": KEYS, "watch": False} | options
            catalog = await SqlCatalog.open(
                f"sqlite:///{path}", clock=clock, entropy=entropy, **given
            )
            stack.push_async_callback(catalog.close)
            return catalog

        yield open_


@pytest.fixture
async def catalog(opener: Opener) -> SqlCatalog:
    return await opener()
