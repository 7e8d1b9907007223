"""Codes as people and their phones put them in: typed, pasted, filled in, wrong, late."""

import re

import pytest
from playwright.sync_api import expect

from tests.acceptance.browser import DESKTOP, PHONE
from tests.browser.pages import with_element
from tests.browser.visitor import Visitor, wrong

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.untraced]

RU = PHONE._replace(locale="ru-RU")

at_phone = pytest.mark.parametrize("look", [PHONE], indirect=True)

# What a browser's autofill does: the value at once, and both events.
FILL = """(input, code) => {
  for (let times = 0; times < 2; times++) {
    input.value = code;
    input.dispatchEvent(new InputEvent("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
  input.form.requestSubmit();
}"""


def selected(visitor: Visitor) -> str:
    text: str = visitor.code.evaluate("(i) => i.value.slice(i.selectionStart, i.selectionEnd)")
    return text


def test_a_wrong_code_costs_an_attempt_and_keeps_the_focus(visitor: Visitor) -> None:
    number = visitor.begin("sms")
    code = visitor.stage.code(number)

    visitor.code.press_sequentially(wrong(code))
    expect(visitor.error).to_have_text(re.compile("left: 2"))
    expect(visitor.code).to_be_focused()
    expect(visitor.code).to_have_attribute("aria-invalid", "true")
    expect(visitor.code).to_have_accessible_description(re.compile("left: 2"))
    assert selected(visitor) == wrong(code)
    assert visitor.detail("otp-code-error")["attemptsLeft"] == 2

    visitor.page.keyboard.type(wrong(code, 2))  # over the selected one
    expect(visitor.error).to_have_count(0)
    visitor.page.keyboard.press("Enter")  # only the first full code goes by itself
    expect(visitor.error).to_have_text(re.compile("left: 1"))
    assert visitor.count("/checkCode") == 2
    visitor.page.keyboard.type(code)
    visitor.page.keyboard.press("Enter")
    visitor.is_verified(number)


@pytest.mark.parametrize("look", [DESKTOP, PHONE], ids=["desktop", "phone"], indirect=True)
@pytest.mark.parametrize(
    "pasted", ["{a} {b}", " {a}-{b}\n", "Your code is {a}{b}. Do not share it."], ids=repr
)
def test_a_code_is_pasted_as_it_was_copied(visitor: Visitor, pasted: str) -> None:
    number = visitor.begin("sms")
    code = visitor.stage.code(number)
    visitor.code.focus()
    visitor.page.keyboard.insert_text(pasted.format(a=code[:3], b=code[3:]))
    visitor.is_verified(number)
    assert visitor.count("/checkCode") == 1


def test_digits_of_another_script_are_digits(visitor: Visitor) -> None:
    number = visitor.begin("sms")
    code = visitor.stage.code(number)
    visitor.code.focus()
    visitor.page.keyboard.insert_text(code.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")))
    visitor.is_verified(number)


@at_phone
def test_a_code_that_is_filled_in_twice_is_checked_once(visitor: Visitor) -> None:
    number = visitor.begin("sms")
    visitor.code.evaluate(FILL, visitor.stage.code(number))
    visitor.is_verified(number)
    assert visitor.count("/checkCode") == 1


@at_phone
def test_the_same_wrong_code_costs_one_attempt(visitor: Visitor) -> None:
    number = visitor.begin("sms")
    visitor.code.evaluate(FILL, wrong(visitor.stage.code(number)))
    expect(visitor.error).to_have_text(re.compile("left: 2"))
    visitor.part("submit").click()
    expect(visitor.error).to_have_text(re.compile("left: 2"))
    assert visitor.count("/checkCode") == 1


def test_too_few_digits_cost_nothing(visitor: Visitor) -> None:
    visitor.begin("sms")
    visitor.at("code")
    visitor.code.press_sequentially("123")
    visitor.page.keyboard.press("Enter")
    expect(visitor.error).to_have_text(re.compile("6"))
    expect(visitor.code).to_be_focused()
    assert visitor.count("/checkCode") == 0


def test_attempts_are_used_up(visitor: Visitor) -> None:
    number = visitor.begin("sms")
    code = visitor.stage.code(number)
    for times in (1, 2, 3):
        visitor.code.press_sequentially(wrong(code, times))
        if times > 1:
            visitor.page.keyboard.press("Enter")
        if times < 3:
            expect(visitor.error).to_have_text(re.compile(f"left: {3 - times}"))
    visitor.at("over")
    assert visitor.count("/checkCode") == 3
    expect(visitor.error).not_to_be_empty()
    assert visitor.detail("otp-error")["type"] == "AttemptsExpiredException"
    visitor.part("again").click()
    visitor.at("phone")


def test_an_expired_code_is_sent_anew(visitor: Visitor) -> None:
    number = visitor.begin("brief")
    old = visitor.stage.code(number)
    visitor.at("ended")
    expect(visitor.error).not_to_be_empty()
    assert visitor.detail("otp-expired")["type"] == "ResendChannelException"
    visitor.part("resend").click()
    visitor.at("code")
    code = visitor.stage.code(number, 2)
    assert code != old
    visitor.code.press_sequentially(code)
    visitor.is_verified(number)


@at_phone
def test_an_expired_code_that_cannot_be_sent_anew_is_the_end(visitor: Visitor) -> None:
    visitor.begin("once")
    visitor.at("over")
    expect(visitor.error).not_to_be_empty()
    expect(visitor.error).to_have_text(re.compile("Время вышло|time is up"))
    expect(visitor.part("resend")).to_have_count(0)
    visitor.part("again").click()
    visitor.at("phone")


def test_another_code_is_sent_when_the_countdown_is_over(visitor: Visitor) -> None:
    clock = visitor.page.clock
    clock.install()
    number = visitor.stage.number()
    visitor.come("brisk")
    visitor.stop_clock()  # two seconds are soon over
    visitor.ask(number)
    visitor.at("code")
    resend = visitor.part("resend")
    expect(resend).to_have_attribute("aria-disabled", "true")
    expect(resend).to_have_text(re.compile(r"0:0[12]$"))
    resend.focus()  # it can be reached while it counts
    visitor.page.keyboard.press("Enter")
    assert visitor.count("/resend") == 0
    clock.resume()
    expect(resend).not_to_have_attribute("aria-disabled", "true")
    expect(resend).to_be_focused()
    visitor.page.keyboard.press("Enter")
    code = visitor.stage.code(number, 2)
    visitor.at("code")
    expect(resend).to_have_count(0)  # one restart, no other channel
    assert visitor.count("/resend") == 1
    expect(visitor.part("heading")).to_be_focused()
    visitor.page.keyboard.type(code)  # goes into the field, though the button had the focus
    visitor.is_verified(number)


@at_phone
def test_a_late_code_works_while_another_channel_is_current(visitor: Visitor) -> None:
    number = visitor.begin("either")
    visitor.at("code")
    late = visitor.stage.code(number)
    another = visitor.part("another")
    expect(another).not_to_have_attribute("aria-disabled", "true")
    another.click()
    visitor.on_channel("voice")
    visitor.stage.received(number, 2)
    assert visitor.detail("otp-channel-change")["previous"] == "sms"
    visitor.code.press_sequentially(late)
    visitor.is_verified(number)


def another_way(visitor: Visitor, kind: str) -> None:
    """Ask for the channel of a type, once it may be asked for."""
    button = visitor.part("another" if kind == "flashcall" else "resend")
    expect(button).not_to_have_attribute("aria-disabled", "true")
    button.click()
    visitor.on_channel(kind)
    visitor.at("code")


def test_a_late_code_that_is_shorter_can_be_typed(visitor: Visitor) -> None:
    number = visitor.begin("call_first")
    visitor.at("code")
    late = visitor.stage.code(number)
    another_way(visitor, "sms")
    visitor.page.reload()  # as a phone does with a page while its owner reads the message
    visitor.at("code")
    visitor.code.press_sequentially(late[:3])
    visitor.page.keyboard.press("Enter")
    expect(visitor.error).to_have_text(re.compile("6"))
    visitor.page.keyboard.press("End")
    visitor.page.keyboard.type(late[3:])
    assert visitor.count("/checkCode") == 0  # it may become one of six digits
    visitor.page.keyboard.press("Enter")
    visitor.is_verified(number)
    assert visitor.count("/checkCode") == 1


def test_a_late_code_that_is_longer_can_be_typed(visitor: Visitor) -> None:
    number = visitor.begin("call_second")
    visitor.at("code")
    late = visitor.stage.code(number)
    another_way(visitor, "flashcall")
    expect(visitor.form.locator("[part~=code-box]")).to_have_count(4)
    visitor.code.press_sequentially(late, delay=50)
    visitor.is_verified(number)
    assert visitor.count("/checkCode") == 1


def test_a_shorter_code_is_sent_by_itself_once_no_digit_follows(visitor: Visitor) -> None:
    number = visitor.begin("call_second")
    visitor.at("code")
    another_way(visitor, "flashcall")
    visitor.code.press_sequentially(visitor.stage.code(number, 2))
    visitor.is_verified(number)
    assert visitor.count("/checkCode") == 1


def test_another_way_is_offered_where_there_is_one(visitor: Visitor) -> None:
    visitor.begin("sms")
    visitor.at("code")
    expect(visitor.part("resend")).to_be_visible()
    expect(visitor.part("another")).to_have_count(0)
    visitor.part("change").click()
    visitor.begin("either")
    visitor.at("code")
    expect(visitor.part("another")).to_be_visible()


@pytest.mark.parametrize(
    "look, said", [(DESKTOP, "Declined"), (RU, "Отклонено")], indirect=["look"]
)
def test_who_pressed_no_reads_that(visitor: Visitor, said: str) -> None:
    number = visitor.begin("once_push")
    visitor.at("codeless")
    visitor.stage.press(number, "decline")
    visitor.at("over")
    expect(visitor.error).to_have_text(re.compile(said))


def test_the_wrong_number_is_given_up(visitor: Visitor) -> None:
    number = visitor.begin("sms")
    visitor.at("code")
    session = visitor.stage.received(number)[-1]["requestId"]
    with visitor.page.expect_response("**/cancel") as answer:
        visitor.part("change").click()
    assert answer.value.ok
    visitor.at("phone")
    visitor.page.reload()
    visitor.at("phone")
    closed = visitor.page.request.get(f"{visitor.stage.url}/sdk/{session}/channel")
    assert closed.json()["type"] == "SessionClosedException"


@pytest.mark.parametrize("typed", ["", "12", "+7 000 000 00 00"], ids=["none", "short", "invalid"])
def test_a_bad_number_is_said_to_be_one(visitor: Visitor, typed: str) -> None:
    visitor.come("sms")
    visitor.ask(typed)
    field = visitor.part("phone-input")
    expect(visitor.error).not_to_be_empty()
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile("."))
    field.press("9")
    expect(field).not_to_have_attribute("aria-invalid", "true")
    expect(visitor.error).to_have_count(0)


@pytest.mark.parametrize("name", ["blocked", "unknown"])
def test_a_widget_that_may_not_be_used_says_so(visitor: Visitor, name: str) -> None:
    visitor.open(with_element(name))
    visitor.at("unavailable")
    expect(visitor.error).not_to_be_empty()
    visitor.part("again").click()
    visitor.at("unavailable")


@pytest.mark.parametrize("typed", ["{}", "8{0}", "{1} ({2}) {3}", "007{0}"], ids=repr)
def test_a_number_is_understood_in_any_form(visitor: Visitor, typed: str) -> None:
    number = visitor.stage.number()
    rest = number[2:]
    visitor.come("sms", country="RU")
    expect(visitor.part("country-button")).to_be_visible()
    full = number if typed == "{}" else typed.format(rest, number[:2], rest[:3], rest[3:])
    visitor.ask(full)
    visitor.at("code")
    assert visitor.detail("otp-sent")["recipient"] == number
