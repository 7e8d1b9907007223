"""What waits, and what could not be sent: ``kaskad jobs``, and the doctor's note on it."""

import asyncio
import fcntl
from datetime import timedelta
from pathlib import Path

from msgspec.structs import replace

from kaskad.app.ports import Change, DeadLetter, LetterKind
from kaskad.core.model import ChannelType
from kaskad.stores.sqlite import SqliteStore
from kaskad.system import SystemClock
from packages.kaskad.tests.builders import begin
from packages.kaskad.tests.cli.shell import Shell, refused
from packages.kaskad.tests.contract.test_store import new_id


async def opened(folder: Path) -> tuple[SqliteStore, SystemClock]:
    clock = SystemClock()
    return await SqliteStore.open(folder / "kaskad-sessions.db", clock.now), clock


def letter(clock: SystemClock, *, days_ago: float = 0) -> DeadLetter:
    return DeadLetter(
        session=new_id(7),
        launch=2,
        lane="default/handset",
        kind=LetterKind.UNMADE,
        reason="provider is not configured",
        tries=1,
        at=clock.now() - timedelta(days=days_ago),
        type=ChannelType.SMS,
    )


async def test_a_file_in_which_nothing_is_wrong(shell: Shell) -> None:
    store, _ = await opened(shell.folder)
    found = shell.on_file("jobs")  # the store has the file
    await store.close()
    assert found.exit_code == 0
    waits, _, dead = found.stdout.splitlines()
    assert waits == "No message waits for a provider."
    assert dead.startswith("No dead letters")
    assert found.stderr == ""


async def test_what_waits_is_counted_for_each_provider(shell: Shell) -> None:
    store, clock = await opened(shell.folder)
    for number, ago_s in ((1, 3), (2, 14), (3, 12)):
        now = clock.now() - timedelta(seconds=ago_s)
        step = begin(session_id=new_id(number), now=now)
        await store.commit(Change(session=step.session, expected=0))
    found = shell.on_file("jobs")
    await store.close()
    head, row, *_ = found.stdout.splitlines()
    assert head.split() == ["PROVIDER", "WAITING", "OLDEST", "OVERDUE", "BY"]
    provider, waiting, oldest, _, overdue, late, _ = row.split()
    assert (provider, waiting, overdue) == ("default/sms-provider", "3", "2")
    assert 14 <= float(oldest) < 18
    assert 4 <= float(late) < 8
    assert "is a service running on this file?" in found.stderr


async def test_dead_letters_are_listed_newest_first(shell: Shell) -> None:
    store, clock = await opened(shell.folder)
    older = replace(letter(clock, days_ago=6), kind=LetterKind.FAILED, reason="X", type=None)
    for one in (letter(clock, days_ago=8), older, letter(clock)):
        await store.bury(one)
    await store.close()
    found = shell.on_file("jobs")
    head, newest, oldest = found.stdout.splitlines()[2:]
    assert head.split()[:5] == ["AT", "PROVIDER", "TYPE", "KIND", "REASON"]
    wanted = ["default/handset", "sms", "unmade", "provider", "is", "not", "configured", "2", "2"]
    assert newest.split()[1:] == [*wanted, new_id(7)]
    assert oldest.split()[1:] == ["default/handset", "-", "failed", "X", "2", "2", new_id(7)]
    assert "`kaskad session ID`" in found.stderr


async def bury(folder: Path, *days_ago: float) -> None:
    store, clock = await opened(folder)
    for days in days_ago:
        await store.bury(letter(clock, days_ago=days))
    await store.close()


def test_the_doctor_notes_the_dead_letters_of_the_last_day(shell: Shell) -> None:
    shell.applied()
    asyncio.run(bury(shell.folder, 1.1))
    assert "dead letters" not in shell.on_file("doctor").stdout
    asyncio.run(bury(shell.folder, 0.9, 0))
    alone = shell.on_file("doctor")
    with (shell.folder / "kaskad-sessions.db.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a running server does
        beside = shell.on_file("doctor")
    assert "belongs to a running server" in beside.stdout
    for found in (alone, beside):
        assert found.exit_code == 0, found.output
        [line] = [line for line in found.stdout.splitlines() if "dead letters" in line]
        assert line == (
            "note     dead letters: 2 in the last day, the newest for default/handset: "
            "provider is not configured; `kaskad jobs` lists them"
        )


def test_jobs_of_nothing(shell: Shell) -> None:
    refused(shell.on_file("jobs"), "kaskad-sessions.db: not there", "has run")
    (shell.folder / "kaskad-sessions.db").write_bytes(b"no database " * 400)
    refused(shell.on_file("jobs"), "kaskad-sessions.db is not a session store")
