"""What every store of free requests and used tokens has to do, checked on a new one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from inspect import isawaitable
from typing import Any, Final

from kaskad_sdk.captcha.counts import AsyncFreeRequests, FreeRequests

_DAY: Final = 24 * 60 * 60
_HOUR: Final = 60 * 60
_BEGIN: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
_HERE, _THERE, _AGAIN = "203.0.113.7", "2001:db8:1:2::/64", "again:0f3a"


async def check_counts(store: FreeRequests | AsyncFreeRequests) -> None:
    """Check a store of your own, a new and empty one: ``AssertionError`` says what it gets wrong.

    For stores of both kinds: ``asyncio.run(check_counts(MyCounts()))``. What it cannot see is
    whether each method is one atomic step when several processes call it.
    """
    check = _Check(store)
    await check.limits()
    await check.windows()
    await check.tokens()
    if hasattr(store, "give_back"):
        await check.giving_back()


class _Check:
    def __init__(self, store: Any) -> None:
        self._store = store

    async def _told(self, method: str, name: str, after_s: float, **given: Any) -> Any:
        call: Callable[..., Any] = getattr(self._store, method)
        now = _BEGIN + timedelta(seconds=after_s)
        found = call(name, now=now, **given)
        return await found if isawaitable(found) else found

    async def _take(self, name: str, after_s: float, *, limit: int, window_s: int) -> bool:
        found = await self._told("take", name, after_s, limit=limit, window_s=window_s)
        _holds(isinstance(found, int), "take() answers True or False")
        return bool(found)

    async def _used(self, name: str, after_s: float, window_s: int) -> int:
        found: int = await self._told("used", name, after_s, window_s=window_s)
        return found

    async def _spend(self, key: str, after_s: float, until_s: float) -> bool:
        until = _BEGIN + timedelta(seconds=until_s)
        return bool(await self._told("spend", key, after_s, until=until))

    async def limits(self) -> None:
        taken = [await self._take("198.51.100.1", 0, limit=2, window_s=60) for _ in range(4)]
        _holds(taken == [True, True, False, False], "take() counts up to the limit, and no more")
        _holds(await self._used("198.51.100.1", 0, 60) == 2, "what is refused is not counted")  # noqa: PLR2004
        _holds(await self._used("198.51.100.2", 0, 60) == 0, "each address has its own count")
        late = await self._take("198.51.100.1", 59.9, limit=2, window_s=60)
        _holds(not late, "a request counts for its whole window")
        _holds(await self._used("198.51.100.1", 60, 60) == 0, "and not for longer")
        again = await self._take("198.51.100.1", 60, limit=2, window_s=60)
        _holds(again, "there is room again after the window")

    async def windows(self) -> None:
        """Free requests count for a day, and the names of requests for an hour."""
        for address in (_HERE, _THERE):
            await self._take(address, 0, limit=1, window_s=_DAY)
        await self._take(_AGAIN, 0, limit=1, window_s=_HOUR)
        await self._take("again:1e2b", 2 * _HOUR, limit=1, window_s=_HOUR)
        await self._used("again:1e2b", 2 * _HOUR, _HOUR)
        for address in (_HERE, _THERE):
            free = await self._take(address, 2 * _HOUR, limit=1, window_s=_DAY)
            _holds(not free, "a call about one name forgets what is counted of another")
            used = await self._used(address, 2 * _HOUR, _DAY)
            _holds(used == 1, "a call about one name forgets what is counted of another")
        _holds(await self._used(_AGAIN, 2 * _HOUR, _HOUR) == 0, "a name counts for an hour")
        again = await self._take(_HERE, _DAY, limit=1, window_s=_DAY)
        _holds(again, "a free request is there again after a day")

    async def tokens(self) -> None:
        spent = [await self._spend("altcha:1", after_s, 900) for after_s in (0, 0, 899)]
        _holds(spent == [True, False, False], "a token is used once until it is invalid by itself")
        _holds(await self._spend("altcha:2", 899, 900), "each token is one of its own")

    async def giving_back(self) -> None:
        address, at = "198.51.100.9", _BEGIN + timedelta(seconds=1)
        for after_s in (0, 1, 1):
            await self._take(address, after_s, limit=3, window_s=_DAY)
        _holds(await self._given_back(address, at), "give_back() says whether there was one")
        _holds(await self._used(address, 1, _DAY) == 2, "one is given back of those of one time")  # noqa: PLR2004
        _holds(await self._given_back(address, at), "those of one time are given back one by one")
        _holds(not await self._given_back(address, at), "what was not counted is not given back")
        _holds(await self._used(address, 1, _DAY) == 1, "what was counted at another time stays")
        await self._spend("altcha:3", 1, 900)
        _holds(await self._given_back("altcha:3", at), "a token's record is given back")
        _holds(await self._spend("altcha:3", 2, 900), "a token that was given back is unused")
        _holds(not await self._spend("altcha:3", 3, 900), "and used again then")

    async def _given_back(self, name: str, at: datetime) -> bool:
        found = self._store.give_back(name, at=at)
        found = await found if isawaitable(found) else found
        _holds(isinstance(found, int), "give_back() answers True or False")
        return bool(found)


def _holds(holds: bool, rule: str) -> None:  # noqa: FBT001
    if not holds:
        raise AssertionError(f"not so: {rule}")
