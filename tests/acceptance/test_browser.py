"""The demo as a person meets it: a real process, a real browser, every step by hand."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.browser import (
    DESKTOP,
    PHONE,
    Demo,
    Look,
    Person,
    person,
    wrong,
)

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.untraced]

LOOKS = [pytest.param(DESKTOP, id="desktop"), pytest.param(PHONE, id="phone")]
IN_RUSSIAN = PHONE._replace(locale="ru-RU")
at_desktop = pytest.mark.parametrize("look", LOOKS[:1], indirect=True)
at_phone = pytest.mark.parametrize("look", LOOKS[1:], indirect=True)
COOLDOWN_S = 1

# Type, the widget's name on the page, and who looks.
BY_CODE = [
    pytest.param(kind, widget, look, id=kind)
    for kind, widget, look in [
        ("sms", "SMS", PHONE),
        ("voice", "Voice call", PHONE),
        ("flashcall", "Flash call", DESKTOP),
        ("telegramcode", "Telegram", DESKTOP),
        ("whatsapp", "WhatsApp", PHONE),
        ("viber", "Viber", DESKTOP),
        ("vk", "VK", PHONE),
    ]
]


NOTE_CHANNELS = """(card) => {
  window.channels = [];
  new MutationObserver(() => {
    const { channel } = card.dataset;
    if (channel && channel !== window.channels.at(-1)) window.channels.push(channel);
  }).observe(card, { attributes: true });
}"""


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


@pytest.mark.parametrize("kind, widget, look", BY_CODE, indirect=["look"])
def test_a_code_is_read_on_the_phone_and_typed_in(someone: Person, kind: str, widget: str) -> None:
    number = someone.demo.number()
    someone.see("start")

    someone.ask(widget, number)
    someone.sent_by(kind)
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
    someone.is_verified(number)
    expect(someone.page.locator("#news")).to_be_hidden()  # of a code that has been used
    someone.back_end_heard("true")
    someone.see("verified")


def test_a_push_is_confirmed_on_the_phone(someone: Person) -> None:
    number = someone.demo.number()
    someone.ask("SIM push", number)
    someone.sent_by("sim_push")
    expect(someone.part("code-input")).to_have_count(0)
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
    someone.on_step("over")
    expect(someone.at("backend")).to_be_hidden()
    someone.see("declined")
    someone.part("again").click()
    someone.on_step("phone")


# --- the cascade -------------------------------------------------------------------


def test_the_cascade_moves_on_by_itself_and_says_so(browser: Browser, demo: Demo) -> None:
    with person(browser, demo, DESKTOP) as someone:
        number = demo.number()
        someone.open()
        expect(someone.at("channel-about")).to_contain_text("WhatsApp → Viber → SMS → Voice call")
        someone.card.evaluate(NOTE_CHANNELS)
        someone.ask("Cascade", number)
        status = someone.part("status")
        expect(status).to_contain_text("Viber")
        someone.see("viber")
        someone.sent_by("sms")
        expect(status).to_contain_text("SMS")
        someone.see("sms")
        # The first gives up so soon that a slow page may not hear of it.
        seen = someone.page.evaluate("window.channels")
        assert seen in (["whatsapp", "viber", "sms"], ["viber", "sms"])
        assert [m["type"] for m in demo.messages(number)] == ["sms"]
        someone.type_code(someone.code_on_phone("sms"))
        someone.is_verified(number)


def test_the_cascade_in_russian(browser: Browser, demo: Demo) -> None:
    with person(browser, demo, IN_RUSSIAN) as someone:
        number = demo.number()
        someone.open()
        expect(someone.page).to_have_title("Проверка номера телефона · демо kaskad")
        someone.see("start")
        someone.ask("Каскад", number)
        someone.sent_by("sms")
        expect(someone.card).to_have_attribute("lang", "ru")
        expect(someone.message("sms")).to_contain_text("код для Cascade")
        someone.see("code")
        someone.type_code(someone.code_on_phone("sms"))
        someone.is_verified(number)
        expect(someone.at("backend")).to_contain_text("Что видит ваш сервер")
        someone.see("verified")


# What is pressed or typed into, wherever on the page somebody is, and lies below the news.
COVERED = """(news) => {
  const found = [], { scrollY } = window;
  const all = (root) => [...root.querySelectorAll("*")].flatMap((each) =>
    [each, ...(each.shadowRoot ? all(each.shadowRoot) : [])]);
  const pressed = all(document).filter((each) =>
    each.matches("a, button, input, summary") && each.checkVisibility() && !news.contains(each));
  for (let y = 0; y < document.documentElement.scrollHeight; y += 100) {
    scrollTo({ top: y, behavior: "instant" });
    for (const each of pressed) {
      const { x, y, width, height } = each.getBoundingClientRect();
      for (const part of [0.1, 0.5, 0.9])
        if (news.contains(document.elementFromPoint(x + width / 2, y + height * part)))
          found.push(each.outerHTML.slice(0, 80));
    }
  }
  scrollTo({ top: scrollY, behavior: "instant" });
  return found;
}"""
TOP_OF_FORM = "document.querySelector('kaskad-otp').getBoundingClientRect().top + scrollY"


@pytest.mark.parametrize("look", [PHONE, IN_RUSSIAN], ids=["en", "ru"])
def test_news_of_the_phone_covers_nothing(browser: Browser, demo: Demo, look: Look) -> None:
    with person(browser, demo, look) as someone:
        someone.open()
        someone.choose("widgets", "SMS")
        expect(someone.part("country-button")).to_be_visible()
        before = someone.page.evaluate(TOP_OF_FORM)
        someone.ask("SMS", demo.number())
        someone.sent_by("sms")
        news = someone.page.locator("#news")
        expect(news).to_be_in_viewport(ratio=1)
        assert news.evaluate(COVERED) == []
        # Nobody presses beside a button because it has moved.
        assert someone.page.evaluate(TOP_OF_FORM) == pytest.approx(before, abs=1)
        news.get_by_role("button").click()
        expect(news).to_be_hidden()
        expect(someone.message("sms")).to_be_in_viewport()


def test_news_of_a_phone_that_was_the_wrong_one_is_gone(browser: Browser, demo: Demo) -> None:
    with person(browser, demo, PHONE) as someone:
        someone.open()
        someone.ask("SMS", demo.number())
        someone.sent_by("sms")
        news = someone.page.locator("#news")
        expect(news).to_be_visible()
        someone.part("change").click()
        someone.on_step("phone")
        expect(news).to_be_hidden()


@pytest.mark.parametrize(
    "widget, kind, said",
    [
        ("Голосовой звонок", "voice", "Голосовой звонок"),
        ("Звонок-сброс", "flashcall", "Звонок-сброс"),
        ("SIM-push", "sim_push", "SIM-push"),
    ],
)
def test_the_phone_names_a_channel_in_the_language_of_the_page(
    browser: Browser, demo: Demo, widget: str, kind: str, said: str
) -> None:
    with person(browser, demo, IN_RUSSIAN._replace(locale="en-GB")) as someone:
        someone.open("/?lang=ru")
        someone.ask(widget, demo.number())
        someone.sent_by(kind)
        expect(someone.message(kind).locator(".ph-label")).to_have_text(said)


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
        another = someone.part("another")
        expect(another).not_to_have_attribute("aria-disabled", "true")  # the countdown is over
        another.click()
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
    field, error = someone.part("code-input"), someone.part("error")

    someone.type_code(wrong(code))
    expect(error).to_contain_text("2")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    someone.see("wrong")

    someone.page.keyboard.type(wrong(wrong(code)))  # over the first, which is selected
    someone.page.keyboard.press("Enter")
    expect(error).to_contain_text("1")
    someone.page.keyboard.insert_text(f" {code[:3]}-{code[3:]} ")  # as it is pasted
    someone.page.keyboard.press("Enter")
    someone.is_verified(number)


@at_phone
def test_too_few_digits_cost_nothing(someone: Person) -> None:
    someone.ask("SMS", someone.demo.number())
    someone.sent_by("sms")
    someone.type_code("123")
    someone.page.keyboard.press("Enter")
    expect(someone.part("error")).to_contain_text("6")
    expect(someone.part("code-input")).to_be_focused()
    someone.see("incomplete")
    assert not any(path.endswith("/checkCode") for path in someone.paths)


@at_phone
def test_attempts_are_used_up(someone: Person) -> None:
    someone.expected.add(400)
    someone.ask("SMS", someone.demo.number())
    someone.sent_by("sms")
    code = someone.code_on_phone("sms")
    for left in ("2", "1", None):
        code = wrong(code)
        someone.part("code-input").fill(code)
        someone.page.keyboard.press("Enter")  # as some people do: the code has gone by itself
        if left:
            expect(someone.part("error")).to_contain_text(left)
    someone.on_step("over")
    assert [path.endswith("/checkCode") for path in someone.paths].count(True) == 3
    someone.see("over")
    someone.part("again").click()
    someone.on_step("phone")


# --- another code, another number --------------------------------------------------


@at_desktop
def test_another_code_is_sent_when_the_countdown_is_over(
    browser: Browser, quick: Demo, look: Look
) -> None:
    with person(browser, quick, look) as someone:
        number = quick.number()
        clock = someone.page.clock
        clock.install()
        someone.open()
        clock.pause_at(someone.page.evaluate("Date.now()") + 1000)  # the second is a short one
        someone.ask("SMS", number)
        someone.sent_by("sms")
        resend = someone.part("resend")
        expect(resend).to_contain_text("0:01")
        expect(resend).to_have_attribute("aria-disabled", "true")
        resend.focus()  # it can be reached while it counts
        someone.page.keyboard.press("Enter")
        clock.resume()
        expect(resend).not_to_have_attribute("aria-disabled", "true")
        expect(resend).to_be_focused()
        someone.page.keyboard.press("Enter")
        expect(someone.at("phone").locator("article[data-type=sms]")).to_have_count(2)
        someone.sent_by("sms")
        expect(resend).to_have_count(0)  # one restart, no other channel
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
        someone.part("change").click()
    assert answer.value.ok
    someone.on_step("phone")
    expect(someone.at("phone")).to_have_attribute("recipient", "")
    someone.page.reload()
    someone.on_step("phone")
    closed = someone.page.request.get(f"{someone.demo.url}/demo/api/{session}/channel")
    assert closed.json()["type"] == "SessionClosedException"


@at_phone
def test_the_example_number_is_one_click(someone: Person) -> None:
    someone.at("use-example").click()
    expect(someone.part("submit")).to_be_focused()
    someone.page.keyboard.press("Enter")
    expect(someone.at("phone")).to_have_attribute("recipient", "+79001234567")
    expect(someone.at("use-example")).to_be_hidden()


def test_a_bad_number_is_refused(someone: Person) -> None:
    someone.expected.add(400)
    someone.ask("SMS", "12")
    field = someone.part("phone-input")
    expect(someone.part("error")).not_to_be_empty()
    expect(field).to_have_attribute("aria-invalid", "true")
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
    someone.at("another").click()
    someone.on_step("phone")
    expect(someone.part("phone-input")).to_be_focused()
    expect(someone.at("backend")).to_be_hidden()
    assert [path.endswith("/checkStatusAndComplete") for path in someone.paths].count(True) == 2


@at_phone
def test_a_reload_in_the_middle_goes_on(someone: Person) -> None:
    number = someone.demo.number()
    someone.ask("SMS", number)
    someone.sent_by("sms")
    someone.page.reload()
    someone.sent_by("sms")
    expect(someone.part("resend")).to_contain_text(re.compile(r"0:[12]\d"))
    expect(someone.at("phone")).to_have_attribute("recipient", number)
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
        expect(someone.at("phone")).to_contain_text("Connection lost. Reconnecting…")
        someone.see("away")

        quick.start()
        expect(someone.at("phone")).not_to_contain_text("Connection lost")
        someone.type_code(code)
        someone.is_verified(number)
        someone.back_end_heard("true")


# --- language and theme ------------------------------------------------------------


@at_phone
def test_the_language_is_changed_everywhere_and_kept(someone: Person) -> None:
    number = someone.demo.number()
    someone.ask("SMS", number)
    someone.sent_by("sms")
    expect(someone.at("phone")).to_contain_text("Copy code")
    someone.choose("languages", "RU")
    expect(someone.page.locator("html")).to_have_attribute("lang", "ru")
    expect(someone.page.get_by_role("heading", level=1)).to_have_text("Проверка номера телефона")
    expect(someone.card).to_have_attribute("lang", "ru")
    expect(someone.at("phone")).to_contain_text("Скопировать код")
    expect(someone.at("snippet")).to_contain_text('locale: "ru"')
    someone.sent_by("sms")  # the verification goes on
    someone.see("russian")
    someone.page.reload()
    expect(someone.card).to_have_attribute("lang", "ru")
    someone.type_code(someone.code_on_phone("sms"))
    someone.is_verified(number)


@pytest.mark.parametrize("look", [DESKTOP, DESKTOP._replace(scheme="dark")], indirect=True)
def test_a_theme_holds_whatever_the_system_says(someone: Person) -> None:
    grounds = (
        "() => [document.body, document.querySelector('kaskad-otp').shadowRoot"
        ".querySelector('[part~=card]'), document.querySelector('.ph-screen')]"
        ".map((node) => getComputedStyle(node))"
        ".map((style) => style.backgroundColor + style.backgroundImage)"
    )
    found: dict[str, list[str]] = {}
    for theme, name in (("light", "Light"), ("dark", "Dark"), ("auto", "As the system")):
        someone.choose("themes", name)
        found[theme] = someone.page.evaluate(grounds)
        someone.page.reload()
        expect(someone.card).to_be_visible()
        assert someone.page.evaluate(grounds) == found[theme]
    assert found["auto"] == found[someone.look.scheme]
    assert all(light != dark for light, dark in zip(found["light"], found["dark"], strict=True))


# --- what is behind it -------------------------------------------------------------


@at_desktop
def test_the_calls_are_shown_with_their_json_but_no_code(someone: Person) -> None:
    number = someone.demo.number()
    someone.ask("SMS", number)
    someone.sent_by("sms")
    code = someone.code_on_phone("sms")
    someone.type_code(code)
    someone.back_end_heard("true")
    calls = someone.at("calls")
    for summary in calls.locator("summary").all():
        summary.click()
    newest = calls.locator("details").first
    expect(newest).to_contain_text("checkStatusAndComplete")
    assert json.loads(newest.locator("pre").last.inner_text()) == {"success": True}
    first = calls.locator("details", has_text=re.compile(r"POST\s*/\s*201")).last
    sent, answer = (json.loads(part.inner_text()) for part in first.locator("pre").all())
    assert (re.sub(r"[ ()-]", "", sent["recipient"]), answer["recipient"]) == (number, number)
    check = calls.locator("details", has_text="checkCode")
    expect(check).to_contain_text('"code": "••••••"')
    expect(calls).not_to_contain_text(code)
    someone.see("calls")


@at_phone
def test_the_snippet_follows_the_choices(someone: Person) -> None:
    snippet = someone.at("snippet")
    someone.choose("widgets", "SMS")
    expect(snippet).to_contain_text("123634df-ddfe-4dda-b31d-f3b4e75fc5dc")
    expect(snippet).to_contain_text("/otp-widget.umd.js")
    someone.choose("themes", "Dark")
    expect(snippet).to_contain_text('theme: "dark"')
    someone.choose("embed", "Element")
    expect(snippet).to_contain_text('theme="dark"')
    expect(snippet).to_contain_text("integrity=")
    someone.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    someone.at("copy").click()
    expect(someone.at("copy")).to_have_text("Copied")
    copied = someone.page.evaluate("navigator.clipboard.readText()")
    assert copied == snippet.text_content()
    someone.see("snippet")


def test_a_demo_without_the_widget_says_what_to_run(
    browser: Browser, demo: Demo, tmp_path: Path
) -> None:
    with person(browser, demo, PHONE) as someone:
        config = someone.page.request.get(f"{demo.url}/demo/config.json").json()
        someone.page.route(
            "**/demo/config.json", lambda route: route.fulfill(json=config | {"element": None})
        )
        someone.page.goto(demo.url)
        expect(someone.at("trouble")).to_contain_text("make setup")
        someone.see("not-built")


# --- by keyboard, and for a screen reader ------------------------------------------


def test_a_whole_verification_by_keyboard(someone: Person) -> None:
    number, keys = someone.demo.number(), someone.page.keyboard

    def tab_to(part: str) -> None:
        for _ in range(30):
            keys.press("Tab")
            if someone.part(part).evaluate_all(
                "(nodes) => nodes.some((node) => node === node.getRootNode().activeElement)"
            ):
                return
        raise AssertionError(f"the keyboard does not get to {part}")

    someone.at("widgets").get_by_role("radio", checked=True).focus()
    keys.press("ArrowRight")
    tab_to("phone-input")
    keys.type(number)
    keys.press("Enter")
    someone.sent_by("sms")
    code = someone.code_on_phone("sms")
    tab_to("code-input")
    keys.type(code)
    someone.is_verified(number)
    someone.back_end_heard("true")
    someone.at("complete-again").focus()
    keys.press("Enter")
    someone.back_end_heard("true", "false")


@at_desktop
def test_what_a_screen_reader_meets(someone: Person) -> None:
    number = someone.demo.number()
    expect(someone.page.locator("body")).to_match_aria_snapshot("""
      - banner:
        - group "Language":
          - radio "EN" [checked]
          - radio "RU"
        - group "Theme":
          - radio "As the system" [checked]
          - radio "Light"
          - radio "Dark"
        - link "Handset"
      - main:
        - heading "Verify a phone number" [level=1]
        - group "Channel":
          - radio "Cascade" [checked]
          - radio "SMS"
        - complementary "The phone"
        - region "What the widget calls"
        - region "Put it on your page"
    """)
    someone.ask("SMS", number)
    someone.sent_by("sms")
    someone.type_code(someone.code_on_phone("sms"))
    someone.is_verified(number)
    expect(someone.page.get_by_role("main")).to_match_aria_snapshot("""
      - region "What your back end sees":
        - heading "What your back end sees" [level=2]
        - list:
          - listitem: /First answer/
        - button "Ask a second time"
        - button "Verify another number"
      - complementary "The phone":
        - group "The phone":
          - region "Messages":
            - list:
              - listitem:
                - article "SMS"
    """)


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
        expect(someone.message("sim_push")).to_be_visible()  # others' are on this page, too
        expect(someone.message("sim_push")).to_contain_text("Confirm that this phone is yours?")
        someone.see("push")
        someone.press("sim_push", "confirm")
        expect(someone.message("sim_push")).to_contain_text("Confirmed")
