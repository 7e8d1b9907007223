"""Other eyes: colours that the system forces, a page read from the right, and twice the size."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.browser import Demo, Look, person
from tests.browser.pages import LOAD_ELEMENT, document, element, script
from tests.browser.stage import Stage
from tests.browser.states import STATES, settle
from tests.browser.visitor import Visitor, visiting

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

# --- forced colours --------------------------------------------------------------------

# A colour by its name as the system has it now.
SYSTEM = """(name) => {
  const probe = document.createElement("span");
  probe.style.cssText = `forced-color-adjust: none; color: ${name}`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}"""
STYLE = "(node, name) => getComputedStyle(node)[name]"


def force_colours(visitor: Visitor, *, dark: bool) -> None:
    visitor.page.emulate_media(forced_colors="active", color_scheme="dark" if dark else "light")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_digits_can_be_read_in_forced_colours(visitor: Visitor, theme: str) -> None:
    visitor.begin("sms", theme=theme)
    visitor.at("code")
    visitor.code.press_sequentially("12")
    for dark in (False, True):
        force_colours(visitor, dark=dark)
        text = visitor.page.evaluate(SYSTEM, "CanvasText")
        assert visitor.code.evaluate(STYLE, "color") == text
        next_box = visitor.form.locator("[part~=code-box].on")
        assert next_box.evaluate(STYLE, "outlineStyle") == "solid"
        assert next_box.evaluate(STYLE, "outlineWidth") == "2px"
        waits = visitor.part("resend").evaluate(STYLE, "color")
        assert waits == visitor.page.evaluate(SYSTEM, "GrayText")
        assert waits != visitor.part("submit").evaluate(STYLE, "color")


def test_the_chosen_country_can_be_told_in_forced_colours(visitor: Visitor) -> None:
    STATES["countries"](visitor)
    force_colours(visitor, dark=True)
    chosen, other = (
        visitor.form.locator(f"[aria-selected={yes}]").first for yes in ("true", "false")
    )
    assert chosen.evaluate(STYLE, "outlineStyle") == "solid"
    assert other.evaluate(STYLE, "outlineStyle") == "none"
    seen = chosen.evaluate(STYLE, "outlineColor")
    assert seen == visitor.page.evaluate(SYSTEM, "CanvasText")


def test_what_is_drawn_can_be_seen_in_forced_colours(visitor: Visitor) -> None:
    STATES["link"](visitor)
    force_colours(visitor, dark=True)
    icon = visitor.form.locator("[part=art] svg")
    assert icon.evaluate(STYLE, "stroke") == visitor.page.evaluate(SYSTEM, "CanvasText")


# --- from the right --------------------------------------------------------------------

ARABIC = """
import { registerLocale } from "/kaskad-otp.js";
import { en } from "/locales/en.js";
registerLocale("ar", {
  ...en,
  titles: { ...en.titles, phone: "أكد رقمك", code: "أدخل الرمز" },
  phone: "رقم الهاتف", country: "البلد", code: "الرمز", go: "متابعة", change: "رقم خاطئ؟",
  until: "صالح حتى {time}", later: "{label} بعد {time}", again: "{action} مرة أخرى",
  ways: { ...en.ways, sms: ["إرسال رسالة", "نرسل لك رسالة", "الرمز في الرسالة."] },
});
document.querySelector("main").insertAdjacentHTML("beforeend", `%s`);
"""

PLACES = """(form) => Object.fromEntries(["card", "heading", "number", "change", "status",
    "code-field", "submit", "country-button", "phone-input"].flatMap((part) => {
  const node = form.shadowRoot.querySelector(`[part~=${part}]`);
  if (!node?.checkVisibility()) return [];
  const range = document.createRange();
  range.selectNodeContents(node.textContent ? node : node.parentNode);
  const { left, right } = (node.textContent ? range : node).getBoundingClientRect();
  return [[part, [left, right]]];
}))"""


def test_a_form_in_a_language_that_is_read_from_the_right(visitor: Visitor) -> None:
    body = script(ARABIC % element("sms", locale="ar")).replace("<script", '<script type="module"')
    visitor.open(document(body, head=LOAD_ELEMENT, lang="ar", direction="rtl"))
    visitor.at("phone")
    visitor.part("country-button").click()
    expect(visitor.part("country-panel")).to_have_css("direction", "rtl")
    visitor.page.keyboard.press("Escape")
    places = visitor.form.evaluate(PLACES)
    # Text begins at the right edge; the number in its field reads from the left all the same.
    assert places["card"][1] - places["heading"][1] < places["heading"][0] - places["card"][0]
    assert places["country-button"][1] <= places["phone-input"][0]
    number = visitor.stage.number()
    visitor.ask(number)
    visitor.at("code")
    places = visitor.form.evaluate(PLACES)
    assert places["change"][1] < places["number"][0]
    assert places["status"][1] == pytest.approx(places["number"][1], abs=3)
    visitor.code.press_sequentially(visitor.stage.code(number))
    visitor.is_verified(number)


# --- twice the size --------------------------------------------------------------------

# A window of 1280 x 800 whose page is shown at 200 %.
ZOOMED = Look(640, 400)

CUT = """(root) => {
  const wide = document.documentElement.clientWidth;
  const out = document.documentElement.scrollWidth > wide ? ["the page scrolls sideways"] : [];
  for (const each of root.querySelectorAll("h1, h2, p, button, a, label, input, legend")) {
    const { left, right, width, height } = each.getBoundingClientRect();
    if (!each.checkVisibility() || !width || !height || each.closest(".far, .offscreen, .code, ul"))
      continue;
    if (left < -1 || right > wide + 1) out.push(each.outerHTML.slice(0, 120));
  }
  return out;
}"""


def zoomed(browser: Browser, stage: Stage, locale: str, state: str) -> None:
    with visiting(browser, stage, ZOOMED._replace(locale=locale), scale=2) as visitor:
        assert visitor.page.evaluate("devicePixelRatio") == 2
        STATES[state](visitor)
        settle(visitor.page)
        assert visitor.form.evaluate(f"(form) => ({CUT})(form.shadowRoot)") == []


@pytest.mark.parametrize("locale", ["en-GB", "ru-RU"])
@pytest.mark.parametrize("state", ["countries", "refused", "long", "resend", "link", "ended"])
def test_nothing_is_lost_at_twice_the_size(
    browser: Browser, stage: Stage, locale: str, state: str
) -> None:
    zoomed(browser, stage, locale, state)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.mark.parametrize(
    "look", [ZOOMED, Look(320, 256)], ids=["640 at twice the size", "320 at four times"]
)
def test_nothing_of_the_demo_is_lost_when_it_is_enlarged(
    browser: Browser, demo: Demo, look: Look
) -> None:
    with person(browser, demo, look._replace(locale="ru-RU")) as somebody:
        somebody.open()
        number = somebody.demo.number()
        somebody.ask("SMS", number)
        somebody.sent_by("sms")
        expect(somebody.at("phone").locator("mark").first).to_be_visible()
        found = somebody.page.evaluate(f"() => ({CUT})(document)")
        if look.width < ZOOMED.width:  # a finger pushes the row of channels
            found = [each for each in found if 'name="widget"' not in each]
        assert found == []
        somebody.type_code(somebody.code_on_phone("sms"))
        somebody.is_verified(number)
