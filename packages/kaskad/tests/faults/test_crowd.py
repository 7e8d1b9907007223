"""The process dies while many people are verified at once: their changes share transactions."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from kaskad.core.model import LaunchState, Session, State
from packages.kaskad.tests.builders import WIDGET_ID, channel, code_of, snapshot
from packages.kaskad.tests.core.scene import WRONG
from packages.kaskad.tests.faults.disk import Disk, Event, Synced, Told
from packages.kaskad.tests.faults.life import Handed, Life, Offered, Paused, Stored, later, pausing
from packages.kaskad.tests.faults.replay import Image, Replay, laid_out
from packages.kaskad.tests.faults.test_crash import deaths
from packages.kaskad.tests.http.client import Answer

pytestmark = pytest.mark.untraced

PARTS = 4
PEOPLE = 6
WORLD = snapshot(channel())


class Call(NamedTuple):
    path: str
    body: object = None


async def all_at_once(life: Life, calls: Sequence[Call]) -> list[Answer]:
    exchanges = [life.begin("POST", call.path, call.body) for call in calls]
    await life.clock.advance()
    return [exchange.answer() for exchange in exchanges]


async def verified(life: Life) -> None:
    """Everybody's verification, each step of it at once."""
    wishes = [{"widgetId": WIDGET_ID, "recipient": f"+7900123456{n}"} for n in range(PEOPLE)]
    begun = await all_at_once(life, [Call("/", wish) for wish in wishes])
    ids = [answer.json["requestId"] for answer in begun]
    await life.clock.advance(0.5)
    codes = [code_of(await found(life, session_id)) for session_id in ids]
    for typed in ([WRONG] * PEOPLE, codes):
        checks = [Call(f"/{i}/checkCode", {"code": c}) for i, c in zip(ids, typed, strict=True)]
        await all_at_once(life, checks)
    await all_at_once(life, [Call(f"/{session_id}/complete") for session_id in ids])


async def found(life: Life, session_id: str) -> Session:
    session = await life.store.load(session_id)
    assert session is not None
    return session


@pytest.fixture
async def events(tmp_path: Path) -> list[Event]:
    """What happened on a disk without a death."""
    folder = tmp_path / "first"
    folder.mkdir()
    with Disk(folder) as disk:
        life = Life(disk, WORLD)
        pausing(disk, life.clock)
        async with life:
            await verified(life)
            return list(disk.events)


async def test_they_do_share_transactions(events: list[Event]) -> None:
    synced = sum(isinstance(event, Synced) for event in events)
    stored = sum(isinstance(e, Told) and isinstance(e.what, Stored) for e in events)
    assert stored == PEOPLE * 5
    assert synced < stored


@pytest.mark.parametrize("part", range(PARTS))
async def test_a_death_among_many_costs_nobody_anything(
    tmp_path: Path, events: list[Event], part: int
) -> None:
    replay, folder = Replay(events), tmp_path / "after"
    for death in list(deaths(events))[part::PARTS]:
        image = replay.go(death).killed()
        told = [e.what for e in events[:death] if isinstance(e, Told)]
        try:
            await goes_on(told, image, folder)
        except BaseException as failure:
            failure.add_note(f"killed after event {death}: {events[death - 1]}")
            raise
        shutil.rmtree(folder)


async def goes_on(told: Sequence[object], image: Image, folder: Path) -> None:
    laid_out(image, folder)
    offered = [what.session for what in told if isinstance(what, Offered)]
    promised = {what.session.id: what.session for what in told if isinstance(what, Stored)}
    pauses = [what.at for what in told if isinstance(what, Paused)]
    if not pauses:
        return
    with Disk(folder) as disk:
        async with Life(disk, WORLD, at=later(pauses[-1], 0.5), seed=1) as life:
            for session_id in {session.id for session in offered}:
                session = await life.store.load(session_id)
                known = promised.get(session_id)
                assert known is None or (session and session.version >= known.version)
                assert session is None or session in offered
            await life.clock.advance(1)
            assert_sent(told, disk.events, promised)
            for session in promised.values():
                await assert_verdict(life, session)


def assert_sent(
    told: Sequence[object], events: Sequence[Event], promised: dict[str, Session]
) -> None:
    """Everybody has a message, and who was known to have it has no second one."""
    now = [e.what for e in events if isinstance(e, Told)]
    handed = Counter(
        (what.session, what.launch) for what in (*told, *now) if isinstance(what, Handed)
    )
    assert set(handed.values()) <= {1, 2}
    for session in promised.values():
        assert handed[session.id, 1] >= 1
        assert handed[session.id, 1] == 1 or session.launch.state is LaunchState.WAIT


async def assert_verdict(life: Life, known: Session) -> None:
    """What was promised before the death holds, and one verdict is all there is."""
    session = await found(life, known.id)
    if session.state is State.SENT:
        path = f"/{session.id}/checkCode"
        assert (await life.call("POST", path, {"code": code_of(session)})).outcome is True
    answers = [await life.call("POST", f"/{session.id}/complete") for _ in range(2)]
    verdicts = [answer.outcome for answer in answers]
    assert verdicts == [session.state is not State.CLOSED, False]
    assert session.misses >= known.misses
