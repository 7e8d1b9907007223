"""The breaker under any course of events, held against its rules in simple words."""

from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kaskad.app.breaker import (
    FAILURES_TO_REST,
    FIRST_REST_S,
    LONGEST_REST_S,
    SPREAD,
    Breaker,
    Health,
    Pass,
    Rested,
    Returned,
)
from kaskad.testing import START

LANES = ["default/sms-provider", "other/sms-provider"]


class Sent(NamedTuple):
    """A message under way; ``turn`` counts the beginnings and ends of rests before it."""

    lane: str
    given: Pass
    turn: int
    until: datetime


class Events(RuleBasedStateMachine):
    """Two accounts, and messages that end late, in any order, or never."""

    lanes = st.sampled_from(LANES)

    def __init__(self) -> None:
        super().__init__()
        self.now, self.chance = START, 0.0
        self.breaker = Breaker(lambda: self.chance, self.told)
        self.under_way: list[Sent] = []
        self.failed_in_a_row: Counter[str] = Counter()
        self.turns: Counter[str] = Counter()
        self.resting: set[str] = set()

    def told(self, lane: str, word: Rested | Returned) -> None:
        self.turns[lane] += 1
        if isinstance(word, Returned):
            self.resting.remove(lane)
            return
        assert FIRST_REST_S * (1 - SPREAD) <= word.seconds <= LONGEST_REST_S
        assert word.again == (lane in self.resting)
        assert word.again or self.failed_in_a_row[lane] >= FAILURES_TO_REST
        self.resting.add(lane)

    def trials(self, lane: str) -> list[Sent]:
        """Those of this rest that are still waited for."""
        return [
            sent
            for sent in self.under_way
            if (sent.lane, sent.turn) == (lane, self.turns[lane])
            and sent.given.trial
            and self.now < sent.until
        ]

    @rule(lane=lanes, elsewhere=st.booleans(), waits_s=st.integers(1, 90))
    def hand_over(self, *, lane: str, elsewhere: bool, waits_s: int) -> None:
        tried = self.trials(lane)
        until = self.now + timedelta(seconds=waits_s)
        given = self.breaker.admit(lane, self, self.now, until=until, elsewhere=lambda: elsewhere)
        if given is None:
            assert elsewhere, "given up for a guess"
            assert lane in self.resting
            return
        if given.trial:
            assert not tried, "two trials at a time"
        assert given.in_vain == (lane in self.resting and not given.trial)
        assert not (given.in_vain and elsewhere)
        self.under_way.append(Sent(lane, given, self.turns[lane], until))

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 999), health=st.sampled_from(Health))
    def answer(self, *, which: int, health: Health) -> None:
        lane, given, turn, _ = self.under_way.pop(which % len(self.under_way))
        rested, of_now = lane in self.resting, turn == self.turns[lane]
        self.failed_in_a_row[lane] += health is Health.ILL
        self.breaker.heard(lane, self, given, health, self.now, "")
        if health is Health.WELL:
            self.failed_in_a_row[lane] = 0
            assert (lane in self.resting) == (rested and not of_now)
        elif rested:
            assert lane in self.resting, "a rest that no success ended"

    @rule(lane=lanes)
    def break_down(self, *, lane: str) -> None:
        for _ in range(FAILURES_TO_REST):
            self.hand_over(lane=lane, elsewhere=False, waits_s=1)
            self.answer(which=len(self.under_way) - 1, health=Health.ILL)
        assert lane in self.resting

    @rule(seconds=st.sampled_from([0.5, 5, 12, 60, 120]), chance=st.floats(0, 1, exclude_max=True))
    def wait(self, *, seconds: float, chance: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.chance = chance

    @invariant()
    def it_does_as_it_said(self) -> None:
        assert {lane for lane in LANES if self.breaker.rests(lane)} == self.resting
        assert len(self.breaker) <= len(LANES)


TestEvents = Events.TestCase
