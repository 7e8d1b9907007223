"""Counts of free requests and used tokens: the interface, and the one in memory."""

from collections import OrderedDict, deque
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, Protocol

MOST_ADDRESSES: Final = 100_000


class FreeRequests(Protocol):
    """What a guard counts. An application with several processes shares one, say in Redis.

    ``address`` is an IPv4 address, an IPv6 network, or the name of a request that may be made
    again, which begins with ``again:``. Each method is one atomic step.

    ``window_s`` is of that address alone: free requests count for a day, say, and the names of
    requests for an hour. What is older than the window of a call may be forgotten of the address
    that the call is about, never of another one. :func:`kaskad_sdk.testing.check_counts` finds
    out whether a store keeps to all that.

    A store that also has the method of :class:`GivesBack` is told of what was used up in vain.
    """

    def take(self, address: str, *, limit: int, window_s: int, now: datetime) -> bool:
        """Count a request if fewer than ``limit`` were counted in the last ``window_s`` seconds.

        Returns whether it was counted. A refused request is not.
        """

    def used(self, address: str, *, window_s: int, now: datetime) -> int:
        """How many requests of the address were counted in the last ``window_s`` seconds."""

    def spend(self, key: str, *, until: datetime, now: datetime) -> bool:
        """Record a token as used: ``True`` to exactly one caller. It may be forgotten ``until``."""


class GivesBack(Protocol):
    """What a store may offer besides: a request that the service refuses then uses nothing up."""

    def give_back(self, name: str, *, at: datetime) -> bool:
        """Undo one :meth:`FreeRequests.take` of an address that was counted just ``at`` then.

        Or, where ``name`` is the key of a token, its :meth:`FreeRequests.spend`. Returns whether
        there was one.
        """


class AsyncGivesBack(Protocol):
    """The same as :class:`GivesBack` for asynchronous clients."""

    async def give_back(self, name: str, *, at: datetime) -> bool:
        """As :meth:`GivesBack.give_back`."""


class AsyncFreeRequests(Protocol):
    """The same as :class:`FreeRequests` for asynchronous clients."""

    async def take(self, address: str, *, limit: int, window_s: int, now: datetime) -> bool:
        """As :meth:`FreeRequests.take`."""

    async def used(self, address: str, *, window_s: int, now: datetime) -> int:
        """As :meth:`FreeRequests.used`."""

    async def spend(self, key: str, *, until: datetime, now: datetime) -> bool:
        """As :meth:`FreeRequests.spend`."""


class FreeRequestsInMemory:
    """Counts of this process alone, for threads and tasks.

    Remembers the ``most_addresses`` that asked last: forgetting one gives it its free requests
    again. Used tokens are remembered until they are invalid by themselves.
    """

    def __init__(self, *, most_addresses: int = MOST_ADDRESSES) -> None:
        self._most = most_addresses
        self._taken: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._spent: dict[str, datetime] = {}
        self._by_age: deque[tuple[datetime, str]] = deque()
        self._lock = Lock()

    def take(self, address: str, *, limit: int, window_s: int, now: datetime) -> bool:
        """Count a request if there is room for it; see :meth:`FreeRequests.take`."""
        with self._lock:
            taken = self._recent(address, window_s, now)
            if len(taken) >= limit:
                return False
            taken.append(now)
            self._taken[address] = taken
            self._taken.move_to_end(address)
            while len(self._taken) > self._most:
                self._taken.popitem(last=False)
            return True

    def used(self, address: str, *, window_s: int, now: datetime) -> int:
        """How many were counted; see :meth:`FreeRequests.used`."""
        with self._lock:
            return len(self._recent(address, window_s, now))

    def spend(self, key: str, *, until: datetime, now: datetime) -> bool:
        """Record a token as used; see :meth:`FreeRequests.spend`."""
        with self._lock:
            self._forget(now)
            if key in self._spent:
                return False
            self._spent[key] = until
            self._by_age.append((until, key))
            return True

    def give_back(self, name: str, *, at: datetime) -> bool:
        """Undo what was counted or recorded; see :meth:`GivesBack.give_back`."""
        with self._lock:
            taken = self._taken.get(name, deque())
            if at not in taken:
                return self._spent.pop(name, None) is not None
            taken.remove(at)
            return True

    def _recent(self, address: str, window_s: int, now: datetime) -> deque[datetime]:
        taken = self._taken.get(address, deque())
        since = now - timedelta(seconds=window_s)
        while taken and taken[0] <= since:
            taken.popleft()
        return taken

    def _forget(self, now: datetime) -> None:
        """Drop what is invalid by itself; one kind of captcha has about one lifetime."""
        while self._by_age and self._by_age[0][0] <= now:
            until, key = self._by_age.popleft()
            if self._spent.get(key) == until:  # it may have been given back, and used again since
                del self._spent[key]
