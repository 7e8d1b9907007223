"""Refusals that a page gets without the service's being asked, in the service's own shape."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from kaskad_sdk.errors import OtpException

JSON: Final = "application/json; charset=utf-8"
ALWAYS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}


def is_json(content_type: str) -> bool:
    """Whether a ``Content-Type`` is that of JSON."""
    essence = content_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def refusal_body(
    kind: type[OtpException],
    accept_language: str,
    *,
    status: int | None = None,
    payload: Mapping[str, object] | None = None,
) -> bytes:
    """The body that the service would have given, in the language that the caller prefers."""
    body: dict[str, object] = {
        "type": kind.type,
        "message": kind.en if prefers_english(accept_language) else kind.ru,
        "httpStatus": status or kind.http_status,
    }
    if payload:
        body["payload"] = payload
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


@lru_cache(maxsize=256)
def prefers_english(accepted: str) -> bool:
    """Whether an ``Accept-Language`` ranks English above Russian, which is the default."""
    best = {"en": 0.0, "ru": 0.0}
    place = {"en": 0, "ru": 0}
    for at, part in enumerate(accepted.lower().split(",")):
        tag, _, parameters = part.partition(";")
        name = tag.strip().partition("-")[0]
        language = "ru" if name == "*" else name
        quality = _quality(parameters)
        if quality > best.get(language, 1.0):
            best[language], place[language] = quality, at
    if best["en"] == best["ru"]:
        return best["en"] > 0 and place["en"] < place["ru"]
    return best["en"] > best["ru"]


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
