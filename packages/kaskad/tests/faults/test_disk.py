"""A disk that is full, breaks, and comes back while the service runs."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kaskad.core.model import Session, State
from packages.kaskad.tests.builders import WIDGET_ID, channel, code_of, snapshot
from packages.kaskad.tests.core.scene import WRONG
from packages.kaskad.tests.faults.disk import STORE, Disk, Told, settings
from packages.kaskad.tests.faults.life import Handed, Life, Stored, later
from packages.kaskad.tests.faults.replay import Replay, laid_out
from packages.kaskad.tests.faults.stories import (
    AWAY,
    SENDS_AN_HOUR,
    STORIES,
    Person,
    Step,
    collects,
    completes,
    guesses,
    send,
    session_of,
)
from packages.kaskad.tests.http.client import Answer

SEEDS = 12
SOAKED = 400


def full(disk: Disk) -> None:
    """The log cannot grow."""
    disk.room = (disk.folder / f"{STORE}-wal").stat().st_size


def no_writes(disk: Disk) -> None:
    disk.broken = {"write"}


def no_syncs(disk: Disk) -> None:
    disk.broken = {"sync"}


def well(disk: Disk) -> None:
    disk.room, disk.broken, disk.flaky = None, set(), None


TROUBLES = [full, no_writes, no_syncs]
Trouble = Callable[[Disk], None]


@pytest.fixture
async def life(tmp_path: Path) -> AsyncIterator[Life]:
    with Disk(tmp_path) as disk:
        async with Life(disk, snapshot(channel())) as life:
            yield life
            well(disk)


async def sent(life: Life, number: int) -> str:
    body = {"widgetId": WIDGET_ID, "recipient": f"+7900123456{number}"}
    answer = await life.call("POST", "/", body)
    assert answer.status == 201
    await life.clock.advance(1)
    request_id: str = answer.json["requestId"]
    return request_id


async def found(life: Life, request_id: str) -> Session:
    return await session_of(life, Person(request_id=request_id))


async def check(life: Life, request_id: str, code: str) -> Answer:
    return await life.call("POST", f"/{request_id}/checkCode", {"code": code})


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_calls_that_cannot_be_stored_answer_503_and_have_changed_nothing(
    life: Life, trouble: Trouble
) -> None:
    live, proven = await sent(life, 1), await sent(life, 2)
    code = code_of(await found(life, live))
    assert (await check(life, proven, code_of(await found(life, proven)))).outcome is True
    await life.clock.advance(30)
    before = [await found(life, r) for r in (live, proven)]

    trouble(life.disk)
    body = {"widgetId": WIDGET_ID, "recipient": "+79001234563"}
    refused = [
        *[await life.call("POST", "/", body) for _ in range(5)],
        await check(life, live, code),
        await check(life, live, WRONG),
        await life.call("POST", f"/{live}/resend"),
        await life.call("POST", f"/{live}/cancel"),
        await life.call("POST", f"/{proven}/complete"),
    ]
    assert [a.outcome for a in refused] == [AWAY] * 10
    assert all(a.retry_after >= 1 for a in refused)
    assert (await life.call("GET", f"/{live}/channel")).json["remainingCodeAttempts"] == 3
    assert await life.ready() == 503
    assert [await found(life, r) for r in (live, proven)] == before

    well(life.disk)
    assert await life.ready() == 200
    assert (await check(life, live, code)).outcome is True
    verdicts = [await life.call("POST", f"/{proven}/complete") for _ in range(2)]
    assert [a.outcome for a in verdicts] == [True, False]
    outcomes = [(await life.call("POST", "/", body)).outcome for _ in range(4)]
    assert outcomes == ["ok", "ok", "ok", "RateLimitException"]


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_message_whose_answer_cannot_be_stored_is_not_sent_again(
    life: Life, trouble: Trouble
) -> None:
    body = {"widgetId": WIDGET_ID, "recipient": "+79001234561"}
    request_id = (await life.call("POST", "/", body)).json["requestId"]
    trouble(life.disk)
    await life.clock.advance(5)
    assert len(life.messages(request_id)) == 1
    assert (await found(life, request_id)).state is State.WAIT
    well(life.disk)
    await life.clock.advance(1)
    assert (await found(life, request_id)).state is State.SENT
    await life.clock.advance(30)
    assert len(life.messages(request_id)) == 1


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_code_that_expires_meanwhile_is_not_accepted_afterwards(
    life: Life, trouble: Trouble
) -> None:
    request_id = await sent(life, 1)
    code = code_of(await found(life, request_id))
    trouble(life.disk)
    await life.clock.advance(300)
    assert (await check(life, request_id, code)).outcome == AWAY
    well(life.disk)
    assert (await check(life, request_id, code)).outcome == "ResendChannelException"


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_after_a_death_in_trouble_everything_promised_is_there(
    tmp_path: Path, life: Life, trouble: Trouble
) -> None:
    request_id = await sent(life, 1)
    session = await found(life, request_id)
    trouble(life.disk)
    assert (await check(life, request_id, WRONG)).outcome == AWAY
    image = Replay(life.disk.events).go(len(life.disk.events)).killed()
    laid_out(image, tmp_path / "after")
    with Disk(tmp_path / "after") as disk:
        async with Life(disk, snapshot(channel()), at=life.clock.now(), seed=1) as next_life:
            after = await found(next_life, request_id)
            assert after.version in {session.version, session.version + 1}
            assert (await check(next_life, request_id, code_of(session))).outcome is True


# --- a disk that fails now and then ------------------------------------------------


async def insists(step: Step, life: Life, person: Person) -> object:
    """Make a call again for as long as the service asks to."""
    for _ in range(200):
        said = await step(life, person, "")
        if said != AWAY:
            return said
        await life.clock.advance(0.1)
    raise TimeoutError


async def runs_on_a_flaky_disk(name: str, seed: int, folder: Path) -> None:
    story, person, verdicts = STORIES[name], Person(), []
    folder.mkdir()
    with Disk(folder) as disk:
        async with Life(disk, story.snapshot, seed=seed) as life:
            disk.flaky = random.Random(seed)
            for step in story.steps:
                said = await insists(step, life, person)
                await life.clock.advance(1)
                if step in (collects, completes):
                    verdicts.append(said)
            well(disk)
            session = await session_of(life, person)
            ended_at, events = life.clock.now(), list(disk.events)
    assert verdicts == [story.collected] + [False] * (len(verdicts) - 1)
    assert session.misses == sum(step is guesses for step in story.steps)
    told = [e.what for e in events if isinstance(e, Told)]
    handed = Counter((w.session, w.launch) for w in told if isinstance(w, Handed))
    assert set(handed.values()) == {1}
    promised = [w.session for w in told if isinstance(w, Stored)][-1]
    assert promised == session

    laid_out(Replay(events).go(len(events)).killed(), folder / "after")
    with Disk(folder / "after") as disk:
        async with Life(disk, story.snapshot, at=later(ended_at, 1), seed=seed + 1) as life:
            assert await session_of(life, person) == session
            assert life.store.sizes()["sessions"] == 1
            for number in range(SENDS_AN_HOUR - story.sends):
                assert await send(life, Person(), "", key=f"more {number}") is True
            assert await send(life, Person(), "", key="too much") == "RateLimitException"


CHECKPOINTS = [pytest.param({}, id="rare"), pytest.param({"wal_autocheckpoint": 4}, id="often")]


@pytest.mark.parametrize("checkpoints", CHECKPOINTS)
@pytest.mark.parametrize("name", STORIES)
async def test_on_a_flaky_disk_only_patience_is_lost(
    tmp_path: Path, name: str, checkpoints: dict[str, int]
) -> None:
    with settings(**checkpoints):
        for seed in range(SEEDS):
            await runs_on_a_flaky_disk(name, seed, tmp_path / str(seed))


@pytest.mark.soak
@pytest.mark.parametrize("checkpoints", CHECKPOINTS)
@pytest.mark.parametrize("name", STORIES)
async def test_on_a_flaky_disk_only_patience_is_lost_for_long(
    tmp_path: Path, name: str, checkpoints: dict[str, int]
) -> None:
    with settings(**checkpoints):
        for seed in range(SEEDS, SOAKED):
            await runs_on_a_flaky_disk(name, seed, tmp_path / str(seed))
