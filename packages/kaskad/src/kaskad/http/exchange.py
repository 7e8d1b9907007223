"""One request and its answer, on bare ASGI: what every room of this package shares."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from kaskad.app.timing import within
from kaskad.core.errors import KaskadError, ValidateError
from kaskad.core.model import Value

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

LARGEST_BODY = 16 * 1024
MOST_BRACKETS = 64
BODY_WITHIN_S = 10.0
LONGEST_LENGTH = 18
LONGEST_REQUEST_ID = 64

ALWAYS: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
JSON: Header = (b"content-type", b"application/json; charset=utf-8")

_encode = msgspec.json.Encoder().encode


class Reply(Value, frozen=True, kw_only=True):
    """What is answered, whole."""

    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = (JSON,)


class Call:
    """A request as the rooms see it."""

    __slots__ = ("_headers", "receive", "request_id", "scope")

    def __init__(self, scope: Scope, receive: Receive, request_id: str) -> None:
        self.scope = scope
        self.receive = receive
        self.request_id = request_id
        self._headers: dict[bytes, bytes] | None = None

    def header(self, name: bytes) -> str | None:
        """A header's value, by its lower-case name."""
        if self._headers is None:
            self._headers = dict(self.scope["headers"])
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def english(self) -> bool:
        """Whether the caller prefers English to Russian."""
        return prefers_english(self.header(b"accept-language") or "")

    def query(self) -> dict[str, str]:
        """The query's parameters; one that is given twice is refused."""
        raw = self.scope["query_string"].decode("latin-1")
        if not raw:
            return {}
        try:
            pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=32)
        except ValueError:
            raise ValidateError({"query": "at most 32 parameters in UTF-8"}) from None
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = next(name for name in found if sum(n == name for n, _ in pairs) > 1)
            raise ValidateError({twice: "given once"})
        return found

    async def body(self) -> bytes:
        """The whole body, if it is of a decent size and comes in good time."""
        declared = self.header(b"content-length")
        if declared is not None and _announces_too_much(declared):
            raise too_large()
        loop = asyncio.get_running_loop()
        try:
            return await within(lambda stop: loop.call_later(BODY_WITHIN_S, stop), self._read())
        except TimeoutError:
            raise ValidateError({"body": f"sent within {BODY_WITHIN_S:.0f} seconds"}) from None

    async def _read(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ValidateError({"body": "sent whole"})
            part = message.get("body", b"")
            size += len(part)
            if size > LARGEST_BODY:
                raise too_large()
            parts.append(part)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def departed(self) -> None:
        """Return when the client has gone."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


def _announces_too_much(declared: str) -> bool:
    if not (declared.isascii() and declared.isdigit()):
        return False
    return len(declared) > LONGEST_LENGTH or int(declared) > LARGEST_BODY


def too_large() -> ValidateError:
    """The refusal of a body that nobody should send."""
    return ValidateError({"body": f"at most {LARGEST_BODY} bytes"}, status=413)


def request_id_of(scope: Scope, make: Callable[[], str]) -> str:
    """The caller's own id for the request if it is a decent one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            if 0 < len(text) <= LONGEST_REQUEST_ID and text.replace("-", "").isalnum():
                return text if text.isascii() else make()
    return make()


@lru_cache(maxsize=256)
def prefers_english(accepted: str) -> bool:
    """Whether an ``Accept-Language`` ranks English above Russian; Russian is the default."""
    english = russian = 0.0
    english_at = russian_at = 0
    for at, part in enumerate(accepted.lower().split(",")):
        tag, _, parameters = part.partition(";")
        language, quality = tag.strip().partition("-")[0], _quality(parameters)
        if language == "en" and quality > english:
            english, english_at = quality, at
        elif language in {"ru", "*"} and quality > russian:
            russian, russian_at = quality, at
    if english == russian:
        return english > 0 and english_at < russian_at
    return english > russian


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0


def json_reply(status: int, value: object, headers: Iterable[Header] = ()) -> Reply:
    """An answer in JSON."""
    return Reply(status=status, body=_encode(value), headers=(JSON, *headers))


def error_reply(error: KaskadError, *, english: bool) -> Reply:
    """The one shape of every refusal."""
    body: dict[str, object] = {
        "type": error.type,
        "message": error.en if english else error.ru,
        "httpStatus": error.status,
    }
    if error.payload:
        body["payload"] = error.payload
    headers: list[Header] = []
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    if error.status == UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    return json_reply(error.status, body, headers)


UNAUTHORIZED = 401


async def answer(send: Send, reply: Reply, request_id: str) -> None:
    """Send a reply with the headers that every answer carries."""
    headers = [
        *reply.headers,
        *ALWAYS,
        (b"x-request-id", request_id.encode()),
        (b"content-length", str(len(reply.body)).encode()),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def decode_json(body: bytes, kind: type[msgspec.Struct], content_type: str | None) -> Any:
    """Read a JSON body into a struct; every field that is wrong is named."""
    if content_type is not None and not _is_json(content_type):
        raise ValidateError({"Content-Type": "application/json"})
    if body.count(b"{") + body.count(b"[") > MOST_BRACKETS:
        raise ValidateError({"body": "a flat JSON object"})
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        raise ValidateError(_problems(body, kind)) from None
    except _NOT_JSON:
        raise ValidateError(_JSON_EXPECTED) from None


_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_JSON_EXPECTED = {"body": "a JSON object in UTF-8"}


def _is_json(content_type: str) -> bool:
    essence = content_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def _problems(body: bytes, kind: type[msgspec.Struct]) -> dict[str, str]:
    try:
        given = msgspec.json.decode(body)
    except _NOT_JSON:  # what follows the first wrong field has not been read yet
        return _JSON_EXPECTED
    if not isinstance(given, dict):
        return {"body": "a JSON object"}
    problems = {}
    for field in msgspec.structs.fields(kind):
        expected = _EXPECTED.get(field.encode_name, "a string")
        if field.encode_name not in given:
            if field.required:
                problems[field.encode_name] = expected
            continue
        try:
            msgspec.convert(given[field.encode_name], field.type)
        except msgspec.ValidationError:
            problems[field.encode_name] = expected
    return problems or {"body": "a JSON object"}


_EXPECTED = {
    "widgetId": "a UUID",
    "recipient": "a phone number as a string",
    "code": "the code as a string of at most 64 characters",
    "next": "true or false",
    "userIp": "an IP address as a string",
    "locale": "a language tag such as ru or en-GB",
}
