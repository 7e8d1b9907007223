"""What every store promises, shown on each of them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from kaskad.app.ports import (
    Change,
    Committed,
    Conflict,
    Duplicate,
    Fenced,
    ReadMarks,
    Refused,
    Remembered,
    Store,
)
from kaskad.core.effects import DropJob, Take
from kaskad.core.inputs import Accepted, Cancel, CheckCode
from kaskad.core.limits import HOUR, MINUTE, Window
from kaskad.core.model import Session
from kaskad.core.session import advance
from kaskad.testing import START, FakeClock
from packages.kaskad.tests import builders
from packages.kaskad.tests.builders import begin, context

LANE = "default/sms-provider"
THREE_A_MINUTE = (Window(limit=3, span=MINUTE), Window(limit=10, span=HOUR))

Reopen = Callable[[Store], Awaitable[Store]]


def new_id(number: int) -> str:
    return str(UUID(int=number, version=4))


async def put(store: Store, number: int = 1, **changes: object) -> Session:
    step = begin(session_id=new_id(number))
    change = Change(session=step.session, expected=0, effects=step.effects)
    assert await store.commit(replace(change, **changes)) == Committed()
    return step.session


async def test_a_new_session_is_there_with_its_job_and_its_hits(store: Store) -> None:
    session = await put(store)

    assert await store.load(session.id) == session
    [claim] = await store.claim(LANE, limit=9, lease_s=15, now=START)
    assert (claim.job.session, claim.job.launch) == (session.id, 1)
    assert store.sizes()["limits"] == 1


async def test_unknown_sessions_are_none(store: Store) -> None:
    assert await store.load(new_id(404)) is None


async def test_a_change_on_an_old_version_conflicts_and_leaves_nothing(store: Store) -> None:
    session = await put(store)
    step = advance(session, CheckCode(code="000000"), START, context())
    assert await store.commit(Change(session=step.session, expected=1)) == Committed()

    late = advance(session, Cancel(), START, context())
    verdict = await store.commit(Change(session=late.session, expected=1, effects=late.effects))

    assert verdict == Conflict()
    assert await store.load(session.id) == step.session
    assert len(await store.claim(LANE, limit=9, lease_s=15, now=START)) == 1


async def test_creating_what_exists_conflicts(store: Store) -> None:
    session = await put(store)
    assert await store.commit(Change(session=session, expected=0)) == Conflict()


async def test_of_many_changes_on_one_version_exactly_one_wins(store: Store) -> None:
    session = await put(store)
    step = advance(session, Accepted(launch=1), START, context())

    verdicts = await asyncio.gather(
        *(store.commit(Change(session=step.session, expected=1)) for _ in range(50))
    )

    assert verdicts.count(Committed()) == 1
    assert verdicts.count(Conflict()) == 49


async def test_a_limit_refuses_the_whole_change_and_counts_nothing(store: Store) -> None:
    for number in range(1, 4):
        await put(store, number)
    step = begin(session_id=new_id(4))

    verdict = await store.commit(Change(session=step.session, expected=0, effects=step.effects))

    assert isinstance(verdict, Refused)
    assert verdict.retry_after_s == 60
    assert await store.load(new_id(4)) is None
    assert len(await store.claim(LANE, limit=9, lease_s=15, now=START)) == 3


async def test_forty_sends_at_once_get_three_places(store: Store, clock: FakeClock) -> None:
    steps = [begin(session_id=new_id(n)) for n in range(1, 41)]

    verdicts = await asyncio.gather(
        *(store.commit(Change(session=s.session, expected=0, effects=s.effects)) for s in steps)
    )

    assert verdicts.count(Committed()) == 3
    assert sum(isinstance(v, Refused) for v in verdicts) == 37
    await clock.advance(60)
    later = begin(session_id=new_id(50), now=clock.now())
    change = Change(session=later.session, expected=0, effects=later.effects)
    assert await store.commit(change) == Committed()


async def test_a_hit_that_may_not_be_refused_counts_all_the_same(store: Store) -> None:
    session = await put(store)
    step = advance(session, Accepted(launch=1), START, context())
    counted = Take(subject="x", windows=THREE_A_MINUTE, refuse=False)
    change = Change(session=step.session, expected=1, effects=(counted,) * 5)
    assert await store.commit(change) == Committed()

    assert await store.take("x", THREE_A_MINUTE, START) == 60


async def test_a_weightless_take_asks_without_counting(store: Store) -> None:
    for _ in range(3):
        assert await store.take("x", THREE_A_MINUTE, START) is None
    step = begin()
    asking = Take(subject="x", windows=THREE_A_MINUTE, weightless=True)

    verdict = await store.commit(Change(session=step.session, expected=0, effects=(asking,)))
    assert verdict == Refused(subject="x", retry_after_s=60)

    free = replace(asking, subject="y")
    for _ in range(9):
        change = Change(session=step.session, expected=0, effects=(free,))
        await store.commit(change)
    assert await store.take("y", THREE_A_MINUTE, START) is None


async def test_take_slides_exactly(store: Store, clock: FakeClock) -> None:
    for _ in range(3):
        assert await store.take("x", THREE_A_MINUTE, clock.now()) is None
        await clock.advance(10)
    assert await store.take("x", THREE_A_MINUTE, clock.now()) == 30
    await clock.advance(29.999)
    assert await store.take("x", THREE_A_MINUTE, clock.now()) == 1
    await clock.advance(0.001)
    assert await store.take("x", THREE_A_MINUTE, clock.now()) is None


# --- jobs ------------------------------------------------------------------------


async def test_a_claimed_job_is_nobody_elses_until_its_lease_ends(store: Store) -> None:
    await put(store)
    [claim] = await store.claim(LANE, limit=9, lease_s=5, now=START)
    assert await store.claim(LANE, limit=9, lease_s=5, now=START + timedelta(seconds=4)) == []

    [again] = await store.claim(LANE, limit=9, lease_s=5, now=START + timedelta(seconds=5))
    assert again.job == replace(claim.job, doubtful=True)  # whoever had it may have sent it
    assert again.fence != claim.fence


async def test_a_stale_claim_changes_nothing(store: Store) -> None:
    session = await put(store)
    [stale] = await store.claim(LANE, limit=9, lease_s=5, now=START)
    [fresh] = await store.claim(LANE, limit=9, lease_s=5, now=START + timedelta(seconds=6))
    step = advance(session, Accepted(launch=1), START, context())
    change = Change(session=step.session, expected=1, effects=step.effects)

    assert await store.commit(replace(change, claim=stale)) == Fenced()
    assert await store.load(session.id) == session
    assert await store.commit(replace(change, claim=fresh)) == Committed()
    assert await store.commit(replace(change, claim=fresh)) != Committed()


async def test_an_extended_lease_lasts(store: Store) -> None:
    await put(store)
    claims = await store.claim(LANE, limit=9, lease_s=5, now=START)
    await store.extend(claims, lease_s=5, now=START + timedelta(seconds=4))

    assert await store.claim(LANE, limit=9, lease_s=5, now=START + timedelta(seconds=8)) == []
    assert len(await store.claim(LANE, limit=9, lease_s=5, now=START + timedelta(seconds=9))) == 1


async def test_a_released_job_comes_back_when_due_with_a_try_more(store: Store) -> None:
    await put(store)
    [claim] = await store.claim(LANE, limit=9, lease_s=5, now=START)
    due = START + timedelta(seconds=2)
    assert await store.release(claim, due_at=due)

    assert await store.claim(LANE, limit=9, lease_s=5, now=START) == []
    assert await store.lanes() == {LANE: due}
    [again] = await store.claim(LANE, limit=9, lease_s=5, now=due)
    assert again.job == replace(claim.job, due_at=due, tries=1)


async def test_a_doubt_is_given_back_with_its_job(store: Store) -> None:
    await put(store)
    [claim] = await store.claim(LANE, limit=9, lease_s=5, now=START)
    doubtful = replace(claim.job, doubtful=True)
    await store.release(replace(claim, job=doubtful), due_at=START)

    [again] = await store.claim(LANE, limit=9, lease_s=5, now=START)
    assert again.job == replace(doubtful, tries=1)


async def test_releasing_a_stale_claim_does_nothing(store: Store) -> None:
    await put(store)
    [stale] = await store.claim(LANE, limit=9, lease_s=1, now=START)
    later = START + timedelta(seconds=2)
    [fresh] = await store.claim(LANE, limit=9, lease_s=5, now=later)
    assert not await store.release(stale, due_at=later)
    await store.extend([stale], lease_s=500, now=later)

    assert await store.claim(LANE, limit=9, lease_s=5, now=later) == []
    assert (await store.claim(LANE, limit=9, lease_s=5, now=later + timedelta(seconds=5)))[
        0
    ].fence != fresh.fence


async def test_a_job_past_its_expiry_is_dropped(store: Store) -> None:
    await put(store)
    assert await store.claim(LANE, limit=9, lease_s=5, now=START + timedelta(seconds=10)) == []
    assert await store.lanes() == {}


async def test_a_dropped_job_is_not_claimed(store: Store) -> None:
    session = await put(store)
    step = advance(session, Cancel(), START, context())
    assert DropJob(session=session.id, launch=1) in step.effects
    await store.commit(Change(session=step.session, expected=1, effects=step.effects))

    assert await store.claim(LANE, limit=9, lease_s=5, now=START) == []
    assert await store.lanes() == {}


async def test_lanes_do_not_see_each_other(store: Store) -> None:
    await put(store, 1)
    other = context(builders.channel("voice"))
    step = begin(other, session_id=new_id(2))
    await store.commit(Change(session=step.session, expected=0, effects=step.effects))

    assert set(await store.lanes()) == {LANE, "default/voice-provider"}
    [claim] = await store.claim("default/voice-provider", limit=9, lease_s=5, now=START)
    assert claim.job.session == new_id(2)


async def test_a_claim_takes_no_more_than_it_may(store: Store) -> None:
    for number in range(1, 4):
        await put(store, number)
    assert len(await store.claim(LANE, limit=2, lease_s=5, now=START)) == 2
    assert len(await store.claim(LANE, limit=2, lease_s=5, now=START)) == 1


# --- deadlines -------------------------------------------------------------------


async def test_a_session_is_due_at_its_deadline_and_again_until_it_moved(store: Store) -> None:
    session = await put(store)
    deadline = session.launch.send_by
    assert await store.next_due() == deadline
    assert await store.due(deadline - timedelta(seconds=1), 9) == []
    assert await store.due(deadline, 9) == [session.id]
    assert await store.due(deadline, 9) == []
    assert await store.due(deadline + timedelta(seconds=1), 9) == [session.id]

    step = advance(session, Cancel(), deadline, context())
    await store.commit(Change(session=step.session, expected=1, effects=step.effects))
    assert await store.due(deadline + timedelta(hours=1), 9) == []


async def test_due_sessions_come_in_portions(store: Store) -> None:
    for number in range(1, 4):
        await put(store, number)
    later = START + timedelta(seconds=30)
    first = await store.due(later, 2)
    second = await store.due(later, 2)
    assert (len(first), len(second)) == (2, 1)
    assert len({*first, *second}) == 3


# --- memory of answers, marks, listeners ------------------------------------------


def remembered(answer: bytes = b"1") -> Remembered:
    return Remembered(
        key=b"key", fingerprint=b"print", answer=answer, expires_at=START + timedelta(days=1)
    )


async def test_an_answer_is_remembered_with_its_change(store: Store) -> None:
    await put(store, remember=remembered())
    assert await store.remembered(b"key", START) == remembered()
    assert await store.remembered(b"other", START) is None
    assert await store.remembered(b"key", START + timedelta(days=1)) is None


async def test_a_key_is_taken_once_even_at_once(store: Store) -> None:
    steps = [begin(session_id=new_id(n), number=f"+7900123456{n}") for n in range(1, 6)]
    verdicts = await asyncio.gather(
        *(
            store.commit(
                Change(
                    session=s.session,
                    expected=0,
                    effects=s.effects,
                    remember=remembered(s.session.id.encode()),
                )
            )
            for s in steps
        )
    )
    assert verdicts.count(Committed()) == 1
    assert verdicts.count(Duplicate()) == 4
    found = await store.remembered(b"key", START)
    assert found is not None
    assert await store.load(found.answer.decode()) is not None


async def test_marks_are_kept_for_sessions_that_exist(store: Store) -> None:
    session = await put(store)
    assert await store.marks(session.id) == ReadMarks()
    marks = ReadMarks(launch=2, delivered_view=7)
    await store.mark(session.id, marks)
    await store.mark(new_id(404), marks)
    assert await store.marks(session.id) == marks
    assert store.sizes()["marks"] == 1


async def test_listeners_hear_of_changes_and_of_nothing_else(store: Store) -> None:
    heard: list[str] = []
    store.subscribe(heard.append)
    session = await put(store)
    await store.commit(Change(session=session, expected=0))
    await store.mark(session.id, ReadMarks(launch=2))
    await store.take("x", THREE_A_MINUTE, START)
    assert heard == [session.id]


async def test_purge_forgets_everything_that_no_rule_needs(store: Store, clock: FakeClock) -> None:
    for number in range(1, 4):
        await put(store, number, remember=replace(remembered(), key=bytes([number])))
    await store.take("x", THREE_A_MINUTE, START)
    assert await store.purge(clock.now()) == 0

    await clock.advance(2 * 24 * 3600)
    while await store.purge(clock.now()):
        pass
    await store.due(clock.now(), 99)
    await store.claim(LANE, limit=9, lease_s=5, now=clock.now())

    assert store.sizes() == dict.fromkeys(store.sizes(), 0)


async def test_a_purge_takes_no_more_than_a_portion(store: Store, clock: FakeClock) -> None:
    """After a long stop everything of a day is to be forgotten in one instant."""
    remember = [replace(remembered(), key=number.to_bytes(2)) for number in range(600)]
    await asyncio.gather(
        *(put(store, at + 1, remember=x, effects=()) for at, x in enumerate(remember))
    )
    await clock.advance(2 * 24 * 3600)
    await store.purge(clock.now())
    assert min(store.sizes()[kind] for kind in ("sessions", "answers")) >= 100
    while await store.purge(clock.now()):
        pass
    assert {store.sizes()[kind] for kind in ("sessions", "answers")} == {0}


async def test_a_purge_leaves_what_still_lives(store: Store, clock: FakeClock) -> None:
    session = await put(store)
    confirmed = advance(
        advance(session, Accepted(launch=1), START, context()).session,
        CheckCode(code=builders.code_of(session)),
        START + timedelta(seconds=290),
        context(),
    ).session
    longer = replace(confirmed, version=2, expires_at=START + timedelta(hours=2))
    await store.commit(Change(session=longer, expected=1))
    await clock.advance(2 * 3600)
    await store.purge(clock.now())
    assert await store.load(session.id) == longer
    await clock.advance(3600)
    await store.purge(clock.now())
    assert await store.load(session.id) is None


async def test_check_says_nothing_when_all_is_well(store: Store) -> None:
    await store.check()
