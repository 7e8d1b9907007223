"""Recipients: what counts as a phone number, and what is shown of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberDesc

from kaskad.core.model import NumberType, Recipient
from kaskad.core.numbering import _matcher
from kaskad.core.recipients import (
    LONGEST,
    mask,
    parse_query_recipient,
    parse_recipient,
    regions,
)

E164 = "+79001234567"


def number(text: str, region: str = "RU") -> str | None:
    found = parse_recipient(text, region)
    return None if found is None else found.number


@pytest.mark.parametrize(
    "text",
    [
        "+79001234567",
        "79001234567",
        "89001234567",
        "9001234567",
        "8 (900) 123-45-67",
        "+7 (900) 123-45-67",
        "+7.900.123.45.67",
        "  +79001234567  ",
        "(+7) 900 123 45 67",
        "+7\u00a0900\u00a0123\u00a045\u00a067",
        "+7 900 123\u201345\u201367",
        "+7 900 123\u221245\u221267",
        "\uff0b79001234567",
        "+\u0667\u0669\u0660\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
        "\uff0b\uff17\uff19\uff10\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17",
        "\u096e \u096f\u0966\u0966 1234567",
        "\n+79001234567\t",
    ],
)
def test_a_number_is_read_in_any_usual_form(text: str) -> None:
    assert number(text) == E164


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+",
        "()",
        "-.-",
        "+7900123456",
        "+790012345678",
        "8 (900) CALL-NOW",
        "+7900123456a",
        "\u0430+79001234567",
        "+79001234567 ext. 5",
        "+79001234567;ext=5",
        "+79001234567x5",
        "+79001234567#5",
        "+79001234567,5",
        "++79001234567",
        "+7+9001234567",
        "7900+1234567",
        "79001234567+",
        "+79001234567\0",
        "\0",
        "+79001234567/2",
        "tel:+79001234567",
        "*100#",
        "112",
        "1" * 15,
        "+1" + "0" * 60,
        "+79001234567\u200b",
        "\u00b9\u00b2\u00b3",
        "\ud800",
        "\U0001f4de",
        "none",
        "null",
    ],
)
def test_anything_else_is_not_a_number(text: str) -> None:
    assert number(text) is None


def test_a_text_that_is_too_long_is_not_read() -> None:
    assert number("+7900 123 45 67".ljust(LONGEST)) == E164
    assert number("+7900 123 45 67".ljust(LONGEST + 1)) is None


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("8 701 000 00 00", "KZ", "+77010000000"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("+44 20 7946 0958", "RU", "+442079460958"),
        ("020 7946 0958", "RU", None),
        ("(212) 555-0123", "US", "+12125550123"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("+39 06 6982", "RU", "+39066982"),
    ],
)
def test_a_number_is_valid_for_its_region_or_international(
    text: str, region: str, expected: str | None
) -> None:
    assert number(text, region) == expected


@pytest.mark.parametrize(
    ("text", "country", "kind"),
    [
        ("+79001234567", "RU", NumberType.MOBILE),
        ("+77010000000", "KZ", NumberType.MOBILE),
        ("+74951234567", "RU", NumberType.FIXED_LINE),
        ("+78001234567", "RU", NumberType.TOLL_FREE),
        ("+12125550123", "US", NumberType.FIXED_LINE_OR_MOBILE),
        ("+442079460958", "GB", NumberType.FIXED_LINE),
    ],
)
def test_the_digits_tell_country_and_kind(text: str, country: str, kind: NumberType) -> None:
    assert parse_recipient(text, "RU") == Recipient(number=text, country=country, number_type=kind)


def test_a_number_of_no_country_has_none() -> None:
    found = parse_recipient("+800 1234 5678", "RU")
    assert found is not None
    assert found.country == "001"


def test_regions_are_the_codes_of_countries() -> None:
    assert {"RU", "KZ", "US", "GB"} <= regions()
    assert all(len(region) == 2 and region.isupper() for region in regions())


def test_a_plan_that_names_no_lengths_goes_by_its_pattern() -> None:
    matches = _matcher(PhoneNumberDesc(national_number_pattern=r"9\d{2,}"))
    assert matches("900")
    assert matches("90012345")
    assert not matches("800")


# --- query strings


@pytest.mark.parametrize(
    "text",
    [
        "+79001234567",
        " 79001234567",
        "79001234567",
        "8 (900) 123-45-67",
        " 7 (900) 123-45-67",
        " 8 (900) 123-45-67",
        "  79001234567",
        " +79001234567",
        "( 7) 900 123 45 67",
        "(+7) 900 123 45 67",
    ],
)
def test_a_plus_that_became_a_space_is_read_as_a_plus(text: str) -> None:
    found = parse_query_recipient(text, "RU")
    assert found is not None
    assert found.number == E164


def test_a_plus_that_became_a_space_is_read_in_every_region() -> None:
    for region in ("US", "GB", "DE", "KZ"):
        found = parse_query_recipient(" 79001234567", region)
        assert found is not None
        assert found.number == E164


@pytest.mark.parametrize("text", ["", " ", "  ", " x", "x", " +", "+ 7+9", " 1", "7 9001234567+"])
def test_a_query_that_is_no_number_is_none(text: str) -> None:
    assert parse_query_recipient(text, "RU") is None


# --- any text


anything = st.text(st.characters(exclude_categories=()), max_size=80)
numeric = st.text("+0123456789 ().-\uff0b\u0667\u2212xX;=#*\0", max_size=30)


@given(anything | numeric, st.sampled_from(["RU", "US", "GB", "DE", "IT", "", "XX"]))
def test_no_text_raises_and_what_is_read_is_a_fixed_point(text: str, region: str) -> None:
    for parse in (parse_recipient, parse_query_recipient):
        found = parse(text, region)
        if found is not None:
            assert found.number[0] == "+"
            assert found.number[1:].isdecimal()
            assert found.number.isascii()
            assert parse_recipient(found.number, "US") == found
            assert parse_query_recipient(found.number.replace("+", " "), "US") == found


def valid_numbers() -> st.SearchStrategy[str]:
    plans = [("+7900", 7), ("+7701", 7), ("+4477001", 5), ("+121255501", 2), ("+336", 8)]
    return st.sampled_from(plans).flatmap(
        lambda plan: st.integers(0, 10 ** plan[1] - 1).map(lambda n: f"{plan[0]}{n:0{plan[1]}}")
    )


@given(valid_numbers())
def test_e164_is_a_fixed_point(text: str) -> None:
    found = parse_recipient(text, "RU")
    assert found is not None
    assert found.number == text


# --- masks


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+79001234567", "+7900***4567"),
        ("+442079460958", "+4420***0958"),
        ("+4512345678", "+45***78"),
        ("+39066982", "+39***82"),
        ("+1234567", "***"),
        ("+", "***"),
        ("", "***"),
    ],
)
def test_a_mask_hides_the_middle(text: str, masked: str) -> None:
    assert mask(text) == masked


@given(st.integers(1, 10**15 - 1).map(lambda n: f"+{n}"))
def test_a_mask_never_shows_all(text: str) -> None:
    head, _, tail = mask(text).partition("***")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(text) - len(head) - len(tail) >= min(3, len(text))
