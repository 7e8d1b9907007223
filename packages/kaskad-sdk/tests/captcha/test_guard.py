"""Free requests, the store that counts them, and what a page is told."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest

from kaskad_sdk._steps import Asking, NoAnswer, Request, Response
from kaskad_sdk.captcha import (
    Altcha,
    Cloudflare,
    FreeRequestsInMemory,
    Google,
    Guard,
    Passed,
    Refused,
    Spend,
    Unavailable,
    Verdict,
)
from tests.peers.flows import NOW, run


class Fixed:
    """A captcha that always finds the same, after asking one question if it has one."""

    provider: ClassVar[str] = "fixed"
    site_key = "public"

    def __init__(self, verdict: Verdict, question: Request | None = None) -> None:
        self.verdict = verdict
        self.question = question
        self.judged: list[str] = []

    def verify(self, token: str, *, address: str, now: datetime) -> Asking[Verdict]:
        self.judged.append(token)
        if self.question is not None:
            try:
                yield self.question
            except NoAnswer as lost:
                return Unavailable(reason=str(lost))
        return self.verdict


class Shared:
    """Counts that an application keeps elsewhere: each call gives way to others first."""

    def __init__(self) -> None:
        self._counts = FreeRequestsInMemory()

    async def take(self, address: str, *, limit: int, window_s: int, now: datetime) -> bool:
        await asyncio.sleep(0)
        return self._counts.take(address, limit=limit, window_s=window_s, now=now)

    async def used(self, address: str, *, window_s: int, now: datetime) -> int:
        await asyncio.sleep(0)
        return self._counts.used(address, window_s=window_s, now=now)

    async def spend(self, key: str, *, until: datetime, now: datetime) -> bool:
        await asyncio.sleep(0)
        return self._counts.spend(key, until=until, now=now)


NO = Refused(reason="no")
V4, OTHER = "203.0.113.7", "203.0.113.8"


def _admit(guard: Guard, address: str, token: str | None = None, after_s: float = 0) -> Verdict:
    return run(guard.admit(token, address=address, now=NOW + timedelta(seconds=after_s)))


def test_the_first_requests_of_an_address_are_free() -> None:
    guard = Guard(Fixed(NO), 2)
    assert [guard.is_required(V4, NOW) for _ in range(3)] == [False] * 3, "asking counts nothing"
    found = [_admit(guard, V4) for _ in range(3)]
    assert [isinstance(verdict, Passed) for verdict in found] == [True, True, False]
    assert guard.is_required(V4, NOW)
    assert not guard.is_required(OTHER, NOW)


def test_free_requests_come_back_with_the_window() -> None:
    guard = Guard(Fixed(NO), 1, window_s=60)
    assert isinstance(_admit(guard, V4), Passed)
    assert isinstance(_admit(guard, V4, after_s=59.9), Refused)
    assert guard.is_required(V4, NOW + timedelta(seconds=59.9))
    assert not guard.is_required(V4, NOW + timedelta(seconds=60))
    assert isinstance(_admit(guard, V4, after_s=60), Passed)


def test_none_is_free_by_default() -> None:
    guard = Guard(Fixed(NO))
    assert guard.is_required(V4, NOW)
    assert _admit(guard, V4) == Refused(reason="no token")


@pytest.mark.parametrize("address", ["", "testclient", "unix:/run/x", "999.1.1.1", "'; --"])
def test_who_has_no_address_has_nothing_free(address: str) -> None:
    guard = Guard(Fixed(NO), 5)
    assert guard.is_required(address, NOW)
    assert isinstance(_admit(guard, address), Refused)


@pytest.mark.parametrize(
    "same",
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "[2001:DB8:1:2:0:0:0:5]:443"),
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1:5060", " 192.0.2.1 "),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_one_person_has_one_count(same: tuple[str, ...]) -> None:
    guard = Guard(Fixed(NO), 1)
    found = [isinstance(_admit(guard, address), Passed) for address in same]
    assert found == [True] + [False] * (len(same) - 1)


def test_neighbouring_networks_have_counts_of_their_own() -> None:
    guard = Guard(Fixed(NO), 1)
    assert isinstance(_admit(guard, "2001:db8:1:2::1"), Passed)
    assert isinstance(_admit(guard, "2001:db8:1:3::1"), Passed)


@pytest.mark.parametrize("addresses", [[V4], [f"2001:db8::{index:x}" for index in range(1, 100)]])
def test_under_fire_exactly_as_many_are_free_as_were_promised(addresses: list[str]) -> None:
    guard = Guard(Fixed(NO), 7)

    def admit(index: int) -> Verdict:
        return _admit(guard, addresses[index % len(addresses)])

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(admit, range(400)))
    assert sum(isinstance(verdict, Passed) for verdict in found) == 7


def test_a_free_request_leaves_the_token_alone() -> None:
    captcha = Fixed(Passed())
    guard = Guard(captcha, 1)
    _admit(guard, V4, "token")
    assert captcha.judged == []
    _admit(guard, V4, "token")
    assert captcha.judged == ["token"]


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_nobody_is_asked(token: str | None) -> None:
    captcha = Fixed(Passed())
    assert isinstance(_admit(Guard(captcha, fail_open=True), V4, token), Refused)
    assert captcha.judged == []


def test_fail_open_opens_for_the_unavailable_alone() -> None:
    down = Fixed(Unavailable(reason="down"))
    assert isinstance(_admit(Guard(down), V4, "token"), Unavailable)
    assert isinstance(_admit(Guard(down, fail_open=True), V4, "token"), Passed)
    assert isinstance(_admit(Guard(Fixed(NO), fail_open=True), V4, "token"), Refused)


@pytest.mark.parametrize(
    "verdict, level",
    [
        (Refused(reason="why\nnot"), "INFO"),
        (Refused(reason="why\nnot", misset=True), "WARNING"),
        (Unavailable(reason="why\nnot"), "WARNING"),
    ],
)
def test_the_log_says_why_in_one_line(
    verdict: Verdict, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "kaskad_sdk.captcha"):
        _admit(Guard(Fixed(verdict)), V4, "the token")
    [record] = caplog.records
    assert record.levelname == level
    assert "'why\\nnot'" in record.getMessage()
    assert "the token" not in record.getMessage()


def test_a_token_is_remembered_until_it_is_invalid_by_itself() -> None:
    spend = Spend(key="fixed:1", until=NOW + timedelta(seconds=10))
    guard = Guard(Fixed(Passed(spend=spend)))
    found = [_admit(guard, V4, "token", after_s=after_s) for after_s in (0, 0, 9.9)]
    assert [isinstance(verdict, Passed) for verdict in found] == [True, False, False]


def test_used_tokens_do_not_pile_up() -> None:
    counts = FreeRequestsInMemory()
    for second in range(10_000):
        now = NOW + timedelta(seconds=second)
        assert counts.spend(f"k{second}", until=now + timedelta(seconds=5), now=now)
    assert len(counts._spent) <= 6


def test_addresses_do_not_pile_up_and_the_busy_are_kept() -> None:
    counts = FreeRequestsInMemory(most_addresses=100)
    for index in range(1000):
        counts.take("busy", limit=10_000, window_s=60, now=NOW)
        counts.take(f"passer-by {index}", limit=3, window_s=60, now=NOW)
    assert len(counts._taken) == 100
    assert counts.used("busy", window_s=60, now=NOW) == 1000


def test_a_page_is_told_what_to_draw() -> None:
    turnstile = Cloudflare(site_key="public", secret_key="private")
    assert Guard(turnstile, 1).widget_fields(V4, NOW) == {
        "captchaIsRequired": False,
        "captchaProvider": "cloudflare",
        "captchaSiteKey": "public",
    }
    drawn = Guard(Google(site_key="public", secret_key="private"))
    assert drawn.widget_fields(V4, NOW) == {
        "captchaIsRequired": True,
        "captchaProvider": "google",
        "captchaSiteKey": "public",
        "captchaVersion": 2,
    }
    scored = Guard(Google(site_key="public", secret_key="private", version=3, action="login"))
    fields = scored.widget_fields(V4, NOW)
    assert (fields["captchaVersion"], fields["captchaAction"]) == (3, "login")
    named = Guard(Cloudflare(site_key="public", secret_key="private", action="login"))
    assert named.widget_fields(V4, NOW)["captchaAction"] == "login"
    own = Guard(Altcha(hmac_key="x" * 32))
    assert own.widget_fields(V4, NOW) == {
        "captchaIsRequired": True,
        "captchaProvider": "altcha",
        "captchaSiteKey": "",
        "captchaChallengeUrl": "altcha/challenge",
    }


FREE = "first_free_requests_per_ip is a whole number, 0 or more"
WINDOW = "window_s is a number of seconds, 1 or more"


@pytest.mark.parametrize(
    ("settings", "kind", "says"),
    [
        ({"first_free_requests_per_ip": -1}, ValueError, f"{FREE}, not -1"),
        ({"first_free_requests_per_ip": "3"}, TypeError, f"{FREE}, not '3'"),
        ({"first_free_requests_per_ip": None}, TypeError, f"{FREE}, not None"),
        ({"first_free_requests_per_ip": True}, TypeError, f"{FREE}, not True"),
        ({"first_free_requests_per_ip": 2.5}, TypeError, f"{FREE}, not 2.5"),
        ({"window_s": 0}, ValueError, f"{WINDOW}, not 0"),
        ({"window_s": "60"}, TypeError, f"{WINDOW}, not '60'"),
        ({"window_s": float("nan")}, ValueError, f"{WINDOW}, not nan"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    settings: dict[str, Any], kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=f"^{re.escape(says)}$"):
        Guard(Fixed(NO), **settings)


def test_a_window_may_come_as_a_float() -> None:
    """As ``timedelta.total_seconds`` gives it."""
    window: Any = timedelta(minutes=1).total_seconds()
    Guard(Fixed(NO), 1, window_s=window)


# --- counts that are shared ---------------------------------------------------------------


async def _answered(_: Request) -> Response:
    await asyncio.sleep(0)
    return Response(status=200)


async def _lost(_: Request) -> Response:
    raise NoAnswer("gone", sent=True)


QUESTION = Request(method="POST", url="http://vendor.test/")


@pytest.mark.parametrize("store", [None, "shared"])
async def test_tasks_share_counts_exactly(store: str | None) -> None:
    spend = Spend(key="fixed:1", until=NOW + timedelta(seconds=10))
    captcha = Fixed(Passed(spend=spend), QUESTION)
    guard = Guard(captcha, 7, store=Shared() if store else None)
    assert not await guard.is_required_async(V4, NOW)
    calls = [guard.admit_async("t", address=V4, now=NOW, ask=_answered) for _ in range(50)]
    found = await asyncio.gather(*calls)
    assert sum(isinstance(verdict, Passed) for verdict in found) == 8, "seven free, one token"
    fields = await guard.widget_fields_async(V4, NOW)
    assert fields["captchaIsRequired"] is True


async def test_a_lost_vendor_is_unavailable_to_tasks_too() -> None:
    guard = Guard(Fixed(Passed(), QUESTION), store=Shared())
    verdict = await guard.admit_async("t", address=V4, now=NOW, ask=_lost)
    assert verdict == Unavailable(reason="gone")


def test_asynchronous_counts_cannot_be_used_without_waiting() -> None:
    guard = Guard(Fixed(NO), 1, store=Shared())
    assert guard.is_async
    for use in (
        lambda: guard.admit("t", address=V4, now=NOW),
        lambda: guard.is_required(V4, NOW),
        lambda: guard.widget_fields(V4, NOW),
    ):
        with pytest.raises(TypeError):
            use()


def test_counts_that_answer_nonsense_let_nobody_pass() -> None:
    class Odd(FreeRequestsInMemory):
        def take(self, address: str, *, limit: int, window_s: int, now: datetime) -> bool:
            return "yes"  # type: ignore[return-value]  # that is the point

    with pytest.raises(TypeError):
        _admit(Guard(Fixed(NO), 1, store=Odd()), V4)


# --- the same request once more ---------------------------------------------------------------


def test_what_may_be_made_again_is_forgotten_after_an_hour() -> None:
    guard = Guard(Fixed(Passed(spend=Spend(key="k", until=NOW + timedelta(days=2)))))
    hour = timedelta(hours=1)

    def admitted(now: datetime, request: str | None = "a request") -> Verdict:
        return run(guard.admit("t", address="203.0.113.7", now=now, request=request))

    assert isinstance(admitted(NOW), Passed)
    assert isinstance(admitted(NOW, None), Refused)
    assert isinstance(admitted(NOW, "another"), Refused)
    assert isinstance(admitted(NOW + hour - timedelta(seconds=1)), Passed)
    assert isinstance(admitted(NOW + hour), Refused)


async def test_one_token_admits_one_request_of_many_that_come_at_once() -> None:
    guard = Guard(
        Fixed(Passed(spend=Spend(key="k", until=NOW + timedelta(days=2)))), store=Shared()
    )

    async def admit(request: str) -> bool:
        found = await guard.admit_async("t", address="", now=NOW, request=request, ask=nobody)
        return isinstance(found, Passed)

    admitted = await asyncio.gather(*(admit(f"request {n}") for n in range(50)))
    assert sum(admitted) == 1
    assert [await admit(f"request {n}") for n in range(50)] == admitted


async def nobody(request: Request) -> Response:
    raise AssertionError(request)
