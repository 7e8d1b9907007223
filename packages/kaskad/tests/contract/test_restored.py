"""An older copy of the session file is noticed, and nothing in it confirms anybody again."""

import shutil
from pathlib import Path

import pytest

from kaskad.app.ports import Change, Committed
from kaskad.core.inputs import Accepted, CheckCode, Complete, Input
from kaskad.core.model import Closing, Session, State
from kaskad.core.session import advance
from kaskad.stores.sqlite import SqliteStore
from kaskad.testing import START, FakeClock
from packages.kaskad.tests.builders import code_of, context
from packages.kaskad.tests.contract.test_store import put

STORE = "sessions.db"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "var"
    folder.mkdir()
    return folder


async def opened(folder: Path, clock: FakeClock) -> SqliteStore:
    return await SqliteStore.open(folder / STORE, clock.now)


async def after(store: SqliteStore, session: Session, *events: Input) -> Session:
    """The session once these have happened to it."""
    for event in events:
        step = advance(session, event, START, context())
        change = Change(session=step.session, expected=session.version, effects=step.effects)
        assert isinstance(await store.commit(change), Committed)
        session = step.session
    return session


def copy(folder: Path, to: Path) -> Path:
    """The file and its log, as a backup takes them."""
    to.mkdir()
    for name in (STORE, f"{STORE}-wal"):
        if (folder / name).exists():
            shutil.copy(folder / name, to / name)
    return to


def bring_back(backup: Path, folder: Path) -> None:
    for name in (STORE, f"{STORE}-wal", f"{STORE}-shm"):
        (folder / name).unlink(missing_ok=True)
    for file in backup.iterdir():
        shutil.copy(file, folder / file.name)


async def test_sessions_of_an_older_copy_are_closed(
    folder: Path, clock: FakeClock, tmp_path: Path
) -> None:
    store = await opened(folder, clock)
    session = await after(store, await put(store, 1), Accepted(launch=1))
    backup = copy(folder, tmp_path / "backup")
    session = await after(store, session, CheckCode(code=code_of(session)), Complete())
    assert session.closing is Closing.COMPLETED
    await store.close()
    bring_back(backup, folder)

    for _ in range(2):  # and so it stays
        store = await opened(folder, clock)
        found = await store.load(session.id)
        assert found is not None
        assert (found.state, found.closing) == (State.CLOSED, Closing.RESTORED)
        assert found.timeline[-1].input == "restored"
        assert advance(found, Complete(), START, context()).answer is False
        assert await store.lanes() == {}
        await store.close()


async def test_a_copy_that_is_behind_by_one_change_is_noticed(
    folder: Path, clock: FakeClock, tmp_path: Path
) -> None:
    store = await opened(folder, clock)
    first = await put(store, 1)
    backup = copy(folder, tmp_path / "backup")
    await put(store, 2)
    await store.close()
    bring_back(backup, folder)
    store = await opened(folder, clock)
    found = await store.load(first.id)
    assert found is not None
    assert found.closing is Closing.RESTORED
    after_that = await put(store, 3)
    await store.close()

    store = await opened(folder, clock)
    assert await store.load(after_that.id) == after_that
    await store.close()


@pytest.mark.parametrize("beside", ["as it was", "behind", "gone", "empty", "unreadable"])
async def test_a_file_that_is_not_behind_is_taken_as_it_is(
    folder: Path, clock: FakeClock, beside: str
) -> None:
    """A crash may come between a commit and the word of it, and locks are not backed up."""
    store = await opened(folder, clock)
    lock = folder / f"{STORE}.lock"
    before = lock.read_bytes()
    session = await put(store, 1)
    await store.close()
    assert lock.read_bytes() != before
    match beside:
        case "behind":
            lock.write_bytes(before)
        case "gone":
            lock.unlink()
        case "empty":
            lock.write_bytes(b"")
        case "unreadable":
            lock.write_bytes(b"\xff" * 20)
    store = await opened(folder, clock)
    assert await store.load(session.id) == session
    await store.close()


async def test_a_new_file_goes_on_where_the_old_one_was(
    folder: Path, clock: FakeClock, tmp_path: Path
) -> None:
    store = await opened(folder, clock)
    await put(store, 1)
    await store.close()
    bring_back(_nothing(tmp_path), folder)
    store = await opened(folder, clock)
    session = await put(store, 2)
    await store.close()
    store = await opened(folder, clock)
    assert await store.load(session.id) == session
    await store.close()


def _nothing(tmp_path: Path) -> Path:
    empty = tmp_path / "nothing"
    empty.mkdir()
    return empty
