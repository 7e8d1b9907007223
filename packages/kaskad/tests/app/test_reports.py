"""Reports: in any order, any number of times, also when nobody can take them at once."""

import asyncio
from itertools import permutations
from uuid import UUID

import pytest

from kaskad.app.ports import Message, SendResult, Taken
from kaskad.app.timing import sleep
from kaskad.core.errors import NoAvailableChannelsException
from kaskad.core.inputs import Cancel, CheckCode
from kaskad.core.model import ReportKind, Session, State
from packages.kaskad.tests.app.conftest import NewWorld
from packages.kaskad.tests.app.world import Script, World
from packages.kaskad.tests.builders import channel, snapshot
from packages.kaskad.tests.logs import Logged

D, U = ReportKind.DELIVERED, ReportKind.UNDELIVERED
YES, NO = ReportKind.CONFIRMED, ReportKind.DECLINED
TWO = snapshot(channel("sms"), channel("voice"))
PUSH = snapshot(channel("sim_push"), channel("voice"))


def scripts() -> dict[str, Script]:
    return {f"{kind}-provider": Script() for kind in ("sms", "voice", "sim_push")}


def facts(session: Session) -> tuple[object, ...]:
    """What a session has come to, without the story of how."""
    return (
        session.state,
        [(x.channel, x.state, x.reason, x.delivered) for x in session.launches],
        session.barred,
    )


async def report(world: World, session: Session, *kinds: ReportKind, launch: int = 1) -> None:
    for kind in kinds:
        world.reports.receive(session.id, launch, kind, "")
        await world.clock.advance()


async def test_a_doubled_report_counts_once(durable_world: NewWorld) -> None:
    world = durable_world(TWO, scripts=scripts())
    session = await world.send()
    await world.clock.advance()
    await report(world, session, U, U, U)
    assert await world.walked(session) == ["sms", "voice"]
    assert len(world.scripts["voice-provider"].messages) == 1


@pytest.mark.parametrize("kinds", list(permutations([D, D, U])), ids="-".join)
async def test_delivery_reports_end_alike_in_every_order(
    new_world: NewWorld, kinds: tuple[ReportKind, ...]
) -> None:
    world = new_world(TWO, scripts=scripts())
    session = await world.send()
    await world.clock.advance()
    await report(world, session, *kinds)
    state, launches, barred = facts(await world.now(session))
    assert (state, barred) == (State.SENT, ())
    assert launches == [
        ("sms", "failed", U, True),
        ("voice", "sent", None, False),
    ]


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("kinds", list(permutations([D, YES, U])), ids="-".join)
async def test_a_confirmation_counts_in_every_order(
    new_world: NewWorld, kinds: tuple[ReportKind, ...], early: bool
) -> None:
    """Before the provider's answer, or after it."""
    world = new_world(PUSH, scripts=scripts())

    async def slow(_: Message) -> SendResult:
        await sleep(world.clock, 1)
        return Taken()

    world.scripts["sim_push-provider"] = Script(slow)
    session = await world.send()
    await world.clock.advance(0.5 if early else 1)
    await report(world, session, *kinds)
    await world.clock.advance(5)
    assert await world.state(session) is State.CONFIRMED


@pytest.mark.parametrize("position", range(3))
async def test_a_report_at_any_moment_of_the_hand_over_is_not_lost(
    durable_world: NewWorld, position: int
) -> None:
    world = durable_world(PUSH, scripts=scripts())

    async def hasty(message: Message) -> SendResult:
        for moment in range(2):
            if moment == position:
                world.reports.receive(message.session, message.launch, YES, "")
            await sleep(world.clock, 0.1)
        return Taken()

    world.scripts["sim_push-provider"] = Script(hasty)
    session = await world.send()
    await world.clock.advance(0.2)
    if position == 2:
        await report(world, session, YES)
    assert await world.state(session) is State.CONFIRMED


async def test_reports_of_all_kinds_at_once(durable_world: NewWorld) -> None:
    world = durable_world(PUSH, scripts=scripts())
    session = await world.send()
    await world.clock.advance()
    for kind in (D, YES, D, YES, U):
        for _ in range(10):
            world.reports.receive(session.id, 1, kind, "")
    await world.clock.advance(1)
    assert await world.state(session) is State.CONFIRMED
    assert len(world.scripts["voice-provider"].messages) == 0


async def test_a_report_on_an_earlier_launch_is_only_noted(new_world: NewWorld) -> None:
    world = new_world(TWO, scripts=scripts())
    session = await world.send()
    await world.clock.advance()
    await report(world, session, U)
    await report(world, session, U, launch=1)
    await report(world, session, D, launch=2)
    after = await world.now(session)
    assert [x.channel for x in after.launches] == ["sms", "voice"]
    assert after.launch.delivered


@pytest.mark.parametrize("launch", [0, -1, 2, 99])
async def test_a_report_on_a_launch_that_never_was_changes_nothing(
    new_world: NewWorld, launch: int
) -> None:
    world = new_world(TWO, scripts=scripts())
    session = await world.send()
    await world.clock.advance()
    before = facts(await world.now(session))
    for kind in ReportKind:
        await report(world, session, kind, launch=launch)
    assert facts(await world.now(session)) == before


async def test_a_report_on_an_unknown_session_is_forgotten(
    new_world: NewWorld, logged: Logged
) -> None:
    world = new_world(scripts=scripts())
    world.reports.receive(str(UUID(int=7)), 1, D, "")
    await world.clock.advance()
    assert world.store.commits == []
    assert logged == []


async def test_a_report_after_the_end_changes_nothing(new_world: NewWorld) -> None:
    world = new_world(PUSH, scripts=scripts())
    session = await world.send()
    await world.clock.advance()
    await world.tell(session, Cancel())
    await report(world, session, YES, NO, U, D)
    assert await world.state(session) is State.CLOSED


async def test_a_confirmation_of_a_declined_push_does_not_lift_the_bar(
    new_world: NewWorld,
) -> None:
    world = new_world(snapshot(channel("sim_push")), scripts=scripts())
    session = await world.send()
    await world.clock.advance()
    await report(world, session, NO, NO)
    after = await world.now(session)
    assert after.barred == ("sim_push",)
    answer = await world.tell(session, CheckCode(code="1"))
    assert isinstance(answer, NoAvailableChannelsException)


# --- a store that is away ------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["load", "commit"])
async def test_a_report_waits_for_the_store(
    new_world: NewWorld, logged: Logged, broken: str
) -> None:
    world = new_world(TWO, scripts=scripts())
    session = await world.send()
    await world.clock.advance()
    world.store.broken = {broken}
    world.reports.receive(session.id, 1, D, "")
    await world.clock.advance(2.5)
    world.store.broken = set()
    await world.clock.advance(2)
    assert (await world.now(session)).launch.delivered
    assert logged == []


async def test_a_report_that_nobody_takes_is_lost_aloud(
    new_world: NewWorld, logged: Logged
) -> None:
    world = new_world(TWO, scripts=scripts())
    session = await world.send()
    await world.clock.advance()
    world.store.broken = {"load"}
    tasks = asyncio.all_tasks()
    world.reports.receive(session.id, 1, D, "")
    await world.clock.advance(60)
    world.store.broken = set()
    assert [(e["event"], e["kind"], e["launch"]) for e in logged] == [("report lost", D, 1)]
    assert asyncio.all_tasks() == tasks


async def test_a_stop_waits_for_reports_under_way(new_world: NewWorld) -> None:
    world = new_world(TWO, scripts=scripts())
    session = await world.send()
    await world.clock.advance()
    world.reports.receive(session.id, 1, D, "")
    await world.reports.drain()
    assert (await world.now(session)).launch.delivered
    await world.reports.drain()


async def test_a_lost_race_is_tried_again(new_world: NewWorld) -> None:
    world = new_world(TWO, scripts=scripts())
    session = await world.send()
    await world.clock.advance()
    world.store.conflicts = 2500  # more races than one step takes
    world.reports.receive(session.id, 1, D, "")
    await world.clock.advance(5)
    assert world.store.conflicts == 0
    assert (await world.now(session)).launch.delivered
