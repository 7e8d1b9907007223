"""The demo as a person meets it: a real process, a real browser, every step by hand."""

import re
from collections.abc import Iterator

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
IN_RUSSIAN = PHONE._replace(locale="ru-RU")
at_desktop = pytest.mark.parametrize("look", LOOKS[:1], indirect=True)
at_phone = pytest.mark.parametrize("look", LOOKS[1:], indirect=True)
COOLDOWN_S = 1

# Type, widget, the step's heading, the field's name, and who looks.
BY_CODE = [
    pytest.param(kind, widget, heading, label, look, id=kind)
    for kind, widget, heading, label, look in [
        ("sms", "SMS", "Enter the code", "Code from the SMS", PHONE),
        ("voice", "Voice call", "Enter the code", "Code from the call", PHONE),
        (
            "flashcall",
            "Flash call",
            "See who is calling",
            "Last 4 digits of the caller’s number",
            DESKTOP,
        ),
        ("telegramcode", "Telegram", "Enter the code", "Code from Telegram", DESKTOP),
        ("whatsapp", "WhatsApp", "Enter the code", "Code from WhatsApp", PHONE),
        ("viber", "Viber", "Enter the code", "Code from Viber", DESKTOP),
        ("vk", "VK", "Enter the code", "Code from VK", PHONE),
    ]
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
        "delay = 2.5": "delay = 0.3",
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


@pytest.mark.parametrize("kind, widget, heading, label, look", BY_CODE, indirect=["look"])
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


@at_desktop
def test_a_push_is_declined_on_the_phone(someone: Person) -> None:
    someone.expected.add(400)
    someone.ask("SIM push", someone.demo.number())
    someone.sent_by("sim_push")
    someone.press("sim_push", "decline")
    expect(someone.message("sim_push")).to_have_attribute("data-state", "decline")
    someone.on_heading("Not confirmed")
    expect(someone.at("ended")).to_contain_text("was declined")
    expect(someone.at("verified")).to_be_hidden()
    someone.see("declined")


# --- the cascade -------------------------------------------------------------------


def test_the_cascade_moves_on_by_itself_and_says_so(browser: Browser, demo: Demo) -> None:
    with person(browser, demo, DESKTOP) as someone:
        number = demo.number()
        someone.open()
        someone.ask("Cascade", number)
        status = someone.page.get_by_role("status").and_(someone.at("status"))
        expect(status).to_have_attribute("data-channel", "whatsapp")
        expect(status).to_contain_text("Sending a message in WhatsApp")
        expect(status).to_contain_text("We are writing to you in Viber instead.")
        someone.see("viber")
        expect(status).to_contain_text("We are sending you an SMS instead.")
        someone.sent_by("sms")
        someone.see("sms")
        assert [m["type"] for m in demo.messages(number)] == ["sms"]
        someone.type_code(someone.code_on_phone("sms"))
        someone.is_verified(number)


def test_the_cascade_in_russian(browser: Browser, demo: Demo) -> None:
    with person(browser, demo, IN_RUSSIAN) as someone:
        number = demo.number()
        someone.open()
        someone.see("start")
        someone.ask("Cascade", number)
        someone.on_heading("Введите код")
        expect(someone.at("status")).to_contain_text("Вместо этого пишем вам в Viber.")
        expect(someone.at("status")).to_contain_text("Вместо этого отправляем вам SMS.")
        someone.sent_by("sms")
        expect(someone.at("code")).to_have_accessible_name("Код из SMS")
        expect(someone.message("sms")).to_contain_text("код для Cascade")
        someone.see("code")
        someone.type_code(someone.code_on_phone("sms"))
        someone.on_heading("Номер подтверждён")
        someone.see("verified")


@at_phone
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

    other = wrong(wrong(code))
    someone.page.keyboard.type(other)  # over the selected one; only the first goes by itself
    expect(error).to_have_count(0)
    someone.at("verify").click()
    expect(error).to_have_text("That code is not right. 1 attempt left.")
    someone.page.keyboard.insert_text(f" {code[:3]}-{code[3:]} ")  # as it is pasted
    someone.at("verify").click()
    someone.is_verified(number)


@at_phone
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


@at_phone
def test_attempts_are_used_up(someone: Person) -> None:
    someone.expected.add(400)
    someone.ask("SMS", someone.demo.number())
    someone.sent_by("sms")
    code = someone.code_on_phone("sms")
    someone.type_code(wrong(code))  # the last digit sends the first one
    expect(someone.at("code-error")).to_contain_text("2 attempts left.")
    someone.page.keyboard.press("Enter")  # as some people do; the same code was not sent twice
    for answer in ("1 attempt left.", ""):
        code = wrong(code)
        someone.page.keyboard.type(wrong(code))
        someone.page.keyboard.press("Enter")
        if answer:
            expect(someone.at("code-error")).to_contain_text(answer)
    someone.on_heading("Too many wrong codes")
    assert [path.endswith("/checkCode") for path in someone.paths].count(True) == 3
    someone.see("over")
    someone.at("start-again").click()
    someone.on_heading("Your number")


# --- another code, another number --------------------------------------------------


@at_desktop
def test_another_code_is_sent_when_the_countdown_is_over(
    browser: Browser, quick: Demo, look: Look
) -> None:
    with person(browser, quick, look) as someone:
        number = quick.number()
        someone.open()
        someone.ask("SMS", number)
        someone.sent_by("sms")
        resend = someone.at("resend")
        expect(resend).to_have_text("Resend SMS in 0:01")
        expect(resend).to_have_attribute("aria-disabled", "true")
        resend.focus()  # it can be reached while it counts
        someone.page.keyboard.press("Enter")
        expect(resend).to_have_text("Resend SMS")
        expect(resend).not_to_have_attribute("aria-disabled", "true")
        expect(resend).to_be_focused()
        someone.page.keyboard.press("Enter")
        expect(someone.at("status")).to_contain_text("Another SMS is on its way.")
        someone.sent_by("sms")
        expect(someone.at("phone").locator("article[data-type=sms]")).to_have_count(2)
        expect(resend).to_be_hidden()  # one restart, no other channel
        someone.see("again")
        polls = [path for path in someone.paths if "/longPolling/" in path]
        assert len(polls) <= 8, polls
        assert [path.endswith("/resend") for path in someone.paths].count(True) == 1
        someone.type_code(someone.code_on_phone("sms"))
        someone.is_verified(number)


@at_desktop
def test_the_wrong_number_is_given_up(someone: Person) -> None:
    number = someone.demo.number()
    someone.ask("SMS", number)
    someone.sent_by("sms")
    session = someone.demo.messages(number)[-1]["requestId"]
    with someone.page.expect_response("**/cancel") as answer:
        someone.at("cancel").click()
    assert answer.value.ok
    someone.on_heading("Your number")
    expect(someone.at("phone")).to_have_attribute("recipient", "")
    expect(someone.at("recipient")).to_have_value(re.compile(re.escape(number[-2:]) + "$"))
    someone.page.reload()
    expect(someone.at("send")).to_be_visible()
    expect(someone.at("code")).to_be_hidden()
    closed = someone.page.request.get(f"{someone.demo.url}/demo/api/{session}/channel")
    assert closed.json()["type"] == "SessionClosedException"


@at_phone
def test_the_example_number_is_one_click(someone: Person) -> None:
    someone.at("use-example").click()
    expect(someone.at("recipient")).to_have_value("+7 900 123-45-67")
    expect(someone.at("send")).to_be_focused()


@pytest.mark.parametrize(
    "look, message",
    [
        (DESKTOP, "The request is not valid: this does not look like a phone number."),
        (IN_RUSSIAN, "Некорректные данные запроса: это не похоже на номер телефона."),
    ],
    ids=["en", "ru"],
)
def test_a_bad_number_is_refused_in_the_language_of_the_page(
    browser: Browser, demo: Demo, look: Look, message: str
) -> None:
    with person(browser, demo, look) as someone:
        someone.expected.add(400)
        someone.open()
        expect(someone.page.locator("html")).to_have_attribute("lang", look.locale[:2])
        someone.ask("SMS", "12")
        field = someone.at("recipient")
        expect(someone.page.get_by_role("alert").filter(visible=True)).to_have_text(message)
        expect(field).to_be_focused()
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(re.compile(re.escape(message)))
        someone.see("refused")
        field.press("9")
        expect(field).not_to_have_attribute("aria-invalid", "true")


# --- once, and in the middle -------------------------------------------------------


@at_desktop
def test_the_back_end_learns_of_it_once(someone: Person) -> None:
    number = someone.demo.number()
    someone.ask("SMS", number)
    someone.sent_by("sms")
    someone.type_code(someone.code_on_phone("sms"))
    someone.is_verified(number)
    someone.back_end_heard("true")
    someone.at("complete-again").click()
    someone.back_end_heard("true", "false")
    someone.see("asked-twice")
    someone.page.reload()  # shows what was heard and asks nothing
    someone.is_verified(number)
    someone.back_end_heard("true", "false")
    someone.at("complete-again").click()
    someone.back_end_heard("true", "false", "false")
    someone.at("another").click()
    someone.on_heading("Your number")
    assert [path.endswith("/checkStatusAndComplete") for path in someone.paths].count(True) == 3


@at_phone
def test_a_reload_in_the_middle_goes_on(someone: Person) -> None:
    number = someone.demo.number()
    someone.ask("SMS", number)
    someone.sent_by("sms")
    someone.page.reload()
    someone.sent_by("sms")
    expect(someone.heading("Enter the code")).to_be_visible()
    expect(someone.at("resend")).to_have_text(re.compile(r"^Resend SMS in 0:2\d$"))
    someone.see("reloaded")
    assert len(someone.demo.messages(number)) == 1
    someone.type_code(someone.code_on_phone("sms"))
    someone.is_verified(number)


@at_phone
def test_the_page_recovers_when_the_server_was_away(
    browser: Browser, quick: Demo, look: Look
) -> None:
    with person(browser, quick, look) as someone:
        someone.expected |= {404, 503}
        someone.offline = True
        number = quick.number()
        someone.open()
        someone.ask("SMS", number)
        someone.sent_by("sms")
        code = someone.code_on_phone("sms")

        quick.stop()
        expect(someone.at("session-alert")).to_have_text("Connection lost. Trying again…")
        someone.type_code(code)
        expect(someone.at("code-error")).to_contain_text("The service cannot be reached.")
        expect(someone.at("code")).not_to_have_attribute("aria-invalid", "true")
        expect(someone.at("phone")).to_contain_text("Connection lost. Reconnecting…")
        someone.see("away")

        quick.start()
        expect(someone.at("session-alert")).to_be_empty(timeout=15_000)
        expect(someone.at("code-error")).to_be_empty()
        someone.at("verify").click()
        someone.is_verified(number)
        someone.back_end_heard("true")
        expect(someone.at("phone")).not_to_contain_text("Connection lost", timeout=15_000)


def test_a_send_while_the_server_is_away(browser: Browser, quick: Demo) -> None:
    with person(browser, quick, DESKTOP) as someone:
        someone.offline = True
        number = quick.number()
        someone.open()
        quick.stop()
        someone.ask("SMS", number)
        expect(someone.at("start-alert")).to_contain_text("The service cannot be reached.")
        someone.see("unreachable")
        quick.start()
        someone.at("send").click()
        someone.sent_by("sms")


# --- by keyboard, and for a screen reader ------------------------------------------


def test_a_whole_verification_by_keyboard(someone: Person) -> None:
    number, keys = someone.demo.number(), someone.page.keyboard

    def tab_to(name: str, *, back: bool = False) -> None:
        target = someone.page.get_by_label(name).or_(someone.button(name)).filter(visible=True)
        for _ in range(12):
            keys.press("Shift+Tab" if back else "Tab")
            if target.evaluate("(node) => node === document.activeElement"):
                return
        raise AssertionError(f"the keyboard does not get to {name}")

    tab_to("Widget")
    keys.type("Voice")
    tab_to("Phone number")
    keys.type(number)
    keys.press("Enter")
    someone.on_heading("Enter the code")
    someone.sent_by("voice")
    tab_to("Answer")
    keys.press("Enter")
    expect(someone.message("voice")).to_have_attribute("data-state", "answered")
    code = someone.code_on_phone("voice")
    expect(someone.message("voice").locator(":focus")).to_have_count(1)
    tab_to("Code from the call", back=True)
    keys.type(code)
    someone.on_heading("Number verified")
    tab_to("Ask a second time")
    keys.press("Enter")
    someone.back_end_heard("true", "false")
    tab_to("Verify another number")
    keys.press("Space")
    someone.on_heading("Your number")


def test_what_a_screen_reader_meets(someone: Person) -> None:
    number = someone.demo.number()
    main = someone.page.get_by_role("main")
    expect(main).to_match_aria_snapshot("""
      - heading "Verify a phone number" [level=1]
      - list "Steps"
      - region "Your number":
        - combobox "Widget"
        - list "Channels, in order"
        - textbox "Phone number"
        - button "Send code"
      - complementary "The phone"
    """)
    someone.ask("SMS", number)
    someone.sent_by("sms")
    expect(main).to_match_aria_snapshot("""
      - region "Enter the code":
        - heading "Enter the code" [level=2]
        - status:
          - paragraph: /SMS sent to \\+7 900/
        - textbox "Code from the SMS"
        - button "Verify"
        - button /Resend SMS in 0:/ [disabled]
        - button "Wrong number?"
      - complementary "The phone":
        - group "The phone":
          - region "Messages":
            - list:
              - listitem:
                - article "SMS":
                  - paragraph:
                    - mark
                  - button "Copy code"
    """)
    someone.type_code(someone.code_on_phone("sms"))
    someone.is_verified(number)
    expect(main).to_match_aria_snapshot("""
      - region "Number verified":
        - heading "Number verified" [level=2]
        - group "What your back end sees":
          - list:
            - listitem:
              - text: First answer
          - button "Ask a second time"
        - button "Verify another number"
    """)
    someone.page.locator("summary").click()
    expect(someone.page.get_by_role("region", name="Under the hood")).to_be_visible()
    someone.see("hood")
    expect(someone.at("request-log")).to_contain_text("checkStatusAndComplete")
    expect(someone.at("request-log")).not_to_contain_text(someone.code_on_phone("sms"))


# --- the phone alone ---------------------------------------------------------------


def test_the_handset_alone_shows_all_numbers_or_one(
    browser: Browser, demo: Demo, look: Look
) -> None:
    one, other = demo.number(), demo.number()
    with person(browser, demo, look) as someone:
        demo.send("WhatsApp", one)
        someone.open("/handset")
        mine = someone.at("phone").locator("article", has_text=one[-2:]).filter(visible=True)
        expect(someone.message("whatsapp")).to_be_visible()
        demo.send("SMS", other)  # arrives while somebody looks
        expect(someone.message("sms")).to_contain_text(f"to +7 900 123-{other[-4:-2]}-{other[-2:]}")
        someone.see("all")

        someone.at("filter").select_option(value=one)
        visible = someone.at("phone").locator("article").filter(visible=True)
        expect(visible).to_have_count(1)
        expect(visible).to_have_attribute("data-type", "whatsapp")
        someone.see("one")
        someone.page.reload()  # the address remembers the choice
        expect(someone.at("filter")).to_have_value(one)
        expect(visible).to_have_count(1)
        expect(mine).to_have_count(1)


@at_phone
def test_a_call_and_a_push_on_the_handset_alone(browser: Browser, demo: Demo, look: Look) -> None:
    number = demo.number()
    with person(browser, demo, look) as someone:
        someone.open(f"/handset?recipient={number[1:]}")
        someone.see("empty")
        demo.send("Voice call", number)
        expect(someone.message("voice")).to_have_attribute("data-state", "ringing")
        someone.see("ringing")
        someone.press("voice", "hang-up")
        expect(someone.message("voice")).to_contain_text("Missed call")
        demo.send("SIM push", number)
        expect(someone.message("sim_push")).to_contain_text("Confirm that this phone is yours?")
        someone.see("push")
        someone.press("sim_push", "confirm")
        expect(someone.message("sim_push")).to_contain_text("Confirmed")
