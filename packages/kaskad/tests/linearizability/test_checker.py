"""The checker on histories small enough to be judged by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packages.kaskad.tests.linearizability.checker import Operation, first_refused, order
from packages.kaskad.tests.linearizability.sequential import (
    ATTEMPTS,
    CALLS,
    EXPIRED,
    INVALID,
    Sequential,
    apply,
)


def written(*lines: tuple[str, int, int | None, object]) -> list[Operation]:
    return [
        Operation(client, call, begin, end, answer)
        for client, (call, begin, end, answer) in enumerate(lines)
    ]


EXPLAINED = {
    "nothing": [],
    "one after the other": [("wrong", 1, 2, INVALID), ("remaining", 3, 4, ATTEMPTS - 1)],
    "a getter beside a miss sees the time before": [
        ("wrong", 1, 4, INVALID),
        ("remaining", 2, 3, ATTEMPTS),
    ],
    "or the time after": [("wrong", 1, 4, INVALID), ("remaining", 2, 3, ATTEMPTS - 1)],
    "the later call wins": [
        ("right", 1, 2, True),
        ("complete", 3, 6, False),
        ("complete", 4, 5, True),
    ],
    "what nobody was answered may have happened": [
        ("right", 1, None, None),
        ("complete", 2, 3, True),
    ],
    "or not": [("right", 1, None, None), ("complete", 2, 3, False)],
    "or later": [
        ("right", 1, None, None),
        ("complete", 2, 3, False),
        ("complete", 4, 5, True),
    ],
}
REFUSED = {
    "two verdicts": [
        ("right", 1, 2, True),
        ("complete", 3, 5, True),
        ("check_and_complete", 4, 6, True),
    ],
    "a verdict before the code": [("complete", 1, 2, True), ("right", 3, 4, True)],
    "a miss that was not charged": [("wrong", 1, 2, INVALID), ("remaining", 3, 4, ATTEMPTS)],
    "attempts that return": [
        ("wrong", 1, 4, INVALID),
        ("remaining", 2, 3, ATTEMPTS - 1),
        ("remaining", 5, 6, ATTEMPTS),
    ],
    "a look too many": [("wrong", 1, 20, INVALID)] * ATTEMPTS,
    "the last look twice": [
        *[("wrong", 1, 20, INVALID)] * (ATTEMPTS - 1),
        ("wrong", 2, 3, EXPIRED),
        ("right", 4, 5, True),
    ],
    "an answer out of nowhere": [("wrong", 1, None, None), ("wrong", 2, 3, True)],
}


@pytest.mark.parametrize("lines", EXPLAINED.values(), ids=EXPLAINED)
def test_what_could_have_been_is_explained(
    lines: list[tuple[str, int, int | None, object]],
) -> None:
    history = written(*lines)
    found = order(history, Sequential(), apply)
    assert found is not None
    state = Sequential()
    for operation in found:
        state, answer = apply(state, operation.call)
        assert operation.returned is None or answer == operation.answer
    assert first_refused(history, Sequential(), apply) is None


@pytest.mark.parametrize("lines", REFUSED.values(), ids=REFUSED)
def test_what_cannot_have_been_is_refused(lines: list[tuple[str, int, int | None, object]]) -> None:
    assert order(written(*lines), Sequential(), apply) is None


def test_of_a_refused_history_the_beginning_is_shown() -> None:
    history = written(
        ("right", 1, 2, True),
        ("complete", 3, 4, True),
        ("complete", 5, 6, True),
        ("remaining", 7, 8, 3),
    )
    assert first_refused(history, Sequential(), apply) == history[:3]


@given(st.lists(st.tuples(st.sampled_from(CALLS), st.integers(1, 9)), max_size=7))
def test_calls_that_happened_at_an_instant_are_explained_however_long_they_took(
    calls: list[tuple[str, int]],
) -> None:
    """Each takes effect at its own instant; beginnings and ends lie anywhere around it."""
    state, history = Sequential(), []
    for instant, (call, slack) in enumerate(calls, start=1):
        state, answer = apply(state, call)
        history.append(Operation(0, call, 10 * instant - slack * 3, 10 * instant + slack, answer))
    assert order(history, Sequential(), apply) is not None
