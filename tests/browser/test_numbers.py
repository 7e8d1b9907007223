"""The phone field once it is touched: numbers as their countries write them, and their length."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.acceptance.browser import DESKTOP, PHONE
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

METADATA = "GET /phone-metadata.js"
RU = PHONE._replace(locale="ru-RU")

CARET = "(input) => input.selectionStart"


def touched(visitor: Visitor) -> None:
    """Come, and put the cursor into the field; the metadata is there afterwards."""
    visitor.come("sms", country="RU")
    expect(visitor.part("country-button")).to_be_visible()
    assert METADATA not in visitor.calls  # nobody has needed it yet
    with visitor.page.expect_response("**/phone-metadata.js"):
        visitor.part("phone-input").focus()
    expect(visitor.form.locator("[part~=hint]")).to_be_attached()


@pytest.mark.parametrize(
    "look, enter", [(DESKTOP, "Enter {} digits"), (RU, "Введите цифры: {}")], indirect=["look"]
)
def test_a_number_is_written_as_its_country_does(visitor: Visitor, enter: str) -> None:
    touched(visitor)
    field, hint = visitor.part("phone-input"), visitor.part("hint")
    field.press_sequentially("90012")
    expect(field).to_have_value("900 12")
    expect(hint).to_have_text(re.compile(enter.format(10)))
    expect(field).to_have_accessible_description(re.compile(enter.format(10)))
    field.press_sequentially("34567")
    expect(field).to_have_value("900 123-45-67")
    expect(visitor.form.locator("[part~=hint]")).to_be_empty()
    field.press_sequentially("8")
    expect(hint).to_have_text(re.compile(enter.format(10)))


def test_an_international_number_tells_its_country(visitor: Visitor) -> None:
    touched(visitor)
    field, country = visitor.part("phone-input"), visitor.part("country-button")
    field.press_sequentially("+7701")
    expect(field).to_have_value("+7 701")
    expect(country).to_have_text("KZ")
    expect(visitor.part("hint")).to_have_text(re.compile("11"))
    field.fill("+14165550100")
    expect(field).to_have_value("+1 416 555 0100")
    expect(country).to_have_text("CA")


def test_the_caret_stays_where_somebody_corrects(visitor: Visitor) -> None:
    touched(visitor)
    field = visitor.part("phone-input")
    field.press_sequentially("9001234567")
    for _ in range(6):
        field.press("ArrowLeft")
    field.press("Backspace")  # the 3
    expect(field).to_have_value("900 12-45-67")
    field.press("9")
    expect(field).to_have_value("900 129-45-67")
    assert field.evaluate(CARET) == len("900 129")


def test_nothing_that_is_taken_away_comes_back(visitor: Visitor) -> None:
    touched(visitor)
    field = visitor.part("phone-input")
    field.press_sequentially("89001234567")
    expect(field).to_have_value("8 (900) 123-45-67")
    for _ in range(17):
        field.press("Backspace")
    expect(field).to_have_value("")


def test_what_is_no_number_is_left_alone(visitor: Visitor) -> None:
    touched(visitor)
    field = visitor.part("phone-input")
    for typed in ("0079001234567", "my number"):
        field.fill(typed)
        expect(field).to_have_value(typed)
        expect(visitor.form.locator("[part~=hint]")).to_be_empty()


def test_a_number_that_came_before_the_metadata_is_written_anew(visitor: Visitor) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    visitor.page.route("**/phone-metadata.js", hold)
    visitor.come("sms", country="RU")
    field = visitor.part("phone-input")
    field.press_sequentially("9001234567")
    expect(field).to_have_value("9001234567")
    held.pop().continue_()
    expect(field).to_have_value("900 123-45-67")


def test_a_number_is_as_good_without_metadata(visitor: Visitor) -> None:
    visitor.offline = True
    visitor.page.route("**/phone-metadata.js", lambda route: route.abort())
    number = visitor.begin("sms", country="RU")
    assert METADATA in visitor.calls
    visitor.at("code")
    visitor.code.press_sequentially(visitor.stage.code(number))
    visitor.is_verified(number)


def test_a_whole_number_in_the_country_s_own_form_is_sent(visitor: Visitor) -> None:
    touched(visitor)
    number = visitor.stage.number()
    visitor.part("phone-input").press_sequentially("8" + number[2:])
    visitor.part("submit").click()
    visitor.at("code")
    assert visitor.detail("otp-sent")["recipient"] == number
