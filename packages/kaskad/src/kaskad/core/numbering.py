"""Numbers in E.164 form, looked up in the numbering plans without the long way round.

``phonenumbers`` reads anything that people write, in some 50 us; most callers
already have ``+`` and digits, and then only the plan has to be asked. What
this module is not sure of it leaves to the long way: the tests hold that both
say the same.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneMetadata,
    PhoneNumberDesc,
)

from kaskad.core.model import NumberType, Recipient

_E164 = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch
_NON_GEOGRAPHICAL = "001"
_LONGEST_COUNTRY_CODE = 3

Matches = Callable[[str], object]


class _Region:
    """One region's numbering plan."""

    def __init__(self, metadata: PhoneMetadata) -> None:
        self.name: str = metadata.id
        self.leading = _prefix(metadata.leading_digits)
        self.prefix = _prefix(metadata.national_prefix_for_parsing)
        self.general = _matcher(metadata.general_desc)
        special = [
            (metadata.premium_rate, NumberType.PREMIUM_RATE),
            (metadata.toll_free, NumberType.TOLL_FREE),
            (metadata.shared_cost, NumberType.SHARED_COST),
            (metadata.voip, NumberType.VOIP),
            (metadata.personal_number, NumberType.PERSONAL_NUMBER),
            (metadata.pager, NumberType.PAGER),
            (metadata.uan, NumberType.UAN),
            (metadata.voicemail, NumberType.VOICEMAIL),
        ]
        self.special = [(_matcher(desc), kind) for desc, kind in special]
        self.is_special = _any_of([desc for desc, _ in special])
        self.fixed_line = _matcher(metadata.fixed_line)
        self.mobile = _matcher(metadata.mobile)
        self.same_pattern: bool = metadata.same_mobile_and_fixed_line_pattern

    def kind(self, national: str) -> NumberType | None:
        """What the plan says of a national number; ``None`` when it has none such."""
        if not self.general(national):
            return None
        special = self.special if self.is_special(national) else ()
        kinds = [kind for fits, kind in special if fits(national)]
        if kinds:
            return kinds[0]
        if self.fixed_line(national):
            either = self.same_pattern or self.mobile(national)
            return NumberType.FIXED_LINE_OR_MOBILE if either else NumberType.FIXED_LINE
        return NumberType.MOBILE if self.mobile(national) else None


def _prefix(pattern: str | None) -> Matches | None:
    return re.compile(pattern).match if pattern else None


def _any_of(descs: list[PhoneNumberDesc | None]) -> Matches:
    """Whether a number may be of one of these kinds: most are of none, and that is one look."""
    patterns = [desc.national_number_pattern for desc in descs if desc is not None]
    known = [f"(?:{pattern})" for pattern in patterns if pattern]
    return re.compile("|".join(known)).fullmatch if known else lambda _: None


def _matcher(desc: PhoneNumberDesc | None) -> Matches:
    if desc is None or not desc.national_number_pattern:
        return lambda _: None
    fits = re.compile(desc.national_number_pattern).fullmatch
    lengths = frozenset(desc.possible_length)
    if not lengths:
        return fits
    return lambda national: len(national) in lengths and fits(national)


@lru_cache(maxsize=256)
def _plan(country_code: str) -> tuple[_Region, ...]:
    names = COUNTRY_CODE_TO_REGION_CODE.get(int(country_code), ())
    if not names or _NON_GEOGRAPHICAL in names:
        return ()
    found = (PhoneMetadata.metadata_for_region(name) for name in names)
    return tuple(_Region(metadata) for metadata in found if metadata is not None)


def look_up(text: str) -> Recipient | None:
    """The recipient of a number in E.164 form; ``None``: take the long way."""
    if not _E164(text):
        return None
    for size in range(1, _LONGEST_COUNTRY_CODE + 1):
        plan = _plan(text[1 : 1 + size])
        if plan:
            return _classify(text, text[1 + size :], plan)
    return None


def _classify(text: str, national: str, plan: tuple[_Region, ...]) -> Recipient | None:
    main = plan[0]
    if national[0] == "0" or (main.prefix is not None and main.prefix(national)):
        return None
    for region in plan:
        leading = region.leading is not None and len(plan) > 1
        if leading and not (region.leading and region.leading(national)):
            continue
        kind = region.kind(national)
        if kind is not None:
            return Recipient(number=text, country=region.name, number_type=kind)
        if leading:
            return None
    return None
