"""What becomes of a page's request, without I/O: refused, or passed on with nothing too much.

A page is a stranger. Its request reaches the service with the token's authority, so that only what
is listed here gets through: the calls of :mod:`kaskad_sdk._page_paths`, four fields of a send, and
headers that say in which language to answer and under which name to log.
"""

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NoReturn, TypeAlias
from urllib.parse import quote

from kaskad_sdk import _system, errors
from kaskad_sdk._page_paths import ALTCHA, OF_WIDGETS, SEND, WIDGET, Offer, PageCall, uuid_of
from kaskad_sdk._page_send import comes_to_nothing, kind_of, problems_of
from kaskad_sdk._refusals import ALWAYS, JSON, is_json, refusal_body
from kaskad_sdk._steps import Request, Response
from kaskad_sdk.addresses import plain_address
from kaskad_sdk.captcha import Passed
from kaskad_sdk.captcha.guard import request_name

PAGE_FIELDS: Final[tuple[str, ...]] = ("widgetId", "recipient", "captchaToken", "locale")
LARGEST_BODY: Final = 16 * 1024
LONGEST_TOKEN: Final = 8192
MOST_BRACKETS: Final = 64
LONGEST_KEY: Final = 255
LONGEST_LANGUAGES: Final = 512
LONGEST_REQUEST_ID: Final = 64
RETRY_AFTER_S: Final = 1

_PASSED_BACK: Final = (
    "allow",
    "cache-control",
    "content-type",
    "etag",
    "retry-after",
    "x-request-id",
)
_QUERY_SAFE: Final = "!$%&'()*+,-./:;=?@_~"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayResponse:
    """What a page is answered; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A page's request; see :meth:`kaskad_sdk.gateway.WidgetGateway.handle`.

    Its ``repr``, which error reports print, has neither numbers nor codes nor cookies.
    """

    method: str
    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    client_ip: str
    request_id: str

    @property
    def languages(self) -> str:
        """What the page wants to be answered in."""
        text = self.headers.get("accept-language", "")
        return text if _is_decent(text, LONGEST_LANGUAGES) else ""


@dataclass(frozen=True, slots=True)
class Forward:
    """Ask the service; answered with a response, or ``NoConnectionException`` is thrown in."""

    request: Request


@dataclass(frozen=True, slots=True)
class Admit:
    """Ask the guard whether a send may pass; answered with a verdict."""

    token: str | None
    address: str
    request: str | None


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Tell the guard that a send which passed came to nothing; answered with ``None``."""

    passed: Passed


@dataclass(frozen=True, slots=True)
class Describe:
    """Ask the guard what a page must know; answered with fields of the widget's data."""

    address: str


PageStep: TypeAlias = Forward | Admit | GiveBack | Describe
PageFlow: TypeAlias = Generator[PageStep, Any, GatewayResponse]


class _RefusedError(Exception):
    """The page gets this instead of an answer of the service."""

    def __init__(
        self,
        kind: type[errors.OtpException],
        *,
        fields: Mapping[str, str] | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind.type)
        self.kind = kind
        self.fields = fields
        self.status = status or kind.http_status
        self.headers = headers or {}


class Pages:
    """The rules of one gateway."""

    def __init__(
        self,
        *,
        offer_completion: bool,
        max_body: int,
        hold_s: float,
        guarded: bool,
        challenge: Callable[[], dict[str, object]] | None,
    ) -> None:
        self._offer = Offer(
            completion=offer_completion, guarded=guarded, challenge=challenge is not None
        )
        self._max_body = max_body
        self._hold_s = hold_s
        self._guarded = guarded
        self._challenge = challenge

    def answer(self, arrived: Arrived) -> PageFlow:
        """A flow that answers a request, whatever it is."""
        try:
            return (yield from self._answer(arrived))
        except _RefusedError as refusal:
            return refused(arrived, refusal)
        except errors.NoConnectionException:
            return unavailable(arrived)

    def _answer(self, arrived: Arrived) -> PageFlow:
        found = self._offer.match(arrived.path)
        if found is None:
            raise _RefusedError(errors.NotFoundException)
        call, name = found
        if arrived.method != call.method:
            headers = {"allow": call.method}
            raise _RefusedError(errors.MethodNotAllowedException, headers=headers)
        if call is ALTCHA and self._challenge is not None:
            return _json(arrived, self._challenge())
        body, passed = self._body(call, arrived), None
        if call is SEND:
            body, passed = yield from self._send_body(body, arrived)
        request = self._request(call, name, body, arrived)
        answer: Response = yield Forward(request)
        if passed is not None and comes_to_nothing(answer.status, kind_of(answer)):
            yield GiveBack(passed)
        if call is WIDGET and self._guarded:
            described: Mapping[str, object] = yield Describe(arrived.client_ip)
            answer = _with_captcha(answer, described)
        return _passed_back(answer, arrived)

    def _body(self, call: PageCall, arrived: Arrived) -> bytes:
        if not call.body:
            return b""
        if len(arrived.body) > self._max_body or _announces(arrived) > self._max_body:
            fields = {"body": f"at most {self._max_body} bytes"}
            raise _RefusedError(errors.ValidateError, fields=fields, status=413)
        return arrived.body

    def _send_body(
        self, raw: bytes, arrived: Arrived
    ) -> Generator[PageStep, Any, tuple[bytes, Passed | None]]:
        """What is passed on, and what the guard let it pass for."""
        kind = arrived.headers.get("content-type")
        if kind is None and "origin" in arrived.headers:
            # A browser lets any site post a body without a type, and asks nobody before it does:
            # that site's visitors would send at our cost, each from an address of their own.
            raise _wrong("Content-Type", "application/json")
        given = _json_object(raw, kind)
        kept = {name: given[name] for name in PAGE_FIELDS if name in given}
        passed = None
        if self._guarded and _may_begin(kept):
            passed = yield from self._admitted(kept, arrived)
        address = plain_address(arrived.client_ip)
        if address is not None:
            kept["userIp"] = address
        return json.dumps(kept, ensure_ascii=False).encode("utf-8", "surrogatepass"), passed

    def _admitted(self, kept: dict[str, Any], arrived: Arrived) -> Generator[PageStep, Any, Passed]:
        """What is certain to be refused uses nothing up."""
        token = _captcha_token(kept.pop("captchaToken", None))
        problems = problems_of(kept)
        if problems:
            raise _RefusedError(errors.ValidateError, fields=problems)
        verdict = yield Admit(token, arrived.client_ip, _made_again(kept, arrived))
        if not isinstance(verdict, Passed):
            raise _RefusedError(errors.CaptchaNotConfirmedException)
        return verdict

    def _request(self, call: PageCall, name: str, body: bytes, arrived: Arrived) -> Request:
        path = call.path
        if name or "{}" in path:
            known = uuid_of(name)
            if known is None:
                unknown = errors.WidgetNotFoundException
                raise _RefusedError(
                    unknown if call in OF_WIDGETS else errors.SessionNotFoundException
                )
            path = path.replace("{}", known)
        query = self._query(call, arrived)
        return Request(
            method=call.method,
            url=f"/{path}?{query}" if query else f"/{path}",
            headers=_headers(call, arrived),
            body=body,
            hold_s=self._hold_s if call.held else 0.0,
        )

    def _query(self, call: PageCall, arrived: Arrived) -> str:
        """What stands behind the question mark; whose address it is, a page does not say."""
        if call.query:
            return quote(arrived.query, safe=_QUERY_SAFE, errors="replace")
        address = plain_address(arrived.client_ip)
        if call is not WIDGET or self._guarded or address is None:
            return ""
        return f"userIp={quote(address, safe='')}"


# --- what is passed on ------------------------------------------------------------------------


def _headers(call: PageCall, arrived: Arrived) -> dict[str, str]:
    headers = {"accept": "application/json", "x-request-id": arrived.request_id}
    if arrived.languages:
        headers["accept-language"] = arrived.languages
    kind = arrived.headers.get("content-type")
    if call is SEND:
        headers["content-type"] = "application/json"
    elif call.body and kind is not None:
        headers["content-type"] = kind if _is_decent(kind, 255) else "application/octet-stream"
    key = arrived.headers.get("idempotency-key")
    if call.body and key is not None:
        headers["idempotency-key"] = _own_key(key)
    return headers


def _own_key(key: str) -> str:
    """Pages and the back end share a token, and must not meet in one key; a bad one stays bad."""
    if not _is_decent(key, LONGEST_KEY):
        return ""
    return f"page-{sha256(key.encode()).hexdigest()}"


def _is_decent(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isascii() and text.isprintable()


def _announces(arrived: Arrived) -> int:
    declared = arrived.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 19 else 0  # noqa: PLR2004


def decent_request_id(own: str | None) -> str:
    """The page's own id for its request if it is a decent one, else a new one."""
    if own is not None and _is_decent(own, LONGEST_REQUEST_ID) and own.replace("-", "").isalnum():
        return own
    return _system.new_id().replace("-", "")


# --- the body of a send -----------------------------------------------------------------------


def _json_object(raw: bytes, content_type: str | None) -> dict[str, Any]:
    if content_type is not None and not is_json(content_type):
        raise _wrong("Content-Type", "application/json")
    if raw.count(b"{") + raw.count(b"[") > MOST_BRACKETS:
        raise _wrong("body", "a flat JSON object")
    try:
        found = json.loads(
            raw.decode(),
            parse_constant=_not_json,
            parse_float=lambda _: 0.5,  # no field is a number: which one does not matter
            parse_int=lambda _: 1,
        )
    except (ValueError, RecursionError):
        raise _wrong("body", "a JSON object in UTF-8") from None
    if not isinstance(found, dict):
        raise _wrong("body", "a JSON object")
    return found


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _wrong(name: str, expected: str) -> _RefusedError:
    return _RefusedError(errors.ValidateError, fields={name: expected})


def _may_begin(fields: Mapping[str, object]) -> bool:
    """Whether the service might begin a verification: what it refuses needs no captcha."""
    return isinstance(fields.get("widgetId"), str) and isinstance(fields.get("recipient"), str)


def _made_again(fields: Mapping[str, object], arrived: Arrived) -> str | None:
    """The name of a send that does nothing new when it is made again; ``None`` without a key."""
    key = _own_key(arrived.headers.get("idempotency-key", ""))
    return request_name(key, fields["widgetId"], fields["recipient"]) if key else None


def _captcha_token(given: object) -> str | None:
    if given is None or (isinstance(given, str) and len(given) <= LONGEST_TOKEN):
        return given
    raise _wrong("captchaToken", "a string")


# --- what comes back --------------------------------------------------------------------------


def _passed_back(answer: Response, arrived: Arrived) -> GatewayResponse:
    """The service's answer as it is; what no service of ours says is not shown to a page."""
    if not is_json(answer.headers.get("content-type", "")):
        return unavailable(arrived)
    kept = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
    headers = {**ALWAYS, "x-request-id": arrived.request_id, **kept}
    return GatewayResponse(status=answer.status, headers=headers, body=answer.body)


def _with_captcha(answer: Response, described: Mapping[str, object]) -> Response:
    """The widget's data with our captcha in the place of the service's own."""
    if answer.status // 100 != 2:  # noqa: PLR2004
        return answer
    try:
        data = json.loads(answer.body)
    except (ValueError, RecursionError):
        return answer
    if not isinstance(data, dict):
        return answer
    kept = {name: value for name, value in data.items() if not name.startswith("captcha")}
    body = json.dumps({**kept, **described}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Response(status=answer.status, headers=answer.headers, body=body)


def _json(arrived: Arrived, value: Mapping[str, object]) -> GatewayResponse:
    headers = {**ALWAYS, "content-type": JSON, "x-request-id": arrived.request_id}
    return GatewayResponse(status=200, headers=headers, body=json.dumps(value).encode())


def refused(arrived: Arrived, refusal: _RefusedError) -> GatewayResponse:
    """A refusal of ours, as the service would have put it."""
    body = refusal_body(
        refusal.kind,
        arrived.languages,
        status=refusal.status,
        payload={"fields": refusal.fields} if refusal.fields else None,
    )
    headers = {
        "content-type": JSON,
        **ALWAYS,
        **refusal.headers,
        "x-request-id": arrived.request_id,
    }
    return GatewayResponse(status=refusal.status, headers=headers, body=body)


def unavailable(arrived: Arrived) -> GatewayResponse:
    """The service cannot be reached, or something else answers in its place."""
    body = refusal_body(
        errors.ServiceUnavailableException,
        arrived.languages,
        payload={"retryAfter": RETRY_AFTER_S},
    )
    headers = {
        "content-type": JSON,
        **ALWAYS,
        "retry-after": str(RETRY_AFTER_S),
        "x-request-id": arrived.request_id,
    }
    return GatewayResponse(status=503, headers=headers, body=body)


def broken(arrived: Arrived) -> GatewayResponse:
    """Something of ours failed; the log knows it by the request's id."""
    return refused(arrived, _RefusedError(errors.InternalServerErrorException))
