"""One contract for every store of free requests, the one that the how-to prints included."""

import re
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kaskad_sdk.captcha import Altcha, FreeRequestsInMemory, Guard, Passed
from kaskad_sdk.testing import check_counts
from packages.kaskad.tests.docs import markdown
from tests.peers.flows import NOW, run

PAGE = markdown.ROOT / "docs" / "howto" / "captcha.md"


def printed(folder: Path) -> Any:
    """The store of the how-to."""
    found = re.search(r"```python\n# shared\.py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(compile(found[1], "shared.py", "exec"), names)
    return names["SharedCounts"](folder / "counts.db")


class Awaited:
    """The counts of memory, to be awaited."""

    def __init__(self, folder: Path) -> None:
        self._counts = FreeRequestsInMemory()

    async def take(self, address: str, **given: Any) -> bool:
        return self._counts.take(address, **given)

    async def used(self, address: str, **given: Any) -> int:
        return self._counts.used(address, **given)

    async def spend(self, key: str, **given: Any) -> bool:
        return self._counts.spend(key, **given)

    async def give_back(self, name: str, **given: Any) -> bool:
        return self._counts.give_back(name, **given)


STORES: list[Callable[[Path], Any]] = [lambda _: FreeRequestsInMemory(), printed, Awaited]
each_store = pytest.mark.parametrize("opened", STORES, ids=["memory", "how-to", "awaited"])


@each_store
async def test_a_store_keeps_to_the_contract(opened: Callable[[Path], Any], tmp_path: Path) -> None:
    await check_counts(opened(tmp_path))


class Forgetful(FreeRequestsInMemory):
    """Forgets of every address what is older than the window of this call."""

    def take(self, address: str, *, limit: int, window_s: int, now: datetime) -> bool:
        for other in list(self._taken):
            self._recent(other, window_s, now)
        return super().take(address, limit=limit, window_s=window_s, now=now)


class Generous(FreeRequestsInMemory):
    def take(self, address: str, *, limit: int, window_s: int, now: datetime) -> bool:
        return super().take(address, limit=limit + 1, window_s=window_s, now=now)


class Keeping(FreeRequestsInMemory):
    def give_back(self, name: str, *, at: datetime) -> bool:
        return True


class Twice(FreeRequestsInMemory):
    def spend(self, key: str, *, until: datetime, now: datetime) -> bool:
        super().spend(key, until=until, now=now)
        return True


class Wiping(FreeRequestsInMemory):
    """Gives everything of the address back at once."""

    def give_back(self, name: str, *, at: datetime) -> bool:
        found = super().give_back(name, at=at)
        self._taken.pop(name, None)
        return found


@pytest.mark.parametrize("wrong", [Forgetful, Generous, Keeping, Twice, Wiping])
async def test_a_store_that_is_wrong_is_found_out(wrong: type[FreeRequestsInMemory]) -> None:
    with pytest.raises(AssertionError, match="not so: "):
        await check_counts(wrong())


async def test_a_store_need_not_give_back() -> None:
    class Plain:
        def __init__(self) -> None:
            counts = FreeRequestsInMemory()
            self.take, self.used, self.spend = counts.take, counts.used, counts.spend

    await check_counts(Plain())
    guard = Guard(Altcha(hmac_key="x" * 32), 1, store=Plain())
    passed = run(guard.admit(None, address="203.0.113.7", now=NOW))
    assert isinstance(passed, Passed)
    guard.give_back(passed)
    assert guard.is_required("203.0.113.7", NOW)


def test_the_store_of_the_how_to_does_not_grow(tmp_path: Path) -> None:
    store = printed(tmp_path)
    for minute in range(30):
        now = NOW + timedelta(minutes=minute)
        store.take(f"again:{minute}", limit=1, window_s=300, now=now)
    db = sqlite3.connect(tmp_path / "counts.db")
    [rows] = db.execute("SELECT count(*) FROM counted").fetchone()
    db.close()
    assert rows == 5


def test_a_token_that_was_given_back_and_used_again_is_remembered_for_its_time() -> None:
    counts = FreeRequestsInMemory()
    soon, later = NOW + timedelta(seconds=10), NOW + timedelta(seconds=60)
    assert counts.spend("k", until=soon, now=NOW)
    assert counts.give_back("k", at=NOW)
    assert counts.spend("k", until=later, now=NOW)
    assert not counts.spend("k", until=later, now=NOW + timedelta(seconds=30))
