"""Cascades from the send to the verdict, over the engine, the worker and the simulator."""

import asyncio
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaskad.app.inbox import Delivered
from kaskad.core.errors import (
    InvalidCodeException,
    IsCodelessChannelException,
    NoAvailableChannelsException,
    ResendChannelException,
    RestartCooldownActiveException,
    SessionAlreadyConfirmedException,
    SessionClosedException,
)
from kaskad.core.inputs import CheckAndComplete, CheckCode, Complete, Resend
from kaskad.core.model import ReportKind, Session, State
from kaskad.core.view import refusal_of
from kaskad.stores.memory import MemoryStore
from kaskad.testing import START, FakeClock, settle
from packages.kaskad.tests.app.conftest import NewWorld
from packages.kaskad.tests.app.faulty import FaultyStore
from packages.kaskad.tests.app.world import World, cascade, with_channels
from packages.kaskad.tests.builders import channel, code_of

REJECT = {"outcome": "reject", "delay": 0.2}
UNDELIVERED = {"outcome": "undelivered", "delay": 3}
HANG = {"outcome": "hang"}
CONFIRM = {"outcome": "confirm", "delay": 4}
DECLINE = {"outcome": "decline", "delay": 4}
QUICK = {"delay": 0}


def at(seconds: float) -> object:
    return START + timedelta(seconds=seconds)


def texts(world: World) -> list[tuple[str, int]]:
    return [(message.type, message.launch) for message in world.shown()]


async def test_a_code_is_delivered_typed_and_its_verdict_collected(
    durable_world: NewWorld,
) -> None:
    world = durable_world(cascade("sms"))
    session = await world.send()
    await world.clock.advance(0.2)
    [message] = world.shown()
    assert message.code is not None
    assert message.code in message.text
    assert await world.tell(session, CheckCode(code=message.code)) is True
    assert await world.tell(session, CheckAndComplete()) is True
    assert await world.tell(session, CheckAndComplete()) is False
    assert await world.state(session) is State.CLOSED


async def test_a_rejection_moves_on_at_once(durable_world: NewWorld) -> None:
    world = durable_world(cascade("sms", "whatsapp", "voice", sms=REJECT, whatsapp=REJECT))
    session = await world.send()
    await world.clock.advance(0.6)
    launches = (await world.now(session)).launches
    assert [x.channel for x in launches] == ["sms", "whatsapp", "voice"]
    assert [x.started_at for x in launches] == [at(0), at(0.2), at(0.4)]
    assert await world.state(session) is State.SENT
    assert texts(world) == [("voice", 3)]


async def test_bad_news_moves_on_when_it_comes(durable_world: NewWorld) -> None:
    world = durable_world(cascade("sms", "voice", sms=UNDELIVERED))
    session = await world.send()
    await world.clock.advance(2.999)
    assert await world.state(session) is State.SENT
    await world.clock.advance(0.3)
    after = await world.now(session)
    assert [x.channel for x in after.launches] == ["sms", "voice"]
    assert after.launch.started_at == at(3)
    assert texts(world) == [("voice", 2)]


async def test_silence_moves_on_at_the_send_timeout(durable_world: NewWorld) -> None:
    world = durable_world(
        with_channels(channel("sms", send_timeout_s=7), channel("voice"), sms=HANG)
    )
    session = await world.send()
    await world.clock.advance(6.999)
    assert await world.walked(session) == ["sms"]
    await world.clock.advance(0.301)
    after = await world.now(session)
    assert after.launch.channel == "voice"
    assert after.launch.started_at == at(7)
    assert after.state is State.SENT
    assert texts(world) == [("voice", 2)]


@pytest.mark.parametrize("last", ["sms", "voice"])
async def test_when_everything_rejects_it_is_over(durable_world: NewWorld, last: str) -> None:
    kinds = ("sms",) if last == "sms" else ("sms", "voice")
    world = durable_world(cascade(*kinds, sms=REJECT, voice=REJECT))
    session = await world.send()
    await world.clock.advance(1)
    after = await world.now(session)
    assert refusal_of(after) is NoAvailableChannelsException
    for event in (CheckCode(code=code_of(session)), CheckAndComplete(), Resend()):
        assert isinstance(await world.tell(session, event), NoAvailableChannelsException)
    assert await world.tell(session, Complete()) is False
    assert world.shown() == []


async def test_a_last_channel_that_hangs_may_be_restarted(new_world: NewWorld) -> None:
    world = new_world(cascade("sms", sms=HANG))
    session = await world.send()
    await world.clock.advance(10)
    assert refusal_of(await world.now(session)) is ResendChannelException
    world.catalog.snapshot = cascade("sms", sms=QUICK)
    assert await world.tell(session, Resend()) is True
    await world.clock.advance()
    assert await world.state(session) is State.SENT
    assert texts(world) == [("sms", 2)]


async def test_a_push_is_confirmed(durable_world: NewWorld) -> None:
    world = durable_world(cascade("sim_push", "sms", sim_push=CONFIRM))
    session = await world.send()
    await world.clock.advance(3.999)
    assert await world.state(session) is State.SENT
    assert isinstance(
        await world.tell(session, CheckCode(code="123456")), IsCodelessChannelException
    )
    await world.clock.advance(0.001)
    assert await world.state(session) is State.CONFIRMED
    assert isinstance(await world.tell(session, Resend()), SessionAlreadyConfirmedException)
    assert await world.tell(session, Complete()) is True
    [push] = world.shown()
    assert (push.answer, push.code) == ("confirm", None)


async def test_a_push_is_confirmed_by_the_person(new_world: NewWorld) -> None:
    world = new_world(cascade("sim_push", sim_push=QUICK))
    session = await world.send()
    await world.clock.advance(1)
    [push] = world.shown()
    assert world.inbox.answer(push.id, ReportKind.CONFIRMED)
    await world.clock.advance()
    assert await world.state(session) is State.CONFIRMED


async def test_a_declined_push_is_not_pushed_again(durable_world: NewWorld) -> None:
    world = durable_world(cascade("sim_push", "sms", sim_push=DECLINE))
    session = await world.send()
    await world.clock.advance(4)
    after = await world.now(session)
    assert refusal_of(after) is ResendChannelException
    assert after.barred == ("sim_push",)
    await world.clock.advance(60)
    assert texts(world) == [("sim_push", 1)]  # nothing is sent that nobody asked for

    assert await world.tell(session, Resend()) is True
    await world.clock.advance(1)
    assert await world.walked(session) == ["sim_push", "sms"]
    await world.clock.advance(60)
    assert await world.tell(session, Resend()) is True  # the SMS has a restart
    await world.clock.advance(60)
    assert isinstance(await world.tell(session, Resend()), NoAvailableChannelsException)
    assert texts(world) == [("sim_push", 1), ("sms", 2), ("sms", 3)]


async def test_a_declined_push_without_another_way_is_the_end_of_it(new_world: NewWorld) -> None:
    world = new_world(cascade("sim_push", sim_push=DECLINE))
    session = await world.send()
    await world.clock.advance(5)
    assert refusal_of(await world.now(session)) is NoAvailableChannelsException
    assert isinstance(await world.tell(session, Resend()), NoAvailableChannelsException)


@pytest.mark.parametrize("voice_length", [6, 4])
async def test_a_late_message_confirms_after_the_next_channel(
    durable_world: NewWorld, voice_length: int
) -> None:
    """The person looked at the phone only after asking for a call."""
    world = durable_world(
        with_channels(
            channel("sms"), channel("voice", code_length=voice_length), sms={"delay": 1}, voice=HANG
        )
    )
    session = await world.send()
    await world.clock.advance(60)
    assert await world.tell(session, Resend(next=True)) is True
    await world.clock.advance(5)
    after = await world.now(session)
    assert (after.launch.channel, after.state) == ("voice", State.WAIT)
    [sms] = world.shown()
    assert sms.code is not None
    assert await world.tell(session, CheckCode(code=sms.code)) is True


async def test_a_message_of_a_hung_provider_may_still_confirm(new_world: NewWorld) -> None:
    """It timed out: nobody knows whether the SMS is on its way, and its code is the call's."""
    world = new_world(
        with_channels(channel("sms"), channel("voice", code_length=4), sms=HANG, voice=QUICK)
    )
    session = await world.send()
    sms_code = code_of(session)
    await world.clock.advance(10)
    [call] = world.shown()
    assert call.code is not None
    assert (call.type, len(call.code)) == ("voice", 4)
    assert await world.tell(session, CheckCode(code=sms_code)) is True


async def test_a_resend_restarts_and_then_moves_on(durable_world: NewWorld) -> None:
    world = durable_world(cascade("sms", "voice", sms=QUICK, voice=QUICK))
    session = await world.send()
    await world.clock.advance(1)
    refusal = await world.tell(session, Resend())
    assert isinstance(refusal, RestartCooldownActiveException)
    assert refusal.retry_after_s == 29

    for expected in ("sms", "voice", "voice"):
        await world.clock.advance(60)
        assert await world.tell(session, Resend()) is True
        await world.clock.advance(1)
        assert (await world.now(session)).launch.channel == expected
    await world.clock.advance(60)
    assert isinstance(await world.tell(session, Resend()), NoAvailableChannelsException)
    assert texts(world) == [("sms", 1), ("sms", 2), ("voice", 3), ("voice", 4)]
    assert len({message.code for message in world.shown()}) == 1
    assert await world.tell(session, CheckCode(code=code_of(session))) is True


async def test_a_resend_that_cannot_be_delivered_leaves_the_first_code_alone(
    durable_world: NewWorld,
) -> None:
    world = durable_world(
        with_channels(
            channel("sms", number_of_restart=0), channel("voice"), sms=QUICK, voice=REJECT
        )
    )
    session = await world.send()
    await world.clock.advance(30)
    assert await world.tell(session, Resend()) is True
    assert (await world.now(session)).launch.channel == "voice"
    await world.clock.advance(1)
    after = await world.now(session)
    assert (after.launch.channel, after.state) == ("sms", State.SENT)
    assert await world.tell(session, CheckCode(code=code_of(session))) is True


async def test_nothing_is_sent_by_itself_when_a_code_expires(durable_world: NewWorld) -> None:
    world = durable_world(cascade("sms", "voice", sms=QUICK))
    session = await world.send()
    await world.clock.advance(299)
    assert await world.state(session) is State.SENT
    await world.clock.advance(1)
    assert refusal_of(await world.now(session)) is ResendChannelException
    for event in (CheckCode(code=code_of(session)), CheckAndComplete()):
        assert isinstance(await world.tell(session, event), ResendChannelException)
    await world.clock.advance(300)
    assert texts(world) == [("sms", 1)]
    assert await world.tell(session, Resend()) is True
    await world.clock.advance(1)
    assert texts(world) == [("sms", 1), ("sms", 2)]
    await world.clock.advance(300)
    assert isinstance(await world.tell(session, CheckAndComplete()), bool)
    assert await world.state(session) is State.CLOSED
    assert isinstance(await world.tell(session, CheckCode(code="1")), SessionClosedException)


async def test_an_expired_code_without_another_way_is_the_end(new_world: NewWorld) -> None:
    world = new_world(with_channels(channel("sms", number_of_restart=0), sms=QUICK))
    session = await world.send()
    await world.clock.advance(300)
    assert refusal_of(await world.now(session)) is NoAvailableChannelsException


async def test_a_wrong_code_is_wrong_while_the_message_is_on_its_way(new_world: NewWorld) -> None:
    world = new_world(cascade("sms"))
    session = await world.send()
    for _ in range(20):
        answer = await world.tell(session, CheckCode(code=code_of(session)))
        assert isinstance(answer, InvalidCodeException)
    await world.clock.advance(1)
    assert await world.tell(session, CheckCode(code=code_of(session))) is True


async def test_a_blocked_widget_launches_nothing_more(new_world: NewWorld) -> None:
    world = new_world(cascade("sms", "voice", sms=REJECT))
    session = await world.send()
    blocked = cascade("sms", "voice", sms=REJECT)
    widgets = {
        k: type(w)(id=w.id, tenant=w.tenant, name=w.name, channels=w.channels, blocked=True)
        for k, w in blocked.widgets.items()
    }
    world.catalog.snapshot = type(blocked)(
        widgets=widgets, channels=blocked.channels, providers=blocked.providers
    )
    await world.clock.advance(1)
    assert await world.walked(session) == ["sms"]
    assert await world.state(session) is State.EXHAUSTED


# --- any cascade, any story -----------------------------------------------------------------

_OUTCOMES = ["deliver", "reject", "undelivered", "hang", "confirm", "decline"]
_KINDS = ["sms", "voice", "sim_push", "flashcall"]
_ACTS = ["wait", "wait long", "resend", "another way", "right code", "wrong code"]


async def _act(world: World, session: Session, act: str) -> None:
    match act:
        case "wait":
            await world.clock.advance(3)
        case "wait long":
            await world.clock.advance(45)
        case "resend":
            await world.tell(session, Resend())
        case "another way":
            await world.tell(session, Resend(next=True))
        case "right code":
            codes = [m.code for m in world.shown() if m.code is not None]
            await world.tell(session, CheckCode(code=codes[-1] if codes else ""))
        case _:
            await world.tell(session, CheckCode(code="wrong"))


def _check(session: Session, messages: list[Delivered], outcomes: dict[str, str]) -> None:
    per_launch = Counter(message.launch for message in messages)
    assert set(per_launch.values()) <= {1}
    assert set(per_launch) <= {launch.number for launch in session.launches}
    for launch in session.launches:
        shows = outcomes[launch.channel] in {"deliver", "confirm", "decline"}
        took = launch.sent_at is not None and launch.reason != "timed_out"
        if took and shows:
            assert per_launch[launch.number] == 1
        if not shows:
            assert per_launch[launch.number] == 0
    declined = [x for x in session.launches if x.reason == "declined"]
    assert len(declined) == len({x.channel for x in declined})


@given(
    st.lists(st.tuples(st.sampled_from(_OUTCOMES), st.sampled_from([0, 0.2, 5, 12])), max_size=4),
    st.lists(st.sampled_from(_ACTS), max_size=12),
)
@settings(max_examples=12)
def test_there_is_one_message_for_each_launch_and_every_session_ends(
    accounts: list[tuple[str, float]], acts: list[str]
) -> None:
    accounts = accounts or [("deliver", 0.2)]
    kinds = _KINDS[: len(accounts)]
    providers: dict[str, dict[str, object]] = {
        kind: {"outcome": outcome, "delay": delay}
        for kind, (outcome, delay) in zip(kinds, accounts, strict=True)
    }
    outcomes = {kind: outcome for kind, (outcome, _) in zip(kinds, accounts, strict=True)}

    async def run() -> None:
        clock = FakeClock()
        world = World(FaultyStore(MemoryStore(clock.now)), clock, cascade(*kinds, **providers))
        world.sweeper.PURGE_EVERY_S = 300.0
        clock.settled = partial(settle, 20)
        world.start()
        session = await world.send()
        for act in acts:
            await _act(world, session, act)
        await clock.advance(20)
        _check(await world.now(session), world.shown(), outcomes)
        await clock.advance(1300)
        assert await world.state(session) is State.CLOSED
        assert world.store.sizes()["jobs"] == 0
        await world.stop()
        assert clock.timers == 0

    asyncio.run(run())
