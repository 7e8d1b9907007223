"""Captchas of others in the page: asked for when the service demands one, and whatever they do."""

import re
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.acceptance.browser import DESKTOP, PHONE, Look
from tests.browser.captchas import Captchas
from tests.browser.pages import POLICY_WITH_VENDORS, POLICY_WITHOUT_NONCE
from tests.browser.stage import SITE_KEY, VENDORS
from tests.browser.visitor import Visitor
from tests.peers.captcha_vendors import SECRET

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.untraced]

RU = PHONE._replace(locale="ru-RU")
NOBODY_SEES = "google3"


@pytest.fixture
def captchas(visitor: Visitor) -> Captchas:
    visitor.policy = POLICY_WITH_VENDORS
    return Captchas(visitor)


def judged(visitor: Visitor, name: str) -> list[dict[str, str]]:
    """What the service has asked about tokens of this kind."""
    path = VENDORS[name][1]
    return [form for asked, form in visitor.stage.vendors.asked if asked == path]


def goes_through(visitor: Visitor, number: str) -> None:
    visitor.at("code")
    expect(visitor.form.locator("[slot=captcha]")).to_be_empty()
    visitor.code.press_sequentially(visitor.stage.code(number))
    visitor.is_verified(number)


@pytest.mark.parametrize("look", [DESKTOP, RU], ids=["en", "ru"], indirect=True)
@pytest.mark.parametrize("name", VENDORS)
def test_a_captcha_is_solved_before_the_send(
    visitor: Visitor, captchas: Captchas, look: Look, name: str
) -> None:
    before = len(judged(visitor, name))
    number = visitor.stage.number()
    visitor.come(name)
    visitor.part("phone-input").fill(number)
    assert captchas.asked == []  # nobody else learns of the visitor before it has to be

    visitor.part("submit").click()
    if name != NOBODY_SEES:
        expect(captchas.frame.get_by_role("button")).to_be_visible()
        assert visitor.count("/sdk") == 0
        captchas.solve()
    goes_through(visitor, number)

    [form] = judged(visitor, name)[before:]
    assert form["secret"] == SECRET
    assert re.fullmatch(r"token-\d+", form.get("response", form.get("token", "")))
    assert SITE_KEY in captchas.asked[-1]
    if name != NOBODY_SEES:
        assert re.search(rf"[=_]{look.locale[:2]}\b", " ".join(captchas.asked))
    assert "action=login" in captchas.asked[-1] or "action" not in VENDORS[name][2]


@pytest.mark.parametrize("name", VENDORS)
def test_whatever_befalls_a_captcha_another_try_goes_through(
    visitor: Visitor, captchas: Captchas, name: str
) -> None:
    seen = name != NOBODY_SEES
    number = visitor.stage.number()
    visitor.offline = True  # what is blocked is told in the console
    captchas.moods = ["failed", "refused", *(["expired"] if seen else [])]
    visitor.come(name)

    captchas.blocked = True
    visitor.ask(number)
    expect(visitor.error).not_to_be_empty()
    expect(visitor.part("submit")).not_to_have_attribute("aria-busy", "true")
    captchas.blocked = False
    captchas.asked.clear()

    sends = 0
    for mood in ("failed", "refused"):
        visitor.part("submit").click()
        if seen:
            expect(visitor.error).to_have_count(0)
            captchas.solve()
        expect(visitor.error).not_to_be_empty()
        expect(visitor.form.locator("[slot=captcha]")).to_be_empty()
        sends += mood == "refused"
        assert visitor.names().count("otp-error") == 2 + sends

    visitor.part("submit").click()
    if seen:
        captchas.solve()  # too late: it stays, to be solved again
        expect(visitor.part("submit")).to_have_attribute("aria-busy", "true")
        captchas.solve()
    goes_through(visitor, number)
    scripts = [url for url in captchas.asked if ".js" in url]
    assert scripts
    assert len(scripts) == len(set(scripts)), "a script was loaded twice"


def test_a_captcha_is_asked_for_as_soon_as_the_service_needs_one(
    visitor: Visitor, captchas: Captchas
) -> None:
    def free(route: Route) -> None:
        """As the widget was read while the address had a free send left."""
        response = route.fetch()
        body: dict[str, Any] = response.json() | {"captchaIsRequired": False}
        route.fulfill(response=response, json=body)

    number = visitor.stage.number()
    visitor.page.route("**/sdk/widget/*", free, times=1)
    visitor.come("cloudflare")
    visitor.ask(number)
    captchas.solve()
    goes_through(visitor, number)
    assert [call.partition("/sdk")[0] for call in visitor.calls if call.endswith("/sdk/")] == [
        "POST ",
        "POST ",
    ]


def test_a_policy_that_lets_no_captcha_in_is_no_dead_end(visitor: Visitor) -> None:
    captchas = Captchas(visitor)
    visitor.policy = POLICY_WITHOUT_NONCE
    visitor.come("cloudflare")
    visitor.ask(visitor.stage.number())
    expect(visitor.error).not_to_be_empty()
    expect(visitor.part("submit")).not_to_have_attribute("aria-busy", "true")
    assert captchas.asked == []
    assert any("policy violated: script-src" in each for each in visitor.troubles)
    visitor.troubles.clear()


def test_a_widget_without_a_captcha_asks_no_vendor(visitor: Visitor, captchas: Captchas) -> None:
    number = visitor.begin("sms")
    goes_through(visitor, number)
    assert captchas.asked == []
