"""Load, decide, store: what the engine promises whatever races it."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaskad.app.engine import MOST_RACES, Repeated
from kaskad.app.ports import Change, Remembered, StoreUnavailableError
from kaskad.core.effects import Step, Take
from kaskad.core.errors import (
    AttemptsExpiredException,
    InvalidCodeException,
    NoAvailableChannelsException,
    RateLimitException,
    ServiceUnavailableException,
)
from kaskad.core.inputs import (
    Accepted,
    Cancel,
    CheckAndComplete,
    CheckCode,
    Complete,
    Input,
    Rejected,
    Reported,
    Resend,
    Tick,
)
from kaskad.core.model import ReportKind, Session, State, WidgetLimits
from kaskad.core.session import advance
from kaskad.stores.memory import MemoryStore
from kaskad.testing import START, FakeClock
from packages.kaskad.tests import builders
from packages.kaskad.tests.app.conftest import NewWorld
from packages.kaskad.tests.app.faulty import FaultyStore
from packages.kaskad.tests.app.world import Script, World
from packages.kaskad.tests.builders import NUMBER, code_of, snapshot

LANE = "default/sms-provider"
WRONG = "wrong"


@pytest.fixture
def world(memory: FaultyStore, clock: FakeClock) -> World:
    """A node whose worker and sweeper do not run."""
    return World(memory, clock)


@pytest.fixture
def durable(store: FaultyStore, clock: FakeClock) -> World:
    return World(store, clock)


async def sent(world: World) -> Session:
    session = await world.send()
    await world.tell(session, Accepted(launch=1))
    return await world.now(session)


# --- compare and swap ------------------------------------------------------------------


@pytest.mark.parametrize("lost", [1, 2, 17])
async def test_a_lost_race_is_decided_again(world: World, lost: int) -> None:
    session = await sent(world)
    world.store.conflicts = lost
    assert isinstance(await world.tell(session, CheckCode(code=WRONG)), InvalidCodeException)

    assert world.store.conflicts == 0
    assert (await world.now(session)).misses == 1


async def test_a_decision_rests_on_what_the_winner_left(world: World) -> None:
    session = await sent(world)
    winner = advance(
        session, CheckCode(code=WRONG), START, world.engine.context(session.widget)
    ).session
    overtaken = False

    class Overtaking(FaultyStore):
        async def load(self, session_id: str) -> Session | None:
            nonlocal overtaken
            found = await super().load(session_id)
            if not overtaken:
                overtaken = True
                # Somebody else, meanwhile.
                await self.inner.commit(Change(session=winner, expected=session.version))
            return found

    store = Overtaking(world.store.inner)
    late = World(store, world.clock)
    await late.tell(session, CheckCode(code=WRONG))

    assert store.calls == ["load", "commit", "load", "commit"]
    assert (await late.now(session)).misses == 2


async def test_a_race_that_never_ends_is_given_up(world: World) -> None:
    session = await sent(world)
    world.store.conflicts = MOST_RACES
    with pytest.raises(ServiceUnavailableException) as refused:
        await world.tell(session, Cancel())
    assert refused.value.retry_after_s == 1
    assert await world.now(session) == session


async def test_an_input_that_changes_nothing_is_not_written(world: World) -> None:
    session = await sent(world)
    await world.tell(session, Cancel())
    for _ in range(50):
        await world.tell(session, Complete())
    full = len(world.store.commits)
    assert await world.tell(session, Complete()) is False
    assert len(world.store.commits) == full


async def test_a_new_id_that_is_taken_starts_nothing(world: World) -> None:
    session = await world.send()
    world.entropy = type(world.entropy)()  # the same chance again
    with pytest.raises(ServiceUnavailableException):
        await world.send("+79007654321")
    assert await world.now(session) == session


async def test_a_taken_idempotency_key_repeats(world: World) -> None:
    def memo(_: Step) -> Remembered:
        return Remembered(
            key=b"k", fingerprint=b"f", answer=b"1", expires_at=START + timedelta(days=1)
        )

    session = await world.send(memo=memo)
    with pytest.raises(Repeated):
        await world.send(memo=memo)
    with pytest.raises(Repeated):
        await world.engine.apply(session.id, Cancel(), memo=memo)
    assert world.store.sizes()["sessions"] == 1
    assert await world.now(session) == session


# --- claims ---------------------------------------------------------------------------


async def test_a_stale_claim_changes_nothing(durable: World) -> None:
    session = await durable.send()
    [stale] = await durable.store.claim(LANE, limit=1, lease_s=5, now=START)
    await durable.clock.advance(6)
    [fresh] = await durable.store.claim(LANE, limit=1, lease_s=5, now=durable.clock.now())
    figures = durable.metrics.render()

    step = await durable.engine.apply(session.id, Rejected(launch=1), claim=stale)
    assert step is not None
    assert (step.session, step.note) == (session, "fenced")
    assert await durable.now(session) == session
    assert durable.metrics.registry.get_sample_value("kaskad_launches_total", {}) is None
    assert b"kaskad_confirmed_total{" not in figures

    step = await durable.engine.apply(session.id, Accepted(launch=1), claim=fresh)
    assert step is not None
    assert step.session.state is State.SENT


async def test_a_claim_is_good_for_one_answer(durable: World) -> None:
    session = await durable.send()
    [claim] = await durable.store.claim(LANE, limit=1, lease_s=5, now=START)
    answers = await asyncio.gather(
        *(
            durable.engine.apply(session.id, Accepted(launch=1, code=code), claim=claim)
            for code in ("1111", "2222", "3333")
        )
    )
    after = await durable.now(session)
    assert len(after.codes) == 2  # the derived one, and the one of the first answer
    assert [entry.input for entry in after.timeline].count("accepted") == sum(
        step is not None and step.note != "fenced" for step in answers
    )


# --- refusals ---------------------------------------------------------------------------


async def test_a_full_limit_is_an_error_with_the_time_to_wait(durable: World) -> None:
    for _ in range(3):
        await durable.send()
    with pytest.raises(RateLimitException) as refused:
        await durable.send()
    assert refused.value.retry_after_s == 60
    assert durable.store.sizes()["sessions"] == 3
    await durable.clock.advance(60)
    await durable.send()


async def test_an_address_is_counted_over_all_numbers(world: World) -> None:
    for number in range(10):
        await world.send(f"+7900123450{number}", address="192.0.2.1")
    with pytest.raises(RateLimitException):
        await world.send("+79001234599", address="192.0.2.1")
    await world.send("+79001234599", address="192.0.2.2")


async def test_a_cascade_that_suits_nobody_starts_nothing(world: World) -> None:
    world.catalog.snapshot = snapshot(builders.channel("sms", enabled=False))
    with pytest.raises(NoAvailableChannelsException):
        await world.send()
    assert world.store.commits == []


async def test_subjects_of_limits_cannot_be_read(world: World) -> None:
    await world.send(address="192.0.2.77")
    session = await sent(world)
    await world.tell(session, CheckCode(code=WRONG))

    taken = [e for change in world.store.commits for e in change.effects if isinstance(e, Take)]
    assert len(taken) == 6  # room for failures, a send, the address; twice; and one failure
    for take in taken:
        assert not {"192", NUMBER[1:], "sends", "failed"} & {take.subject}
        assert NUMBER[1:] not in take.subject
        assert "192.0.2" not in take.subject
        assert bytes.fromhex(take.subject)
    assert len({take.subject for take in taken}) == 3


def test_one_number_is_another_subject_for_another_tenant(world: World) -> None:
    subjects = {
        world.engine.blind(tenant, subject)
        for tenant in ("a", "b")
        for subject in (f"sends:{NUMBER}", f"failed:{NUMBER}")
    }
    assert len(subjects) == 4


# --- a store that is away ------------------------------------------------------------


@pytest.mark.parametrize("broken", ["load", "commit"])
async def test_a_store_that_is_away_is_said_so_and_nothing_has_happened(
    world: World, broken: str
) -> None:
    session = await sent(world)
    world.store.broken = {broken}
    with pytest.raises(StoreUnavailableError):
        await world.tell(session, CheckCode(code=code_of(session)))
    if broken == "commit":
        with pytest.raises(StoreUnavailableError):
            await world.send("+79007654321")
    world.store.broken = set()

    assert await world.now(session) == session
    assert world.store.sizes()["sessions"] == 1
    assert world.figure("checks_total", result="success") == 0
    assert await world.tell(session, CheckCode(code=code_of(session))) is True


async def test_a_deadline_that_cannot_be_stored_is_not_answered(world: World) -> None:
    session = await sent(world)
    await world.clock.advance(300)
    world.store.broken = {"commit"}
    with pytest.raises(StoreUnavailableError):
        await world.engine.read(session.id)


# --- time ------------------------------------------------------------------------------


async def test_reading_settles_what_is_due(durable: World) -> None:
    session = await sent(durable)
    await durable.clock.advance(299.999)
    assert await durable.engine.read(session.id) == session
    await durable.clock.advance(0.001)
    read = await durable.engine.read(session.id)
    assert read is not None
    assert read.state is State.ENDED
    assert await durable.now(session) == read


async def test_reading_settles_every_deadline_that_has_passed(world: World) -> None:
    session = await world.send()
    await world.tell(session, Reported(launch=1, kind=ReportKind.DELIVERED))
    await world.clock.advance(400)
    read = await world.engine.read(session.id)
    assert read is not None
    assert [entry.input for entry in read.timeline] == [
        "launch",
        "delivered",
        "send_timeout",
        "expired",
    ]
    await world.clock.advance(500)
    read = await world.engine.read(session.id)
    assert read is not None
    assert read.state is State.CLOSED


async def test_gone_sessions_are_none(durable: World) -> None:
    session = await sent(durable)
    await durable.clock.advance(900 + 3600 - 0.001)
    assert await durable.engine.read(session.id) is not None
    await durable.clock.advance(0.001)
    assert await durable.engine.read(session.id) is None
    assert await durable.engine.apply(session.id, CheckCode(code=code_of(session))) is None
    assert await durable.engine.apply(str(UUID(int=0)), Tick()) is None


async def test_listeners_hear_of_jobs_and_deadlines_once_they_are_stored(world: World) -> None:
    jobs: list[int] = []
    deadlines: list[datetime] = []
    world.engine.on_job(lambda: jobs.append(world.store.sizes()["jobs"]))
    world.engine.on_deadline(deadlines.append)

    session = await world.send()
    assert jobs == [1]
    assert deadlines == [START + timedelta(seconds=10)]
    await world.tell(session, Accepted(launch=1))
    await world.tell(session, Cancel())
    assert jobs == [1]
    assert deadlines[1:] == [START + timedelta(seconds=300)]


# --- races -----------------------------------------------------------------------------


@pytest.mark.parametrize("tries", [1, 3, 5])
async def test_two_hundred_guesses_at_once_get_the_attempts_that_are_left(
    store: FaultyStore, clock: FakeClock, tries: int
) -> None:
    world = World(store, clock, snapshot(builders.channel(number_of_tries=tries)))
    session = await sent(world)
    answers = await asyncio.gather(
        *(world.tell(session, CheckCode(code=f"x{n}")) for n in range(200))
    )
    wrong = [a for a in answers if isinstance(a, InvalidCodeException)]
    over = [a for a in answers if isinstance(a, AttemptsExpiredException)]
    after = await world.now(session)

    assert (len(wrong), len(over)) == (tries - 1, 200 - tries + 1)
    assert after.misses == tries
    assert after.state is State.SPENT
    assert isinstance(
        await world.tell(session, CheckCode(code=code_of(session))), AttemptsExpiredException
    )


@pytest.mark.parametrize("position", [0, 1, 2, 100, 199])
async def test_the_right_code_among_two_hundred_guesses(world: World, position: int) -> None:
    session = await sent(world)
    typed = [f"x{n}" for n in range(200)]
    typed[position] = code_of(session)
    answers = await asyncio.gather(*(world.tell(session, CheckCode(code=c)) for c in typed))
    after = await world.now(session)

    looked = sum(not isinstance(a, AttemptsExpiredException) for a in answers) + (
        after.state is State.SPENT
    )
    if after.state is State.CONFIRMED:
        assert answers[position] is True
        assert after.misses < 3
    else:
        assert answers.count(True) == 0
        assert looked <= 3


@pytest.mark.parametrize("kind", [Complete, CheckAndComplete])
async def test_one_of_fifty_completions_wins(
    durable: World, kind: type[Complete | CheckAndComplete]
) -> None:
    session = await sent(durable)
    guesses = (durable.tell(session, CheckCode(code=code_of(session))) for _ in range(50))
    assert await asyncio.gather(*guesses) == [True] * 50

    verdicts = await asyncio.gather(*(durable.tell(session, kind()) for _ in range(50)))
    assert verdicts.count(True) == 1
    assert verdicts.count(False) == 49
    assert durable.figure("completed_total", widget=session.widget) == 1


_MIXED: list[Input] = [
    Accepted(launch=1),
    Rejected(launch=1),
    CheckCode(code=WRONG),
    CheckCode(code="right"),
    Resend(),
    Resend(next=True),
    Complete(),
    CheckAndComplete(),
    Cancel(),
    Reported(launch=1, kind=ReportKind.UNDELIVERED),
    Reported(launch=2, kind=ReportKind.DELIVERED),
]


def _plain(answer: object) -> object:
    return type(answer).__name__ if isinstance(answer, Exception) else answer


class Yielding(FaultyStore):
    """Gives every other task a turn at each call, as a disk or a network would."""

    async def load(self, session_id: str) -> Session | None:
        found = await super().load(session_id)
        await asyncio.sleep(0)
        return found


@given(st.lists(st.sampled_from(_MIXED), min_size=2, max_size=12), st.booleans())
@settings(max_examples=60)
def test_what_happens_at_once_could_have_happened_one_after_the_other(
    events: list[Input], also_sent: bool
) -> None:
    """The commits are an order in which the machine alone gives the same answers."""

    async def run() -> None:
        clock = FakeClock()
        two = snapshot(builders.channel("sms"), builders.channel("voice"))
        world = World(Yielding(MemoryStore(clock.now)), clock, two)
        first = await sent(world) if also_sent else await world.send()
        right = code_of(first)
        given_events = [
            CheckCode(code=right) if event == CheckCode(code="right") else event for event in events
        ]
        order: list[tuple[Input, object]] = []
        real = world.metrics.happened

        def noted(event: Input, before: Session, step: Step) -> None:
            order.append((event, _plain(step.answer)))
            real(event, before, step)

        world.metrics.happened = noted  # type: ignore[method-assign]  # the order of commits
        await asyncio.gather(*(world.tell(first, event) for event in given_events))

        replayed = first
        for event, answer in order:
            step = advance(replayed, event, START, world.engine.context(first.widget))
            assert _plain(step.answer) == answer
            replayed = step.session
        assert replayed == await world.now(first)
        assert len(order) == len(given_events)
        assert sum(answer is True for e, answer in order if isinstance(e, Complete)) <= 1

    asyncio.run(run())


async def test_forty_sends_at_once_are_three(durable: World) -> None:
    results = await asyncio.gather(*(durable.send() for _ in range(40)), return_exceptions=True)
    assert sum(isinstance(r, Session) for r in results) == 3
    assert sum(isinstance(r, RateLimitException) for r in results) == 37
    sizes = durable.store.sizes()
    assert (sizes["sessions"], sizes["jobs"]) == (3, 3)


async def test_a_widget_may_allow_more_or_nothing(world: World) -> None:
    world.catalog.snapshot = snapshot(limits=WidgetLimits(per_recipient_per_minute=0))
    with pytest.raises(RateLimitException):
        await world.send()
    world.catalog.snapshot = snapshot(limits=WidgetLimits(per_recipient_per_minute=5))
    for _ in range(5):
        await world.send()


async def test_a_widget_without_a_start_keeps_its_sessions(new_world: NewWorld) -> None:
    world = new_world()
    session = await sent(world)
    world.catalog.snapshot = snapshot(blocked=True)
    assert await world.tell(session, CheckCode(code=code_of(session))) is True


# --- a caller that goes away ------------------------------------------------------------


@pytest.mark.parametrize("turns", range(8))
async def test_a_send_whose_caller_is_cancelled_is_sent_or_never_was(
    durable_world: NewWorld, turns: int
) -> None:
    world = durable_world(scripts={"sms-provider": Script()})
    world.sweeper.PURGE_EVERY_S = 3600.0
    await world.clock.advance(1)
    caller = asyncio.create_task(world.send())
    for _ in range(turns):
        await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    await world.store.check()
    await world.clock.advance()

    assert world.store.sizes()["sessions"] == len(world.scripts["sms-provider"].messages)
    assert world.store.sizes()["jobs"] == 0


@pytest.mark.parametrize("later", [False, True])
async def test_a_send_whose_caller_is_cancelled_as_it_is_written_is_sent(
    durable_world: NewWorld, later: bool
) -> None:
    world = durable_world(scripts={"sms-provider": Script()})
    await world.clock.advance(1)
    caller = asyncio.create_task(world.send())

    def leave(_: str) -> None:
        """Before the caller hears of its write: just then, or when it is about to."""
        if later:
            asyncio.get_running_loop().call_soon(caller.cancel)
        else:
            caller.cancel()

    world.store.subscribe(leave)
    await asyncio.wait([caller])
    await world.clock.advance()

    assert len(world.scripts["sms-provider"].messages) == 1
    assert world.store.sizes()["jobs"] == 0
