"""Who waits at the door, and for how long.

A connection either has a request under way, or it waits for one and is counted
here: a new or half-sent request has little time, a kept connection more, an
answer that nobody reads as little. So slow clients, by ill luck or by ill will,
hold neither memory nor sockets for long.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol


class Guest(Protocol):
    """A connection that may be ended."""

    def drop(self) -> None:
        """End it; what the client would not read is lost."""


Waiting = dict[Guest, float]
"""Since when, in the order of their coming."""

LATE_S = 2.0
"""Sweeps are a second apart; one that comes so long after another was kept from its time by us."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How many connections there may be, and how long each may take for its part."""

    connections: int = 10_000
    request_s: float = 10.0
    idle_s: float = 75.0
    unread_s: float = 20.0


class Porch:
    """The connections that wait for a request, or with an answer that is not read."""

    def __init__(self, patience: Patience, new_request_id: Callable[[], str]) -> None:
        self.patience = patience
        self.new_request_id = new_request_id
        self.asking: Waiting = {}
        self.idle: Waiting = {}
        self.unread: Waiting = {}
        self._swept_at = inf

    def make_room(self) -> bool:
        """Send away who has kept us waiting longest; whether there was anybody."""
        for waiting in (self.asking, self.idle):
            first = next(iter(waiting), None)
            if first is not None:
                first.drop()
                return True
        return False

    def sweep(self, now: float) -> None:
        """Send away everybody whose time is up.

        A sweep that comes late leaves it to the next one: what they sent while the
        event loop was blocked, or the machine slept, has not been read yet.
        """
        if now - self._swept_at > LATE_S:
            self._swept_at = inf
            return
        self._swept_at = now
        patience = self.patience
        for waiting, seconds in (
            (self.asking, patience.request_s),
            (self.idle, patience.idle_s),
            (self.unread, patience.unread_s),
        ):
            late: list[Guest] = []
            for connection, since in waiting.items():  # in the order of their coming
                if since + seconds > now:
                    break
                late.append(connection)
            for connection in late:
                connection.drop()
