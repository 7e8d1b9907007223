"""What happened in a town, in an order that does not depend on the machine it runs on."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from traceback import format_exc

from kaskad.testing import START, FakeClock

BEFORE = timedelta(seconds=60)
"""How long before a session the story of the town begins to matter for it."""


def chance(*parts: object) -> Random:
    """Chance of one's own: what others draw, and when, does not change it."""
    return Random(":".join(map(str, parts)))


class Story:
    """Lines by whom they are about, and everything that should not have happened."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._lines: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        self.wrongs: list[tuple[str, str]] = []

    def tell(self, who: str, what: str) -> None:
        self._lines[who].append((self._clock.now(), what))

    @contextmanager
    def holding(self, who: str) -> Iterator[None]:
        """Whatever does not hold is kept until the town is asked: the service would swallow it."""
        try:
            yield
        except Exception:
            self.wrongs.append((who, format_exc()))
            self.tell(who, "<-- here something is wrong")

    def lines(self, who: str | None = None) -> list[str]:
        """The story, or only what concerns one session while it was there."""
        told = [
            (at, name, n, what)
            for name, lines in self._lines.items()
            for n, (at, what) in enumerate(lines)
            if who in {None, name} or (name == "town" and self._during(at, who))
        ]
        return [
            f"{(at - START).total_seconds():12.6f} {name:6} {what}"
            for at, name, _, what in sorted(told)
        ]

    def _during(self, at: datetime, who: str | None) -> bool:
        lines = self._lines[who or "town"]
        return bool(lines) and lines[0][0] - BEFORE <= at <= lines[-1][0]
