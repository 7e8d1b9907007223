"""Nobody is left out: axe in every state, the keyboard, what is spoken, narrow and enlarged."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.acceptance.browser import DESKTOP, PHONE, Look
from tests.browser.states import STATES, settle
from tests.browser.visitor import Visitor, wrong

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.untraced]

AXE = (Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

EN = DESKTOP
RU = PHONE._replace(locale="ru-RU")
NARROW_PX = 320
TARGET_PX = 44

SPOKEN = ("status", "alert")


def violations(visitor: Visitor) -> list[str]:
    """What axe finds; it has to be in the page."""
    settle(visitor.page)
    found: dict[str, Any] = visitor.page.evaluate(
        "(runOnly) => axe.run(document, { runOnly, resultTypes: ['violations'] })",
        TAGS,
    )
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("look", [EN, RU], ids=["en", "ru"], indirect=True)
@pytest.mark.parametrize("state", STATES)
def test_everybody_can_use_a_state(visitor: Visitor, look: Look, state: str) -> None:
    """In both colours and languages, on a narrow screen, in large letters, with a finger."""
    STATES[state](visitor)
    visitor.page.evaluate(AXE)
    for scheme in ("light", "dark"):
        visitor.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        assert violations(visitor) == [], scheme
    if look == RU:  # a phone
        assert too_small(visitor) == []
    visitor.page.set_viewport_size({"width": NARROW_PX, "height": 640})
    assert sticks_out(visitor) == []
    # The page's zoom of 200 % on a screen of 640 pixels leaves 320; so do letters twice as large.
    visitor.page.set_viewport_size({"width": 2 * NARROW_PX, "height": 640})
    visitor.page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert sticks_out(visitor) == []


def test_axe_would_find_something(visitor: Visitor) -> None:
    STATES["phone"](visitor)
    visitor.page.evaluate(AXE)
    visitor.part("phone-input").evaluate("(input) => input.labels[0].remove()")
    visitor.form.evaluate("(form) => form.style.setProperty('--kaskad-color-muted', '#eee')")
    found = " ".join(violations(visitor))
    assert "label" in found
    assert "color-contrast" in found


# --- room ----------------------------------------------------------------------------


def sticks_out(visitor: Visitor) -> list[str]:
    """What cannot be seen in full: wider than the page, or cut off inside."""
    found: list[str] = visitor.form.evaluate(
        """(form) => {
          const wide = document.documentElement.clientWidth;
          const out = document.documentElement.scrollWidth > wide ? ["the page scrolls"] : [];
          for (const each of form.shadowRoot.querySelectorAll("h2, p, button, a, label, input")) {
            const { left, right, width, height } = each.getBoundingClientRect();
            if (!width || !height || each.matches(".far, .code input, ul *")) continue;
            const cut = each.scrollWidth > each.clientWidth + 1 && each.matches("h2, p, button, a");
            if (left < -1 || right > wide + 1 || cut) out.push(each.outerHTML.slice(0, 120));
          }
          return out;
        }"""
    )
    return found


def too_small(visitor: Visitor) -> list[tuple[str, float]]:
    """What is pressed, and smaller than a finger."""
    sizes = visitor.form.evaluate(
        """(form) => [...form.shadowRoot.querySelectorAll("button, a, input")]
          .map((each) => [each.part.value, each.getBoundingClientRect()])
          .filter(([, { width }]) => width)
          .map(([part, { width, height }]) => [part, Math.min(width, height)])"""
    )
    return [(part, size) for part, size in sizes if size < TARGET_PX]


def test_what_does_not_fit_would_be_found(visitor: Visitor) -> None:
    STATES["sms"](visitor)
    assert too_small(visitor) == []
    assert sticks_out(visitor) == []
    visitor.part("submit").evaluate(
        "(button) => { button.style.minHeight = button.style.height = '40px' }"
    )
    visitor.part("heading").evaluate("(heading) => { heading.style.width = '200vw' }")
    assert too_small(visitor) == [("button submit", 40)]
    assert [text[:3] for text in sticks_out(visitor)] in (["<h2"], ["the", "<h2"])


def test_a_page_that_reads_from_the_right(visitor: Visitor) -> None:
    visitor.come("either", direction="rtl")
    number = visitor.stage.number()
    visitor.ask(number)
    visitor.at("code")
    places = visitor.form.evaluate(
        """(form) => Object.fromEntries(["number", "change", "heading", "code-box"].map((part) =>
          [part, form.shadowRoot.querySelector(`[part~=${part}]`).getBoundingClientRect().left]))"""
    )
    assert places["change"] < places["number"]
    boxes = visitor.form.locator("[part~=code-box]")
    first, last = boxes.first.bounding_box(), boxes.last.bounding_box()
    assert first is not None
    assert last is not None
    assert first["x"] < last["x"]  # digits read from the left everywhere
    assert sticks_out(visitor) == []
    visitor.page.evaluate(AXE)
    assert violations(visitor) == []
    visitor.code.press_sequentially(visitor.stage.code(number))
    visitor.is_verified(number)


# --- the keyboard --------------------------------------------------------------------


def tab_to(visitor: Visitor, part: str) -> None:
    for _ in range(8):
        visitor.page.keyboard.press("Tab")
        now = visitor.form.evaluate("(form) => form.shadowRoot.activeElement?.part.value ?? ''")
        if part in now.split():
            return
    raise AssertionError(f"the keyboard does not get to {part}")


def test_a_whole_verification_by_keyboard(visitor: Visitor) -> None:
    keys = visitor.page.keyboard
    number = visitor.stage.number()
    visitor.come("either")
    expect(visitor.part("country-button")).to_be_visible()
    tab_to(visitor, "country-button")
    keys.press("Enter")
    keys.type("kazakh")
    expect(visitor.part("country-option")).to_have_count(1)
    keys.press("Escape")
    expect(visitor.part("country-button")).to_be_focused()
    keys.press("Space")
    keys.type("russia")
    keys.press("Enter")
    expect(visitor.part("phone-input")).to_be_focused()
    keys.type(number[2:])
    keys.press("Enter")
    visitor.at("code")
    expect(visitor.part("heading")).to_be_focused()
    code = visitor.stage.code(number)
    keys.type(wrong(code))  # goes into the field, though the heading had the focus
    expect(visitor.error).to_have_text(re.compile("left"))
    another = visitor.part("another")
    expect(another).not_to_have_attribute("aria-disabled", "true")
    tab_to(visitor, "another")
    keys.press("Enter")
    visitor.on_channel("voice")
    visitor.stage.received(number, 2)
    visitor.at("code")
    expect(visitor.part("heading")).to_be_focused()  # the button is there no more
    keys.type(code)
    visitor.is_verified(number)
    expect(visitor.part("heading")).to_be_focused()


# --- what is spoken ------------------------------------------------------------------


HELD_CALLS = "/longPolling/**"


class Ear:
    """Hears what a screen reader would: the live regions of the browser's accessibility tree."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._protocol = visitor.page.context.new_cdp_session(visitor.page)
        self._protocol.send("Accessibility.enable")

    def regions(self) -> list[str]:
        nodes = self._protocol.send("Accessibility.getFullAXTree")["nodes"]
        by_id = {node["nodeId"]: node for node in nodes}

        def text(node: dict[str, Any]) -> str:
            if node["role"]["value"] == "StaticText":
                return str(node["name"]["value"])
            return " ".join(text(by_id[child]) for child in node.get("childIds", []))

        return [
            text(node).strip()
            for node in nodes
            if not node["ignored"] and node["role"]["value"] in SPOKEN
        ]

    def hears(self, pattern: str) -> None:
        """Wait until a region says so."""
        for _ in range(600):
            if any(re.search(pattern, each) for each in self.regions()):
                return
            self._visitor.page.wait_for_timeout(50)
        raise AssertionError(f"nobody said {pattern!r}: {self.regions()}")


LISTEN_TO_COUNTDOWN = """(form) => {
  window.said = [];
  for (const each of form.shadowRoot.querySelectorAll("[role=status].far"))
    new MutationObserver(() => window.said.push(each.textContent))
      .observe(each, { childList: true, characterData: true, subtree: true });
}"""


@pytest.mark.parametrize(
    "look, moved, left",
    [(EN, "writing to you in Viber instead", "left: 2"), (RU, "Viber", "опыток: 2")],
    ids=["en", "ru"],
    indirect=["look"],
)
def test_what_happens_is_spoken(visitor: Visitor, moved: str, left: str) -> None:
    held = visitor.hold(HELD_CALLS)  # nothing moves on before it was heard
    number = visitor.stage.number()
    visitor.come("cascade")
    ear = Ear(visitor)
    visitor.ask(number)
    ear.hears("WhatsApp")
    visitor.page.unroute(f"**{HELD_CALLS}")
    while held:
        held.pop().continue_()
    ear.hears(moved)
    visitor.at("code")
    code = visitor.stage.code(number)
    visitor.code.press_sequentially(wrong(code))
    ear.hears(left)
    visitor.page.keyboard.type(code)
    visitor.page.keyboard.press("Enter")
    visitor.is_verified(number)
    expect(visitor.part("heading")).to_be_focused()


AT_30, AT_0 = "^Send SMS again in 30 seconds$", "^Send SMS again: available$"


def count_down(visitor: Visitor, left: int) -> str:
    """Stand before a countdown that is moved on by hand; the number that was used."""

    def answer(route: Route) -> None:
        """The service's answer, with just so much left of the countdown."""
        response = route.fetch()
        body = response.json()
        if "payload" in body:
            now = datetime.fromisoformat(body["payload"]["now"])
            body["payload"]["resendAt"] = (now + timedelta(seconds=left)).isoformat()
        route.fulfill(response=response, json=body)

    visitor.page.route(re.compile(r"/channel(\?|$)"), answer)
    visitor.page.clock.install()
    visitor.come("sms")
    visitor.form.evaluate(LISTEN_TO_COUNTDOWN)
    visitor.stop_clock()
    number = visitor.stage.number()
    visitor.ask(number)
    visitor.at("code")
    return number


@pytest.mark.parametrize("left, said", [(33, [AT_30, AT_0]), (30, [AT_30, AT_0]), (12, [AT_0])])
def test_the_countdown_speaks_at_30_seconds_and_at_its_end(
    visitor: Visitor, left: int, said: list[str]
) -> None:
    count_down(visitor, left)
    for _ in range(left + 2):
        visitor.page.clock.run_for(1000)
    expect(visitor.part("resend")).not_to_have_attribute("aria-disabled", "true")
    heard = [each for each in visitor.page.evaluate("window.said") if each]
    assert len(heard) == len(said), heard
    for text, pattern in zip(heard, said, strict=True):
        assert re.search(pattern, text), heard


def test_what_was_said_is_gone_once_it_no_longer_holds(visitor: Visitor) -> None:
    number = count_down(visitor, 30)
    countdown = visitor.form.locator("[role=status].far")
    expect(countdown).to_have_text(re.compile(AT_30))
    visitor.page.clock.run_for(3000)
    expect(countdown).to_be_empty()
    visitor.page.clock.run_for(30_000)
    expect(countdown).to_have_text(re.compile(AT_0))
    visitor.code.press_sequentially(visitor.stage.code(number))
    visitor.is_verified(number)
    assert [text for text in Ear(visitor).regions() if text] == []


def test_what_a_screen_reader_meets(visitor: Visitor) -> None:
    visitor.page.clock.install()
    visitor.come("either")
    visitor.stop_clock()
    visitor.ask(visitor.stage.number())
    visitor.at("code")
    expect(visitor.part("card")).to_match_aria_snapshot("""
      - group "Enter the code":
        - heading "Enter the code" [level=2]
        - button "Wrong number?"
        - status: /SMS/
        - textbox "Code"
        - button "Continue"
        - button /SMS/ [disabled]
        - button "Another way" [disabled]
    """)
