"""Pages that do to the widget what its authors did not think of, in a browser."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.browser import DESKTOP, Demo, Person, person
from tests.acceptance.site import Site

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.untraced]

WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
ELEMENT = f'<kaskad-otp widget-id="{WIDGET}"></kaskad-otp>'
Visit = Callable[..., AbstractContextManager[Person]]


@pytest.fixture
def visit(browser: Browser, demo: Demo, customer: Site) -> Visit:
    """Opens a page with this body and head; at the end nothing may have gone wrong there."""

    @contextmanager
    def visit(body: str = ELEMENT, head: str = "") -> Iterator[Person]:
        start = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>x</title>'
        script = f'<script type="module" src="{demo.url}/kaskad-otp.js"></script>'
        icon = '<link rel="icon" href="data:,">'
        text = f"{start}{icon}{head}{script}</head><body>{body}</body></html>"
        customer.files = {"page.html": text.replace("SERVICE", demo.url)}
        with person(browser, demo, DESKTOP, at=customer.url) as somebody:
            somebody.page.goto(f"{customer.url}/page.html")
            expect(somebody.card).to_be_visible()
            yield somebody

    return visit


def begin(somebody: Person) -> tuple[str, str]:
    """A number that waits for its code, and the code."""
    number = somebody.demo.number()
    somebody.part("phone-input").fill(number)
    somebody.part("submit").click()
    somebody.sent_by("sms")
    return number, somebody.demo.messages(number)[-1]["code"]


def test_a_rule_for_every_element_leaves_the_text_to_be_read(visit: Visit) -> None:
    """Such a rule is stronger than what an element says of itself, and weaker than its inside."""
    rule = "all: unset; color: white; line-height: 3; text-align: end; white-space: nowrap"
    text = ":root { --kaskad-color-text: rgb(1, 2, 3) }"
    with visit(head=f"<style>body * {{ {rule} }} {text}</style>") as one:
        begin(one)
        for part in ("heading", "number", "status", "code-input"):
            expect(one.part(part)).to_have_css("color", "rgb(1, 2, 3)")
        expect(one.part("status")).to_have_css("text-align", "start")
        expect(one.part("status")).to_have_css("line-height", "24px")
        expect(one.part("status")).to_have_css("white-space", "normal")


def test_a_box_that_fits_its_content_keeps_its_width(visit: Visit) -> None:
    """As a dialog, or what is centred: it jumped with every sentence of the form."""
    width = "document.querySelector('dialog').offsetWidth"
    with visit(f"<dialog open>{ELEMENT}</dialog>") as one:
        before = one.page.evaluate(width)
        number, code = begin(one)
        assert one.page.evaluate(width) == before
        one.type_code(code)
        one.is_verified(number)
        assert one.page.evaluate(width) == before
        one.see("dialog")


def test_a_form_in_a_component_speaks_the_language_of_the_page(visit: Visit) -> None:
    """It stands in the shadow root of another element, which has no language of its own."""
    define = (
        "document.documentElement.lang = 'ru';"
        "customElements.define('x-app', class extends HTMLElement { connectedCallback() {"
        f" this.attachShadow({{ mode: 'open' }}).innerHTML = '{ELEMENT}' }} }})"
    )
    with visit("<x-app></x-app>", f"<script>{define}</script>") as one:
        expect(one.part("heading")).to_have_text("Подтвердите номер")


def test_an_element_that_is_moved_keeps_what_is_half_typed(visit: Visit) -> None:
    move = "document.querySelector('main').append(document.querySelector('kaskad-otp'))"
    with visit(f"{ELEMENT}<main></main>") as one:
        one.part("phone-input").fill("+7 900 123")
        one.page.evaluate(move)
        expect(one.part("phone-input")).to_have_value("+7 900 123")
        number, code = begin(one)
        one.part("code-input").fill(code[:3])
        one.page.evaluate(move)
        expect(one.part("code-input")).to_have_value(code[:3])
        expect(one.card).to_have_count(1)
        one.part("code-input").focus()
        one.page.keyboard.press("End")
        one.page.keyboard.type(code[3:])
        one.is_verified(number)


def test_a_container_that_is_emptied_takes_the_next_entry(visit: Visit) -> None:
    entry = f'{{ widgetId: "{WIDGET}" }}'
    script = '<script src="SERVICE/otp-widget.umd.js"></script>'
    body = f'<div id="otp-widget"></div><script>window.OTP_WIDGETS = [{entry}]</script>{script}'
    with visit(body) as one:
        one.page.evaluate("document.getElementById('otp-widget').replaceChildren()")
        expect(one.card).to_have_count(0)
        one.page.evaluate(f"OTP_WIDGETS.push({entry})")
        begin(one)


def test_digits_are_composed_before_they_are_read(visit: Visit) -> None:
    """As an input method for Japanese does; they must come out once, and as they were typed."""
    with visit() as one:
        number, code = begin(one)
        wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code)
        keyboard = one.page.context.new_cdp_session(one.page)
        one.part("code-input").click()
        for typed in range(1, len(wide) + 1):
            part = {"text": wide[:typed], "selectionStart": typed, "selectionEnd": typed}
            keyboard.send("Input.imeSetComposition", part)
        assert not [path for path in one.paths if path.endswith("checkCode")]
        keyboard.send("Input.insertText", {"text": wide})
        one.is_verified(number)
        assert len([path for path in one.paths if path.endswith("checkCode")]) == 1


def test_a_number_is_pasted_as_a_contact_has_it(visit: Visit) -> None:
    """Within marks of direction, and by somebody of another country: it is no number of theirs."""
    with visit() as one:
        number = one.demo.number()
        expect(one.part("country-button")).to_have_text("GB +44")
        one.part("phone-input").click()
        one.page.keyboard.insert_text(f"\u202a+7 {number[2:]}\u202c")
        one.part("submit").click()
        one.sent_by("sms")
        assert re.sub(r"\s", "", one.part("number").inner_text()) == number


def test_a_page_that_comes_back_shows_no_verdict_that_is_spent(visit: Visit) -> None:
    """As with the back button, where the browser has kept the page as it was."""
    back = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
    with visit(f"<form>{ELEMENT.replace('></', ' required></')}</form>") as one:
        number, code = begin(one)
        one.type_code(code)
        one.is_verified(number)
        [request_id] = {message["requestId"] for message in one.demo.messages(number)}
        one.page.evaluate(back)
        one.is_verified(number)
        collected = f"{one.demo.url}/demo/api/{request_id}/checkStatusAndComplete"
        answer = httpx2.post(collected, params={"recipient": number}, timeout=30)
        assert answer.json() == {"success": True}
        one.expected |= {400}
        one.page.evaluate(back)
        one.on_step("phone")
        assert not one.page.evaluate("document.querySelector('form').checkValidity()")
