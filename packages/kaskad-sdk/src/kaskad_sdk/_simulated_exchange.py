"""A request to the simulation, and its answers in the service's form."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from kaskad_sdk import _system, errors
from kaskad_sdk._steps import Request, Response

_NUMBER: Final = re.compile(r"\+?[\d\s().-]{5,25}").fullmatch

Trouble: TypeAlias = Literal["refused", "cut", "garbage", "slow"]
"""What a network does: no connection; a connection that ends before the answer, which the service
has acted upon; an answer of 500 that is no JSON; an answer that never ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request."""

    request: Request
    query: Mapping[str, str] = field(default_factory=dict)
    began: float
    now: float

    def body(self) -> dict[str, object]:
        """The JSON object that came with it."""
        try:
            found = json.loads(self.request.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise errors.ValidateError(payload={"fields": {"body": "a JSON object"}})
        return found

    def since(self) -> int | None:
        """The view that the caller has."""
        text = self.query.get("since")
        return int(text) if text is not None and text.isdecimal() else None


def normal(text: str) -> str | None:
    """A number in E.164, read roughly: nobody is called here. ``None`` when it is none."""
    text = text.strip()
    if not _NUMBER(text):
        return None
    digits = "".join(str(int(c)) for c in text if c.isdecimal())
    if not text.startswith("+") and len(digits) in {10, 11}:
        digits = "7" + digits[-10:]
    return f"+{digits}" if 8 <= len(digits) <= 15 else None  # noqa: PLR2004  # ITU-T E.164


def is_english(request: Request) -> bool:
    """Whether the caller prefers English to Russian."""
    return request.headers.get("accept-language", "").lower().startswith("en")


def json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    told = {"content-type": "application/json; charset=utf-8", "x-request-id": _system.new_id()}
    content = json.dumps(body, ensure_ascii=False).encode()
    return Response(status=status, headers={**told, **(headers or {})}, body=content)


def success(status: int, *, yes: bool) -> Response:
    """Whether it is so."""
    return json_response(status, {"success": yes})


def refused(
    error: errors.OtpException, *, english: bool, headers: Mapping[str, str] | None = None
) -> Response:
    """The one shape of every refusal."""
    own = error.message != error.ru
    message = error.en if english and not own else error.message
    body: dict[str, object] = {
        "type": error.type,
        "message": message,
        "httpStatus": error.http_status,
    }
    more = dict(headers or {})
    payload = dict(error.payload)
    if error.retry_after_s is not None:
        payload.setdefault("retryAfter", error.retry_after_s)
    if payload:
        body["payload"] = payload
    if "retryAfter" in payload:
        more["retry-after"] = str(payload["retryAfter"])
    return json_response(error.http_status, body, more)
