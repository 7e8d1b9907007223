"""What the embedded store promises beyond the contract: nothing is lost, nobody else's fault."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from kaskad.app.ports import Change, Committed, Remembered, StoreUnavailableError
from kaskad.core.inputs import Accepted
from kaskad.core.session import advance
from kaskad.stores._writer import SCHEMA, Writer, WriterFullError
from kaskad.stores.beside import read_session
from kaskad.stores.sqlite import ForeignFileError, SqliteStore, StoreInUseError
from kaskad.testing import START, FakeClock
from packages.kaskad.tests.builders import begin, context
from packages.kaskad.tests.contract.test_store import LANE, THREE_A_MINUTE, new_id, put, remembered


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


async def test_everything_is_there_after_a_restart(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    first = await put(store, 1, remember=remembered())
    second = await put(store, 2)
    sent = advance(second, Accepted(launch=1), START, context())
    await store.commit(Change(session=sent.session, expected=1, effects=sent.effects))
    await store.claim(LANE, limit=9, lease_s=900, now=START)
    await store.take("x", THREE_A_MINUTE, START)
    await store.close()

    again = await SqliteStore.open(path, clock.now)
    assert await again.load(first.id) == first
    assert await again.load(second.id) == sent.session
    [claim] = await again.claim(LANE, limit=9, lease_s=5, now=START)
    assert claim.job.session == first.id
    assert claim.job.doubtful  # the process before this one may have been sending it
    assert await again.remembered(b"key", START) == remembered()
    assert await again.take("x", THREE_A_MINUTE, START) is None
    assert await again.take("x", THREE_A_MINUTE, START) is None
    assert await again.take("x", THREE_A_MINUTE, START) == 60
    assert await again.next_due() == first.launch.send_by
    third = await put(again, 3)
    assert await again.load(third.id) == third
    await again.close()


async def test_what_is_purged_stays_gone_after_a_restart(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    await put(store, 1, remember=remembered())
    await clock.advance(2 * 24 * 3600)
    while await store.purge(clock.now()):
        pass
    await store.close()

    db = apsw.Connection(str(path))
    kept = db.execute("SELECT count(*) FROM records").fetchall()
    assert kept == [(1,)]  # how far the file has come
    db.close()


async def test_nothing_is_shown_before_it_is_durable(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    step = begin()
    commit = asyncio.create_task(
        store.commit(Change(session=step.session, expected=0, effects=step.effects))
    )
    await asyncio.sleep(0)
    assert store.sizes()["sessions"] == 0
    assert await store.claim(LANE, limit=9, lease_s=5, now=START) == []
    assert await store.load(step.session.id) == step.session
    assert await commit == Committed()
    await store.close()


async def test_a_change_is_stored_although_its_caller_has_gone(
    path: Path, clock: FakeClock
) -> None:
    store = await SqliteStore.open(path, clock.now)
    step = begin()
    commit = asyncio.create_task(store.commit(Change(session=step.session, expected=0)))
    await asyncio.sleep(0)
    commit.cancel()
    assert await store.load(step.session.id) == step.session
    await store.close()


async def test_a_file_belongs_to_one_process(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    with pytest.raises(StoreInUseError, match="in use"):
        await SqliteStore.open(path, clock.now)
    await store.close()
    await (await SqliteStore.open(path, clock.now)).close()


def test_a_foreign_file_is_refused(path: Path, clock: FakeClock) -> None:
    content = b"this is no database at all, but long enough" * 99
    path.write_bytes(content)
    with pytest.raises(ForeignFileError, match="not a session store"):
        asyncio.run(SqliteStore.open(path, clock.now))
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        ("CREATE TABLE x (y)", "not a session store"),
        ("PRAGMA application_id = 7", "not a session store"),
    ],
)
async def test_a_foreign_database_is_refused(
    path: Path, clock: FakeClock, statement: str, match: str
) -> None:
    db = apsw.Connection(str(path))
    db.execute(statement)
    db.close()
    with pytest.raises(ForeignFileError, match=match):
        await SqliteStore.open(path, clock.now)


async def test_a_file_of_another_version_is_refused(path: Path, clock: FakeClock) -> None:
    await (await SqliteStore.open(path, clock.now)).close()
    db = apsw.Connection(str(path))
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ForeignFileError, match="another version"):
        await SqliteStore.open(path, clock.now)


def test_a_directory_in_the_way_is_an_oserror(path: Path, clock: FakeClock) -> None:
    path.mkdir()
    with pytest.raises(OSError, match="cannot be opened"):
        asyncio.run(SqliteStore.open(path, clock.now))


async def test_a_failing_operation_does_not_fail_its_batch(tmp_path: Path) -> None:
    db = apsw.Connection(str(tmp_path / "x.db"))
    db.execute(SCHEMA)
    db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    writer = Writer(db, asyncio.get_running_loop())
    results: dict[int, BaseException | None] = {}
    everything = asyncio.Event()

    def done(number: int, failure: BaseException | None) -> None:
        results[number] = failure
        if len(results) == 20:
            everything.set()

    for number in range(20):
        value = 0 if number == 7 else number
        also = ("INSERT INTO t VALUES (?)", (value,))
        writer.submit([(number, b"x")], partial(done, number), [also])
    await everything.wait()
    await asyncio.to_thread(writer.close)

    assert {n for n, failure in results.items() if failure is not None} == {7}
    kept = [n for (n,) in db.execute("SELECT key FROM records ORDER BY key")]
    assert kept == [n for n in range(20) if n != 7]
    db.close()


async def test_a_full_queue_answers_at_once(
    path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await SqliteStore.open(path, clock.now)

    def full(*_: object) -> None:
        raise WriterFullError

    monkeypatch.setattr(store._writer, "submit", full)
    step = begin()
    with pytest.raises(StoreUnavailableError):
        await store.commit(Change(session=step.session, expected=0, effects=step.effects))
    with pytest.raises(StoreUnavailableError):
        await store.take("x", THREE_A_MINUTE, START)
    with pytest.raises(StoreUnavailableError):
        await store.check()
    monkeypatch.undo()
    for number in range(1, 4):  # neither the session nor the hits have left a trace
        await put(store, number)
        assert await store.take("x", THREE_A_MINUTE, START) is None
    await store.close()


async def test_a_failed_write_leaves_no_trace_and_the_next_one_works(
    path: Path, clock: FakeClock
) -> None:
    store = await SqliteStore.open(path, clock.now)
    await put(store, 9)
    other = apsw.Connection(str(path))
    other.execute("CREATE TRIGGER no BEFORE INSERT ON records BEGIN SELECT raise(FAIL, 'no'); END")
    step = begin(number="+79001234560")
    change = Change(session=step.session, expected=0, effects=step.effects, remember=remembered())
    with pytest.raises(StoreUnavailableError):
        await store.commit(change)
    assert await store.load(step.session.id) is None
    assert await store.remembered(b"key", START) is None
    other.execute("DROP TRIGGER no")
    other.close()

    assert await store.commit(change) == Committed()
    assert isinstance(await store.remembered(b"key", START), Remembered)
    await store.close()


async def test_a_purge_that_failed_is_made_up_for(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    await put(store)
    other = apsw.Connection(str(path))
    other.execute("CREATE TRIGGER no BEFORE DELETE ON records BEGIN SELECT raise(FAIL, 'no'); END")
    await clock.advance(2 * 24 * 3600)
    with pytest.raises(StoreUnavailableError):
        await store.purge(clock.now())
    other.execute("DROP TRIGGER no")
    await store.purge(clock.now())
    await store.check()
    assert other.execute("SELECT count(*) FROM records WHERE key >> 48 = 1").fetchall() == [(0,)]
    other.close()
    await store.close()


async def test_a_session_can_be_read_beside_the_running_store(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    session = await put(store, 1)
    assert read_session(path, session.id) == session
    assert read_session(path, new_id(2)) is None
    await store.close()


async def test_batches_larger_than_a_statement_are_whole(tmp_path: Path) -> None:
    db = apsw.Connection(str(tmp_path / "x.db"))
    db.execute(SCHEMA)
    writer = Writer(db, asyncio.get_running_loop())
    failures: list[BaseException | None] = []
    writer.submit([(n, b"%d" % n) for n in range(2500)], failures.append)
    await asyncio.to_thread(writer.close)
    await asyncio.sleep(0)
    assert failures == [None]
    assert db.execute("SELECT count(*), max(key) FROM records").fetchall() == [(2500, 2499)]
    db.close()


async def test_only_the_owner_may_read_the_file(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    await put(store)
    for file in (path, path.with_name(path.name + "-wal")):
        assert file.stat().st_mode & 0o077 == 0
    await store.close()


async def test_sessions_from_the_future_are_not_taken_up(path: Path, clock: FakeClock) -> None:
    """The clock was set back between two runs: no code may live longer for it."""
    store = await SqliteStore.open(path, clock.now)
    session = await put(store)
    await store.close()

    earlier = FakeClock(START - timedelta(hours=2))
    again = await SqliteStore.open(path, earlier.now)
    assert await again.load(session.id) is None
    await again.purge(earlier.now())
    await again.close()
    assert read_session(path, session.id) is None


async def test_a_database_that_is_locked_is_told_once_for_all(
    path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await SqliteStore.open(path, clock.now)
    store._db.set_busy_timeout(500)
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    steps = [begin(session_id=new_id(n), number=f"+7900123456{n}") for n in range(1, 9)]
    began = asyncio.get_running_loop().time()
    results = await asyncio.gather(
        *(store.commit(Change(session=s.session, expected=0)) for s in steps),
        return_exceptions=True,
    )
    other.execute("ROLLBACK")
    other.close()
    assert all(isinstance(result, StoreUnavailableError) for result in results)
    assert asyncio.get_running_loop().time() - began < 3.0  # one after the other: 4 seconds
    await store.close()


async def test_a_key_used_again_after_its_time_is_kept(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    await put(store, 1, remember=remembered())
    await clock.advance(24 * 3600)
    later = replace(remembered(), expires_at=clock.now() + timedelta(days=1))
    step = begin(session_id=new_id(2), now=clock.now(), number="+79001234560")
    await store.commit(Change(session=step.session, expected=0, remember=later))
    await store.purge(clock.now())
    assert await store.remembered(b"key", clock.now()) == later
    await store.close()


async def test_a_damaged_file_is_an_oserror(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    for number in range(1, 40):
        await put(store, number, effects=())
    await store.close()
    content = bytearray(path.read_bytes())
    content[2 * 4096 : 3 * 4096] = bytes(4096)
    path.write_bytes(content)
    with pytest.raises(OSError, match="cannot be read"):
        await SqliteStore.open(path, clock.now)


async def test_a_damaged_record_is_an_oserror(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock.now)
    await put(store)
    await store.close()
    db = apsw.Connection(str(path))
    db.execute("UPDATE records SET data = x'c1' WHERE key >> 48 = 1")
    db.close()
    for _ in range(2):  # the file was let go of
        with pytest.raises(OSError, match="cannot be read"):
            await SqliteStore.open(path, clock.now)
