"""The snapshot follows the database; small writes do not disturb it."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kaskad.app.ports import Snapshot
from kaskad.stores.catalog import SqlCatalog
from kaskad.testing import START, FakeClock, FakeEntropy
from packages.kaskad.tests.catalog.conftest import Opener
from packages.kaskad.tests.catalog.declarations import DECLARED, DEMO, KEYS, SHOP, WIDGET, with_
from packages.kaskad.tests.logs import Logged

RENAMED = with_(widgets=(msgspec.structs.replace(SHOP, name="Renamed"),))


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


async def write(path: Path, statement: str, *values: object) -> list[Any]:
    """Write as another process would: here, the loop would wait for its own readers."""

    def run() -> list[Any]:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()

    return await asyncio.to_thread(run)


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never happened")


# --- following ---------------------------------------------------------------------

OTHER_PROCESS = f"""
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
sys.stdin.readline()
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE widgets SET name = 'Elsewhere' WHERE id = '{WIDGET}'")
db.execute("UPDATE meta SET value = value + 1 WHERE name = 'revision'")
db.execute("COMMIT")
print(time.time(), flush=True)
"""


async def test_a_change_by_another_process_is_seen_within_a_second(
    opener: Opener, path: Path
) -> None:
    catalog = await opener(watch=True)
    await catalog.apply(DECLARED)
    seen: dict[str, float] = {}

    def see(snapshot: Snapshot) -> None:
        seen.setdefault(snapshot.widgets[WIDGET].name, time.time())

    catalog.subscribe(see)
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OTHER_PROCESS, str(path),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    out, _ = await other.communicate(b"go\n")
    await until(lambda: "Elsewhere" in seen)
    assert seen["Elsewhere"] - float(out) < 1.0 + 2.0  # what other tests take of the machine
    assert catalog.snapshot.widgets[WIDGET].name == "Elsewhere"


async def test_a_change_by_another_catalogue_is_followed(opener: Opener) -> None:
    watching, other = await opener(watch=True, poll_s=0.01), await opener()
    await other.apply(DECLARED)
    await until(lambda: WIDGET in watching.snapshot.widgets)
    assert watching.snapshot == other.snapshot


async def test_without_watching_a_refresh_finds_the_change(opener: Opener) -> None:
    first, second = await opener(), await opener()
    await first.apply(DECLARED)
    assert second.snapshot.revision == 0
    assert (await second.refresh()).revision == 1
    assert second.snapshot == first.snapshot


async def test_listeners_hear_of_each_new_snapshot_once(opener: Opener, logged: Logged) -> None:
    catalog = await opener()
    heard: list[int] = []

    def broken(_: Snapshot) -> None:
        raise RuntimeError("a listener of somebody else's")

    catalog.subscribe(broken)
    catalog.subscribe(lambda snapshot: heard.append(snapshot.revision))
    await catalog.apply(DECLARED)
    await catalog.refresh()
    await catalog.apply(DECLARED)
    await catalog.apply(RENAMED)
    assert heard == [1, 2]
    assert [entry["event"] for entry in logged] == ["catalog_listener_failed"] * 2


async def test_a_snapshot_that_was_taken_does_not_change(opener: Opener) -> None:
    catalog = await opener()
    await catalog.apply(DECLARED)
    taken = catalog.snapshot
    await catalog.apply(RENAMED)
    assert taken.widgets[WIDGET].name == "Shop"
    assert catalog.snapshot.widgets[WIDGET].name == "Renamed"


async def test_what_cannot_be_read_leaves_the_snapshot_and_is_logged_once(
    opener: Opener, path: Path, logged: Logged
) -> None:
    catalog, other = await opener(watch=True, poll_s=0.01), await opener()
    await catalog.apply(DECLARED)
    ((sealed,),) = await write(path, "SELECT settings FROM providers")
    await write(path, "UPDATE providers SET settings = zeroblob(40)")
    await write(path, "UPDATE meta SET value = value + 1")
    await until(lambda: bool(logged))
    await write(path, "UPDATE meta SET value = value + 1")
    await asyncio.sleep(0.1)  # long enough to look, and fail, several times
    assert catalog.snapshot.widgets[WIDGET].name == "Shop"
    await write(path, "UPDATE providers SET settings = ?", sealed)
    await other.apply(RENAMED)
    await until(lambda: catalog.snapshot.widgets[WIDGET].name == "Renamed")
    (entry,) = logged
    assert (entry["event"], entry["log_level"]) == ("catalog_reload_failed", "warning")
    assert "providers handset: settings" in entry["problem"]


async def test_closing_twice_is_harmless_and_ends_the_watch(opener: Opener) -> None:
    catalog = await opener(watch=True)
    await catalog.close()
    await catalog.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "catalog-watch"]


async def test_opening_can_be_cancelled(opener: Opener) -> None:
    task = asyncio.ensure_future(opener(watch=True))
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert not [other for other in asyncio.all_tasks() if other.get_name() == "catalog-watch"]


# --- ending in the middle ----------------------------------------------------------


class Threads:
    """The database's threads: how slow connecting is, and what they failed of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failed: list[BaseException | None] = []
        self.connecting = threading.Event()
        monkeypatch.setattr(threading, "excepthook", lambda of: self.failed.append(of.exc_value))
        self._connect: Callable[..., sqlite3.Connection] = sqlite3.connect
        monkeypatch.setattr("aiosqlite.core.sqlite3.connect", self._slowly)

    def _slowly(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        self.connecting.set()
        time.sleep(0.02)
        return self._connect(*arguments, **options)

    def ended(self) -> None:
        for thread in threading.enumerate():
            if "_connection_worker_thread" in thread.name:
                thread.join(10)
                assert not thread.is_alive()
        assert self.failed == []


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    return Threads(monkeypatch)


async def opened(path: Path, **options: Any) -> SqlCatalog:
    return await SqlCatalog.open(
        f"sqlite:///{path}", KEYS, clock=FakeClock(), entropy=FakeEntropy(), **options
    )


def test_closing_amid_a_look_leaves_no_thread_to_answer_to_a_loop_that_has_ended(
    path: Path, threads: Threads
) -> None:
    async def run() -> None:
        catalog = await opened(path, watch=True)
        threads.connecting.clear()
        assert await asyncio.to_thread(threads.connecting.wait, 10)
        await catalog.close()

    asyncio.run(run())
    threads.ended()


@pytest.mark.parametrize("waited_s", [0, 0.01, 0.021, 0.023, 0.03])
def test_a_cancelled_question_leaves_no_thread_either(
    path: Path, threads: Threads, waited_s: float
) -> None:
    async def run() -> None:
        catalog = await opened(path, watch=False)
        held = await catalog._database.hold()  # so that the question needs a new connection
        asking = asyncio.create_task(catalog.refresh())
        await asyncio.sleep(waited_s)  # wherever that is, on a machine as slow as this one
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await held.close()
        await catalog.close()

    asyncio.run(run())
    threads.ended()


def test_a_connection_that_fails_after_its_cancellation_is_none(
    path: Path, threads: Threads
) -> None:
    async def run() -> None:
        catalog = await opened(path, watch=False)
        held = await catalog._database.hold()
        path.unlink()
        path.mkdir()
        asking = asyncio.create_task(catalog.refresh())
        await asyncio.sleep(0)  # it has asked for a connection, which is not even tried yet
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await held.close()
        await catalog.close()

    asyncio.run(run())
    threads.ended()


# --- small writes ------------------------------------------------------------------


async def test_the_last_use_of_tokens_only_moves_forward(opener: Opener) -> None:
    catalog = await opener()
    await catalog.apply(DECLARED)
    token = catalog.snapshot.tokens[DEMO.hash]
    later = START + timedelta(minutes=1)
    await catalog.note_token_use({token.id: later, "unknown": later})
    await catalog.note_token_use({token.id: START})
    await catalog.note_token_use({})
    (kept,) = await catalog.list_tokens("default")
    assert kept.last_used_at == later


async def test_noting_use_is_no_change_of_the_configuration(opener: Opener) -> None:
    catalog, other = await opener(), await opener()
    await catalog.apply(DECLARED)
    await other.refresh()
    before = other.snapshot
    await catalog.note_token_use({catalog.snapshot.tokens[DEMO.hash].id: START})
    await catalog.audit(tenant="default", actor="a", action="b", subject="c", at=START)
    assert await other.refresh() is before


async def test_the_audit_trail_grows_at_its_end(opener: Opener, path: Path) -> None:
    catalog = await opener()
    for subject in ("first", "second"):
        await catalog.audit(
            tenant="default", actor="engine", action="test", subject=subject, at=START
        )
    assert rows(path, "SELECT id, actor, action, subject FROM audit ORDER BY id") == [
        (1, "engine", "test", "first"),
        (2, "engine", "test", "second"),
    ]
