"""Providers that fail are left to rest, and nobody who has another way waits for them."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from kaskad.app.accounts import SILENCE
from kaskad.app.breaker import FAILURES_TO_REST, FIRST_REST_S
from kaskad.app.ports import Busy, Message, Provider, Refusal, SendResult, Snapshot, Taken, Unknown
from kaskad.app.timing import sleep
from kaskad.app.worker import PLACES_PER_LANE
from kaskad.core.inputs import CheckCode, Resend
from kaskad.core.model import Channel, State
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
    passed_on,
    rests,
    told,
)
from packages.kaskad.tests.app.world import Play, Script, hang
from packages.kaskad.tests.builders import NUMBER, channel, code_of, snapshot, widget
from packages.kaskad.tests.logs import Logged

# --- nobody waits ---------------------------------------------------------------------------


async def test_after_the_first_time_outs_everybody_is_on_the_next_channel_at_once(
    durable_world: NewWorld,
) -> None:
    sms, voice = Script(hang), Script()
    world = durable_world(TWO, scripts={SMS: sms, VOICE: voice})
    early = []
    for n in range(100):
        early.append(await begin(world, n))
        await world.clock.advance(0.1)
    await world.clock.advance(0.1 * (FAILURES_TO_REST - 1))  # the first ones were 10 s ago
    assert rests(world)
    handed = len(sms.messages)

    for n in range(100, 200):
        session = await begin(world, n)
        assert passed_on(session)
        assert (session.launch.channel, session.state) == ("voice", State.SENT)
    assert len(sms.messages) == handed
    waiting = [session for session in early if await world.state(session) is State.WAIT]
    assert len(waiting) < PLACES_PER_LANE, "only those that the provider may have taken"
    assert world.figure("handovers_total", provider=LANE, outcome="resting") >= 100


# --- what counts ----------------------------------------------------------------------------

FAILURES: dict[str, Play] = {
    "unknown": RESET,
    "tried again": Unknown(reason="reset", idempotent=True),
    "broken": RuntimeError("no"),
    "timed out by itself": TimeoutError(),
    "garbage": Taken(code=""),
    "our account": Refusal(reason="no money", ours=True),
    "silence": hang,
}


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES)
async def test_failures_of_the_account_let_it_rest(new_world: NewWorld, answer: Play) -> None:
    world = new_world(TWO, scripts={SMS: Script(answer), VOICE: Script()})
    await fail(world)
    await world.clock.advance(10)
    assert rests(world)
    assert passed_on(await begin(world))


FAULTLESS: dict[str, Play] = {
    "taken": Taken(),
    "refused": Refusal(reason="no such number"),
    "asks for time": Busy(reason="limit", retry_after_s=0.1),
    "asks for much time": Busy(reason="limit", retry_after_s=3600),
}


@pytest.mark.parametrize("answer", FAULTLESS.values(), ids=FAULTLESS)
async def test_what_is_no_failure_does_not(new_world: NewWorld, answer: Play) -> None:
    """A rate limit least of all: who is told when to come back comes back then."""
    sms = Script(answer)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    await fail(world, 3 * FAILURES_TO_REST)
    await world.clock.advance(5)
    assert not rests(world)
    sms.play(Taken())
    assert (await begin(world)).launch.channel == "sms"


async def test_who_is_busy_without_a_word_fails_when_the_message_is_given_up(
    new_world: NewWorld,
) -> None:
    sms = Script(Busy(reason="full"))
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    await fail(world, FAILURES_TO_REST + 9)
    await world.clock.advance(3)
    assert not rests(world), "tries are left"
    await world.clock.advance(2)
    assert rests(world)


async def test_a_success_in_between_makes_the_count_begin_anew(new_world: NewWorld) -> None:
    world = new_world(TWO, scripts={SMS: Script(*[RESET] * 4, Taken(), RESET), VOICE: Script()})
    await fail(world, 5 + 4)
    assert not rests(world)
    await fail(world, 1)
    assert rests(world)


async def test_what_is_wrong_with_a_message_is_not_its_providers_fault(new_world: NewWorld) -> None:
    unreadable = replace(channel("sms").templates[0], text="{{ secret }}")
    known = snapshot(channel("sms", templates=(unreadable,)), channel("voice"))
    world = new_world(known, scripts={SMS: Script(), VOICE: Script()})
    for n in range(2 * FAILURES_TO_REST):
        await begin(world, n)
    assert not rests(world)


# --- who has another way --------------------------------------------------------------------


async def test_who_has_no_other_way_is_handed_over_and_is_news(new_world: NewWorld) -> None:
    sms = Script(RESET)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    await fail(world)
    sms.play(Taken())
    session = await begin(world, widget_id=LONELY)
    assert session.state is State.SENT
    assert not rests(world)
    assert (await begin(world, 1)).launch.channel == "sms"


async def test_another_channel_of_the_same_account_is_no_other_way(new_world: NewWorld) -> None:
    made = channel("sms"), channel("whatsapp", provider=SMS)
    known = replace(TWO, **_cascades(*made))
    sms = Script(RESET)
    world = new_world(known, scripts={SMS: sms})
    await fail(world)
    handed = len(sms.messages)
    session = await begin(world)
    assert not passed_on(session)
    assert len(sms.messages) == handed + 1


async def test_what_lies_behind_a_channel_of_the_same_account_is_reached(
    new_world: NewWorld,
) -> None:
    made = channel("sms"), channel("whatsapp", provider=SMS), channel("voice")
    sms = Script(RESET)
    world = new_world(replace(TWO, **_cascades(*made)), scripts={SMS: sms, VOICE: Script()})
    await fail(world)
    handed = len(sms.messages)
    session = await begin(world)
    assert [x.channel for x in session.launches] == ["sms", "whatsapp", "voice"]
    assert session.state is State.SENT
    assert len(sms.messages) == handed


@pytest.mark.parametrize("trouble", ["rests as well", "not configured", "not for this number"])
async def test_a_way_that_leads_nowhere_is_none(new_world: NewWorld, trouble: str) -> None:
    sms, voice = Script(RESET), Script(RESET)
    world = new_world(TWO, scripts={SMS: sms, VOICE: voice})
    if trouble == "rests as well":
        known = world.catalog.snapshot
        world.catalog.snapshot = replace(known, **_cascades(channel("voice")))
        for n in range(FAILURES_TO_REST):
            await begin(world, n + 1)
        assert rests(world, f"default/{VOICE}")
        world.catalog.snapshot = known
    elif trouble == "not configured":
        accounts = {k: v for k, v in TWO.providers.items() if k[1] != VOICE}
        world.catalog.snapshot = replace(TWO, providers=accounts)
    else:
        abroad = replace(channel("voice").rules, countries=("KZ",))
        made = channel("sms"), channel("voice", rules=abroad)
        world.catalog.snapshot = replace(TWO, **_cascades(*made))
    await fail(world)
    assert rests(world)
    handed = len(sms.messages)
    assert not passed_on(await begin(world))
    assert len(sms.messages) == handed + 1


def _cascades(*made: Channel) -> dict[str, Any]:
    """The channels and widgets of a configuration with this cascade."""
    known = snapshot(*made)
    return {
        "channels": {**TWO.channels, **known.channels},
        "widgets": {**TWO.widgets, **known.widgets},
    }


async def test_a_restart_that_somebody_asked_for_goes_on_as_well(new_world: NewWorld) -> None:
    sms = Script(Taken(), RESET)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    session = await begin(world)
    await fail(world)
    await world.clock.advance(31)
    sms.play(hang)
    await begin(world, 5, widget_id=LONELY)  # tries the provider out
    assert await world.tell(session, Resend()) is True
    await world.clock.advance()
    assert await world.walked(session) == ["sms", "sms", "voice"]
    assert await world.tell(session, CheckCode(code=code_of(session))) is True


async def test_a_message_that_may_have_been_taken_is_not_denied(new_world: NewWorld) -> None:
    """Its lease ran out: whoever had it may have handed it over. So it is handed over again."""
    patient = channel("sms", send_timeout_s=60)
    sms = Script(hang)
    world = new_world(
        replace(TWO, **_cascades(patient, channel("voice"))),
        scripts={SMS: sms, VOICE: Script()},
        running=False,
    )
    session = await world.send()
    [_] = await world.store.claim(LANE, limit=1, lease_s=5, now=world.clock.now())
    world.start()
    sms.play(RESET)
    await fail(world)
    assert rests(world)
    assert passed_on(await begin(world, 1))
    sms.play(Taken())
    await world.clock.advance(5)
    assert [m.session for m in sms.messages if m.session == session.id] == [session.id]
    assert await world.walked(session) == ["sms"]
    assert await world.state(session) is State.SENT


# --- back again -----------------------------------------------------------------------------


async def test_one_message_tries_the_provider_out(new_world: NewWorld) -> None:
    sms = Script(RESET)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    await fail(world)
    await world.clock.advance(FIRST_REST_S)

    async def slow(_: Message) -> SendResult:
        await sleep(world.clock, 2)
        return Taken()

    sms.play(slow)
    first, *others = [await begin(world, n) for n in range(5)]
    assert (first.launch.channel, sms.under_way) == ("sms", 1)
    assert all(passed_on(session) for session in others)
    await world.clock.advance(2)
    assert await world.state(first) is State.SENT
    assert not rests(world)
    assert [(await begin(world, 10 + n)).launch.channel for n in range(5)] == ["sms"] * 5


async def test_a_trial_that_fails_costs_one_person_a_wait(new_world: NewWorld) -> None:
    sms = Script(hang)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    await fail(world)
    await world.clock.advance(10 + FIRST_REST_S)
    handed, waited = len(sms.messages), 0
    for n in range(100):
        session = await begin(world, n)
        waited += session.state is State.WAIT
        await world.clock.advance(1)
    # A trial lasts 10 s, the rests after them up to 30 and 60 s.
    assert 2 <= waited == len(sms.messages) - handed <= 4


async def test_a_trial_that_finds_the_provider_busy_has_failed(new_world: NewWorld) -> None:
    """Its message is tried again all the same, or rather goes another way then."""
    sms = Script(RESET)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    await fail(world)
    await world.clock.advance(FIRST_REST_S)
    sms.play(Busy(reason="full"))
    first = await begin(world)
    assert (first.launch.channel, first.state) == ("sms", State.WAIT)
    assert passed_on(await begin(world, 1))
    await world.clock.advance(1)
    assert passed_on(await world.now(first))


async def test_other_settings_are_tried_at_once(new_world: NewWorld) -> None:
    def with_outcome(outcome: str) -> Snapshot:
        accounts: dict[str, dict[str, object]] = {
            SMS: {"outcome": outcome, "delay": 0},
            VOICE: {"delay": 0},
        }
        return snapshot(channel("sms"), channel("voice"), providers=accounts, widgets=WIDGETS)

    world = new_world(with_outcome("hang"))
    await fail(world)
    await world.clock.advance(10)
    assert passed_on(await begin(world))
    world.catalog.snapshot = with_outcome("no such outcome")
    await world.clock.advance(5)
    assert not rests(world)
    world.catalog.snapshot = with_outcome("deliver")
    session = await begin(world, 1)
    assert (session.launch.channel, session.state) == ("sms", State.SENT)
    assert not rests(world)


async def test_an_account_that_is_gone_does_not_rest_for_ever(
    new_world: NewWorld, logged: Logged
) -> None:
    """Nobody sends over it any more, so nobody else would notice."""
    world = new_world(TWO, scripts={SMS: Script(RESET), VOICE: Script()})
    await fail(world)
    world.catalog.snapshot = snapshot(channel("voice"))
    await world.clock.advance(5)
    assert not rests(world)
    [back] = told(logged, "provider is back")
    assert back["why"] == "it is not configured any more"


async def test_what_an_account_answers_late_is_not_laid_to_its_new_settings(
    new_world: NewWorld,
) -> None:
    scripts = {SMS: Script(hang), VOICE: Script()}
    world = new_world(TWO, scripts=scripts)
    for n in range(2 * FAILURES_TO_REST):
        await begin(world, n)
    await world.clock.advance(5)
    scripts[SMS] = Script()
    await world.clock.advance(5)
    assert world.store.sizes()["jobs"] == 0
    assert not rests(world)
    assert (await begin(world, 99)).launch.channel == "sms"


async def test_tenants_with_an_account_of_one_name_do_not_share_its_rest(
    new_world: NewWorld,
) -> None:
    other = widget(channel("sms"), channel("voice"), id=LONELY, tenant="other")
    mine = snapshot(channel("sms"), channel("voice"), providers={SMS: {"outcome": "hang"}})
    theirs = {
        ("other", name): Provider(
            id=name, tenant="other", driver="simulator", settings={"delay": 0}
        )
        for name in (SMS, VOICE)
    }
    channels = {("other", c.id): c for c in mine.channels.values()}
    world = new_world(
        replace(
            mine,
            widgets={**mine.widgets, LONELY: other},
            channels={**mine.channels, **channels},
            providers={**mine.providers, **theirs},
        )
    )
    for n in range(FAILURES_TO_REST):
        await begin(world, n)
    await world.clock.advance(10)
    assert rests(world)
    assert not rests(world, f"other/{SMS}")
    assert passed_on(await begin(world, 50))
    session = await begin(world, 51, widget_id=LONELY)
    assert (session.launch.channel, session.state) == ("sms", State.SENT)


# --- what the operator is told --------------------------------------------------------------


async def test_a_rest_is_told_once_when_it_begins_and_once_when_it_ends(
    new_world: NewWorld, logged: Logged
) -> None:
    reason = f"no route to {NUMBER} for 123456"
    sms = Script(Unknown(reason=reason))
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    await fail(world, FAILURES_TO_REST - 1)
    assert told(logged, "provider rests") == []
    await world.send(NUMBER)
    await world.clock.advance()
    for n in range(20):
        await begin(world, n)
    [begins] = told(logged, "provider rests")
    assert (begins["log_level"], begins["provider"]) == ("warning", LANE)
    assert str(begins["why"]).startswith("no route to +")
    assert 12 <= float(str(begins["for_s"])) <= 15
    assert told(logged, "provider is back") == []

    await world.clock.advance(FIRST_REST_S)
    sms.play(Taken())
    await begin(world, 30)
    assert len(told(logged, "provider rests")) == 1
    [back] = told(logged, "provider is back")
    assert (back["log_level"], back["provider"]) == ("info", LANE)
    for secret in (NUMBER[1:], NUMBER[-4:], "123456"):
        assert secret not in str(logged)


async def test_silence_is_named(new_world: NewWorld, logged: Logged) -> None:
    world = new_world(TWO, scripts={SMS: Script(hang), VOICE: Script()})
    await asyncio.gather(*(world.send(number(n)) for n in range(FAILURES_TO_REST)))
    await world.clock.advance(10)
    [begins] = told(logged, "provider rests")
    assert begins["why"] == SILENCE
