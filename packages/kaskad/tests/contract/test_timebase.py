"""A store whose system's clock is set between two runs."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import structlog

from kaskad.app.ports import Change, Timebase
from kaskad.core.inputs import Accepted, CheckCode
from kaskad.core.model import Session
from kaskad.core.session import advance
from kaskad.stores.sqlite import SqliteStore
from kaskad.testing import START, FakeClock
from packages.kaskad.tests.builders import code_of, context
from packages.kaskad.tests.contract.test_store import THREE_A_MINUTE, new_id, put, remembered
from packages.kaskad.tests.faults.disk import STORE, Disk, Written
from packages.kaskad.tests.faults.replay import Replay, laid_out

EPOCH = START.timestamp() - 5000
STEPS = [3600, -7200, -20, 2]


def base(set_by: float = 0, boot: str = "first") -> Timebase:
    return Timebase(boot=boot, epoch=EPOCH + set_by)


async def sent_session(path: Path) -> Session:
    """A session with a live code, a remembered answer and a counted send."""
    store = await SqliteStore.open(path, FakeClock().now, base())
    first = await put(store, 1, remember=remembered())
    sent = advance(first, Accepted(launch=1), START, context())
    await store.commit(Change(session=sent.session, expected=1, effects=sent.effects))
    for _ in range(3):
        await store.take("x", THREE_A_MINUTE, START)
    await store.close()
    return sent.session


async def outcome(session: Session, now: datetime) -> object:
    return advance(session, CheckCode(code=code_of(session)), now, context()).answer


@pytest.mark.parametrize("step_s", STEPS)
async def test_everything_lives_as_long_as_it_should(tmp_path: Path, step_s: float) -> None:
    path = tmp_path / "sessions.db"
    session = await sent_session(path)
    step, rest = timedelta(seconds=step_s), timedelta(seconds=300)
    clock = FakeClock(START + step + timedelta(seconds=10))
    for _ in range(2):  # once more: what was moved is moved no further
        store = await SqliteStore.open(path, clock.now, base(step_s))
        found = await store.load(session.id)
        assert found is not None
        assert found.expires_at == session.expires_at + step
        assert await outcome(found, START + step + rest - timedelta(seconds=1)) is True
        assert await outcome(found, START + step + rest) is not True
        kept = remembered().expires_at + step
        assert await store.remembered(b"key", kept - timedelta(seconds=1)) is not None
        assert await store.remembered(b"key", kept) is None
        assert await store.take("x", THREE_A_MINUTE, clock.now()) == 50
        await store.close()


@pytest.mark.parametrize(("set_by", "boot"), [(0.9, "first"), (0, "second"), (3600, "second")])
async def test_nothing_is_moved_without_need_or_knowledge(
    tmp_path: Path, set_by: float, boot: str
) -> None:
    path = tmp_path / "sessions.db"
    session = await sent_session(path)
    clock = FakeClock(START + timedelta(seconds=10))
    with structlog.testing.capture_logs() as logged:
        store = await SqliteStore.open(path, clock.now, base(set_by, boot))
    assert await store.load(session.id) == session
    await store.close()
    assert logged == []


async def test_a_set_clock_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    await sent_session(path)
    with structlog.testing.capture_logs() as logged:
        store = await SqliteStore.open(path, FakeClock(START).now, base(-7200))
    await store.close()
    assert [(e["event"], e["seconds"]) for e in logged] == [("the clock was set", -7200)]


async def test_a_machine_that_was_started_again_counts_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    session = await sent_session(path)
    for timebase in (base(0, "second"), base(3600, "second")):
        step = timedelta(seconds=timebase.epoch - EPOCH)
        store = await SqliteStore.open(path, FakeClock(START + step).now, timebase)
        found = await store.load(session.id)
        assert found is not None
        assert found.expires_at == session.expires_at + step
        await store.close()


async def test_a_session_that_has_begun_reads_as_before(tmp_path: Path) -> None:
    """Moving is exact: no field but the instants changes."""
    path = tmp_path / "sessions.db"
    session = await sent_session(path)
    there, back = base(7200), base()
    for timebase in (there, back):
        now = START + timedelta(seconds=timebase.epoch - EPOCH)
        store = await SqliteStore.open(path, FakeClock(now).now, timebase)
        found = await store.load(session.id)
        await store.close()
    assert found == session


async def test_a_death_while_everything_is_moved_moves_it_once(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    session = await sent_session(first / STORE)
    store = await SqliteStore.open(first / STORE, FakeClock().now, base())
    for number in range(2, 30):
        await put(store, number, effects=())
    await store.close()
    content = {STORE: (first / STORE).read_bytes()}
    step, clock = timedelta(hours=1), FakeClock(START + timedelta(hours=1))
    with Disk(first) as disk:
        store = await SqliteStore.open(first / STORE, clock.now, base(3600))
        moved = list(disk.events)
        await store.close()
    replay = Replay(moved, content)
    assert sum(isinstance(event, Written) for event in moved) >= 9
    for death in range(len(moved) + 1):
        folder = tmp_path / str(death)
        path = laid_out(replay.go(death).killed(), folder)
        with Disk(folder):
            store = await SqliteStore.open(path, clock.now, base(3600))
            found = [await store.load(new_id(number)) for number in range(1, 30)]
            await store.close()
        assert {s and s.expires_at for s in found} == {session.expires_at + step}
