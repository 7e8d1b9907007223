"""Two workers on one queue: leases that run out, and answers that come too late to count."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kaskad.app.ports import Message, Refusal, SendResult, Taken
from kaskad.app.timing import sleep
from kaskad.core.model import Session, State
from kaskad.stores.sqlite import SqliteStore
from kaskad.testing import FakeClock
from packages.kaskad.tests.app.faulty import FaultyStore
from packages.kaskad.tests.app.world import Play, Script, World
from packages.kaskad.tests.builders import channel, snapshot

LEASE_S = 15
SMS, VOICE = "sms-provider", "voice-provider"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A node whose leases are not kept up, with a second worker beside the first."""
    clock = FakeClock()
    store = FaultyStore(await SqliteStore.open(tmp_path / "sessions.db", clock.now))
    patient = snapshot(channel("sms", send_timeout_s=60), channel("voice"))
    world = World(store, clock, patient, scripts={VOICE: Script()})
    store.broken = {"extend"}
    other = world.new_worker()
    world.start()
    other.start()
    yield world
    await clock.advance(120)
    await other.stop(0)
    await world.stop()
    await store.close()


def after(world: World, seconds: float, result: SendResult) -> Play:
    async def play(_: Message) -> SendResult:
        await sleep(world.clock, seconds)
        return result

    return play


async def begin(world: World, *answers: Play) -> Session:
    world.scripts[SMS] = Script(*answers)
    session = await world.send()
    await world.clock.advance()
    return session


async def test_a_job_whose_worker_is_silent_runs_again_within_20_seconds(world: World) -> None:
    session = await begin(world, after(world, 50, Taken()), Taken())
    sms = world.scripts[SMS]
    await world.clock.advance(LEASE_S - 0.001)
    assert len(sms.messages) == 1
    await world.clock.advance(5)
    assert len(sms.messages) == 2
    assert await world.state(session) is State.SENT
    await world.clock.advance(40)
    assert [m.reference for m in sms.messages] == [f"{session.id}-1"] * 2


@pytest.mark.parametrize(
    "late", [Refusal(reason="no"), Taken(), Taken(code="7777")], ids=["no", "yes", "a code"]
)
async def test_what_a_late_worker_says_changes_nothing(world: World, late: SendResult) -> None:
    session = await begin(world, after(world, LEASE_S + 5, late), after(world, 1, Taken()))
    await world.clock.advance(LEASE_S + 2)
    known = await world.now(session)
    assert known.state is State.SENT
    await world.clock.advance(10)
    assert await world.now(session) == known
    assert await world.walked(session) == ["sms"]


async def test_what_a_late_worker_says_does_not_end_the_newer_try(world: World) -> None:
    late = after(world, LEASE_S + 2, Refusal(reason="no"))
    session = await begin(world, late, after(world, 10, Taken()))
    await world.clock.advance(LEASE_S + 5)
    assert await world.state(session) is State.WAIT
    await world.clock.advance(10)
    assert await world.state(session) is State.SENT
    assert await world.walked(session) == ["sms"]


async def test_a_job_that_nobody_finishes_ends_with_its_launch(world: World) -> None:
    session = await begin(world, after(world, 500, Taken()))
    await world.clock.advance(60)
    assert await world.walked(session) == ["sms", "voice"]
    assert len(world.scripts[SMS].messages) <= 60 // LEASE_S
    await world.clock.advance(200)
    assert len(world.scripts[SMS].messages) <= 60 // LEASE_S
