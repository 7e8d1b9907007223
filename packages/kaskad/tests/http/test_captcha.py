"""The captcha before a send: who needs one, when it counts, and what a refusal costs."""

from typing import Any

import pytest
from msgspec.structs import replace

from kaskad.core.model import Captcha, CaptchaProvider, WidgetLimits
from kaskad.testing import FakeCaptchas
from packages.kaskad.tests.http import house as scene
from packages.kaskad.tests.http.client import Answer, Client
from packages.kaskad.tests.http.conftest import OpenHouse
from packages.kaskad.tests.http.expected import PAGE_BASE
from packages.kaskad.tests.http.house import BLOCKED, NOBODY, OTHER, SMS, House, configuration
from packages.kaskad.tests.logs import Logged

ADDRESS = "203.0.113.7"
ORIGIN = "https://shop.example"
NEEDED = "CaptchaNotConfirmedException"


class Checkpoint:
    """A house whose widgets have a captcha, and its judge."""

    def __init__(self, house: House, judge: FakeCaptchas) -> None:
        self.house, self.judge = house, judge
        self.page = Client(house.api.app, PAGE_BASE)
        self.page.defaults["origin"] = ORIGIN

    def body(self, token: str | None = None, ip: str | None = ADDRESS, **more: Any) -> Any:
        body = {"widgetId": SMS, "recipient": self.house.number(), **more}
        body |= {} if token is None else {"captchaToken": token}
        return body | ({} if ip is None else {"userIp": ip})

    async def send(self, token: str | None = None, **how: Any) -> Answer:
        headers = how.pop("headers", {})
        return await self.house.api.post("/", self.body(token, **how), headers=headers)

    async def statuses(self, *tokens: str | None, **how: Any) -> list[int]:
        return [(await self.send(token, **how)).status for token in tokens]

    async def at_once(self, *bodies: Any, headers: dict[str, str] | None = None) -> list[Answer]:
        calls = [self.house.api.begin("POST", "/", body=body, headers=headers) for body in bodies]
        await self.house.clock.advance()
        return [call.answer() for call in calls]

    async def fail(self, number: str, checks: int = 20) -> None:
        """That many failed checks of a number, by sessions of a widget without captcha."""
        while checks:
            await self.house.clock.leap(400)
            request_id = await self.house.sent(OTHER, number)
            for _ in range(min(2, checks)):
                await self.house.check(request_id, self.house.wrong(request_id))
                checks -= 1


@pytest.fixture
def judge() -> FakeCaptchas:
    return FakeCaptchas()


async def opened(
    open_house: OpenHouse, judge: FakeCaptchas, *, limits: WidgetLimits | None = None, **how: Any
) -> Checkpoint:
    keys = {"provider": CaptchaProvider.GOOGLE, "site_key": "public", "secret_key": "s3cret"}
    captcha = Captcha(**(keys | how))
    changes: dict[str, Any] = {"captcha": captcha, "allowed_origins": (ORIGIN,)}
    if limits is not None:
        changes["limits"] = limits
    widgets = [replace(w, **changes) for w in scene.WIDGETS if w.id not in {OTHER, scene.WORKING}]
    return Checkpoint(await open_house(configuration(widgets=widgets), captchas=judge), judge)


# --- with and without a token -----------------------------------------------------------


async def test_a_send_needs_a_captcha_that_is_passed(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge)
    for token in (None, "", "bad"):
        answer = await point.send(token)
        assert answer.outcome == NEEDED
        assert answer.json["message"] == "Капча не подтверждена"
    assert (await point.send("good")).status == 201
    assert judge.asked == [("bad", ADDRESS), ("good", ADDRESS)]
    assert (await point.send(None, widgetId=OTHER)).status == 201


async def test_who_cannot_be_verified_anyhow_uses_no_captcha_up(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge)
    for changes, refusal in (
        ({"widgetId": BLOCKED}, "WidgetIsBlockedException"),
        ({"widgetId": NOBODY}, "NoAvailableChannelsException"),
        ({"recipient": "x"}, "ValidateError"),
    ):
        for token in (None, "good"):
            assert (await point.send(token, **changes)).outcome == refusal
    assert judge.asked == []


async def test_the_captcha_is_asked_for_before_a_limit_is_looked_at(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge)
    number = point.house.number()
    for attempt in range(3):
        assert (await point.send(f"good{attempt}", recipient=number)).status == 201
    assert (await point.send(None, recipient=number)).outcome == NEEDED
    assert (await point.send("good9", recipient=number)).outcome == "RateLimitException"


async def test_a_refused_send_does_not_use_its_token_up(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge)
    number = point.house.number()
    for attempt in range(3):
        await point.send(f"good{attempt}", recipient=number)
    assert (await point.send("good9", recipient=number)).outcome == "RateLimitException"
    assert (await point.send("good9")).status == 201
    assert (await point.send("good9")).outcome == NEEDED


async def test_one_token_at_forty_places_at_once_lets_one_through(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge)
    answers = await point.at_once(*(point.body("good", ip=f"203.0.113.{n}") for n in range(40)))
    assert sorted(a.outcome for a in answers) == [NEEDED] * 39 + ["ok"]
    assert len(point.house.store.sessions) == 1
    await point.house.clock.leap(3600)
    assert (await point.send("good")).outcome == NEEDED


async def test_a_retry_with_its_key_is_answered_though_its_token_is_used(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge)
    body, key = point.body("good"), {"idempotency-key": "k"}
    first = await point.at_once(*[body] * 20, headers=key)
    again = await point.at_once(body, headers=key)
    assert {answer.body for answer in (*first, *again)} == {first[0].body}
    assert first[0].status == 201
    assert len(point.house.store.sessions) == 1


# --- the first requests are free ----------------------------------------------------------


async def test_the_first_requests_of_an_address_are_free_for_a_day(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge, first_free_requests_per_ip=3)
    assert await point.statuses(None, "bad", None, None, "bad") == [201] * 3 + [400] * 2
    assert [token for token, _ in judge.asked] == ["bad"]
    assert await point.statuses(None, ip="203.0.113.8") == [201]
    assert await point.statuses("good") == [201]
    await point.house.clock.leap(24 * 3600 - 1)
    assert (await point.send()).outcome == NEEDED
    await point.house.clock.leap(1)
    assert await point.statuses(None, None, None, None) == [201] * 3 + [400]


async def test_a_hundred_at_once_are_as_many_as_are_free(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    limits = WidgetLimits(per_ip_per_minute=1000)
    point = await opened(open_house, judge, first_free_requests_per_ip=7, limits=limits)
    answers = await point.at_once(*(point.body() for _ in range(100)))
    assert sorted(str(a.outcome) for a in answers) == [NEEDED] * 93 + ["ok"] * 7
    assert len(point.house.store.sessions) == 7


async def test_what_is_refused_for_something_else_was_not_free(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge, first_free_requests_per_ip=4)
    number = point.house.number()
    assert await point.statuses(None, None, None, recipient=number) == [201] * 3
    for _ in range(5):
        assert (await point.send(recipient=number)).outcome == "RateLimitException"
    assert await point.statuses(None, None) == [201, 400]


async def test_an_address_of_the_new_kind_is_free_by_its_network(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge, first_free_requests_per_ip=2)
    addresses = [f"2001:db8:0:1::{n:x}" for n in range(5)]
    found = [(await point.send(ip=address)).status for address in addresses]
    assert found == [201] * 2 + [400] * 3


async def test_who_has_no_address_has_nothing_free(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge, first_free_requests_per_ip=9)
    assert (await point.send(ip=None)).outcome == NEEDED
    assert (await point.send("good", ip=None)).status == 201
    assert judge.asked == [("good", "")]


async def test_a_page_is_free_by_its_own_address_whatever_it_claims(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge, first_free_requests_per_ip=2)
    found = []
    for n in range(5):
        forged = {"x-forwarded-for": f"198.51.100.{n}"}
        body = point.body(ip=f"198.51.100.{n}")
        answer = await point.page.post("/", body, token=None, headers=forged, peer=ADDRESS)
        found.append(answer.status)
    assert found == [201] * 2 + [400] * 3
    body = point.body("good", ip="198.51.100.9")
    assert (await point.page.post("/", body, token=None, peer=ADDRESS)).status == 201
    assert judge.asked == [("good", ADDRESS)]


# --- what a page is told before -------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "version", "action"),
    [
        ({}, 2, None),
        ({"version": 3}, 3, None),
        ({"version": 3, "action": "login"}, 3, "login"),
        ({"provider": CaptchaProvider.CLOUDFLARE}, None, None),
        ({"provider": CaptchaProvider.CLOUDFLARE, "action": "login"}, None, "login"),
    ],
)
async def test_the_widget_says_what_a_captcha_is_to_be_asked_for(
    open_house: OpenHouse,
    judge: FakeCaptchas,
    how: dict[str, Any],
    version: int | None,
    action: str | None,
) -> None:
    point = await opened(open_house, judge, **how)
    for way in (
        point.house.api.get(f"/widget/{SMS}"),
        point.page.get(f"/widget/{SMS}", token=None),
    ):
        answer = (await way).json
        assert (answer.get("captchaVersion"), answer.get("captchaAction")) == (version, action)


async def test_the_widget_says_who_needs_a_captcha(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge, first_free_requests_per_ip=1)

    async def needed(query: str = "", peer: str = ADDRESS, page: bool = False) -> bool:
        way = point.page if page else point.house.api
        how: dict[str, Any] = {"token": None} if page else {}
        answer = await way.get(f"/widget/{SMS}{query}", peer=peer, **how)
        assert answer.json["captchaProvider"] == "google"
        assert answer.json["captchaSiteKey"] == "public"
        assert "captchaChallengeUrl" not in answer.json
        assert b"s3cret" not in answer.body
        return bool(answer.json["captchaIsRequired"])

    assert await needed() is True
    for _ in range(3):
        assert await needed(f"?userIp={ADDRESS}") is False
        assert await needed(page=True) is False
    await point.send()
    assert await needed(f"?userIp={ADDRESS}") is True
    assert await needed(page=True) is True
    assert await needed(f"?userIp={ADDRESS}", page=True, peer="203.0.113.8") is False
    assert await needed("?userIp=nonsense") is True
    plain = await point.house.api.get(f"/widget/{OTHER}")
    assert set(plain.json) == {"isBlocked", "isActive", "name", "captchaIsRequired"}
    assert plain.json["captchaIsRequired"] is False


# --- numbers that were guessed at --------------------------------------------------------------


async def test_a_number_that_was_guessed_at_needs_a_captcha_whatever_is_free(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge, first_free_requests_per_ip=100)
    number = point.house.number()
    await point.fail(number, 19)
    await point.house.clock.leap(400)
    assert (await point.send(recipient=number)).status == 201
    await point.fail(number, 1)
    await point.house.clock.leap(400)
    assert (await point.send(recipient=number)).outcome == NEEDED
    assert (await point.send("bad", recipient=number)).outcome == NEEDED
    assert (await point.send(recipient=number, widgetId=OTHER)).outcome == "RateLimitException"
    assert (await point.send()).status == 201
    assert (await point.send("good", recipient=number)).status == 201


async def test_an_open_door_does_not_let_guessing_go_on(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge, fail_open=True)
    number = point.house.number()
    await point.fail(number)
    await point.house.clock.leap(400)
    judge.trouble = "away"
    assert (await point.send("any")).status == 201
    assert (await point.send("any", recipient=number)).outcome == NEEDED
    judge.trouble = ""
    assert (await point.send("good", recipient=number)).status == 201


# --- the vendor is away --------------------------------------------------------------------


async def test_nobody_passes_while_the_vendor_is_away(
    open_house: OpenHouse, judge: FakeCaptchas, logged: Logged
) -> None:
    point = await opened(open_house, judge)
    judge.trouble = "no answer: TimeoutError"
    assert (await point.send("good")).outcome == NEEDED
    [entry] = [e for e in logged if e["event"] == "captcha unavailable"]
    assert (entry["provider"], entry["reason"]) == ("google", "no answer: TimeoutError")


@pytest.mark.parametrize(("misset", "level"), [(True, "warning"), (False, "info")])
async def test_the_operator_is_warned_of_keys_with_which_nobody_passes(
    open_house: OpenHouse, judge: FakeCaptchas, logged: Logged, *, misset: bool, level: str
) -> None:
    point = await opened(open_house, judge)
    judge.misset = misset
    assert (await point.send("bad")).outcome == NEEDED
    [entry] = [e for e in logged if e["event"] == "captcha refused"]
    assert (entry["log_level"], entry["provider"]) == (level, "google")


async def test_everybody_with_a_token_passes_where_the_door_is_to_stay_open(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge, fail_open=True)
    assert await point.statuses("bad", None) == [400, 400]
    judge.trouble = "away"
    assert await point.statuses("any", "any", None, "") == [201, 201, 400, 400]
    number = point.house.number()
    found = await point.statuses(*["any"] * 5, recipient=number, ip="203.0.113.8")
    assert found == [201] * 3 + [429] * 2


async def test_an_address_may_try_sixty_tokens_a_minute(
    open_house: OpenHouse, judge: FakeCaptchas
) -> None:
    point = await opened(open_house, judge)
    assert await point.statuses(*["bad"] * 60) == [400] * 60
    answer = await point.send("good")
    assert (answer.outcome, answer.retry_after) == ("RateLimitException", 60)
    assert len(judge.asked) == 60
    assert (await point.send("good", ip="203.0.113.8")).status == 201
    await point.house.clock.leap(60)
    assert (await point.send("good2")).status == 201


async def test_no_log_has_a_token_or_a_key(
    open_house: OpenHouse, judge: FakeCaptchas, logged: Logged
) -> None:
    point = await opened(open_house, judge)
    await point.send("bad-token")
    judge.trouble = "away"
    await point.send("good-token")
    judge.trouble = ""
    point.house.store.trouble = RuntimeError("a disk")
    assert (await point.send("good-token")).status == 500
    assert {"captcha refused", "captcha unavailable", "unforeseen"} <= {e["event"] for e in logged}
    assert "-token" not in str(logged)
    assert "s3cret" not in str(logged) + repr(point.house.catalog.snapshot.widgets[SMS])
