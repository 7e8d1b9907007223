"""What is left of a phone number once its session is gone: nothing, in no file."""

import asyncio
from pathlib import Path

import pytest

from kaskad.app.repeating import Idempotency
from kaskad.app.verification import SendWish
from kaskad.stores.sqlite import SqliteStore
from kaskad.testing import FakeClock
from packages.kaskad.tests.app.conftest import NewWorld
from packages.kaskad.tests.app.faulty import FaultyStore
from packages.kaskad.tests.app.world import CALLER, World
from packages.kaskad.tests.builders import WIDGET_ID
from packages.kaskad.tests.searching import Search

NUMBERS = [f"+7900123{n:04}" for n in range(200)]


@pytest.mark.untraced  # more than an hour, second by second
async def test_no_file_keeps_a_number_longer_than_its_session(
    tmp_path: Path, clock: FakeClock
) -> None:
    store = FaultyStore(await SqliteStore.open(tmp_path / "sessions.db", clock.now))
    world = World(store, clock)
    world.sweeper.PURGE_EVERY_S = 60.0
    world.start()
    for number in NUMBERS:
        wish = SendWish(widget_id=WIDGET_ID, recipient=number)
        key = Idempotency(key=f"key {number[-4:]}", fingerprint=number[-4:].encode() * 8)
        await world.verifications.send(CALLER, wish, key)
    await clock.advance(1)
    search = Search(codes=[], numbers=NUMBERS)
    assert await asyncio.to_thread(
        search.of_folder, tmp_path
    )  # or there would be nothing to forget

    await clock.advance(960 + 3600)
    assert store.sizes()["sessions"] == 0
    await world.stop()
    await store.close()
    assert await asyncio.to_thread(search.of_folder, tmp_path) == []


@pytest.mark.parametrize("later_s", [0, 7200])
async def test_a_send_that_is_repeated_is_answered_with_its_number(
    durable_world: NewWorld, clock: FakeClock, later_s: float
) -> None:
    world = durable_world()
    wish = SendWish(widget_id=WIDGET_ID, recipient="8 (900) 123-00-01")
    key = Idempotency(key="key", fingerprint=b"f" * 32)
    first = await world.verifications.send(CALLER, wish, key)
    await clock.advance(later_s)
    again = await world.verifications.send(CALLER, wish, key)
    assert again == first
    assert first.recipient == "+79001230001"
