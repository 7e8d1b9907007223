"""Every order in which the reasons to end a held call can come, and what is left afterwards."""

import asyncio
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaskad.app.polling import HELD_PER_SESSION, ClientLeft, Hub
from kaskad.core.errors import LongPollingTimeoutException
from kaskad.core.inputs import CheckCode, Resend
from kaskad.core.model import State
from kaskad.telemetry.metrics import Metrics
from kaskad.testing import FakeClock, settle
from packages.kaskad.tests.app.conftest import NewWorld
from packages.kaskad.tests.app.world import CALLER, Script, leaves_on, stays
from packages.kaskad.tests.builders import NUMBER, code_of

TIMEOUT_S = 25
Outcome = str


class Stage:
    """A hub, and calls of one session whose fate the test decides."""

    def __init__(self) -> None:
        self.clock, self.metrics = FakeClock(), Metrics()
        self.hub = Hub(self.clock, self.metrics)
        self.version = 0
        self.gone = asyncio.Event()
        self.departed = leaves_on(self.gone)
        self.looks = 0
        self.slow = asyncio.Event()
        self.slow.set()

    async def look(self) -> str | None:
        self.looks += 1
        seen = self.version
        await self.slow.wait()
        return "news" if seen else None

    async def call(self) -> Outcome:
        try:
            return await self.hub.hold("s", self.look, timeout_s=TIMEOUT_S, departed=self.departed)
        except LongPollingTimeoutException:
            return "timeout"
        except ClientLeft:
            return "left"

    def change(self) -> None:
        self.version += 1
        self.hub.wake("s")

    def spurious(self) -> None:
        self.hub.wake("s")

    def evict(self) -> None:
        waiters = [self.hub.join("s") for _ in range(HELD_PER_SESSION)]
        for waiter in waiters:
            self.hub.seat(waiter)
        for waiter in waiters:
            self.hub.leave(waiter)

    async def happen(self, what: str) -> None:
        match what:
            case "change":
                self.change()
            case "spurious":
                self.spurious()
            case "left":
                self.gone.set()
            case "evict":
                self.evict()
            case "drain":
                self.hub.drain()
            case "timeout":
                await self.clock.advance(TIMEOUT_S)
            case "turn":
                await asyncio.sleep(0)
            case _:
                await settle()

    async def nothing_is_left(self, before: set[asyncio.Task[object]]) -> None:
        await settle()
        assert self.hub.held == 0
        assert self.clock.timers == 0
        assert asyncio.all_tasks() == before
        held = self.metrics.registry.get_sample_value("kaskad_held_polls")
        assert held == 0


ENDS = {
    "change": "news",
    "left": "left",
    "evict": "timeout",
    "drain": "timeout",
    "timeout": "timeout",
}


@pytest.mark.parametrize("order", list(permutations(ENDS, 3)), ids="-".join)
async def test_the_first_reason_ends_the_call(order: tuple[str, ...]) -> None:
    before = asyncio.all_tasks()
    stage = Stage()
    call = asyncio.create_task(stage.call())
    await settle()
    for what in order:
        await stage.happen(what)
        await settle()
    assert await call == ENDS[order[0]]
    await stage.nothing_is_left(before)


@pytest.mark.parametrize("order", list(permutations(ENDS, 2)), ids="-".join)
async def test_reasons_in_one_instant_end_the_call_once(order: tuple[str, str]) -> None:
    before = asyncio.all_tasks()
    stage = Stage()
    call = asyncio.create_task(stage.call())
    await settle()
    for what in order:
        await stage.happen(what)
    assert await call in {ENDS[what] for what in order}
    await stage.nothing_is_left(before)


@pytest.mark.parametrize("what", ENDS)
@pytest.mark.parametrize("when", ["in the first look", "in a later look"])
async def test_what_happens_during_a_look_is_not_lost(what: str, when: str) -> None:
    before = asyncio.all_tasks()
    stage = Stage()
    if when == "in the first look":
        stage.slow.clear()
    call = asyncio.create_task(stage.call())
    await settle()
    if when == "in a later look":
        stage.slow.clear()
        stage.spurious()
        await settle()
    looks = stage.looks
    await stage.happen(what)
    await settle()
    assert not call.done()
    stage.slow.set()
    if when == "in the first look" and what in {"timeout", "evict"}:
        await stage.clock.advance(TIMEOUT_S)  # it has a place, and is held, from there on
    assert await call == ENDS[what]
    assert stage.looks == looks + (what == "change")
    await stage.nothing_is_left(before)


@pytest.mark.parametrize("turns", range(8))
async def test_a_change_at_any_turn_of_the_loop_is_seen(turns: int) -> None:
    stage = Stage()
    call = asyncio.create_task(stage.call())
    for _ in range(turns):
        await asyncio.sleep(0)
    stage.change()
    await settle()
    assert call.done()
    assert await call == "news"


@pytest.mark.parametrize("turns", range(8))
async def test_a_cancelled_call_leaves_nothing(turns: int) -> None:
    before = asyncio.all_tasks()
    stage = Stage()
    call = asyncio.create_task(stage.call())
    for _ in range(turns):
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await stage.nothing_is_left(before)


_EVENTS = [*ENDS, "spurious", "turn", "turn", "settle", "call"]


@given(st.lists(st.sampled_from(_EVENTS), max_size=14))
@settings(max_examples=150)
def test_any_story_ends_every_call_and_leaves_nothing(story: list[str]) -> None:
    async def run() -> None:
        before = asyncio.all_tasks()
        stage = Stage()
        calls = [asyncio.create_task(stage.call())]
        for what in story:
            if what == "call":
                calls.append(asyncio.create_task(stage.call()))
            else:
                await stage.happen(what)
            assert stage.hub.held <= HELD_PER_SESSION
        changed = stage.version > 0
        await stage.clock.advance(TIMEOUT_S)
        outcomes = await asyncio.gather(*calls)
        assert set(outcomes) <= {"news", "left", "timeout"}
        if set(story) <= {"change", "spurious", "turn", "settle", "call"} and changed:
            early = outcomes[:HELD_PER_SESSION]
            assert len(calls) > HELD_PER_SESSION or set(early) == {"news"}
        await stage.nothing_is_left(before)

    asyncio.run(run())


async def test_a_departure_frees_the_place_at_once() -> None:
    stage = Stage()
    call = asyncio.create_task(stage.call())
    await settle()
    began = stage.clock.now()
    stage.gone.set()
    await settle()
    assert stage.hub.held == 0
    assert await call == "left"
    assert stage.clock.now() == began


async def test_a_client_that_left_before_the_call_was_held() -> None:
    before = asyncio.all_tasks()
    stage = Stage()
    stage.gone.set()
    assert await stage.call() == "left"
    await stage.nothing_is_left(before)


async def test_a_call_that_is_answered_at_once_takes_nobodys_place() -> None:
    stage = Stage()
    calls = [asyncio.create_task(stage.call()) for _ in range(HELD_PER_SESSION)]
    await settle()

    async def news() -> str | None:
        return "news"

    for _ in range(3):
        answered = stage.hub.hold("s", news, timeout_s=TIMEOUT_S, departed=stage.departed)
        assert await answered == "news"
    await settle()
    assert stage.hub.held == HELD_PER_SESSION
    assert not any(call.done() for call in calls)

    calls.append(asyncio.create_task(stage.call()))
    await settle()
    assert [call.done() for call in calls] == [True] + [False] * HELD_PER_SESSION
    stage.change()
    assert await asyncio.gather(*calls) == ["timeout"] + ["news"] * HELD_PER_SESSION


async def test_a_change_wakes_every_call_and_no_other_session() -> None:
    stage = Stage()
    calls = [asyncio.create_task(stage.call()) for _ in range(HELD_PER_SESSION)]
    looked = 0

    async def other() -> str | None:
        nonlocal looked
        looked += 1
        return None

    elsewhere = asyncio.create_task(
        stage.hub.hold("t", other, timeout_s=TIMEOUT_S, departed=stage.departed)
    )
    await settle()
    assert stage.hub.held == HELD_PER_SESSION + 1
    stage.change()
    assert await asyncio.gather(*calls) == ["news"] * HELD_PER_SESSION
    assert (looked, stage.hub.held) == (1, 1)
    stage.hub.drain()
    with pytest.raises(LongPollingTimeoutException):
        await elsewhere


async def test_a_thousand_held_calls_end_with_the_drain() -> None:
    before = asyncio.all_tasks()
    stage = Stage()

    async def nothing() -> str | None:
        return None

    calls = [
        asyncio.create_task(
            stage.hub.hold(str(n), nothing, timeout_s=TIMEOUT_S, departed=stage.departed)
        )
        for n in range(1000)
    ]
    await settle()
    assert stage.hub.held == 1000
    began = stage.clock.now()
    stage.hub.drain()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {LongPollingTimeoutException}
    assert stage.clock.now() == began
    await stage.nothing_is_left(before)


# --- over the whole shell -------------------------------------------------------------------


async def test_each_step_of_a_session_is_told_to_a_poller_that_names_what_it_knows(
    durable_world: NewWorld,
) -> None:
    world = durable_world(scripts={"sms-provider": Script()})
    session = await world.send()
    seen: list[State] = []

    async def follow() -> None:
        since = 0
        while State.CONFIRMED not in seen:
            try:
                answer = await world.verifications.poll_channel(CALLER, session.id, since, stays)
            except LongPollingTimeoutException:
                continue
            since = answer.version
            seen.append(answer.session.state)

    follower = asyncio.create_task(follow())
    await world.clock.advance(31)
    await world.tell(session, Resend())
    await world.clock.advance(1)
    await world.tell(session, CheckCode(code="wrong"))
    await world.tell(session, CheckCode(code=code_of(session)))
    await world.clock.advance()
    await follower
    assert seen[0] in {State.WAIT, State.SENT}
    assert seen[-1] is State.CONFIRMED
    assert seen.count(State.SENT) >= 2


async def test_a_status_call_is_answered_by_the_confirmation(durable_world: NewWorld) -> None:
    world = durable_world(scripts={"sms-provider": Script()})
    session = await world.send()
    await world.clock.advance(1)
    polls = [
        asyncio.create_task(
            world.verifications.poll_status(CALLER, session.id, NUMBER, None, stays)
        )
        for _ in range(HELD_PER_SESSION)
    ]
    await world.clock.advance(3)
    assert not any(poll.done() for poll in polls)
    assert await world.tell(session, CheckCode(code=code_of(session))) is True
    assert await asyncio.gather(*polls) == [True] * HELD_PER_SESSION
    assert world.hub.held == 0
