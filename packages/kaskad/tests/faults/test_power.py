"""The power goes: what was promised is on the disk, whatever became of the rest."""

import asyncio
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from kaskad.app.ports import Change, Committed, Remembered
from kaskad.core.inputs import Accepted, CheckAndComplete, CheckCode, Input
from kaskad.core.limits import HOUR, Window
from kaskad.core.model import Session, State
from kaskad.core.session import advance
from kaskad.stores.sqlite import ForeignFileError, SqliteStore
from kaskad.testing import START, FakeClock
from packages.kaskad.tests.builders import begin, channel, code_of, context
from packages.kaskad.tests.contract.test_store import new_id
from packages.kaskad.tests.core.scene import WRONG
from packages.kaskad.tests.faults.disk import STORE, Disk, Event, Synced, Told, Written, settings
from packages.kaskad.tests.faults.replay import Image, Replay, laid_out

pytestmark = pytest.mark.untraced

PARTS = 4
IMAGES = 75
SOAKED = 1250
PEOPLE = 6
ROUNDS = 3
MANY = (Window(limit=10_000, span=HOUR),)
WORLD = context(channel())


@dataclass
class Promised:
    """What the store has promised so far, in the order of the promises."""

    sessions: dict[str, Session] = field(default_factory=dict)
    answers: set[bytes] = field(default_factory=set)
    hits: int = 0

    def add(self, what: object) -> None:
        match what:
            case Change(session=session, remember=remember):
                self.sessions[session.id] = session
                if remember is not None:
                    self.answers.add(remember.key)
            case "hit":
                self.hits += 1


def remembered(number: int) -> Remembered:
    later = START.replace(year=START.year + 1)
    return Remembered(key=b"%d" % number, fingerprint=b"f", answer=b"a", expires_at=later)


def inputs(session: Session) -> Iterator[Input]:
    """What happens to a session after its start."""
    yield Accepted(launch=1)
    yield CheckCode(code=WRONG)
    yield CheckCode(code=code_of(session))
    yield CheckAndComplete()


async def lives(store: SqliteStore, disk: Disk, number: int) -> None:
    """One person's session from its start to its end, each change after the last is stored."""
    step = begin(session_id=new_id(number), number=f"+7900{number:07}")
    change = Change(
        session=step.session, expected=0, effects=step.effects, remember=remembered(number)
    )
    await stores(store, disk, change)
    session = step.session
    for event in inputs(session):
        done = advance(session, event, START, WORLD)
        await stores(
            store,
            disk,
            Change(session=done.session, expected=session.version, effects=done.effects),
        )
        session = done.session
        assert await store.take("everybody", MANY, START) is None
        disk.tell("hit")


async def stores(store: SqliteStore, disk: Disk, change: Change) -> None:
    disk.tell(("offered", change.session))
    assert await store.commit(change) == Committed()
    disk.tell(change)


async def busy_hours(disk: Disk, numbers: Iterator[int]) -> None:
    """Several people at once, several times, with an orderly restart in between."""
    clock = FakeClock()
    for _ in range(ROUNDS):
        store = await SqliteStore.open(disk.folder / STORE, clock.now)
        for _ in range(2):
            await asyncio.gather(*(lives(store, disk, next(numbers)) for _ in range(PEOPLE)))
        await store.close()


async def recorded(folder: Path, *, lying: bool = False) -> list[Event]:
    folder.mkdir()
    with Disk(folder) as disk:
        disk.lying = lying
        await busy_hours(disk, count(1))
        return disk.events


# --- what must be there ------------------------------------------------------------


async def broken_promises(image: Image, events: list[Event], folder: Path) -> list[str]:
    """What of the promises made in these events is not there any more."""
    told = [e.what for e in events if isinstance(e, Told)]
    promised = Promised()
    for what in told:
        promised.add(what)
    offered: dict[str, list[Session]] = {}
    for what in told:
        if isinstance(what, tuple):
            offered.setdefault(what[1].id, []).append(what[1])
    laid_out(image, folder)
    with Disk(folder) as disk:
        disk.recording = False
        try:
            store = await SqliteStore.open(folder / STORE, FakeClock().now)
        except (OSError, ForeignFileError) as failure:
            return [f"everything: {failure}"]
        lost = [
            problem
            for session_id, versions in offered.items()
            for problem in wrong(
                await store.load(session_id), versions, promised.sessions.get(session_id)
            )
        ]
        kept = {key for key in promised.answers if await store.remembered(key, START) is not None}
        lost += [f"the answer to {key.decode()}" for key in promised.answers - kept]
        counted = (Window(limit=promised.hits, span=HOUR),)
        if await store.take("everybody", counted, START) is None:
            lost.append("a hit")
        lost += [] if not promised.sessions else await given_again(store, promised)
        await store.close()
    return lost


def wrong(found: Session | None, offered: list[Session], promised: Session | None) -> Iterator[str]:
    if found is None:
        if promised is not None:
            yield "a session"
        return
    if found not in offered:
        yield "the whole of a change"
    if promised is not None and found.version < promised.version:
        yield f"version {promised.version} of a session: {found.version}"


async def given_again(store: SqliteStore, promised: Promised) -> list[str]:
    """Verdicts that were collected before and can be collected once more."""
    closed = [s for s in promised.sessions.values() if s.state is State.CLOSED]
    again = []
    for session in closed:
        found = await store.load(session.id)
        if found is not None:
            step = advance(found, CheckAndComplete(), START, WORLD)
            again += ["a collected verdict"] if step.answer is True else []
    return again


async def cut_often(
    events: list[Event], folder: Path, times: int, seed: int
) -> tuple[int, list[str]]:
    """Cut the power so often, at any moment; how many images lost something, and what."""
    chance = random.Random(seed)
    replay, losing, lost = Replay(events), 0, []
    moments = [n + 1 for n, event in enumerate(events) if not isinstance(event, Told)]
    for cut in sorted(chance.choices(moments, k=times)):
        image = replay.go(cut).unplugged(chance)
        problems = await broken_promises(image, events[:cut], folder / "after")
        shutil.rmtree(folder / "after")
        losing += bool(problems)
        lost += [f"cut after {cut}: {problem}" for problem in problems]
    return losing, lost


# --- the tests ---------------------------------------------------------------------

LOG = f"{STORE}-wal"
CHECKPOINTS = [pytest.param({}, id="rare"), pytest.param({"wal_autocheckpoint": 12}, id="often")]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("checkpoints", CHECKPOINTS)
async def test_a_power_cut_takes_nothing_back(
    tmp_path: Path, checkpoints: dict[str, int], part: int
) -> None:
    with settings(**checkpoints):
        events = await recorded(tmp_path / "first")
        losing, lost = await cut_often(events, tmp_path, IMAGES, part)
    assert (losing, lost) == (0, [])


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS, 2 * PARTS))
@pytest.mark.parametrize("checkpoints", CHECKPOINTS)
async def test_ten_thousand_power_cuts_take_nothing_back(
    tmp_path: Path, checkpoints: dict[str, int], part: int
) -> None:
    with settings(**checkpoints):
        events = await recorded(tmp_path / "first")
        losing, lost = await cut_often(events, tmp_path, SOAKED, part)
    assert (losing, lost) == (0, [])


@pytest.mark.parametrize("checkpoints", CHECKPOINTS)
async def test_the_hours_have_everything_that_a_power_cut_may_hit(
    tmp_path: Path, checkpoints: dict[str, int]
) -> None:
    """What the tests above rest on: shared commits, checkpoints in mid-life, logs begun again."""
    with settings(**checkpoints):
        events = await recorded(tmp_path / "first")
    moved = [n for n, e in enumerate(events) if isinstance(e, Written) and e.file == STORE]
    begun = [e for e in events if isinstance(e, Written) and (e.file, e.offset) == (LOG, 0)]
    commits = [e for e in events if isinstance(e, Synced) and e.file == LOG]
    promises = [e for e in events if isinstance(e, Told) and isinstance(e.what, Change)]
    rounds = ROUNDS + 1  # the first file is made before its log is
    assert len(commits) < len(promises)
    if checkpoints:
        assert len(begun) > 2 * rounds
        assert any(isinstance(e, Told) for e in events[moved[2] : moved[-2]])
    else:
        assert len(begun) < 2 * rounds


async def test_with_less_syncing_promises_would_be_lost(tmp_path: Path) -> None:
    """What the tests above can see: SQLite's default for such a file is not enough."""
    with settings(synchronous="NORMAL"):
        events = await recorded(tmp_path / "first")
        losing, _ = await cut_often(events, tmp_path, IMAGES, 0)
    assert losing > IMAGES / 4


async def test_on_a_disk_that_lies_promises_are_lost(tmp_path: Path) -> None:
    events = await recorded(tmp_path / "first", lying=True)
    losing, _ = await cut_often(events, tmp_path, IMAGES, 0)
    assert losing > IMAGES / 4
