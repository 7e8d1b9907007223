"""A whole verification on every type of channel, through the real service and the phone."""

import re

import pytest
from playwright.sync_api import expect

from tests.acceptance.browser import DESKTOP, PHONE, Look
from tests.browser.stage import widget_id
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.untraced]

LOOKS = {"en-desktop": DESKTOP, "ru-phone": PHONE._replace(locale="ru-RU")}

HEADINGS = {
    "en": ("Enter the code", "Confirm on your phone", "Number confirmed"),
    "ru": ("Введите код", "Подтвердите на телефоне", "Номер подтверждён"),
}
CODES = ["sms", "voice", "flashcall", "telegramcode", "whatsapp", "viber", "vk"]


in_both_looks = pytest.mark.parametrize(
    "look", [pytest.param(look, id=name) for name, look in LOOKS.items()], indirect=True
)


def headings(look: Look) -> tuple[str, str, str]:
    return HEADINGS[look.locale[:2]]


@in_both_looks
@pytest.mark.parametrize("kind", CODES)
def test_a_code_is_read_on_the_phone_and_typed_in(visitor: Visitor, look: Look, kind: str) -> None:
    enter, _, done = headings(look)
    number = visitor.begin(kind)
    visitor.at("code")
    visitor.on_channel(kind)
    expect(visitor.part("heading")).to_have_text(enter)
    [message] = visitor.stage.received(number)
    assert message["type"] == kind
    expect(visitor.form.locator("[part~=code-box]")).to_have_count(len(message["code"]))
    if kind == "flashcall":
        assert message["callerId"].endswith(message["code"])
        expect(visitor.part("mask")).to_have_text(re.compile("_{4}$"))
    autofill = "off" if kind in {"flashcall", "voice"} else "one-time-code"
    expect(visitor.code).to_have_attribute("autocomplete", autofill)

    visitor.code.press_sequentially(message["code"])
    visitor.is_verified(number)
    expect(visitor.part("heading")).to_have_text(done)
    assert visitor.names() == ["otp-ready", "otp-sent", "otp-verified"]
    assert visitor.count("/checkCode") == 1


@in_both_looks
def test_a_push_is_confirmed_on_the_phone(visitor: Visitor, look: Look) -> None:
    _, ask, done = headings(look)
    number = visitor.begin("sim_push")
    visitor.at("codeless")
    expect(visitor.part("heading")).to_have_text(ask)
    expect(visitor.code).to_have_count(0)
    visitor.stage.press(number, "confirm")
    visitor.is_verified(number)
    expect(visitor.part("heading")).to_have_text(done)
    assert visitor.count("/checkCode") == 0


@in_both_looks
def test_a_push_is_declined_on_the_phone(visitor: Visitor) -> None:
    number = visitor.begin("once_push")
    visitor.at("codeless")
    visitor.stage.press(number, "decline")
    visitor.at("over")
    expect(visitor.error).not_to_be_empty()
    visitor.part("again").click()
    visitor.at("phone")
    expect(visitor.part("phone-input")).not_to_have_value("")


@in_both_looks
def test_the_cascade_moves_on_by_itself_and_says_so(visitor: Visitor, look: Look) -> None:
    number = visitor.begin("cascade")
    visitor.on_channel("viber")
    expect(visitor.part("status")).to_contain_text("Viber")
    visitor.at("code")
    assert [message["type"] for message in visitor.stage.received(number)] == ["viber"]
    detail = visitor.detail("otp-channel-change")
    assert (detail["channel"], detail["previous"]) == ("viber", "whatsapp")
    visitor.code.press_sequentially(visitor.stage.code(number))
    visitor.is_verified(number)


@in_both_looks
def test_a_declined_push_offers_a_code_instead(visitor: Visitor) -> None:
    number = visitor.begin("push_first")
    visitor.at("codeless")
    visitor.stage.press(number, "decline")
    visitor.at("ended")
    visitor.part("resend").click()
    visitor.at("code")
    visitor.on_channel("sms")
    visitor.code.press_sequentially(visitor.stage.code(number, 2))
    visitor.is_verified(number)
    # The new channel may be heard of before the answer to the call that asked for it.
    heard = [name for name in visitor.names() if name != "otp-resend"]
    assert heard == ["otp-ready", "otp-sent", "otp-expired", "otp-channel-change", "otp-verified"]
    assert visitor.detail("otp-resend")["next"] is False


@pytest.mark.parametrize(
    "look, instead, again",
    [
        (DESKTOP, "Send SMS instead", "Try again"),
        (LOOKS["ru-phone"], "Отправить SMS", "Повторить"),
    ],
    ids=LOOKS,
    indirect=["look"],
)
def test_who_declined_a_push_is_not_offered_it_again(
    visitor: Visitor, instead: str, again: str
) -> None:
    number = visitor.begin("push_or_code")
    visitor.at("codeless")
    expect(visitor.part("another")).to_be_visible()
    visitor.stage.press(number, "decline")
    visitor.at("ended")
    expect(visitor.part("resend")).to_have_text(instead)
    expect(visitor.part("another")).to_have_count(0)
    visitor.page.reload()
    visitor.at("ended")
    expect(visitor.part("resend")).to_have_text(again)  # nobody tells a new page what it would be
    visitor.part("resend").click()
    visitor.at("code")
    visitor.on_channel("sms")
    visitor.code.press_sequentially(visitor.stage.code(number, 2))
    visitor.is_verified(number)


@in_both_looks
def test_a_codeless_channel_gives_way_to_a_code(visitor: Visitor) -> None:
    number = visitor.begin("lossy")
    visitor.at("codeless")
    visitor.at("code")
    visitor.on_channel("sms")
    assert visitor.detail("otp-channel-change")["codeType"] == "code"
    visitor.code.press_sequentially(visitor.stage.code(number))
    visitor.is_verified(number)


def test_the_events_tell_everything_but_the_code(visitor: Visitor) -> None:
    number = visitor.begin("sms")
    code = visitor.stage.code(number)
    visitor.code.press_sequentially(code)
    visitor.is_verified(number)
    [ready, sent, _] = visitor.heard
    assert ready == ("otp-ready", {"requestId": None, "name": "sms"})
    assert sent[1]["recipient"] == number
    assert code not in str(visitor.heard)
    assert visitor.form.evaluate("(form) => form.verdict.recipient") == number
    stored = visitor.page.evaluate("JSON.stringify({ ...sessionStorage, ...localStorage })")
    assert widget_id("sms") in stored
    assert code not in stored


@pytest.mark.parametrize("look", [PHONE], indirect=True)
def test_the_longest_code_fits(visitor: Visitor) -> None:
    number = visitor.begin("long")
    code = visitor.stage.code(number)
    assert len(code) == 10
    expect(visitor.form.locator("[part~=code-box]")).to_have_count(10)
    visitor.code.press_sequentially(code)
    visitor.is_verified(number)


def test_a_captcha_is_solved_when_the_service_asks_for_one(visitor: Visitor) -> None:
    number = visitor.begin("guarded")
    visitor.at("code")
    assert "GET /captcha.js" in visitor.calls
    visitor.code.press_sequentially(visitor.stage.code(number))
    visitor.is_verified(number)


def test_no_captcha_is_loaded_before_one_is_needed(visitor: Visitor) -> None:
    visitor.begin("sms")
    visitor.at("code")
    assert "GET /captcha.js" not in visitor.calls
