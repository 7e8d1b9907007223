"""Sliding windows: exact at their boundary, and able to say when to come back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from kaskad.core.model import Value

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Window(Value, frozen=True, kw_only=True):
    """At most ``limit`` hits within any ``span``."""

    limit: int
    span: timedelta


def wait_for_room(
    hits: Sequence[datetime], windows: Sequence[Window], now: datetime
) -> timedelta | None:
    """How long until one more hit fits into every window; ``None``: it fits now.

    ``hits`` are in ascending order. A hit exactly one span old has left the
    window. A limit of zero or less never has room: the answer is the span.
    """
    longest: timedelta | None = None
    for window in windows:
        if window.limit <= 0:
            wait = window.span
        elif len(hits) < window.limit:
            continue
        else:
            wait = hits[-window.limit] + window.span - now
        if wait > timedelta(0) and (longest is None or wait > longest):
            longest = wait
    return longest
