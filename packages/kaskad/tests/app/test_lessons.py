"""Defects that services like this one have had, each as a test behind the API."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from kaskad.app.ports import Busy, Message, SendResult, Taken
from kaskad.core import errors
from kaskad.core.inputs import CheckCode
from kaskad.core.model import ReportKind, State
from kaskad.stores.sqlite import SqliteStore, StoreInUseError
from kaskad.testing import FakeClock
from packages.kaskad.tests import builders
from packages.kaskad.tests.app.conftest import NewWorld
from packages.kaskad.tests.app.faulty import FaultyStore
from packages.kaskad.tests.app.world import Script, World
from packages.kaskad.tests.builders import NUMBER, code_of


async def test_two_workers_send_each_message_once(durable_world: NewWorld) -> None:
    script = Script()
    world = durable_world(scripts={"sms-provider": script}, running=False)
    workers = [world.new_worker() for _ in range(2)]
    for worker in workers:
        worker.start()
    sessions = [await world.send(f"+7900123{n:04}") for n in range(300)]
    await world.clock.advance(5)
    for worker in workers:
        await worker.stop(0)
    sent = Counter(message.session for message in script.messages)
    assert sent == {session.id: 1 for session in sessions}


async def test_other_sessions_are_stored_while_a_provider_is_called(
    durable_world: NewWorld,
) -> None:
    during: list[object] = []

    async def slow(_: Message) -> SendResult:
        other = await world.send("+79001239999")
        during.append(await world.tell(other, CheckCode(code="wrong")))
        await world.store.check()
        return Taken()

    script = Script(slow, Taken())
    world = durable_world(scripts={"sms-provider": script})
    session = await world.send()
    await world.clock.advance(1)
    assert await world.state(session) is State.SENT
    assert len(during) == 1
    assert isinstance(during[0], errors.InvalidCodeException)


async def test_no_message_is_tried_again_when_its_launch_is_over(new_world: NewWorld) -> None:
    script = Script(Busy(reason="later", retry_after_s=0.5))
    world = new_world(scripts={"sms-provider": script})
    session = await world.send()
    await world.clock.advance(9.9)
    tries = len(script.messages)
    assert 1 < tries <= 4
    await world.clock.advance(3 * 3600)  # sessions are gone after less than two
    assert len(script.messages) == tries
    assert await world.store.load(session.id) is None


@pytest.mark.parametrize("kind", [ReportKind.UNDELIVERED, ReportKind.DELIVERED])
async def test_a_report_that_comes_before_the_answer_counts(
    new_world: NewWorld, kind: ReportKind
) -> None:
    async def reported_first(message: Message) -> SendResult:
        world.reports.receive(message.session, message.launch, kind, "early")
        await asyncio.sleep(0)
        return Taken(provider_id="m1")

    snapshot = builders.snapshot(builders.channel("sms"), builders.channel("voice"))
    scripts = {"sms-provider": Script(reported_first), "voice-provider": Script()}
    world = new_world(snapshot, scripts=scripts)
    session = await world.send()
    await world.clock.advance(1)
    moved = kind is ReportKind.UNDELIVERED
    assert await world.walked(session) == (["sms", "voice"] if moved else ["sms"])
    assert await world.state(session) is State.SENT
    assert await world.tell(session, CheckCode(code=code_of(session))) is True


async def test_limits_are_not_counted_by_each_process_for_itself(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "sessions.db"
    store = FaultyStore(await SqliteStore.open(path, clock.now))
    with pytest.raises(StoreInUseError):  # a second process would count for itself
        await SqliteStore.open(path, clock.now)
    world = World(store, clock)
    for _ in range(3):
        await world.send(NUMBER)
    await store.close()

    again = World(FaultyStore(await SqliteStore.open(path, clock.now)), clock, seed=1)
    with pytest.raises(errors.RateLimitException):
        await again.send(NUMBER)
    await again.store.close()
