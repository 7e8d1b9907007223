"""The demo as a person meets it: a real process, a real browser, every step by hand."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.acceptance.browser import (
    DESKTOP,
    FLAGS,
    PHONE,
    Demo,
    Look,
    Person,
    chromium,
    person,
    wrong,
)

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

LOOKS = [pytest.param(DESKTOP, id="desktop"), pytest.param(PHONE, id="phone")]
COOLDOWN_S = 2

# Type, widget, the step's heading, the field's name.
BY_CODE = [
    ("sms", "SMS", "Enter the code", "Code from the SMS"),
    ("voice", "Voice call", "Enter the code", "Code from the call"),
    ("flashcall", "Flash call", "See who is calling", "Last 4 digits of the caller’s number"),
    ("telegramcode", "Telegram", "Enter the code", "Code from Telegram"),
    ("whatsapp", "WhatsApp", "Enter the code", "Code from WhatsApp"),
    ("viber", "Viber", "Enter the code", "Code from Viber"),
    ("vk", "VK", "Enter the code", "Code from VK"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that its owner changed: short waits."""
    changes = {
        "demo = true\n": "demo = true\nlong_poll_timeout = 2\n",
        'provider = "handset"\n': f'provider = "handset"\nrestart_cooldown = {COOLDOWN_S}\n',
    }
    with Demo(tmp_path_factory.mktemp("quick"), changes=changes) as demo:
        yield demo


@pytest.fixture(params=LOOKS)
def look(request: pytest.FixtureRequest) -> Look:
    chosen: Look = request.param
    return chosen


@pytest.fixture
def someone(browser: Browser, demo: Demo, look: Look) -> Iterator[Person]:
    with person(browser, demo, look) as someone:
        someone.open()
        yield someone


# --- every type of channel ---------------------------------------------------------


@pytest.mark.parametrize("kind, widget, heading, label", BY_CODE, ids=[c[0] for c in BY_CODE])
def test_a_code_is_read_on_the_phone_and_typed_in(
    someone: Person, kind: str, widget: str, heading: str, label: str
) -> None:
    number = someone.demo.number()
    someone.see("start")

    someone.ask(widget, number)
    someone.on_heading(heading)
    someone.sent_by(kind)
    expect(someone.at("code")).to_have_accessible_name(label)
    if kind == "voice":
        expect(someone.message(kind).locator("mark")).to_have_count(0)
        someone.see("ringing")
        someone.press(kind, "answer")
    someone.see("sent")
    code = someone.code_on_phone(kind)
    assert code == someone.demo.messages(number)[-1]["code"]
    if kind == "flashcall":
        caller = someone.demo.messages(number)[-1]["callerId"]
        assert caller.endswith(code)

    someone.type_code(code)
    someone.on_heading("Number verified")
    someone.is_verified(number)
    someone.back_end_heard("true")
    someone.see("verified")


def test_a_push_is_confirmed_on_the_phone(someone: Person) -> None:
    number = someone.demo.number()
    someone.ask("SIM push", number)
    someone.on_heading("Confirm on your phone")
    someone.sent_by("sim_push")
    expect(someone.at("code")).to_be_hidden()
    someone.see("asked")
    someone.press("sim_push", "confirm")
    someone.is_verified(number)
    expect(someone.message("sim_push")).to_have_attribute("data-state", "confirm")
    someone.back_end_heard("true")


def test_a_push_is_declined_on_the_phone(someone: Person) -> None:
    someone.expected.add(400)
    someone.ask("SIM push", someone.demo.number())
    someone.sent_by("sim_push")
    someone.press("sim_push", "decline")
    expect(someone.message("sim_push")).to_have_attribute("data-state", "decline")
    expect(someone.at("ended")).to_be_visible()
    expect(someone.at("verified")).to_be_hidden()
    someone.see("declined")


# --- the cascade -------------------------------------------------------------------


def test_the_cascade_moves_on_by_itself_and_says_so(someone: Person) -> None:
    number = someone.demo.number()
    someone.ask("Cascade", number)
    status = someone.page.get_by_role("status").filter(visible=True).first
    expect(someone.at("status")).to_have_attribute("data-channel", "whatsapp")
    expect(status).to_contain_text("WhatsApp")
    expect(status).to_contain_text("We are writing to you in Viber instead.")
    someone.see("viber")
    expect(status).to_contain_text("We are sending you an SMS instead.")
    someone.sent_by("sms")
    someone.see("sms")
    assert [m["type"] for m in someone.demo.messages(number)] == ["sms"]
    someone.type_code(someone.code_on_phone("sms"))
    someone.is_verified(number)


def test_a_late_code_works_while_another_channel_is_current(
    browser: Browser, quick: Demo, look: Look
) -> None:
    with person(browser, quick, look) as someone:
        number = quick.number()
        someone.open()
        someone.ask("Cascade", number)
        someone.sent_by("sms")
        late = someone.code_on_phone("sms")
        someone.at("another-way").click()  # waits for the countdown
        expect(someone.at("status")).to_contain_text("We are calling you instead.")
        someone.sent_by("voice")
        someone.see("calling")
        someone.type_code(late)
        someone.is_verified(number)


# --- wrong codes -------------------------------------------------------------------


def test_a_wrong_code_costs_an_attempt_and_keeps_the_focus(someone: Person) -> None:
    someone.expected.add(400)
    number = someone.demo.number()
    someone.ask("SMS", number)
    someone.sent_by("sms")
    code = someone.code_on_phone("sms")
    field, error = someone.at("code"), someone.page.get_by_role("alert").filter(visible=True)

    someone.type_code(wrong(code))
    expect(error).to_have_text("That code is not right. 2 attempts left.")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile("^That code is not right"))
    someone.see("wrong")
    assert someone.page.evaluate("getSelection().toString()") == wrong(code)

    someone.page.keyboard.type(wrong(code)[:-1])  # over the selected one
    expect(error).to_have_count(0)
    someone.page.keyboard.type(wrong(code)[-1])
    someone.at("verify").click()  # the same again is not sent by itself
    expect(error).to_have_text("That code is not right. 1 attempt left.")
    someone.page.keyboard.insert_text(f" {code[:3]}-{code[3:]} ")  # as it is pasted
    someone.at("verify").click()
    someone.is_verified(number)


def test_too_few_digits_cost_nothing(someone: Person) -> None:
    number = someone.demo.number()
    someone.ask("SMS", number)
    someone.sent_by("sms")
    someone.type_code("123")
    someone.page.keyboard.press("Enter")
    expect(someone.at("code-error")).to_have_text("Enter all 6 digits of the code.")
    expect(someone.at("code")).to_be_focused()
    someone.see("incomplete")
    assert not any(path.endswith("/checkCode") for path in someone.paths)


def test_attempts_are_used_up(someone: Person) -> None:
    someone.expected.add(400)
    someone.ask("SMS", someone.demo.number())
    someone.sent_by("sms")
    code = someone.code_on_phone("sms")
    for left in ("2 attempts left.", "1 attempt left."):
        someone.type_code(wrong(code))
        someone.at("verify").click()
        expect(someone.at("code-error")).to_contain_text(left)
    someone.at("verify").click()
    someone.on_heading("Too many wrong codes")
    someone.see("over")
    someone.at("start-again").click()
    someone.on_heading("Your number")
