"""The short way through the numbering plans says what the long way says."""

import random

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.core.model import NumberType, Recipient
from kaskad.core.numbering import look_up
from kaskad.core.recipients import _TYPES

COUNTRY_CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


def the_long_way(text: str) -> Recipient | None:
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return Recipient(
        number=phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        country=phonenumbers.region_code_for_number(number) or "",
        number_type=_TYPES.get(phonenumbers.number_type(number), NumberType.UNKNOWN),
    )


def examples() -> list[str]:
    """Every region's example of every type, and each of them with its last digits changed."""
    found = set()
    chance = random.Random(7)
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in range(11):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                form = phonenumbers.PhoneNumberFormat.E164
                text = phonenumbers.format_number(number, form)
                found.add(text)
                for _ in range(8):
                    size = chance.randint(1, len(text) - 3)
                    tail = "".join(chance.choice("0123456789") for _ in range(size))
                    found.add(text[:-size] + tail)
    return sorted(found)


def test_both_ways_agree_on_every_plans_examples() -> None:
    short = 0
    for text in examples():
        found = look_up(text)
        if found is not None:
            short += 1
            assert found == the_long_way(text), text
    assert short > 5000


@given(st.sampled_from(COUNTRY_CODES), st.text("0123456789", min_size=3, max_size=13))
def test_both_ways_agree_on_any_digits(code: int, digits: str) -> None:
    text = f"+{code}{digits}"
    found = look_up(text)
    assert found is None or found == the_long_way(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "89001234567",
        "+7 900 123-45-67",
        "+0123456789",
        "+99999999999",
        "+80012345678",
        "+18760000000",
    ],
)
def test_what_is_not_plain_e164_is_left_to_the_long_way(text: str) -> None:
    assert look_up(text) is None


def test_an_ordinary_number_takes_the_short_way() -> None:
    assert look_up("+79001234567") == the_long_way("+79001234567")
    assert look_up("+79001234567") is not None
