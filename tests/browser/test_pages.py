"""What pages do to the form: late attributes, several forms, other sites, other languages."""

import re

import pytest
from playwright.sync_api import expect

from kaskad.http.widget.built import Built
from tests.browser.pages import LOAD_DROP_IN, LOAD_ELEMENT, NONCE, document, element, script
from tests.browser.stage import widget_id
from tests.browser.visitor import Visitor, wrong

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

CONTAINER = '<div id="otp-widget"></div>'
LIST = f'OTP_WIDGETS = [{{ widgetId: "{widget_id("sms")}" }}];'
PUSH = f'OTP_WIDGETS.push({{ widgetId: "{widget_id("sms")}" }});'
GIVEN = '<input type="hidden" name="requestId"><input type="hidden" name="recipient">'
MODULE = "the script is a module"
STRICT = f"script-src 'nonce-{NONCE}' 'strict-dynamic'; connect-src *; object-src 'none'"


# --- the drop-in script ------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy, hashed", [("", False), (STRICT, True)], ids=["stable", "hashed-strict"]
)
def test_the_script_of_another_site_finds_its_parts(
    visitor: Visitor, policy: str, *, hashed: bool
) -> None:
    folder = f"widget/{Built.carried().hash}/" if hashed else ""
    source = f"{visitor.stage.url}/{folder}otp-widget.umd.js"
    config = f'window.OTP_WIDGETS = [{{ widgetId: "{widget_id("guarded")}" }}];'
    load = f'<script nonce="{NONCE}" src="{source}"></script>'
    html = document(CONTAINER, head=script(config) + load)
    headers = {"content-type": "text/html", "content-security-policy": policy}
    visitor.page.route("**/other", lambda route: route.fulfill(body=html, headers=headers))
    visitor.page.goto(f"{visitor.stage.shop}/other")
    expect(visitor.part("country-button")).to_be_visible()
    visitor.ask(visitor.stage.number())
    visitor.at("code")
    assert {f"GET /{folder}countries.js", f"GET /{folder}captcha.js"} <= set(visitor.calls)


@pytest.mark.parametrize(
    "head, later",
    [
        (f"var {LIST}", ""),
        (f"let {LIST}", ""),
        (f"var {LIST}", MODULE),
        (LIST, ""),
        ("", f"var {LIST}"),
        ("", LIST),
        ("var OTP_WIDGETS = [];", f"var {LIST}"),
        ("", f"OTP_WIDGETS = window.OTP_WIDGETS || [];{PUSH}"),
        ("var OTP_WIDGETS = [];", f"OTP_WIDGETS = OTP_WIDGETS || [];{PUSH}"),
    ],
    ids=[
        "var-before",
        "let-before",
        "var-before-a-module",
        "bare-before",
        "var-after",
        "bare-after",
        "var-before-and-after",
        "pushed-after",
        "var-before-and-pushed",
    ],
)
def test_the_list_is_found_however_it_is_declared(visitor: Visitor, head: str, later: str) -> None:
    load = LOAD_DROP_IN
    if later == MODULE:
        load, later = load.replace("<script", '<script type="module"'), ""
    visitor.open(document(CONTAINER, head=script(head) + load + script(later)))
    visitor.at("phone")
    expect(visitor.form).to_have_count(1)


def test_a_script_that_is_there_twice_draws_once(visitor: Visitor) -> None:
    again = LOAD_DROP_IN.replace(".js", ".js?again")
    visitor.open(document(CONTAINER, head=script(f"window.{LIST}") + LOAD_DROP_IN + again))
    visitor.page.wait_for_load_state()
    visitor.at("phone")
    expect(visitor.form).to_have_count(1)


# --- the element -------------------------------------------------------------------------


def test_an_element_that_gets_its_widget_late_says_so_and_begins_then(visitor: Visitor) -> None:
    misspelt = element("sms").replace("widget-id", "widgetid")
    with visitor.page.expect_console_message() as said:
        visitor.open(document(misspelt, head=LOAD_ELEMENT))
    assert said.value.type == "error"
    what, where = said.value.args
    assert "widget-id=UUID" in what.json_value()
    assert where.evaluate("(form) => form.localName") == "kaskad-otp"
    assert not any("/sdk/widget/" in call for call in visitor.calls)
    visitor.form.evaluate("(form) => form.setAttribute('widget-id', form.getAttribute('widgetid'))")
    visitor.at("phone")
    visitor.troubles.pop()
    assert visitor.troubles == []


def test_an_element_that_gets_its_widget_at_once_says_nothing(visitor: Visitor) -> None:
    late = script(
        'const form = document.createElement("kaskad-otp");'
        'document.querySelector("main").append(form);'
        f'form.setAttribute("widget-id", "{widget_id("sms")}");'
    )
    visitor.open(document("", head=LOAD_ELEMENT + late.replace("<script", '<script type="module"')))
    visitor.at("phone")


@pytest.mark.parametrize("given", ["", GIVEN], ids=["own-inputs", "one-pair-given"])
def test_two_forms_in_one_form_keep_their_verdicts(visitor: Visitor, given: str) -> None:
    both = f"<form>{given}{element('sms')}{element('viber')}</form>"
    visitor.open(document(both, head=LOAD_ELEMENT))
    numbers = []
    for form in visitor.form.all():
        numbers.append(visitor.stage.number())
        visitor.part("phone-input", form).fill(numbers[-1])
        visitor.part("submit", form).click()
        visitor.part("code-input", form).press_sequentially(visitor.stage.code(numbers[-1]))
        expect(visitor.part("card", form)).to_have_attribute("data-step", "verified")
    data = "new FormData(document.querySelector('form'))"
    assert visitor.page.evaluate(f"{data}.getAll('recipient')") == numbers
    requests = [visitor.stage.received(number)[-1]["requestId"] for number in numbers]
    assert visitor.page.evaluate(f"{data}.getAll('requestId')") == requests


def test_another_language_changes_nothing_but_the_words(visitor: Visitor) -> None:
    visitor.come("sms")
    number = visitor.stage.number()
    expect(visitor.part("phone-input")).to_have_value("")
    visitor.part("phone-input").fill(number)
    visitor.form.evaluate("(form) => form.setAttribute('locale', 'ru')")
    expect(visitor.part("heading")).to_have_text("Подтвердите номер")
    expect(visitor.part("phone-input")).to_have_value(re.compile(r"^\+7.*\d$"))
    visitor.part("submit").click()
    visitor.code.press_sequentially(visitor.stage.code(number))
    visitor.is_verified(number)
    calls = len(visitor.calls)
    visitor.form.evaluate("(form) => form.setAttribute('locale', 'en_GB')")
    expect(visitor.part("heading")).to_have_text("Number confirmed")
    visitor.is_verified(number)
    assert not any("/channel" in call for call in visitor.calls[calls:])
    assert visitor.form.evaluate("(form) => form.verdict")["recipient"] == number


def test_a_half_typed_code_outlives_another_language(visitor: Visitor) -> None:
    number = visitor.begin("sms")
    visitor.at("code")
    code = visitor.stage.code(number)
    visitor.code.press_sequentially(code[:3])
    visitor.form.evaluate("(form) => form.setAttribute('locale', 'ru')")
    expect(visitor.part("heading")).to_have_text("Введите код")
    expect(visitor.code).to_have_value(code[:3])
    expect(visitor.form.locator("[part~=code-box].full")).to_have_count(3)
    visitor.page.keyboard.type(code[3:])  # goes on where it was
    visitor.is_verified(number)
    assert visitor.count("/checkCode") == 1


def test_a_code_of_before_is_in_no_later_form(visitor: Visitor) -> None:
    number = visitor.begin("sms")
    visitor.code.press_sequentially(visitor.stage.code(number))
    visitor.at("verified")
    visitor.form.evaluate("(form) => form.setAttribute('locale', 'ru')")
    expect(visitor.part("heading")).to_have_text("Номер подтверждён")
    visitor.form.evaluate("(form) => form.reset()")
    visitor.at("phone")
    visitor.ask(visitor.stage.number())
    visitor.at("code")
    expect(visitor.code).to_have_value("")
    expect(visitor.form.locator("[part~=code-box].full")).to_have_count(0)


def test_a_number_that_is_corrected_while_it_is_sent_to_is_not_used(visitor: Visitor) -> None:
    visitor.come("guarded")
    held = visitor.hold("/challenge", times=1)
    visitor.ask(visitor.stage.number())
    visitor.until_held(held)
    number = visitor.stage.number()
    visitor.part("phone-input").fill(number)
    expect(visitor.part("submit")).not_to_have_attribute("aria-busy", "true")
    visitor.part("submit").click()
    visitor.at("code")
    assert visitor.detail("otp-sent")["recipient"] == number


def test_a_form_that_is_moved_or_reset_while_it_sends_knows_its_session(visitor: Visitor) -> None:
    visitor.open(
        document(
            f'<form>{element("sms")}<button type="reset">Clear</button></form>'
            '<div id="there"></div>',
            head=LOAD_ELEMENT,
        )
    )
    held = visitor.hold("/sdk/", times=1)
    visitor.ask(visitor.stage.number())
    visitor.until_held(held)
    visitor.page.get_by_role("button", name="Clear").click()
    with visitor.page.expect_response("**/cancel") as cancelled:
        held.pop().continue_()
    assert cancelled.value.status == 201
    visitor.at("phone")
    held = visitor.hold("/sdk/", times=1)
    other = visitor.stage.number()  # whether a message to the first one had left is open
    visitor.ask(other)
    visitor.until_held(held)
    visitor.page.evaluate("there.append(document.querySelector('kaskad-otp'))")
    held.pop().continue_()
    visitor.at("code")
    visitor.code.press_sequentially(visitor.stage.code(other))
    visitor.at("verified")
    assert visitor.count("/cancel") == 1


def test_a_form_in_a_shadow_leaves_the_focus_of_the_page_alone(visitor: Visitor) -> None:
    inside = script(
        'document.getElementById("host").attachShadow({ mode: "open" })'
        f".innerHTML = `{element('brief')}`;"
    )
    page = '<input id="other" aria-label="Other"><div id="host"></div>'
    visitor.open(document(page + inside, head=LOAD_ELEMENT))
    visitor.ask(visitor.stage.number())
    visitor.at("code")
    visitor.page.locator("#other").click()
    visitor.at("ended")
    expect(visitor.page.locator("#other")).to_be_focused()


def test_a_reload_without_a_service_says_so_and_goes_on(visitor: Visitor) -> None:
    visitor.begin("sms")
    visitor.at("code")
    visitor.offline = True
    visitor.page.route("**/sdk/**", lambda route: route.abort())
    visitor.page.reload()
    expect(visitor.part("heading")).to_have_text("Not available now")
    expect(visitor.part("status")).to_have_text("No connection. Check it.")
    expect(visitor.part("again")).to_be_visible()
    visitor.page.unroute("**/sdk/**")
    visitor.at("code")
    expect(visitor.part("status")).not_to_have_text("No connection. Check it.")


def test_a_second_code_waits_for_the_answer_to_the_first(visitor: Visitor) -> None:
    number = visitor.begin("sms")
    visitor.at("code")
    code = visitor.stage.code(number)
    held = visitor.hold("/checkCode", times=1)
    visitor.code.press_sequentially(wrong(code))
    visitor.until_held(held)
    visitor.code.fill(code)
    visitor.code.press("Enter")
    held.pop().continue_()
    visitor.is_verified(number)
    assert visitor.count("/checkCode") == 2
