"""Handing messages over: once, in time, and without letting one provider delay another."""

import asyncio
import gc
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from kaskad.app.courier import MOST_TRIES
from kaskad.app.ports import (
    Busy,
    Claim,
    Message,
    Refusal,
    SendResult,
    Taken,
    Unknown,
)
from kaskad.app.timing import sleep
from kaskad.app.worker import LEASE_S, PLACES_PER_LANE
from kaskad.core.codes import Keyring
from kaskad.core.errors import InvalidCodeException
from kaskad.core.inputs import Cancel, CheckCode, Resend
from kaskad.core.model import CodeType, ReportKind, Session, State, Template, TestRecipient
from kaskad.stores.sqlite import SqliteStore
from kaskad.testing import START, FakeClock, settle
from packages.kaskad.tests.app.conftest import NewWorld
from packages.kaskad.tests.app.faulty import FaultyStore
from packages.kaskad.tests.app.world import Play, Script, World, hang
from packages.kaskad.tests.builders import KEYRING, NUMBER, channel, code_of, snapshot
from packages.kaskad.tests.logs import Logged

SMS, VOICE = "sms-provider", "voice-provider"
TWO = snapshot(channel("sms"), channel("voice"))
PATIENT = snapshot(channel("sms", send_timeout_s=60), channel("voice"))
TEST_NUMBER = TestRecipient(number=NUMBER, code="123456", until=START + timedelta(days=1))


NUMBERS = [NUMBER, "+79001234568"]


def numbers(count: int) -> list[str]:
    return [f"+7900{n:07}" for n in range(count)]


def after(world: World, seconds: float, result: SendResult | Exception | None = None) -> Play:
    """A provider that takes its time."""

    async def play(_: Message) -> SendResult:
        await sleep(world.clock, seconds)
        if isinstance(result, Exception):
            raise result
        return result or Taken()

    return play


def crash() -> None:
    """The process dies: whatever the worker was doing is not done."""
    for task in asyncio.all_tasks():
        if task.get_name() in {"kaskad-dispatch", "kaskad-leases", "kaskad-job"}:
            task.cancel()


# --- once -----------------------------------------------------------------------------


async def test_a_job_is_handed_over_once(durable_world: NewWorld) -> None:
    script = Script()
    world = durable_world(scripts={SMS: script})
    session = await world.send()
    await world.clock.advance(60)

    [message] = script.messages
    assert await world.state(session) is State.SENT
    assert (message.reference, message.session, message.launch) == (
        f"{session.id}-1",
        session.id,
        1,
    )
    assert (message.recipient, message.type, message.label) == (NUMBER, "sms", "SMS")
    assert (message.code, message.locale, message.ttl_s) == (code_of(session), "ru", 300)
    assert world.store.sizes()["jobs"] == 0


async def test_two_workers_hand_a_thousand_jobs_over_once(new_world: NewWorld) -> None:
    script = Script()
    world = new_world(scripts={SMS: script})
    other = world.new_worker()
    other.start()
    for number in numbers(1000):
        await world.send(number)
    await world.clock.until(lambda: len(script.messages) >= 1000)
    await world.clock.advance(60)
    await other.stop(0)

    assert len(script.messages) == 1000
    assert len({message.reference for message in script.messages}) == 1000


async def test_a_message_does_not_show_its_secrets(new_world: NewWorld) -> None:
    script = Script()
    world = new_world(scripts={SMS: script})
    session = await world.send()
    await world.clock.advance()
    shown = repr(script.messages)
    assert code_of(session) not in shown
    assert NUMBER[1:] not in shown


async def test_what_is_not_waited_for_any_more_is_not_sent(new_world: NewWorld) -> None:
    """The session went on between the claim and the hand-over."""
    script = Script()
    world = new_world(scripts={SMS: script}, running=False)
    session = await world.send()
    [claim] = await world.store.claim(f"default/{SMS}", limit=1, lease_s=15, now=START)
    await world.tell(session, Cancel())
    await world.worker._run(claim)
    assert script.messages == []


async def test_jobs_of_sessions_that_are_gone_are_forgotten(new_world: NewWorld) -> None:
    script = Script()
    world = new_world(scripts={SMS: script}, running=False)
    session = await world.send()
    [claim] = await world.store.claim(f"default/{SMS}", limit=1, lease_s=15, now=START)
    unknown = replace(claim.job, session="00000000-0000-4000-8000-000000000000")
    await world.worker._run(Claim(job=unknown, fence=claim.fence))
    assert script.messages == []
    assert await world.state(session) is State.WAIT


async def test_a_cancelled_session_drops_its_job(new_world: NewWorld) -> None:
    script = Script()
    world = new_world(scripts={SMS: script}, running=False)
    session = await world.send()
    await world.tell(session, Cancel())
    world.start()
    await world.clock.advance(60)
    assert script.messages == []


async def test_a_job_older_than_its_code_is_dropped(durable_world: NewWorld) -> None:
    script = Script()
    world = durable_world(scripts={SMS: script}, running=False)
    session = await world.send()
    await world.clock.advance(10)
    world.worker.start()
    await world.clock.advance(60)
    assert script.messages == []
    assert world.store.sizes()["jobs"] == 0
    assert await world.state(session) is State.WAIT  # the deadline is the sweeper's business


# --- what providers answer ----------------------------------------------------------------


async def walk(world: World, seconds: float = 0) -> Session:
    session = await world.send()
    await world.clock.advance(seconds)
    return await world.now(session)


async def test_a_refusal_starts_the_next_channel_at_once(new_world: NewWorld) -> None:
    sms, voice = Script(Refusal(reason="no such number")), Script()
    world = new_world(TWO, scripts={SMS: sms, VOICE: voice})
    session = await walk(world)
    assert (session.current, session.state) == (2, State.SENT)
    assert session.launches[0].sent_at is None
    assert len(voice.messages) == 1
    assert ("rejected", "no such number") in [(e.input, e.reason) for e in session.timeline]


async def test_a_refusal_that_is_our_fault_moves_on_and_is_logged(
    new_world: NewWorld, logged: Logged
) -> None:
    sms = Script(Refusal(reason="no money", ours=True))
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    session = await walk(world)
    assert session.launch.channel == "voice"
    assert [entry["event"] for entry in logged] == ["provider account"]


async def test_busy_is_tried_again_with_growing_pauses(new_world: NewWorld) -> None:
    at: list[float] = []
    world = new_world(TWO, scripts={})

    async def busy(_: Message) -> SendResult:
        at.append((world.clock.now() - START).total_seconds())
        return Busy(reason="throttled")

    world.scripts |= {SMS: Script(busy), VOICE: Script()}
    session = await walk(world, 9)

    assert len(at) == MOST_TRIES
    pauses = [later - earlier for earlier, later in pairwise(at)]
    for pause, least in zip(pauses, (0.5, 1, 2), strict=True):
        assert least <= pause < least + 0.1
    assert session.launches[0].reason == "errored"
    assert session.launch.channel == "voice"
    assert session.state is State.SENT


@pytest.mark.parametrize("wished", [0.0, 0.25, 3.0, 7.0])
async def test_busy_waits_as_long_as_the_provider_asks(new_world: NewWorld, wished: float) -> None:
    sms = Script(Busy(reason="throttled", retry_after_s=wished), Taken())
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    session = await walk(world, wished - 0.001 if wished else 0)
    assert len(sms.messages) == 1
    await world.clock.advance(0.102)
    assert len(sms.messages) == 2
    assert sms.messages[0] == sms.messages[1]
    assert await world.walked(session) == ["sms"]
    assert await world.state(session) is State.SENT


@pytest.mark.parametrize("wished", [10.0, 3600.0])
async def test_a_provider_that_is_busy_for_too_long_is_given_up_at_once(
    new_world: NewWorld, wished: float
) -> None:
    sms = Script(Busy(reason="throttled", retry_after_s=wished))
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    session = await walk(world)
    assert session.launch.channel == "voice"
    assert session.state is State.SENT


async def test_an_unknown_fate_is_never_sent_again(new_world: NewWorld) -> None:
    sms = Script(Unknown(reason="connection reset"))
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    session = await walk(world, 9.999)
    assert session.state is State.WAIT
    assert world.store.sizes()["jobs"] == 0
    await world.clock.advance(0.001)
    assert len(sms.messages) == 1
    assert await world.walked(session) == ["sms", "voice"]
    # It may have arrived: its code counts.
    assert await world.tell(session, CheckCode(code=code_of(session))) is True


async def test_a_report_decides_an_unknown_fate(new_world: NewWorld) -> None:
    world = new_world(TWO, scripts={SMS: Script(Unknown(reason="reset")), VOICE: Script()})
    session = await walk(world, 5)
    world.reports.receive(session.id, 1, ReportKind.DELIVERED, "")
    await world.clock.advance()
    assert await world.state(session) is State.SENT
    await world.clock.advance(60)
    assert await world.walked(session) == ["sms"]


async def test_an_unknown_fate_of_an_idempotent_driver_is_tried_again(new_world: NewWorld) -> None:
    sms = Script(Unknown(reason="reset", idempotent=True), Taken())
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    session = await walk(world, 0.6)
    assert session.state is State.SENT
    assert len({message.reference for message in sms.messages}) == 1
    assert len(sms.messages) == 2


async def test_an_unknown_fate_stays_unknown_after_the_last_try(new_world: NewWorld) -> None:
    sms = Script(Unknown(reason="reset", idempotent=True))
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    session = await walk(world, 9.9)
    assert len(sms.messages) == MOST_TRIES
    assert session.state is State.WAIT
    assert session.launch.unsure
    await world.clock.advance(0.1)
    assert await world.walked(session) == ["sms", "voice"]


@pytest.mark.parametrize(
    "answer",
    [Busy(reason="full"), Busy(reason="full", retry_after_s=60)],
    ids=["to the last try", "for too long"],
)
async def test_who_is_busy_does_not_deny_what_an_earlier_try_may_have_left(
    new_world: NewWorld, answer: SendResult
) -> None:
    """The message may have arrived: its code counts, although there is no other channel."""
    sms = Script(Unknown(reason="reset", idempotent=True), answer)
    world = new_world(snapshot(channel("sms")), scripts={SMS: sms})
    session = await walk(world, 9.9)
    assert session.launch.unsure
    assert world.store.sizes()["jobs"] == 0
    await world.clock.advance(0.1)
    assert await world.tell(session, CheckCode(code=code_of(session))) is True


async def test_a_driver_that_breaks_leaves_the_fate_unknown(
    new_world: NewWorld, logged: Logged
) -> None:
    sms = Script(RuntimeError(f"{NUMBER} 123456"))
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    session = await walk(world, 9)
    assert session.launch.unsure
    assert len(sms.messages) == 1
    printed = str(logged)
    assert "RuntimeError" in printed
    assert NUMBER[1:] not in printed
    assert "123456" not in printed


async def test_a_driver_that_cancels_itself_leaves_the_fate_unknown(new_world: NewWorld) -> None:
    async def cancelled(_: Message) -> SendResult:
        inner = asyncio.create_task(asyncio.Event().wait())
        asyncio.get_running_loop().call_soon(inner.cancel)
        await inner
        return Taken()

    sms, voice = Script(cancelled), Script()
    world = new_world(PATIENT, scripts={SMS: sms, VOICE: voice})
    session = await walk(world)
    assert session.launch.unsure
    await world.clock.advance(60)
    assert len(sms.messages) == 1
    assert await world.walked(session) == ["sms", "voice"]


async def test_a_driver_that_times_out_by_itself_leaves_the_fate_unknown(
    new_world: NewWorld,
) -> None:
    sms = Script(TimeoutError())
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    session = await walk(world)
    assert session.launch.unsure
    await world.clock.advance(10)
    assert len(sms.messages) == 1
    assert await world.walked(session) == ["sms", "voice"]


async def test_a_provider_may_choose_the_code(new_world: NewWorld) -> None:
    world = new_world(scripts={SMS: Script(Taken(code="4711"))})
    session = await walk(world)
    assert session.launch.settings.code_length == 4
    assert await world.tell(session, CheckCode(code="4711")) is True


async def test_a_provider_may_turn_a_launch(new_world: NewWorld) -> None:
    world = new_world(scripts={SMS: Script(Taken(code_type=CodeType.CODELESS))})
    assert (await walk(world)).launch.code_type is CodeType.CODELESS


# --- deadlines ---------------------------------------------------------------------------


async def test_a_driver_that_hangs_is_cancelled_at_the_deadline(durable_world: NewWorld) -> None:
    sms, voice = Script(hang), Script()
    world = durable_world(TWO, scripts={SMS: sms, VOICE: voice})
    session = await walk(world, 9.999)
    assert (session.state, sms.under_way) == (State.WAIT, 1)
    await world.clock.advance(0.001)
    assert sms.under_way == 0
    assert await world.walked(session) == ["sms", "voice"]
    assert await world.state(session) is State.SENT
    assert len(voice.messages) == 1


async def test_an_answer_after_the_deadline_changes_nothing(new_world: NewWorld) -> None:
    async def stubborn(_: Message) -> SendResult:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await sleep(world.clock, 5)
        return Taken(code="9999")

    sms = Script(stubborn)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    session = await walk(world, 10)
    moved = await world.now(session)
    assert (moved.current, sms.under_way) == (2, 1)
    await world.clock.advance(6)
    assert sms.under_way == 0
    assert await world.now(session) == moved


async def test_an_answer_just_before_the_deadline_counts(new_world: NewWorld) -> None:
    world = new_world(TWO, scripts={})
    world.scripts[SMS] = Script(after(world, 9.999))
    session = await walk(world, 20)
    assert await world.walked(session) == ["sms"]
    assert session.state is State.SENT


async def test_an_error_after_the_deadline_is_nobodys(
    new_world: NewWorld, caplog: pytest.LogCaptureFixture
) -> None:
    async def stubborn(_: Message) -> SendResult:
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("closed")

    world = new_world(TWO, scripts={SMS: Script(stubborn), VOICE: Script()})
    session = await walk(world, 20)
    assert await world.walked(session) == ["sms", "voice"]
    gc.collect()
    assert caplog.records == []


# --- lanes ------------------------------------------------------------------------------


async def test_a_provider_that_hangs_delays_no_other(new_world: NewWorld) -> None:
    sms, voice = Script(hang), Script()
    world = new_world(PATIENT, scripts={SMS: sms, VOICE: voice})
    for number in numbers(100):
        await world.send(number)
    await world.clock.advance(1)
    assert sms.under_way == PLACES_PER_LANE
    assert world.store.sizes()["jobs"] == 100

    world.catalog.snapshot = snapshot(channel("voice"))
    for number in numbers(200)[100:]:
        before = world.clock.now()
        session = await world.send(number)
        await world.clock.advance()
        assert (await world.now(session)).state is State.SENT
        assert world.clock.now() == before
    assert world.figure("handover_seconds_sum", provider=f"default/{VOICE}") == 0


async def test_the_next_channel_of_a_full_provider_is_not_held_up(new_world: NewWorld) -> None:
    sms, voice = Script(hang), Script()
    world = new_world(TWO, scripts={SMS: sms, VOICE: voice})
    sessions = [await world.send(number) for number in numbers(100)]
    await world.clock.advance(10)
    assert sms.under_way == 0
    assert len(sms.messages) == PLACES_PER_LANE  # those that got no place are not sent late
    assert len(voice.messages) == 100
    for session in sessions:
        assert await world.walked(session) == ["sms", "voice"]


async def test_a_place_that_is_given_back_is_taken_at_once(new_world: NewWorld) -> None:
    world = new_world(scripts={})
    world.scripts[SMS] = sms = Script(after(world, 1))
    for number in numbers(PLACES_PER_LANE * 2 + 6):
        await world.send(number)
    for total in (64, 128, 134, 134):
        await world.clock.advance()
        assert len(sms.messages) == total
        await world.clock.advance(1)
    assert world.figure("handovers_total", provider=f"default/{SMS}", outcome="taken") == 134


async def test_a_place_is_free_once_the_provider_has_answered(new_world: NewWorld) -> None:
    """However long it takes to write the answer down."""
    sms = Script()
    world = new_world(scripts={SMS: sms}, running=False)
    for number in numbers(PLACES_PER_LANE * 2):
        await world.send(number)
    world.store.broken = {"commit"}
    world.start()
    await world.clock.advance(1)
    assert len(sms.messages) == PLACES_PER_LANE * 2


# --- leases, crashes, stops ---------------------------------------------------------------


async def test_a_long_call_keeps_its_lease(new_world: NewWorld) -> None:
    sms = Script(hang)
    world = new_world(PATIENT, scripts={SMS: sms, VOICE: Script()})
    other = world.new_worker()
    other.start()
    await world.send()
    await world.clock.advance(59.9)
    assert (len(sms.messages), sms.under_way) == (1, 1)
    await other.stop(0)


async def test_leases_are_kept_up_after_trouble(new_world: NewWorld) -> None:
    sms = Script(hang)
    world = new_world(PATIENT, scripts={SMS: sms, VOICE: Script()})
    other = world.new_worker()
    other.start()
    await world.send()
    world.store.broken = {"extend"}
    await world.clock.advance(6)
    world.store.broken = set()
    await world.clock.advance(50)
    assert len(sms.messages) == 1
    await other.stop(0)


async def test_a_process_that_was_suspended_does_not_take_its_own_jobs_over(
    new_world: NewWorld,
) -> None:
    """Its leases look run out then, and it may look for jobs before it keeps them up."""
    sms = Script(hang)
    world = new_world(PATIENT, scripts={SMS: sms, VOICE: Script()})
    first = await world.send()
    await world.clock.advance()
    sends: list[asyncio.Task[Session]] = []
    soon = world.clock.now() + timedelta(seconds=1)
    world.clock.call_at(soon, lambda: sends.append(asyncio.create_task(world.send(NUMBERS[1]))))
    await world.clock.leap(2 * LEASE_S)
    second = await sends[0]
    await world.clock.advance(1)
    assert [message.session for message in sms.messages] == [first.id, second.id]


async def test_a_job_of_a_crashed_worker_runs_again_when_its_lease_ends(
    new_world: NewWorld,
) -> None:
    sms = Script(hang, Taken())
    world = new_world(PATIENT, scripts={SMS: sms, VOICE: Script()})
    session = await world.send()
    await world.clock.advance(7)
    crash()
    await world.clock.advance()
    world.new_worker().start()
    # The lease was lengthened at 5 s; the launch is still waited for.
    await world.clock.advance(12.999)
    assert len(sms.messages) == 1
    await world.clock.advance(0.001)
    assert len(sms.messages) == 2
    assert sms.messages[0].reference == sms.messages[1].reference
    assert await world.state(session) is State.SENT
    await world.clock.advance(60)
    assert len(sms.messages) == 2
    crash()


@pytest.mark.parametrize("step", range(14))
async def test_a_crash_at_any_step_costs_at_most_one_message(
    durable_world: NewWorld, step: int
) -> None:
    sms = Script()
    world = durable_world(PATIENT, scripts={SMS: sms, VOICE: Script()})
    await world.clock.advance()
    session = await world.send()
    for _ in range(step):
        await asyncio.sleep(0)
    crash()
    await world.store.check()
    await world.clock.advance()
    world.new_worker().start()
    await world.clock.advance(LEASE_S)
    assert await world.state(session) is State.SENT
    assert await world.walked(session) == ["sms"]
    assert 1 <= len(sms.messages) <= 2
    crash()


async def test_a_restarted_node_takes_its_own_leases_back_at_once(
    clock: FakeClock, tmp_path: Path
) -> None:
    path = tmp_path / "sessions.db"
    first = World(
        FaultyStore(await SqliteStore.open(path, clock.now)),
        clock,
        PATIENT,
        scripts={SMS: Script(hang)},
    )
    first.start()
    session = await first.send()
    await clock.advance(1)
    assert len(first.scripts[SMS].messages) == 1
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await settle()
    await first.store.close()

    second = World(
        FaultyStore(await SqliteStore.open(path, clock.now)),
        clock,
        PATIENT,
        scripts={SMS: Script()},
    )
    second.start()
    await clock.advance()
    assert await second.state(session) is State.SENT
    [message] = second.scripts[SMS].messages
    assert message == first.scripts[SMS].messages[0]
    await second.stop()
    await second.store.close()


async def test_a_stop_lets_running_jobs_finish(durable_world: NewWorld) -> None:
    world = durable_world(scripts={})
    world.scripts[SMS] = Script(after(world, 2))
    session = await world.send()
    await world.clock.advance(1)
    stop = asyncio.create_task(world.worker.stop(30))
    await world.clock.advance(0.5)
    assert not stop.done()
    await world.clock.advance(0.5)
    await stop
    assert await world.state(session) is State.SENT


async def test_a_stop_gives_back_what_does_not_finish(durable_world: NewWorld) -> None:
    sms = Script(hang, Taken())
    world = durable_world(scripts={SMS: sms})
    session = await world.send()
    await world.clock.advance(1)
    await world.worker.stop(0)
    assert sms.under_way == 0
    assert await world.state(session) is State.WAIT

    other = world.new_worker()
    other.start()
    await world.clock.advance()
    assert len(sms.messages) == 2
    assert await world.state(session) is State.SENT
    await other.stop(0)


async def test_a_stop_ends_even_when_the_store_is_away(new_world: NewWorld) -> None:
    sms = Script(hang)
    world = new_world(scripts={SMS: sms})
    await world.send()
    await world.clock.advance(1)
    world.store.away = True
    await world.worker.stop(0)
    assert sms.under_way == 0
    world.store.away = False


async def test_nothing_is_claimed_after_a_stop(new_world: NewWorld) -> None:
    sms = Script()
    world = new_world(scripts={SMS: sms})
    await world.clock.advance(1)
    await world.worker.stop(0)
    await world.send()
    await world.clock.advance(5)
    assert sms.messages == []
    await world.worker.stop(0)  # again: harmless


async def test_a_stop_leaves_no_task(new_world: NewWorld) -> None:
    before = asyncio.all_tasks()
    world = new_world(scripts={SMS: Script(hang)})
    for number in numbers(5):
        await world.send(number)
    await world.clock.advance(1)
    await world.stop()
    await settle()
    assert asyncio.all_tasks() == before
    assert world.clock.timers == 0


# --- trouble ------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["lanes", "claim"])
async def test_jobs_are_found_again_after_trouble(new_world: NewWorld, broken: str) -> None:
    sms = Script()
    world = new_world(scripts={SMS: sms})
    await world.clock.advance(1)
    world.store.broken = {broken}
    session = await world.send()
    await world.clock.advance(3)
    assert sms.messages == []
    world.store.broken = set()
    await world.clock.advance(0.5)
    assert await world.state(session) is State.SENT


async def test_a_defect_does_not_end_the_dispatch(new_world: NewWorld, logged: Logged) -> None:
    sms = Script()
    world = new_world(scripts={SMS: sms})
    await world.clock.advance(1)
    lanes = world.store.lanes
    world.store.lanes = None  # type: ignore[assignment,method-assign]  # calling it is a TypeError
    session = await world.send()
    await world.clock.advance(1)
    world.store.lanes = lanes  # type: ignore[method-assign]
    await world.clock.advance(1)
    assert await world.state(session) is State.SENT
    assert "dispatch failed" in {entry["event"] for entry in logged}


async def test_a_defect_does_not_end_the_keeping_of_leases(
    new_world: NewWorld, logged: Logged
) -> None:
    sms = Script(hang)
    world = new_world(PATIENT, scripts={SMS: sms, VOICE: Script()})
    other = world.new_worker()
    other.start()
    await world.send()
    extend = world.store.extend
    world.store.extend = None  # type: ignore[assignment,method-assign]
    await world.clock.advance(6)
    world.store.extend = extend  # type: ignore[method-assign]
    await world.clock.advance(50)
    assert len(sms.messages) == 1
    assert "leases not kept" in {entry["event"] for entry in logged}
    await other.stop(0)


async def test_a_job_that_cannot_be_looked_at_is_looked_at_again(new_world: NewWorld) -> None:
    sms = Script()
    world = new_world(PATIENT, scripts={SMS: sms, VOICE: Script()})
    world.store.broken = {"load"}
    session = await world.send()
    await world.clock.advance(1)
    world.store.broken = set()
    await world.clock.advance(LEASE_S)
    assert len(sms.messages) == 1
    assert await world.state(session) is State.SENT


@pytest.mark.parametrize("away_s", [0.1, 1.0, 4.0])
async def test_an_answer_is_kept_until_the_store_is_back(
    new_world: NewWorld, away_s: float
) -> None:
    """The person has the message: neither a second one nor another channel is due."""
    sms, voice = Script(), Script()
    world = new_world(TWO, scripts={SMS: sms, VOICE: voice})
    session = await world.send()
    world.store.broken = {"commit"}
    await world.clock.advance(away_s)
    assert await world.state(session) is State.WAIT
    world.store.broken = set()
    await world.clock.advance(60)
    assert len(sms.messages) == 1
    assert voice.messages == []
    assert await world.state(session) is State.SENT


async def test_an_answer_is_given_up_when_it_is_not_waited_for_any_more(
    new_world: NewWorld,
) -> None:
    sms, voice = Script(), Script()
    world = new_world(TWO, scripts={SMS: sms, VOICE: voice})
    session = await world.send()
    world.store.broken = {"commit"}
    await world.clock.advance(60)
    world.store.broken = set()
    await world.clock.advance(60)
    assert len(sms.messages) == 1
    assert await world.walked(session) == ["sms", "voice"]


# --- configuration --------------------------------------------------------------------------


async def test_a_provider_that_is_not_configured_any_more_is_passed_over(
    new_world: NewWorld, logged: Logged
) -> None:
    voice = Script()
    world = new_world(TWO, scripts={VOICE: voice})
    session = await walk(world)
    assert session.launches[0].reason == "rejected"
    assert len(voice.messages) == 1
    assert "provider is not configured" in str(logged)


async def test_a_text_that_cannot_be_rendered_is_passed_over_at_once(
    new_world: NewWorld, logged: Logged
) -> None:
    bad = channel("sms", templates=(Template(locale="ru", text="{{ code }} {{ secret }}"),))
    sms, voice = Script(), Script()
    world = new_world(snapshot(bad, channel("voice")), scripts={SMS: sms, VOICE: voice})
    session = await walk(world)
    assert sms.messages == []
    assert session.launch.channel == "voice"
    assert session.launches[0].sent_at is None
    assert len(voice.messages) == 1
    printed = str(logged)
    assert "secret" in printed
    assert code_of(session) not in printed


async def test_a_code_whose_key_is_gone_is_not_sent_as_nothing(new_world: NewWorld) -> None:
    sms, voice = Script(), Script()
    world = new_world(TWO, scripts={SMS: sms, VOICE: voice}, running=False)
    session = await world.send()
    world.engine.keyring = Keyring([b"another key, 32 bytes at least!!"])
    world.start()
    await world.clock.advance()
    assert sms.messages == []
    [message] = voice.messages
    assert message.code is not None
    assert message.code in message.text
    world.engine.keyring = KEYRING
    assert await world.walked(session) == ["sms", "voice"]


async def test_settings_that_do_not_make_a_driver_are_passed_over_at_once(
    new_world: NewWorld,
) -> None:
    broken = snapshot(
        channel("sms"), channel("voice"), providers={SMS: {"delay": "soon"}, VOICE: {"delay": 0}}
    )
    world = new_world(broken)
    session = await walk(world)
    assert session.launch.channel == "voice"
    assert session.state is State.SENT


async def test_settings_that_change_meanwhile_make_a_new_driver(new_world: NewWorld) -> None:
    world = new_world(snapshot(providers={SMS: {"outcome": "reject", "delay": 0}}))
    assert (await walk(world)).state is State.EXHAUSTED
    world.catalog.snapshot = snapshot(providers={SMS: {"outcome": "deliver", "delay": 0}})
    assert (await walk(world)).state is State.SENT


async def test_a_template_gets_what_it_may_use(new_world: NewWorld) -> None:
    text = "{{ code }}|{{ widget }}|{{ domain }}|{{ minutes }}|{{ web_otp }}"
    sms = Script()
    written = channel("sms", templates=(Template(locale="ru", text=text),), lifetime_s=170)
    world = new_world(snapshot(written, domain="shop.example"), scripts={SMS: sms})
    session = await walk(world)
    code = code_of(session)
    assert sms.messages[0].text == f"{code}|Demo|shop.example|2|@shop.example #{code}"


async def test_a_widget_that_is_gone_still_sends_what_it_started(new_world: NewWorld) -> None:
    text = "{{ code }}|{{ widget }}|{{ domain }}|{{ minutes }}|{{ web_otp }}"
    sms = Script()
    written = channel("sms", templates=(Template(locale="ru", text=text),), lifetime_s=10)
    world = new_world(snapshot(written), scripts={SMS: sms}, running=False)
    session = await world.send()
    world.catalog.snapshot = snapshot(written, widgets=())
    world.start()
    await world.clock.advance()
    assert sms.messages[0].text == f"{code_of(session)}|||1|"


async def test_a_codeless_message_has_no_code(new_world: NewWorld) -> None:
    push = Script()
    world = new_world(snapshot(channel("sim_push")), scripts={"sim_push-provider": push})
    assert (await walk(world)).state is State.SENT
    assert push.messages[0].code is None


async def test_test_recipients_reach_no_provider(durable_world: NewWorld) -> None:
    sms, push = Script(), Script()
    three = snapshot(channel("sms"), channel("sim_push"), channel("voice"))
    world = durable_world(three, scripts={SMS: sms, "sim_push-provider": push})
    session = await world.send(test=TEST_NUMBER)
    await world.clock.advance()
    assert await world.state(session) is State.SENT
    for _ in range(3):
        await world.clock.advance(60)
        assert await world.tell(session, Resend(next=False)) is True
        await world.clock.advance()
        assert await world.state(session) is State.SENT
    assert len(set(await world.walked(session))) > 1
    assert sms.messages == push.messages == []
    assert await world.tell(session, CheckCode(code="123456")) is True


# --- reports that are faster than the answer -----------------------------------------------


@pytest.mark.parametrize(
    ("kind", "channels", "expected"),
    [
        (ReportKind.DELIVERED, ("sms", "voice"), (State.SENT, ["sms"])),
        (ReportKind.UNDELIVERED, ("sms", "voice"), (State.SENT, ["sms", "voice"])),
        (ReportKind.CONFIRMED, ("sim_push", "voice"), (State.CONFIRMED, ["sim_push"])),
        (ReportKind.DECLINED, ("sim_push", "voice"), (State.ENDED, ["sim_push"])),
    ],
)
async def test_a_report_that_comes_before_the_answer_is_applied_after_it(
    durable_world: NewWorld,
    kind: ReportKind,
    channels: tuple[str, str],
    expected: tuple[State, list[str]],
) -> None:
    world = durable_world(snapshot(*map(channel, channels)), scripts={})

    async def hasty(message: Message) -> SendResult:
        for _ in range(2):  # providers repeat themselves
            world.reports.receive(message.session, message.launch, kind, "")
        await sleep(world.clock, 1)
        return Taken()

    drivers = {f"{channels[0]}-provider": Script(hasty), VOICE: Script()}
    world.scripts |= drivers
    session = await world.send()
    await world.clock.advance(0.9)
    waiting = await world.now(session)
    assert (waiting.state, waiting.launch.parked) == (State.WAIT, (kind,))
    await world.clock.advance(0.1)
    state, walked = expected
    assert await world.state(session) is state
    assert await world.walked(session) == walked
    assert (await world.now(session)).launches[0].delivered is (kind is ReportKind.DELIVERED)


async def test_a_defect_in_a_job_leaves_the_others_alone(
    new_world: NewWorld, logged: Logged
) -> None:
    world = new_world(PATIENT, scripts={SMS: Script(), VOICE: Script()})
    sessions = [await world.send(number) for number in numbers(3)]
    load = world.store.load

    async def defective(session_id: str) -> Session | None:
        if session_id == sessions[1].id:
            raise ZeroDivisionError
        return await load(session_id)

    world.store.load = defective  # type: ignore[method-assign]
    await world.clock.advance(1)
    world.store.load = load  # type: ignore[method-assign]
    states = [await world.state(session) for session in sessions]
    assert states == [State.SENT, State.WAIT, State.SENT]
    assert "job failed" in {entry["event"] for entry in logged}
    await world.clock.advance(59)
    assert await world.walked(sessions[1]) == ["sms", "voice"]


# --- answers that are none ----------------------------------------------------------------

GARBAGE = [
    None,
    "accepted",
    {"status": "ok"},
    b"<html>",
    Taken,
    Taken(code=123456),  # type: ignore[arg-type]  # what a careless driver takes from JSON
    Taken(code=""),
    Taken(code=" - "),
    Taken(code="12 34 five"),
    Taken(code_type="sms"),  # type: ignore[arg-type]
    Refusal(reason=None),  # type: ignore[arg-type]
    Busy(reason="", retry_after_s="soon"),  # type: ignore[arg-type]
    Unknown(reason=7),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("answer", GARBAGE, ids=repr)
async def test_an_answer_that_is_none_is_as_good_as_silence(
    new_world: NewWorld, answer: object
) -> None:
    """The message may be with the person: it is not sent again, and nothing is proven by it."""

    async def play(_: Message) -> SendResult:
        return answer  # type: ignore[return-value]  # that is the point

    sms, voice = Script(play), Script()
    world = new_world(PATIENT, scripts={SMS: sms, VOICE: voice})
    session = await world.send()
    await world.clock.advance(59)
    assert len(sms.messages) == 1
    assert (await world.now(session)).launch.unsure
    for typed in ("", "  ", "1234five", "123456"):
        answered = await world.tell(session, CheckCode(code=typed))
        assert isinstance(answered, InvalidCodeException)
    await world.clock.advance(2)
    assert await world.walked(session) == ["sms", "voice"]
    assert len(sms.messages) == 1
