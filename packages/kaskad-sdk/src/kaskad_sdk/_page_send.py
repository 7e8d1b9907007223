"""What can be said of a page's send without asking the service."""

import json
import re
from collections.abc import Mapping
from typing import Final

from kaskad_sdk import errors
from kaskad_sdk._page_paths import uuid_of
from kaskad_sdk._steps import Response

NUMBER_EXPECTED: Final = "a valid phone number, best in international form: +79001234567"
LONGEST_NUMBER: Final = 64
FEWEST_DIGITS: Final = 4
"""The shortest numbers of any country have as many."""

_NUMBER = re.compile(r"[\d\s+().\-\u2010-\u2015\u2212\uff0b]+").fullmatch
_CLIENT_ERROR: Final = 4


def problems_of(fields: Mapping[str, object]) -> dict[str, str]:
    """What the service is certain to refuse, named as it would; it may refuse more."""
    widget_id, recipient = str(fields["widgetId"]), str(fields["recipient"])
    problems = {}
    if uuid_of(widget_id) is None:
        problems["widgetId"] = "a UUID"
    if not _may_be_a_number(recipient):
        problems["recipient"] = NUMBER_EXPECTED
    return problems


def _may_be_a_number(text: str) -> bool:
    digits = sum(character.isdecimal() for character in text)
    return len(text) <= LONGEST_NUMBER and digits >= FEWEST_DIGITS and bool(_NUMBER(text))


def comes_to_nothing(status: int, kind: str | None) -> bool:
    """Whether the service refused a send for something else than a captcha, and sent nothing."""
    captcha = errors.CaptchaNotConfirmedException.type
    return status // 100 == _CLIENT_ERROR and bool(kind) and kind != captcha


def kind_of(answer: Response) -> str | None:
    """The type of a refusal; ``None`` of what is none of the service's."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    kind = found.get("type") if isinstance(found, dict) else None
    return kind if isinstance(kind, str) else None
