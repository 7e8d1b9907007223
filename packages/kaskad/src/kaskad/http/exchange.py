"""One request and its answer, on bare ASGI: what every room of this package shares."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

import msgspec

from kaskad.app.polling import Watch
from kaskad.app.timing import within
from kaskad.core.errors import KaskadError, ValidateError
from kaskad.core.model import Value

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

LARGEST_BODY = 16 * 1024
MOST_BRACKETS = 64
LONGEST_LENGTH = 18
_SHORT_LENGTH = len(str(LARGEST_BODY))
LONGEST_REQUEST_ID = 64

ALWAYS: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
JSON: Header = (b"content-type", b"application/json; charset=utf-8")

_encode = msgspec.json.Encoder().encode


REQUEST: Final = "kaskad.request"
"""Where our own server puts the :class:`Request` in the scope."""


class Request(Protocol):
    """What our own server offers a room besides ASGI."""

    @property
    def gone(self) -> bool:
        """Whether no answer can reach the client any more."""

    def watch(self, tell: Callable[[], None]) -> Watch:
        """Call back when the client has left, at once if that was earlier."""

    def whole_body(self) -> bytes | None:
        """The body if all of it is there; ``None`` when it has to be waited for."""

    def whole_answer(
        self, status: int, headers: tuple[Header, ...], request_id: str, body: bytes
    ) -> bool:
        """Write an answer at once; ``False``, and nothing is written, when that cannot be."""


class Reply(Value, frozen=True, kw_only=True):
    """What is answered, whole."""

    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = (JSON,)


class Call:
    """A request as the rooms see it."""

    __slots__ = ("_headers", "_request", "receive", "request_id", "scope")

    def __init__(self, scope: Scope, receive: Receive, make_id: Callable[[], str]) -> None:
        self._request: Request | None = scope.get(REQUEST)
        # Of a header that is given twice the first counts.
        self._headers: dict[bytes, bytes] = dict([*scope["headers"]][::-1])
        self.scope = scope
        self.receive = receive
        self.request_id = request_id_of(self._headers.get(b"x-request-id"), make_id)

    def header(self, name: bytes) -> str | None:
        """A header's value, by its lower-case name."""
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

    async def body(self, within_s: float) -> bytes:
        """The whole body, if it is of a decent size and comes in good time."""
        declared = self._headers.get(b"content-length")
        if declared is not None and _announces_too_much(declared):
            raise too_large()
        request = self._request
        whole = request.whole_body() if request and _is_of(self.receive, request) else None
        if whole is not None:
            if len(whole) > LARGEST_BODY:
                raise too_large()
            return whole
        try:
            return await within(lambda stop: _after(within_s, stop), self._read())
        except TimeoutError:
            raise ValidateError({"body": f"sent within {within_s:g} seconds"}) from None

    async def _read(self) -> bytes:
        read = b""
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ValidateError({"body": "sent whole"})
            part: bytes = message.get("body", b"")
            read += part
            if len(read) > LARGEST_BODY:
                raise too_large()
            if not message.get("more_body", False):
                return read

    @property
    def gone(self) -> bool:
        """Whether the client is known to have left."""
        return self._request is not None and self._request.gone

    def departed(self, tell: Callable[[], None]) -> Watch:
        """Call back when the client has left; under another server than ours by a task."""
        if self._request is not None:
            return self._request.watch(tell)
        watch = asyncio.ensure_future(self._departure())
        watch.add_done_callback(lambda _: tell())
        return watch

    async def _departure(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def answer(self, send: Send, reply: Reply) -> None:
        """Send a reply with the headers that every answer carries."""
        request, headers = self._request, (*reply.headers, *ALWAYS)
        if (
            request
            and _is_of(send, request)
            and request.whole_answer(reply.status, headers, self.request_id, reply.body)
        ):
            return
        more = (
            (b"x-request-id", self.request_id.encode()),
            (b"content-length", b"%d" % len(reply.body)),
        )
        start = {"type": "http.response.start", "status": reply.status}
        await send({**start, "headers": [*headers, *more]})
        await send({"type": "http.response.body", "body": reply.body})


def _is_of(way: object, request: Request) -> bool:
    """Whether a ``receive`` or ``send`` is the server's own, with nobody in between."""
    return getattr(way, "__self__", None) is request


def _after(seconds: float, stop: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, stop)


def _announces_too_much(declared: bytes) -> bool:
    if len(declared) < _SHORT_LENGTH or not declared.isdigit():
        return False
    return len(declared) > LONGEST_LENGTH or int(declared) > LARGEST_BODY


def too_large() -> ValidateError:
    """The refusal of a body that nobody should send."""
    return ValidateError({"body": f"at most {LARGEST_BODY} bytes"}, status=413)


def header_of(scope: Scope, name: bytes) -> bytes | None:
    """A header's value, by its lower-case name."""
    for known, value in scope["headers"]:
        if known == name:
            found: bytes = value
            return found
    return None


def request_id_of(own: bytes | None, make: Callable[[], str]) -> str:
    """The caller's own id for the request if it is a decent one, else a new one."""
    if own is None or not 0 < len(own) <= LONGEST_REQUEST_ID:
        return make()
    text = own.decode("latin-1")
    return text if text.isascii() and text.replace("-", "").isalnum() else make()


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


def decode_json(body: bytes, kind: type[msgspec.Struct], content_type: str | None) -> Any:
    """Read a JSON body into a struct; every field that is wrong is named."""
    if content_type is not None and not _is_json(content_type):
        raise ValidateError({"Content-Type": "application/json"})
    if body.count(b"{") + body.count(b"[") > MOST_BRACKETS:
        raise ValidateError({"body": "a flat JSON object"})
    try:
        return _decoder(kind)(body)
    except msgspec.ValidationError:
        raise ValidateError(_problems(body, kind)) from None
    except _NOT_JSON:
        raise ValidateError(_JSON_EXPECTED) from None


@lru_cache(maxsize=64)
def _decoder(kind: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(kind).decode


_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_JSON_EXPECTED = {"body": "a JSON object in UTF-8"}


@lru_cache(maxsize=64)
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
