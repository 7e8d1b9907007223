"""Houses to call at, and an event loop in which nothing may block."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from kaskad.app.ports import Snapshot
from packages.kaskad.tests.http.house import House
from packages.kaskad.tests.logs import Logged, captured

OpenHouse = Callable[..., Awaitable[House]]


@pytest.fixture(autouse=True)
def logged() -> Iterator[Logged]:
    """What the code under test logs."""
    with captured() as entries:
        yield entries


@pytest.fixture(autouse=True)
def no_blocking() -> Iterator[BlockBuster]:
    """A blocking call in the event loop fails the test."""
    with blockbuster_ctx() as buster:
        for function in buster.functions.values():
            # /proc is memory, not a disk.
            function.can_block_in("prometheus_client/process_collector.py", {"collect"})
            function.can_block_in("kaskad/http/pages.py", {"__init__"})
        yield buster


@pytest.fixture
async def open_house() -> AsyncIterator[OpenHouse]:
    async with AsyncExitStack() as stack:

        async def opened(snapshot: Snapshot | None = None, **options: Any) -> House:
            return await stack.enter_async_context(House(snapshot, **options))

        yield opened


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    return await open_house()
