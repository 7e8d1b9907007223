"""Dead letters: how long every store keeps them, and how they are read beside a running one."""

import asyncio
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from kaskad.app.ports import Change, DeadLetter, LetterKind, Store, StoreUnavailableError
from kaskad.core.inputs import Accepted
from kaskad.core.model import ChannelType
from kaskad.core.session import advance
from kaskad.stores.beside import read_letters, read_queues
from kaskad.stores.sqlite import ForeignFileError, SqliteStore
from kaskad.testing import START, FakeClock
from packages.kaskad.tests.builders import begin, channel, context
from packages.kaskad.tests.contract.test_store import LANE, new_id, put

DAY = 24 * 3600
ALL_LETTERS = "SELECT count(*) FROM records WHERE key >> 48 = 4"


def letter(number: int, clock: FakeClock) -> DeadLetter:
    return DeadLetter(
        session=new_id(number),
        launch=1,
        lane=LANE,
        kind=LetterKind.UNMADE,
        reason="provider is not configured",
        tries=0,
        at=clock.now(),
        type=ChannelType.SMS,
    )


async def bury(store: Store, clock: FakeClock, *numbers: int) -> list[DeadLetter]:
    made = [letter(number, clock) for number in numbers]
    await asyncio.gather(*(store.bury(one) for one in made))
    return made


async def test_letters_come_newest_first(store: Store, clock: FakeClock) -> None:
    assert await store.dead_letters(clock.now()) == []
    first, second = await bury(store, clock, 1, 2)
    bare = replace(second, type=None, kind=LetterKind.FAILED)
    await store.bury(bare)
    assert await store.dead_letters(clock.now()) == [bare, second, first]


async def test_a_thousand_letters_are_kept(store: Store, clock: FakeClock) -> None:
    made = await bury(store, clock, *range(1, 1012))
    assert await store.dead_letters(clock.now()) == made[:10:-1]
    await store.purge(clock.now())
    assert await store.dead_letters(clock.now()) == made[:10:-1]


async def test_letters_are_kept_for_a_week(store: Store, clock: FakeClock) -> None:
    await bury(store, clock, 1)
    await clock.advance(1)
    [young] = await bury(store, clock, 2)
    await clock.advance(7 * DAY - 1.001)
    assert len(await store.dead_letters(clock.now())) == 2
    await clock.advance(0.001)
    assert await store.dead_letters(clock.now()) == [young]
    await store.purge(clock.now())
    assert await store.dead_letters(clock.now()) == [young]
    await clock.advance(1)
    await store.purge(clock.now())
    assert await store.dead_letters(clock.now()) == []


# --- in a file --------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


async def test_letters_are_there_after_a_restart(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    made = await bury(store, clock, 1, 2)
    await store.close()
    again = await SqliteStore.open(path, clock.now)
    made += await bury(again, clock, 3)
    assert await again.dead_letters(clock.now()) == made[::-1]
    assert read_letters(path, clock.now()) == made[::-1]
    await again.close()


async def test_the_file_keeps_no_more_letters_than_the_store(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    made = await bury(store, clock, *range(1, 1012))
    assert read_letters(path, clock.now()) == made[:10:-1]
    await store.purge(clock.now())
    db = apsw.Connection(str(path))
    assert db.execute(ALL_LETTERS).fetchall() == [(1000,)]
    await clock.advance(7 * DAY)
    assert read_letters(path, clock.now()) == []
    await store.purge(clock.now())
    assert db.execute(ALL_LETTERS).fetchall() == [(0,)]
    db.close()
    await store.close()


async def test_a_letter_that_was_not_written_is_not_shown(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    other = apsw.Connection(str(path))
    other.execute("CREATE TRIGGER no BEFORE INSERT ON records BEGIN SELECT raise(FAIL, 'no'); END")
    with pytest.raises(StoreUnavailableError):
        await store.bury(letter(1, clock))
    assert await store.dead_letters(clock.now()) == []
    other.execute("DROP TRIGGER no")
    other.close()
    made = await bury(store, clock, 2)
    assert await store.dead_letters(clock.now()) == made
    await store.close()


async def test_what_waits_is_seen_beside_the_running_store(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    assert read_queues(path, clock.now()) == []
    sent = await put(store, 1)
    step = advance(sent, Accepted(launch=1), START, context())
    await store.commit(Change(session=step.session, expected=1, effects=step.effects))
    await put(store, 2)
    await clock.advance(7)
    called = begin(context(channel("voice")), session_id=new_id(3), now=clock.now())
    await store.commit(Change(session=called.session, expected=0, effects=called.effects))
    await clock.advance(5)  # the first one's deadline was at 10 seconds

    sms, voice = read_queues(path, clock.now())
    assert (sms.lane, sms.waiting, sms.overdue) == (LANE, 1, 1)
    assert (sms.oldest, sms.late) == (timedelta(seconds=12), timedelta(seconds=2))
    assert (voice.lane, voice.waiting, voice.overdue) == ("default/voice-provider", 1, 0)
    assert (voice.oldest, voice.late) == (timedelta(seconds=5), timedelta(0))
    await store.close()


async def test_other_files_are_not_looked_into(path: Path, clock: FakeClock) -> None:
    path.write_bytes(b"no database " * 400)
    with pytest.raises(ForeignFileError):
        read_letters(path, clock.now())
    with pytest.raises(OSError, match="cannot be read"):
        read_queues(path.with_name("gone"), clock.now())


async def test_a_damaged_letter_is_an_oserror(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    await bury(store, clock, 1)
    await store.close()
    db = apsw.Connection(str(path))
    db.execute("UPDATE records SET data = x'c1' WHERE key >> 48 = 4")
    db.close()
    with pytest.raises(OSError, match="cannot be read"):
        read_letters(path, clock.now())
