"""Deadlines happen in their instant, and nothing piles up behind anybody."""

import asyncio
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest

from kaskad.app.inbox import MOST_MESSAGES
from kaskad.app.polling import ClientLeft
from kaskad.app.sweeper import Sweeper
from kaskad.core.errors import LongPollingTimeoutException, ResendChannelException
from kaskad.core.inputs import Cancel, CheckAndComplete, CheckCode, Complete, Resend
from kaskad.core.limits import HOUR, Window
from kaskad.core.model import Session, State
from kaskad.testing import START, FakeClock, settle
from packages.kaskad.tests import builders
from packages.kaskad.tests.app.conftest import NewWorld
from packages.kaskad.tests.app.world import CALLER, Script, World, cascade, hang, leaves_on, stays
from packages.kaskad.tests.builders import NUMBER, channel, code_of, snapshot
from packages.kaskad.tests.logs import Logged

SMS, VOICE = "sms-provider", "voice-provider"
TWO = snapshot(channel("sms"), channel("voice"))


def numbers(count: int) -> list[str]:
    return [f"+7900{n:07}" for n in range(count)]


# --- in their instant ----------------------------------------------------------------


@pytest.mark.parametrize("timeout_s", [1, 7, 10])
async def test_a_send_timeout_happens_in_its_instant(
    durable_world: NewWorld, timeout_s: int
) -> None:
    cascading = snapshot(channel("sms", send_timeout_s=timeout_s), channel("voice"))
    world = durable_world(cascading, scripts={SMS: Script(hang), VOICE: Script()})
    session = await world.send()
    await world.clock.advance(timeout_s - 0.000001)
    assert await world.walked(session) == ["sms"]
    await world.clock.advance(0.000001)
    after = await world.now(session)
    assert after.launch.channel == "voice"
    assert after.launch.started_at == START + timedelta(seconds=timeout_s)


async def test_a_code_expires_and_a_session_ends_in_their_instant(durable_world: NewWorld) -> None:
    world = durable_world(scripts={SMS: Script()})
    session = await world.send()
    for seconds, before, after in (
        (300, State.SENT, State.ENDED),
        (600, State.ENDED, State.CLOSED),
    ):
        await world.clock.advance(seconds - 0.000001)
        assert await world.state(session) is before
        await world.clock.advance(0.000001)
        assert await world.state(session) is after
    ends = {entry.input: entry.at for entry in (await world.now(session)).timeline}
    assert ends["expired"] == START + timedelta(seconds=300)
    assert ends["lifetime"] == START + timedelta(seconds=900)


async def test_an_earlier_deadline_wakes_the_sweeper(new_world: NewWorld) -> None:
    """It was going to sleep for longer when the session began."""
    world = new_world(snapshot(channel("sms", send_timeout_s=1), channel("voice")), scripts={})
    world.sweeper.PURGE_EVERY_S = 3600.0
    await world.clock.advance(2)
    world.scripts |= {SMS: Script(hang), VOICE: Script()}
    session = await world.send()
    await world.clock.advance(1)
    assert await world.walked(session) == ["sms", "voice"]


async def test_deadlines_wake_who_waits(new_world: NewWorld) -> None:
    world = new_world(scripts={SMS: Script()})
    session = await world.send()
    await world.clock.advance(290)
    version = (await world.now(session)).view_version
    poll = asyncio.create_task(world.verifications.poll_channel(CALLER, session.id, version, stays))
    status = asyncio.create_task(
        world.verifications.poll_status(CALLER, session.id, NUMBER, None, stays)
    )
    await world.clock.advance(9.999)
    assert (poll.done(), status.done()) == (False, False)
    await world.clock.advance(0.001)
    assert (await poll).view is ResendChannelException
    with pytest.raises(ResendChannelException):
        await status
    assert world.hub.held == 0


async def test_without_a_deadline_nobody_is_woken(new_world: NewWorld) -> None:
    world = new_world(scripts={SMS: Script()})
    session = await world.send()
    await world.clock.advance(1)
    looks = len(world.store.calls)

    async def departed() -> None:
        await asyncio.Event().wait()

    poll = asyncio.create_task(
        world.verifications.poll_status(CALLER, session.id, NUMBER, None, stays)
    )
    await world.clock.advance(24.999)
    reads = world.store.calls[looks:].count("load")
    assert reads <= 3  # before it, and in it: no query loop
    await world.clock.advance(0.001)
    with pytest.raises(LongPollingTimeoutException):
        await poll


# --- many, and trouble ---------------------------------------------------------------------


async def test_thousands_at_once_are_settled_in_portions(new_world: NewWorld) -> None:
    world = new_world(TWO, scripts={SMS: Script(hang), VOICE: Script()}, running=False)
    sessions = [await world.send(number) for number in numbers(2500)]
    portions: list[int] = []
    due = world.store.due

    async def counted(*given: object, **named: object) -> list[str]:
        found = await due(*given, **named)  # type: ignore[arg-type]
        portions.append(len(found))
        return found

    world.store.due = counted  # type: ignore[method-assign]
    world.sweeper.start()
    await world.clock.advance(10)
    await world.clock.until(lambda: sum(portions) >= 2500, within=1)

    assert max(portions) == Sweeper.BATCH
    for session in sessions:
        assert await world.walked(session) == ["sms", "voice"]


async def test_a_store_that_is_away_is_asked_again(new_world: NewWorld, logged: Logged) -> None:
    world = new_world(TWO, scripts={SMS: Script(hang), VOICE: Script()})
    session = await world.send()
    await world.clock.advance(9)
    world.store.away = True
    await world.clock.advance(5)
    world.store.away = False
    await world.clock.advance(1)
    assert await world.walked(session) == ["sms", "voice"]
    assert "sweep failed" not in {entry["event"] for entry in logged}


@pytest.mark.parametrize("broken", ["due", "next_due", "purge", "commit"])
async def test_every_trouble_of_a_store_passes(new_world: NewWorld, broken: str) -> None:
    world = new_world(TWO, scripts={SMS: Script(hang), VOICE: Script()})
    session = await world.send()
    await world.clock.advance(9)
    world.store.broken = {broken}
    await world.clock.advance(5)
    world.store.broken = set()
    await world.clock.advance(1.5)
    assert await world.walked(session) == ["sms", "voice"]


async def test_a_session_that_breaks_the_sweep_holds_nobody_up(
    new_world: NewWorld, logged: Logged
) -> None:
    world = new_world(TWO, scripts={SMS: Script(hang), VOICE: Script()})
    sessions = [await world.send(number) for number in numbers(5)]
    bad = sessions[2].id
    load = world.store.load

    async def breaking(session_id: str) -> Session | None:
        if session_id == bad and world.clock.now() >= START + timedelta(seconds=10):
            raise ZeroDivisionError
        return await load(session_id)

    world.store.load = breaking  # type: ignore[method-assign]
    await world.clock.advance(10)
    good = [session for session in sessions if session.id != bad]
    assert [await world.walked(session) for session in good] == [["sms", "voice"]] * 4
    await world.clock.advance(30)
    assert "sweep failed" in {entry["event"] for entry in logged}

    world.store.load = load  # type: ignore[method-assign]
    await world.clock.advance(2)
    assert await world.walked(sessions[2]) == ["sms", "voice"]


async def test_a_failing_purge_delays_no_deadline(new_world: NewWorld) -> None:
    world = new_world(TWO, scripts={SMS: Script(hang), VOICE: Script()})
    world.store.broken = {"purge"}
    session = await world.send()
    await world.clock.advance(10.5)
    assert await world.walked(session) == ["sms", "voice"]


async def test_others_go_on_while_much_is_forgotten(new_world: NewWorld) -> None:
    """After a stop of an hour all hits of an hour are worthless at once."""
    world = new_world(running=False)
    window = Window(limit=1, span=HOUR)
    for number in range(5000):
        await world.store.take(str(number), (window,), world.clock.now())
    await world.clock.advance(3600)
    world.sweeper.start()
    turns = 0
    while world.store.sizes()["limits"]:
        await asyncio.sleep(0)
        turns += 1
    await world.sweeper.stop()
    assert turns >= 10


async def test_a_sweeper_that_never_ran_can_be_stopped(new_world: NewWorld) -> None:
    world = new_world(running=False)
    await world.sweeper.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- nothing piles up -------------------------------------------------------------------


async def test_what_is_over_is_forgotten(durable_world: NewWorld) -> None:
    world = durable_world(scripts={SMS: Script()})
    world.sweeper.PURGE_EVERY_S = 60.0
    session = await world.send()
    await world.clock.advance(1)
    await world.tell(session, Cancel())
    await world.clock.advance(960 + 3600)
    assert await world.store.load(session.id) is None
    sizes = dict(world.store.sizes())
    assert sizes.pop("limits") <= 1  # an hour of sends, a day of failures
    assert set(sizes.values()) == {0}


_STORIES = ("right", "wrong", "silent", "cancel", "resend", "completed twice", "left a poll")


async def _live(world: World, session: Session, story: str) -> None:
    """One person's way through, as far as it goes at once."""
    code = code_of(session) if session.codes else ""
    match story:
        case "right":
            await world.tell(session, CheckCode(code=code))
            await world.tell(session, CheckAndComplete())
        case "wrong":
            for _ in range(6):
                await world.tell(session, CheckCode(code="wrong"))
        case "cancel":
            await world.tell(session, Cancel())
        case "resend":
            await world.tell(session, Resend(next=True))
        case "completed twice":
            await world.tell(session, CheckCode(code=code))
            await asyncio.gather(*(world.tell(session, Complete()) for _ in range(2)))
        case "left a poll":
            await _poll_and_leave(world, session)
        case _:
            pass


async def _poll_and_leave(world: World, session: Session) -> None:
    gone = asyncio.Event()
    now = await world.verifications.channel(CALLER, session.id)
    poll = asyncio.create_task(
        world.verifications.poll_channel(CALLER, session.id, now.version, leaves_on(gone))
    )
    await settle(10)
    gone.set()
    await asyncio.wait([poll])
    assert isinstance(poll.exception(), ClientLeft | None)


@pytest.mark.timeout(120)
@pytest.mark.untraced
async def test_after_a_day_of_everything_nothing_is_left(
    new_world: NewWorld, clock: FakeClock
) -> None:
    kinds = ("sms", "voice", "sim_push", "flashcall")
    outcomes = ("deliver", "reject", "undelivered", "hang", "confirm", "decline")
    world = new_world()
    world.sweeper.PURGE_EVERY_S = 600.0
    await clock.advance()
    tasks = asyncio.all_tasks()
    ends: Counter[State] = Counter()
    everybody = numbers(2000)
    for batch in range(50):
        providers: dict[str, dict[str, object]] = {
            kind: {"outcome": outcomes[(batch + i * 2) % 6], "delay": (0, 0.5, 20)[batch % 3]}
            for i, kind in enumerate(kinds)
        }
        if batch % 10 == 0:
            providers = {key: {"outcome": "reject", "delay": 0} for key in kinds}
        turn = batch % 4
        world.catalog.snapshot = cascade(*kinds[turn:], *kinds[:turn], **providers)
        sessions = [
            await world.send(number, address=f"192.0.{batch}.{n}")
            for n, number in enumerate(everybody[batch * 40 :][:40])
        ]
        await clock.advance(61)
        for n, session in enumerate(sessions):
            await _live(world, await world.now(session), _STORIES[(n + batch) % 7])
            ends[await world.state(session)] += 1
    assert set(ends) == set(State)  # the day had something of everything
    clock.settled = partial(settle, 8)  # hardly anything is left to run
    await clock.advance(2 * 3600)
    assert asyncio.all_tasks() == tasks
    await world.worker.stop(0)
    await clock.advance(24 * 3600)

    assert dict(world.store.sizes()) == dict.fromkeys(world.store.sizes(), 0)
    assert world.hub.held == 0
    assert len(world.inbox.messages()) <= MOST_MESSAGES
    await world.stop()
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert clock.timers == 0
    assert world.figure("sessions_total", widget=builders.WIDGET_ID) == 2000
    assert world.figure("held_polls") == 0
