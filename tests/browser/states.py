"""Every state of the form, and how somebody gets there."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tests.browser.pages import with_element
from tests.browser.visitor import Visitor, wrong

Way = Callable[[Visitor], None]

# As a service draws it that sends people to a messenger: the code in it is not real.
LINK = "https://messenger.example/start?code=AAAA"
QR = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">'
    '<path d="M1 1h3v3h-3zM5 1h3v3h-3zM1 5h3v3h-3zM5 5h1v1h-1zM7 7h1v1h-1zM5 7h1v1h-1z"/></svg>'
)


def _phone(visitor: Visitor) -> None:
    visitor.come("sms")
    expect(visitor.part("country-button")).to_be_visible()


def _countries(visitor: Visitor) -> None:
    _phone(visitor)
    visitor.part("country-button").click()
    expect(visitor.part("country-option").first).to_be_visible()


def _refused(visitor: Visitor) -> None:
    visitor.come("sms")
    visitor.ask("12")
    expect(visitor.error).not_to_be_empty()


def _waiting(visitor: Visitor) -> None:
    visitor.begin("silent")
    visitor.at("waiting")


def _at_code(kind: str) -> Way:
    def go(visitor: Visitor) -> None:
        visitor.begin(kind)
        visitor.at("code")

    return go


def _typed(visitor: Visitor) -> None:
    visitor.begin("sms")
    visitor.code.press_sequentially("123")


def _wrong(visitor: Visitor) -> None:
    number = visitor.begin("sms")
    visitor.code.press_sequentially(wrong(visitor.stage.code(number)))
    expect(visitor.error).to_have_text(re.compile("2"))


def _resend(visitor: Visitor) -> None:
    visitor.begin("either")
    visitor.at("code")
    expect(visitor.part("another")).not_to_have_attribute("aria-disabled", "true")


def _offline(visitor: Visitor) -> None:
    visitor.begin("sms")
    visitor.at("code")
    calm = visitor.part("status").inner_text()
    visitor.offline = True
    visitor.page.context.set_offline(True)
    expect(visitor.part("status")).not_to_have_text(calm)


def _codeless(visitor: Visitor) -> None:
    visitor.begin("sim_push")
    visitor.at("codeless")


def _link(visitor: Visitor) -> None:
    def answer(route: Route) -> None:
        response = route.fetch()
        body = response.json() | {"status": "sent"}
        body["payload"] |= {"url": LINK, "qr": QR}
        route.fulfill(response=response, json=body)

    visitor.page.route("**/sdk/*/channel", answer)
    # Nothing more ever comes.
    visitor.hold("/longPolling/**")
    _codeless(visitor)
    expect(visitor.part("link")).to_have_attribute("href", LINK)


def _ended(visitor: Visitor) -> None:
    number = visitor.begin("push_first")
    visitor.at("codeless")
    visitor.stage.press(number, "decline")
    visitor.at("ended")


def _over(visitor: Visitor) -> None:
    number = visitor.begin("once_push")
    visitor.at("codeless")
    visitor.stage.press(number, "decline")
    visitor.at("over")


def _verified(visitor: Visitor) -> None:
    number = visitor.begin("sms")
    visitor.code.press_sequentially(visitor.stage.code(number))
    visitor.at("verified")


def _unavailable(visitor: Visitor) -> None:
    visitor.open(with_element("blocked", lang=visitor.look.locale[:2]))
    visitor.at("unavailable")


STATES: dict[str, Way] = {
    "phone": _phone,
    "countries": _countries,
    "refused": _refused,
    "waiting": _waiting,
    "sms": _at_code("sms"),
    "voice": _at_code("voice"),
    "flashcall": _at_code("flashcall"),
    "long": _at_code("long"),
    "typed": _typed,
    "wrong": _wrong,
    "resend": _resend,
    "offline": _offline,
    "codeless": _codeless,
    "link": _link,
    "ended": _ended,
    "over": _over,
    "verified": _verified,
    "unavailable": _unavailable,
}


def settle(page: Page) -> None:
    """Wait until nothing moves any more."""
    page.evaluate(
        "Promise.all(document.getAnimations().map((each) => each.finished.catch(() => {})))"
    )
