"""When an account rests, who is let through meanwhile, and what ends its rest."""

from datetime import timedelta

import pytest

from kaskad.app.breaker import (
    FAILURES_TO_REST,
    FIRST_REST_S,
    LONGEST_REST_S,
    Breaker,
    Health,
    Pass,
    Rested,
    Returned,
)
from kaskad.testing import START

LANE, OTHER = "default/sms-provider", "default/voice-provider"
WELL, ILL, UNTOLD = Health.WELL, Health.ILL, Health.UNTOLD


class Desk:
    """A breaker with the time and chance in a test's hand, and what it told."""

    def __init__(self, chance: float = 0.0) -> None:
        self.now = START
        self.told: list[tuple[str, Rested | Returned]] = []
        self.chance = chance
        self.breaker = Breaker(
            lambda: self.chance, lambda lane, word: self.told.append((lane, word))
        )
        self.account = object()

    def admit(
        self, lane: str = LANE, *, elsewhere: bool = True, waits_s: float = 10
    ) -> Pass | None:
        until = self.now + timedelta(seconds=waits_s)
        return self.breaker.admit(
            lane, self.account, self.now, until=until, elsewhere=lambda: elsewhere
        )

    def leave(self, lane: str = LANE, **how: bool | float) -> Pass:
        given = self.admit(lane, **how)  # type: ignore[arg-type]
        assert given is not None
        return given

    def hear(self, given: Pass, health: Health, lane: str = LANE, why: str = "reset") -> None:
        self.breaker.heard(lane, self.account, given, health, self.now, why)

    def fail(self, times: int, lane: str = LANE) -> None:
        for _ in range(times):
            self.hear(self.leave(lane, elsewhere=False), ILL, lane)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def resting(desk: Desk) -> Desk:
    desk.fail(FAILURES_TO_REST)
    assert desk.breaker.rests(LANE)
    return desk


# --- the beginning ------------------------------------------------------------------------


def test_an_account_rests_after_the_last_of_its_failures_in_a_row(desk: Desk) -> None:
    desk.fail(FAILURES_TO_REST - 1)
    assert desk.admit() is not None
    assert desk.told == []
    desk.fail(1)
    assert desk.told == [(LANE, Rested(FIRST_REST_S, "reset", again=False))]
    assert desk.admit() is None


def test_a_success_makes_the_count_begin_anew(desk: Desk) -> None:
    for _ in range(3):
        desk.fail(FAILURES_TO_REST - 1)
        desk.hear(desk.leave(), WELL)
    assert desk.told == []


def test_what_tells_nothing_neither_counts_nor_makes_good(desk: Desk) -> None:
    for _ in range(99):
        desk.hear(desk.leave(), UNTOLD)
    desk.fail(FAILURES_TO_REST - 1)
    desk.hear(desk.leave(), UNTOLD)
    assert not desk.breaker.rests(LANE)
    desk.fail(1)
    assert desk.breaker.rests(LANE)


def test_an_account_that_works_leaves_nothing_behind(desk: Desk) -> None:
    for _ in range(9):
        desk.hear(desk.leave(), WELL)
    assert len(desk.breaker) == 0


def test_accounts_do_not_know_each_other(resting: Desk) -> None:
    resting.fail(FAILURES_TO_REST - 1, OTHER)
    assert resting.admit(OTHER) is not None
    assert not resting.breaker.rests(OTHER)
    resting.hear(resting.leave(OTHER), WELL, OTHER)
    assert resting.admit() is None


# --- the rest -----------------------------------------------------------------------------


def test_who_has_no_other_way_is_let_through(resting: Desk) -> None:
    given = resting.leave(elsewhere=False)
    assert given.in_vain


def test_nobody_is_asked_for_another_way_while_the_account_works(desk: Desk) -> None:
    def never() -> bool:
        raise AssertionError

    desk.fail(1)
    until = START + timedelta(seconds=10)
    assert desk.breaker.admit(LANE, desk.account, START, until=until, elsewhere=never) is not None


def test_a_success_of_the_rest_ends_it(resting: Desk) -> None:
    resting.hear(resting.leave(elsewhere=False), WELL)
    assert resting.told[1:] == [(LANE, Returned("it works again"))]
    assert resting.admit() is not None
    resting.fail(FAILURES_TO_REST - 1)
    assert not resting.breaker.rests(LANE)


def test_failures_of_the_rest_do_not_prolong_it(resting: Desk) -> None:
    resting.wait(FIRST_REST_S - 1)
    resting.fail(99)
    resting.wait(1)
    assert resting.leave().trial


def test_failures_of_messages_from_before_the_rest_do_not_prolong_it(desk: Desk) -> None:
    under_way = [desk.leave() for _ in range(64)]
    for given in under_way:
        desk.hear(given, ILL)
    assert len(desk.told) == 1
    desk.wait(FIRST_REST_S)
    assert desk.leave().trial


def test_a_success_of_a_message_from_before_the_rest_does_not_end_it(desk: Desk) -> None:
    early = desk.leave()
    desk.fail(FAILURES_TO_REST)
    desk.hear(early, WELL)
    assert desk.admit() is None


def test_failures_of_the_rest_do_not_begin_another_after_its_end(resting: Desk) -> None:
    slow = [resting.leave(elsewhere=False) for _ in range(20)]
    resting.hear(slow.pop(), WELL)
    for given in slow:
        resting.hear(given, ILL)
    assert not resting.breaker.rests(LANE)
    resting.fail(FAILURES_TO_REST - 1)
    assert not resting.breaker.rests(LANE)


# --- after the rest -----------------------------------------------------------------------


def test_one_message_at_a_time_tries_the_account_out(resting: Desk) -> None:
    resting.wait(FIRST_REST_S - 0.001)
    assert resting.admit() is None
    resting.wait(0.001)
    trial = resting.leave()
    assert trial.trial
    assert [resting.admit() for _ in range(9)] == [None] * 9
    assert resting.leave(elsewhere=False).trial == 0
    resting.hear(trial, WELL)
    assert resting.leave().trial == 0
    assert not resting.breaker.rests(LANE)


def test_who_has_no_other_way_tries_it_out_for_the_others(resting: Desk) -> None:
    resting.wait(FIRST_REST_S)
    assert resting.leave(elsewhere=False).trial
    assert resting.admit() is None


def test_only_the_trial_can_fail_the_account_again(resting: Desk) -> None:
    before = resting.leave(elsewhere=False)
    resting.wait(FIRST_REST_S)
    trial, beside = resting.leave(), resting.leave(elsewhere=False)
    resting.hear(before, ILL)
    resting.hear(beside, ILL)
    assert len(resting.told) == 1
    resting.hear(trial, ILL, why="still away")
    assert resting.told[1:] == [(LANE, Rested(2 * FIRST_REST_S, "still away", again=True))]
    assert resting.admit() is None


def test_a_trial_that_tells_nothing_makes_room_for_the_next(resting: Desk) -> None:
    resting.wait(FIRST_REST_S)
    first = resting.leave()
    resting.hear(first, UNTOLD)
    second = resting.leave()
    assert second.trial > first.trial
    resting.hear(first, ILL)  # it was over
    assert len(resting.told) == 1
    assert resting.admit() is None


def test_a_trial_without_an_end_is_not_waited_for_longer_than_its_time(resting: Desk) -> None:
    resting.wait(FIRST_REST_S)
    lost = resting.leave(waits_s=10)
    resting.wait(9.999)
    assert resting.admit() is None
    resting.wait(0.001)
    assert resting.leave().trial
    resting.hear(lost, ILL)
    assert len(resting.told) == 1


def test_each_rest_is_twice_as_long_up_to_a_bound_and_the_first_is_short_again(desk: Desk) -> None:
    desk.fail(FAILURES_TO_REST)
    for _ in range(60):
        desk.wait(LONGEST_REST_S)
        desk.hear(desk.leave(), ILL)
    lengths = [word.seconds for _, word in desk.told if isinstance(word, Rested)]
    assert lengths[:5] == [15, 30, 60, 120, 120]
    assert set(lengths[4:]) == {LONGEST_REST_S}
    desk.wait(LONGEST_REST_S)
    desk.hear(desk.leave(), WELL)
    desk.fail(FAILURES_TO_REST)
    assert desk.told[-1] == (LANE, Rested(FIRST_REST_S, "reset", again=False))


# --- accounts that change -----------------------------------------------------------------


def test_an_account_with_other_settings_is_not_to_blame(resting: Desk) -> None:
    before, given = resting.account, resting.leave(elsewhere=False)
    resting.account = object()
    assert resting.admit() is not None
    assert resting.told[1:] == [(LANE, Returned("its settings have changed"))]
    resting.fail(FAILURES_TO_REST)
    resting.breaker.heard(LANE, before, given, WELL, resting.now, "")  # the old one's
    assert resting.breaker.rests(LANE)


def test_accounts_that_are_gone_or_others_now_are_forgotten(desk: Desk) -> None:
    lanes = ["a/gone", "a/other", "a/same", "a/well"]
    for lane in lanes[:3]:
        desk.fail(FAILURES_TO_REST, lane)
    desk.fail(1, lanes[3])
    assert set(desk.breaker.lanes()) == set(lanes)
    desk.told.clear()
    desk.breaker.keep({"a/other": object(), "a/same": desk.account})
    assert desk.breaker.lanes() == ("a/same",)
    assert dict(desk.told) == {
        "a/gone": Returned("it is not configured any more"),
        "a/other": Returned("its settings have changed"),
    }
