"""The places of an account that rests: who holds them, who waits for one, and at what price."""

import asyncio

from kaskad.app.accounts import PLACES_AT_REST
from kaskad.app.breaker import FAILURES_TO_REST, FIRST_REST_S
from kaskad.app.courier import MOST_TRIES
from kaskad.app.ports import Busy, Message, SendResult, Taken
from kaskad.app.timing import sleep
from kaskad.app.worker import PLACES_PER_LANE
from kaskad.core.inputs import Cancel
from kaskad.core.model import State
from packages.kaskad.tests.app.conftest import NewWorld
from packages.kaskad.tests.app.resting import (
    LANE,
    LONELY,
    RESET,
    SMS,
    TWO,
    VOICE,
    WIDGETS,
    begin,
    fail,
    number,
    rests,
)
from packages.kaskad.tests.app.world import Script, hang
from packages.kaskad.tests.builders import channel, snapshot, widget


async def test_places_are_left_for_those_who_are_only_passed_on(new_world: NewWorld) -> None:
    """Messages without another way go to the provider all the same, but not to fill it up."""
    sms = Script(RESET)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    await fail(world)
    sms.play(hang)
    for n in range(PLACES_AT_REST):
        await begin(world, n, widget_id=LONELY)
    await world.clock.advance(5)
    waiting = [await begin(world, 50 + n, widget_id=LONELY) for n in range(PLACES_PER_LANE)]
    await world.clock.advance(1)
    assert sms.under_way == PLACES_AT_REST

    session = await begin(world, 999)
    assert (session.launch.channel, session.state) == ("voice", State.SENT)
    sms.play(Taken())
    await world.clock.advance(4.5)  # those that hung give their places back
    assert not rests(world)
    assert {await world.state(session) for session in waiting} == {State.SENT}


async def test_who_waits_for_a_place_has_not_been_tried(new_world: NewWorld) -> None:
    patient = channel("sms", send_timeout_s=60)
    lonely = snapshot(patient, widgets=(widget(patient, id=LONELY),))
    sms = Script(RESET)
    world = new_world(lonely, scripts={SMS: sms})
    await fail(world)
    sms.play(hang)
    for n in range(PLACES_AT_REST):
        await begin(world, n, widget_id=LONELY)
    await world.clock.advance(5)
    waits = await begin(world, 99, widget_id=LONELY)
    await world.clock.advance(5)
    sms.play(Busy(reason="full"))
    assert [m for m in sms.messages if m.session == waits.id] == []
    await world.clock.advance(60)
    assert len([m for m in sms.messages if m.session == waits.id]) == MOST_TRIES


async def test_who_waits_for_a_place_costs_nothing_meanwhile(new_world: NewWorld) -> None:
    sms = Script(RESET)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    await fail(world)
    sms.play(hang)
    for n in range(200):
        await world.send(number(n), widget_id=LONELY)
    await world.clock.advance()
    assert sms.under_way == PLACES_AT_REST
    world.store.calls.clear()
    await world.clock.advance(4)
    assert {"load", "claim", "release"}.isdisjoint(world.store.calls)
    await world.clock.advance(6)
    assert "kaskad-job" not in {task.get_name() for task in asyncio.all_tasks()}
    assert world.store.sizes()["jobs"] == 0


async def test_a_place_that_is_free_is_given_to_one(new_world: NewWorld) -> None:
    sms = Script(RESET)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    await fail(world)

    async def soon(_: Message) -> SendResult:
        await sleep(world.clock, 1)
        return RESET

    sms.play(soon, hang)
    sessions = [await world.send(number(n), widget_id=LONELY) for n in range(200)]
    await world.clock.advance()
    world.store.calls.clear()
    await world.clock.advance(2)
    assert sms.messages[-1].session == sessions[PLACES_AT_REST].id
    assert sms.under_way == PLACES_AT_REST
    assert world.store.calls.count("load") == 1


async def test_when_the_provider_is_back_nobody_waits_for_a_place_any_more(
    new_world: NewWorld,
) -> None:
    """Nor are they let loose on it all at once."""
    sms = Script(RESET)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    await fail(world)
    sms.play(hang)
    for n in range(PLACES_AT_REST):
        await begin(world, n, widget_id=LONELY)
    await world.clock.advance(5)
    sessions = [await world.send(number(100 + n), widget_id=LONELY) for n in range(200)]
    await world.clock.advance(1)
    most = 0

    async def slow(_: Message) -> SendResult:
        nonlocal most
        most = max(most, sms.under_way)
        await sleep(world.clock, 0.1)
        return Taken()

    sms.play(slow)
    await world.clock.advance(4.15)  # the first of them have found it to be back
    assert not rests(world)
    await world.clock.advance(1)
    assert {await world.state(session) for session in sessions} == {State.SENT}
    assert PLACES_AT_REST < most <= PLACES_PER_LANE


async def test_a_turn_of_somebody_who_has_left_is_the_next_one_s(new_world: NewWorld) -> None:
    """Else a place stays free, and those behind wait for it until it is too late for them."""
    sms = Script(RESET)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    await fail(world)

    async def soon(_: Message) -> SendResult:
        await sleep(world.clock, 2)
        return RESET

    sms.play(*(PLACES_AT_REST * [soon]), Taken())
    for n in range(PLACES_AT_REST):
        await begin(world, n, widget_id=LONELY)
    leaving = [await begin(world, 100 + n, widget_id=LONELY) for n in range(PLACES_AT_REST)]
    waits = await begin(world, 999, widget_id=LONELY)
    for session in leaving:
        await world.tell(session, Cancel())
    await world.clock.advance(3)
    assert await world.state(waits) is State.SENT


async def test_a_turn_of_somebody_with_another_way_by_now_is_the_next_one_s(
    new_world: NewWorld,
) -> None:
    voice_only = "323634df-ddfe-4dda-b31d-f3b4e75fc5dc"
    widgets = (*WIDGETS, widget(channel("voice"), id=voice_only))
    sms, voice = Script(RESET), Script(RESET)
    three = snapshot(channel("sms"), channel("voice"), widgets=widgets)
    world = new_world(three, scripts={SMS: sms, VOICE: voice})
    await fail(world)
    for n in range(FAILURES_TO_REST):
        await begin(world, 8_000_000 + n, widget_id=voice_only)

    async def soon(_: Message) -> SendResult:
        await sleep(world.clock, 2)
        return RESET

    sms.play(*(PLACES_AT_REST * [soon]), Taken())
    for n in range(PLACES_AT_REST):
        await begin(world, n, widget_id=LONELY)
    others = [await begin(world, 100 + n) for n in range(PLACES_AT_REST)]
    waits = await begin(world, 999, widget_id=LONELY)
    voice.play(Taken())
    await begin(world, 998, widget_id=voice_only)
    await world.clock.advance(3)
    assert {(await world.now(session)).launch.channel for session in others} == {"voice"}
    assert await world.state(waits) is State.SENT


async def test_who_tries_the_account_out_leaves_its_place_to_the_next_one(
    new_world: NewWorld,
) -> None:
    patient = channel("sms", send_timeout_s=60)
    lonely = snapshot(patient, widgets=(widget(patient, id=LONELY),))
    sms = Script(RESET)
    world = new_world(lonely, scripts={SMS: sms})
    await fail(world)

    async def late(_: Message) -> SendResult:
        await sleep(world.clock, FIRST_REST_S + 1)
        return RESET

    sms.play(*(PLACES_AT_REST * [late]), hang)
    for n in range(2 * PLACES_AT_REST + 1):
        await begin(world, n, widget_id=LONELY)
    await world.clock.advance(FIRST_REST_S + 2)
    assert sms.under_way == PLACES_AT_REST + 1


async def test_who_waits_for_a_place_tries_the_account_out_after_its_rest(
    new_world: NewWorld,
) -> None:
    """Those that hold the places may hang on in vain, and nobody else come."""
    patient = channel("sms", send_timeout_s=60)
    lonely = snapshot(patient, widgets=(widget(patient, id=LONELY),))
    sms = Script(RESET)
    world = new_world(lonely, scripts={SMS: sms})
    await fail(world)
    sms.play(*(PLACES_AT_REST * [hang]), RESET, Taken())
    for n in range(PLACES_AT_REST):
        await begin(world, n, widget_id=LONELY)
    waiting = [await begin(world, 100 + n, widget_id=LONELY) for n in range(2)]
    await world.clock.advance(FIRST_REST_S)
    assert (await world.now(waiting[0])).launch.unsure
    assert rests(world)
    await world.clock.advance(2 * FIRST_REST_S)
    assert await world.state(waiting[1]) is State.SENT
    assert not rests(world)


async def test_the_wait_for_a_place_is_part_of_how_long_a_message_took(new_world: NewWorld) -> None:
    sms = Script(RESET)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    await fail(world)
    sms.play(*(PLACES_AT_REST * [hang]), Taken())
    for n in range(PLACES_AT_REST):
        await begin(world, n, widget_id=LONELY)
    await world.clock.advance(5)
    waits = await begin(world, 999, widget_id=LONELY)
    before = world.figure("handover_seconds_sum", provider=LANE)
    await world.clock.advance(5)
    assert await world.state(waits) is State.SENT
    assert world.figure("handover_seconds_sum", provider=LANE) - before == 5
