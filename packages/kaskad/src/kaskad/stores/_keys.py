"""Where in the sessions file a record lies.

The kind of a record is in the high bits of its key, its number in the low ones:
sessions that were begun together lie together.
"""

NUMBER_BITS = 48
LARGEST_NUMBER = (1 << NUMBER_BITS) - 1

SESSION, ANSWER, BEAT, LETTER = 1, 2, 3, 4
FIRST_HIT = 16
"""Hits of limits; this and later kinds are those of ever longer windows."""

TIMEBASE_KEY = (BEAT << NUMBER_BITS) | 1
PROGRESS_KEY = (BEAT << NUMBER_BITS) | 2


def key_of(kind: int, number: int) -> int:
    """The key of one record."""
    return kind << NUMBER_BITS | number


def all_of(kind: int) -> tuple[int, int]:
    """The first and the last key that records of a kind may have."""
    return key_of(kind, 0), key_of(kind, LARGEST_NUMBER)
