"""Sliding windows against a model that counts by brute force."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.core.limits import DAY, HOUR, MINUTE, Window, wait_for_room
from packages.kaskad.tests.core.scene import NOON


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("hits", "limit", "at", "wait"),
    [
        ([], 1, 0, None),
        ([0], 1, 0, 60),
        ([0], 1, 59.999999, 0.000001),
        ([0], 1, 60, None),
        ([0], 1, 60.000001, None),
        ([0], 2, 1, None),
        ([0, 10], 2, 20, 40),
        ([0, 10, 20], 2, 30, 40),
        ([0, 0, 0], 3, 59, 1),
        ([0, 0, 0], 3, 60, None),
        ([0, 30, 59], 3, 60, None),
        ([0, 30, 60], 3, 60, None),
        ([0, 30, 60], 3, 59, 1),
        ([], 0, 0, 60),
        ([], -1, 0, 60),
    ],
)
def test_a_window_is_exact_at_its_boundary(
    hits: list[float], limit: int, at: float, wait: float | None
) -> None:
    found = wait_for_room(
        [NOON + s(h) for h in hits], [Window(limit=limit, span=MINUTE)], NOON + s(at)
    )
    assert found == (None if wait is None else s(wait))


def test_of_several_windows_the_longest_wait_counts() -> None:
    hits = [NOON, NOON + s(1)]
    minute, hour = Window(limit=2, span=MINUTE), Window(limit=2, span=HOUR)
    for windows in ([minute, hour], [hour, minute]):
        assert wait_for_room(hits, windows, NOON + s(2)) == HOUR - s(2)
    assert wait_for_room(hits, [], NOON) is None


def test_the_spans_are_what_they_are_called() -> None:
    assert [x.total_seconds() for x in (MINUTE, HOUR, DAY)] == [60, 3600, 86400]


windows = st.lists(
    st.builds(lambda n, t: Window(limit=n, span=s(t)), st.integers(-1, 4), st.integers(1, 12)),
    max_size=3,
)


def fits(hits: list[int], windows: list[Window], at: int) -> bool:
    """Whether one more hit leaves every window that it falls into within its limit."""
    return all(sum(at - h < w.span.total_seconds() for h in hits) + 1 <= w.limit for w in windows)


@given(st.lists(st.integers(0, 20), max_size=12).map(sorted), windows, st.integers(0, 8))
def test_the_wait_is_the_least_that_makes_room(
    hits: list[int], windows: list[Window], later: int
) -> None:
    now = (hits[-1] if hits else 0) + later
    wait = wait_for_room([NOON + s(h) for h in hits], windows, NOON + s(now))
    assert (wait is None) is fits(hits, windows, now)
    if wait is None:
        return
    assert wait > timedelta(0)
    if all(w.limit > 0 for w in windows):
        then = now + int(wait.total_seconds())
        assert fits(hits, windows, then)
        assert not fits(hits, windows, then - 1)


@given(st.lists(st.integers(0, 15), max_size=40), windows)
def test_hits_that_were_let_in_never_exceed_a_window(
    gaps: list[int], windows: list[Window]
) -> None:
    now, taken = 0, list[int]()
    for gap in gaps:
        now += gap
        if wait_for_room([NOON + s(h) for h in taken], windows, NOON + s(now)) is None:
            taken.append(now)
    for window in windows:
        span = window.span.total_seconds()
        for last in taken:
            assert sum(0 <= last - h < span for h in taken) <= max(0, window.limit)
