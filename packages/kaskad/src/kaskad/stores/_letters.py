"""Dead letters: the newest of a week."""

from collections import deque
from datetime import datetime, timedelta

from kaskad.app.ports import DeadLetter

MOST_LETTERS = 1000
LETTERS_KEPT = timedelta(days=7)


class Letters:
    """Letters in the order of their coming, each with a number that rises."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, DeadLetter]] = deque()

    def add(self, number: int, letter: DeadLetter) -> None:
        """Keep a letter."""
        self._kept.append((number, letter))

    def forget(self, now: datetime) -> int:
        """Drop those that are too many or too old; the number up to which there are none now."""
        forgotten = 0
        while self._kept and (len(self._kept) > MOST_LETTERS or _is_old(self._kept[0][1], now)):
            forgotten = self._kept.popleft()[0]
        return forgotten

    def newest_first(self, now: datetime) -> list[DeadLetter]:
        """Those that are kept."""
        return newest_first([letter for _, letter in self._kept], now)


def newest_first(letters: list[DeadLetter], now: datetime) -> list[DeadLetter]:
    """What of these, in the order of their coming, is kept."""
    return [letter for letter in letters[: -MOST_LETTERS - 1 : -1] if not _is_old(letter, now)]


def _is_old(letter: DeadLetter, now: datetime) -> bool:
    return letter.at + LETTERS_KEPT <= now
