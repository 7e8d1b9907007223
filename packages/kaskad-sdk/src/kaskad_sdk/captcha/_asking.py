"""Asking a vendor about a token: one form in, one JSON object out, judged without trust."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NoReturn
from urllib.parse import urlencode

from kaskad_sdk._steps import Asking, NoAnswer, Request
from kaskad_sdk.captcha._verdicts import Refused, Unavailable

LARGEST_ANSWER: Final = 64 * 1024
LONGEST_S: Final = 5.0
"""A person waits; a vendor that is slower than this is taken for unavailable."""

_FORM: Final = {
    "content-type": "application/x-www-form-urlencoded",
    "accept": "application/json",
}
_SERVER_ERROR: Final = 500
_LATER: Final = frozenset({408, 425, 429})

Answered = Mapping[str, object] | Refused | Unavailable


def check_settings(*, site_key: object, secret_key: object, hostnames: object) -> None:
    """Raise :class:`ValueError` or :class:`TypeError` for what would pass nobody."""
    for name, key in (("site_key", site_key), ("secret_key", secret_key)):
        if key is None or key == "":
            raise ValueError(f"{name} is missing: the one that the captcha's vendor gave you")
        if not isinstance(key, str):
            raise TypeError(f"{name} is a str, not {type(key).__name__}")
    if not _are_names(hostnames):
        raise TypeError(f"hostnames is a tuple of names, not {hostnames!r}")


def _are_names(given: object) -> bool:
    if not isinstance(given, Collection) or isinstance(given, str):
        return False
    return all(isinstance(name, str) for name in given)


def ask_vendor(url: str, form: Mapping[str, str]) -> Asking[Answered]:
    """The vendor's JSON object, or why there is none.

    A 4xx without a judgement is a refusal: a page can provoke one with an odd token, and must not
    be able to make the vendor look unavailable.
    """
    request = Request(
        method="POST", url=url, headers=_FORM, body=urlencode(form).encode(), within_s=LONGEST_S
    )
    try:
        response = yield request
    except NoAnswer as lost:
        return Unavailable(reason=f"no answer: {lost}")
    if response.status >= _SERVER_ERROR or response.status in _LATER:
        return Unavailable(reason=f"status {response.status}")
    found = _read(response.body)
    if found is not None:
        return found
    if response.status // 100 == 4:  # noqa: PLR2004
        return Refused(reason=f"status {response.status}")
    return Unavailable(reason="an answer that is no JSON object of a decent size")


def _read(body: bytes) -> Mapping[str, object] | None:
    if len(body) > LARGEST_ANSWER:
        return None
    try:
        found = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def error_codes(answer: Mapping[str, object]) -> list[str]:
    """The vendor's ``error-codes``, as far as they are words."""
    codes = answer.get("error-codes")
    if not isinstance(codes, list):
        return []
    return [code[:64] for code in codes[:8] if isinstance(code, str)]


def host_problem(given: object, wanted: Iterable[str]) -> Refused | None:
    """Why the site on which the captcha was solved is the wrong one, if any is wanted."""
    names = {name.lower() for name in wanted}
    if not names:
        return None
    host = given.lower() if isinstance(given, str) else ""
    if host in names or host.rpartition(":")[0] in names:
        return None
    return Refused(reason=f"solved on {host[:64]!r}")
