"""A client that speaks ASGI itself, and holds every answer of the API to its contract."""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import msgspec
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from kaskad.core import errors
from kaskad.http.handler import openapi
from packages.kaskad.tests.builders import TOKEN
from packages.kaskad.tests.http.expected import (
    ALL_MESSAGES,
    BASE,
    METHODS,
    NOT_FOR_PAGES,
    PAGE_BASE,
    allowed,
)

Message = MutableMapping[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
Headers = dict[str, str]
Json = Any

REAL_SECONDS = 10.0


@dataclass(kw_only=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name]
        assert len(found) < 2, f"{name} twice"
        return found[0] if found else None

    @property
    def json(self) -> Json:
        return msgspec.json.decode(self.body)

    @property
    def type(self) -> str | None:
        """The type of the error; ``None`` of a success."""
        return self.json.get("type") if self.status >= 400 else None

    @property
    def outcome(self) -> str | bool:
        """The error's type, what ``success`` says, or ``ok``."""
        if self.status >= 400:
            return str(self.json["type"])
        return bool(self.json["success"]) if "success" in self.json else "ok"

    @property
    def retry_after(self) -> int:
        text = self.header("retry-after")
        assert text is not None
        return int(text)


@dataclass
class Exchange:
    """One request under way; ``leave`` is the client hanging up."""

    app: App
    scope: Message
    parts: deque[bytes]
    ends: bool = True
    started: Message | None = None
    chunks: list[bytes] = field(default_factory=list)
    complete: bool = False
    task: asyncio.Task[None] | None = None
    deaf: bool = False

    def __post_init__(self) -> None:
        self._left = asyncio.Event()
        self._more = asyncio.Event()

    def begin(self) -> "Exchange":
        self.task = asyncio.create_task(self._run())
        return self

    async def _run(self) -> None:
        await self.app(self.scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self.parts:
            part = self.parts.popleft()
            more = bool(self.parts) or not self.ends
            return {"type": "http.request", "body": part, "more_body": more}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            assert self.started is None, "a second answer"
            self.started = message
        else:
            assert self.started is not None
            assert not self.complete
            self.chunks.append(message.get("body", b""))
            self.complete = not message.get("more_body", False)

    def leave(self) -> None:
        self._left.set()

    @property
    def done(self) -> bool:
        assert self.task is not None
        return self.task.done()

    @property
    def text(self) -> str:
        return b"".join(self.chunks).decode()

    def answer(self) -> Answer:
        assert self.task is not None
        assert self.task.done(), "still held"
        self.task.result()
        assert self.started is not None
        assert self.complete
        headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in self.started["headers"]]
        answer = Answer(status=self.started["status"], headers=headers, body=b"".join(self.chunks))
        check(self.scope, answer)
        return answer


class Client:
    """Calls the application; paths are below the API's base unless they are ``absolute``."""

    def __init__(self, app: App, base: str = BASE) -> None:
        self.app = app
        self.base = base
        self.defaults: Headers = {}

    def begin(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        token: str | None = TOKEN,
        headers: Headers | None = None,
        parts: Iterable[bytes] | None = None,
        ends: bool = True,
        absolute: bool = False,
        peer: str = "127.0.0.1",
    ) -> Exchange:
        """Start a request; ``body`` is JSON unless it is bytes."""
        raw, _, query = (path if absolute else self.base + path).encode().partition(b"?")
        given = {name.lower(): value for name, value in (headers or {}).items()}
        given = self.defaults | given
        if token is not None:
            given.setdefault("authorization", f"Bearer {token}")
        if body is not None and not isinstance(body, bytes):
            body = msgspec.json.encode(body)
            given.setdefault("content-type", "application/json")
        given.setdefault("host", "127.0.0.1:8480")
        scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw.decode("latin-1")),
            "raw_path": raw,
            "asked": raw,
            "query_string": query,
            "root_path": "",
            "headers": [(k.encode(), v.encode("latin-1")) for k, v in given.items()],
            "client": (peer, 50000),
            "server": ("127.0.0.1", 8480),
            "state": {},
        }
        whole = deque(parts if parts is not None else [body or b""])
        return Exchange(self.app, scope, whole, ends=ends).begin()

    async def call(self, method: str, path: str, **how: Any) -> Answer:
        """A request that is answered without time passing."""
        exchange = self.begin(method, path, **how)
        assert exchange.task is not None
        await asyncio.wait({exchange.task}, timeout=REAL_SECONDS)
        return exchange.answer()

    async def get(self, path: str, **how: Any) -> Answer:
        return await self.call("GET", path, **how)

    async def post(self, path: str, body: object = None, **how: Any) -> Answer:
        return await self.call("POST", path, body=body, **how)


# --- the contract ----------------------------------------------------------------

_PATHS = [
    (name, method, re.compile(re.sub(r"{\w+}", "[^/]*", path) + r"\Z"))
    for name, (method, path, _) in METHODS.items()
]
_ENGLISH = {error.type: error.en for error in errors.ERRORS}
_DOCUMENT = openapi.build()
_ROOT = "urn:kaskad"
_REGISTRY: Registry[Any] = Registry().with_resource(
    _ROOT, Resource.from_contents(_DOCUMENT, default_specification=DRAFT202012)
)


def name_of(method: str, raw_path: bytes) -> str | None:
    """The call that a request means, read off the table of the tests and not the router's."""
    base = base_of(raw_path)
    if base is None:
        return None
    rest = raw_path.removeprefix(base.encode())
    try:
        parts = [unquote(part.decode(), errors="strict") for part in rest.split(b"/")]
    except UnicodeDecodeError:
        return None
    rest_decoded = "/".join(part.replace("/", "\0") for part in parts) or "/"
    found = [n for n, m, shape in _PATHS if m == method and shape.match(rest_decoded)]
    if not found or (base == PAGE_BASE and found[0] in NOT_FOR_PAGES):
        return None
    return found[0]


def base_of(raw_path: bytes) -> str | None:
    """The way in that a path belongs to."""
    for base in (BASE, PAGE_BASE):
        rest = raw_path.removeprefix(base.encode())
        if raw_path.startswith(base.encode()) and rest[:1] in (b"/", b""):
            return base
    return None


def _validator(pointer: str) -> Draft202012Validator:
    checks = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(
        {"$ref": f"{_ROOT}#{pointer}"}, registry=_REGISTRY, format_checker=checks
    )


_SCHEMAS: dict[tuple[str, str, int], Draft202012Validator] = {}


def _schema(base: str, call: str, status: int) -> Draft202012Validator:
    known = _SCHEMAS.get((base, call, status))
    if known is None:
        method, path, _ = METHODS[call]
        responses = _DOCUMENT["paths"][base + path][method.lower()]["responses"]
        assert str(status) in responses, f"{call} does not document {status}"
        where = "".join(
            "/" + part.replace("~", "~0").replace("/", "~1")
            for part in ("paths", base + path, method.lower(), "responses", str(status))
        )
        known = _validator(f"{where}/content/application~1json/schema")
        _SCHEMAS[base, call, status] = known
    return known


def check(scope: Message, answer: Answer) -> None:
    """Hold an answer to everything that is promised of all of them."""
    assert answer.header("x-request-id")
    assert answer.header("x-content-type-options") == "nosniff"
    asked = scope["asked"]
    base = base_of(asked)
    if base is None:
        return
    assert answer.header("cache-control") == "no-store"
    assert answer.header("vary") == ("Origin" if base == PAGE_BASE else None)
    if answer.status == 204:
        _check_permit(scope, answer)
        return
    call = name_of(scope["method"], asked)
    if answer.header("content-type") == "text/event-stream; charset=utf-8":
        assert (call, answer.status) == ("events", 200)
        return
    assert answer.header("content-type") == "application/json; charset=utf-8"
    assert answer.header("content-length") == str(len(answer.body))
    if call is not None:
        _schema(base, call, answer.status).validate(answer.json)
    if answer.status >= 400:
        _check_error(call, answer)
    elif call is not None:
        assert answer.status == METHODS[call][2]
        assert "success" not in answer.json or set(answer.json) == {"success"}


def _check_permit(scope: Message, answer: Answer) -> None:
    """A browser is told that it may make a call; nobody else has asked."""
    assert scope["method"] == "OPTIONS"
    assert base_of(scope["asked"]) == PAGE_BASE
    assert answer.body == b""
    for name in ("origin", "methods", "headers"):
        assert answer.header(f"access-control-allow-{name}")


def _check_error(call: str | None, answer: Answer) -> None:
    body = answer.json
    assert set(body) in ({"type", "message", "httpStatus"}, {*body, "payload"})
    assert set(body) <= {"type", "message", "httpStatus", "payload"}
    kind = body["type"]
    nowhere = {"NotFoundException", "MethodNotAllowedException", "ForbiddenException"}
    may = nowhere if call is None else allowed(call)
    assert kind in may, f"{call} may not answer {kind}"
    status, russian = ALL_MESSAGES[kind]
    too_large = kind == "ValidateError" and answer.status == 413
    assert answer.status == body["httpStatus"] == (413 if too_large else status)
    assert body["message"] in (russian, _ENGLISH[kind])
    waits = body.get("payload", {}).get("retryAfter")
    assert answer.header("retry-after") == (None if waits is None else str(waits))
    must_wait = {"RestartCooldownActiveException", "RateLimitException"}
    assert waits is not None or kind not in must_wait
    assert waits is None or (isinstance(waits, int) and waits >= 1)
    assert (answer.header("www-authenticate") == "Bearer") == (answer.status == 401)
    assert (answer.header("allow") is not None) == (answer.status == 405)
    if kind == "ValidateError":
        fields = body["payload"]["fields"]
        assert fields
        assert all(isinstance(expected, str) and expected for expected in fields.values())
