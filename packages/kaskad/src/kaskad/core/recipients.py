"""Phone numbers: from what people type to E.164 and back to something safe to print."""

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumberType

from kaskad.core.model import NumberType, Recipient
from kaskad.core.numbering import look_up

LONGEST = 64
_SHORTEST_MASKED = 9
_SHORTEST_SHOWN_BY_NINE = 12  # of fewer characters nine would leave next to nothing hidden

_ALLOWED = re.compile(r"[\d\s+().\-\u2010-\u2015\u2212]+\Z")
_PLUSES = {"\uff0b": "+"}

_TYPES = {
    PhoneNumberType.MOBILE: NumberType.MOBILE,
    PhoneNumberType.FIXED_LINE: NumberType.FIXED_LINE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.TOLL_FREE: NumberType.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE: NumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST: NumberType.SHARED_COST,
    PhoneNumberType.VOIP: NumberType.VOIP,
    PhoneNumberType.PERSONAL_NUMBER: NumberType.PERSONAL_NUMBER,
    PhoneNumberType.PAGER: NumberType.PAGER,
    PhoneNumberType.UAN: NumberType.UAN,
    PhoneNumberType.VOICEMAIL: NumberType.VOICEMAIL,
}


def regions() -> frozenset[str]:
    """The regions (ISO 3166-1 alpha-2) that a widget can name."""
    return frozenset(phonenumbers.SUPPORTED_REGIONS)


@lru_cache(maxsize=8192)
def parse_recipient(text: str, region: str) -> Recipient | None:
    """Read a number in any script and any usual punctuation.

    It must be valid for ``region`` or international; letters and extensions
    are not numbers. ``None`` when it is not one.
    """
    if len(text) > LONGEST:
        return None
    known = look_up(text)
    if known is not None:
        return known
    text = text.strip().translate({ord(k): v for k, v in _PLUSES.items()})
    if not _ALLOWED.match(text) or text.rfind("+") > text.find("+") or _misplaced_plus(text):
        return None
    ascii_text = "".join(str(int(c)) if c.isdecimal() else c for c in text)
    try:
        number = phonenumbers.parse(ascii_text, region)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return Recipient(
        number=phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        country=phonenumbers.region_code_for_number(number) or "",
        number_type=_TYPES.get(phonenumbers.number_type(number), NumberType.UNKNOWN),
    )


def _misplaced_plus(text: str) -> bool:
    return "+" in text.lstrip("( ")[1:]


def parse_query_recipient(text: str, region: str) -> Recipient | None:
    """Read a number out of a query string, where a raw ``+`` arrives as a space."""
    if text[:1] == " " and "+" not in text:
        international = parse_recipient("+" + text.strip(), region)
        if international is not None:
            return international
    return parse_recipient(text, region)


def mask(number: str) -> str:
    """The number with its middle hidden: ``+79001234567`` is ``+7900***4567``."""
    if len(number) < _SHORTEST_MASKED:
        return "***"
    if len(number) < _SHORTEST_SHOWN_BY_NINE:
        return f"{number[:3]}***{number[-2:]}"
    return f"{number[:5]}***{number[-4:]}"
