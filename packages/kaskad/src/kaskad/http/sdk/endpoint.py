"""The calls of the public API as pages may make them, below ``/sdk``.

This room knows what a browser wants to hear and who the page is. What the calls
do and answer is the public API's business: a page is one more kind of caller.
"""

from collections.abc import Awaitable, Iterable, MutableMapping, Sequence
from typing import Any, Final

from kaskad.app.addresses import Network, client_address
from kaskad.app.pages import Page, Pages
from kaskad.app.ports import Telemetry
from kaskad.core.errors import ForbiddenException, KaskadError, NotFoundException
from kaskad.http.exchange import ALWAYS, Call, Header, Receive, Scope, Send, error_reply
from kaskad.http.handler.endpoint import PAGE, Handler
from kaskad.http.handler.router import match
from kaskad.http.handler.routes import BASE, PAGE_BASE

PREFLIGHT_KEPT_S: Final = 600

_BASE: Final = PAGE_BASE.encode()
_API: Final = BASE.encode()
_ENDS: Final = (b"/", b"")
_VARY: Final = (b"vary", b"Origin")
_EXPOSED: Final = (b"access-control-expose-headers", b"ETag, Retry-After, X-Request-Id")
# A bearer token is not needed, and not read; pages that come from another back end may send one.
_ACCEPTED: Final = (
    b"access-control-allow-headers",
    b"Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Request-Id",
)
_KEPT: Final = (b"access-control-max-age", b"%d" % PREFLIGHT_KEPT_S)
_NO_CONTENT: Final = 204


def is_for_pages(raw_path: bytes) -> bool:
    """Whether a path is one of the page's endpoints, or would be."""
    return raw_path.startswith(_BASE) and raw_path[len(_BASE) : len(_BASE) + 1] in _ENDS


class PageEndpoints:
    """Lets pages of allowed origins through to the public API."""

    def __init__(
        self,
        *,
        api: Handler,
        pages: Pages,
        telemetry: Telemetry,
        trusted_proxies: Sequence[Network],
    ) -> None:
        self._api = api
        self._pages = pages
        self._telemetry = telemetry
        self._proxies = trusted_proxies

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request; no frame of ours is kept while a call of the API is held."""
        origin = _origin(scope)
        page = self._pages.page(origin, self._address(scope))
        send = _with(_headers(origin, page), send)
        path = _API + scope["raw_path"][len(_BASE) :]
        found = match(path)
        if found is None or not all(route.for_pages for route in found[0].values()):
            return self._refuse(
                NotFoundException(), Call(scope, receive, self._api.new_request_id), send
            )
        if origin is not None and not page.allowed:
            return self._refuse(
                ForbiddenException(), Call(scope, receive, self._api.new_request_id), send
            )
        if _is_preflight(scope, origin):
            return self._permit(found[0], Call(scope, receive, self._api.new_request_id), send)
        scope["raw_path"] = path
        scope[PAGE] = page
        return self._api(scope, receive, send)

    def _address(self, scope: Scope) -> str:
        peer = scope["client"]
        forwarded = [
            value.decode("latin-1") for name, value in scope["headers"] if name == _FORWARDED
        ]
        return client_address(peer[0] if peer else None, forwarded, self._proxies)

    async def _refuse(self, error: KaskadError, call: Call, send: Send) -> None:
        self._telemetry.answered("none", error.status, 0.0)
        await call.answer(send, error_reply(error, english=call.english))

    async def _permit(self, methods: Iterable[str], call: Call, send: Send) -> None:
        """Tell a browser that the page may make this call."""
        allowed = (b"access-control-allow-methods", ", ".join(methods).encode())
        own = (b"x-request-id", call.request_id.encode())
        headers = [allowed, _ACCEPTED, _KEPT, *ALWAYS, own]  # RFC 9110, 8.6: no length
        await send({"type": "http.response.start", "status": _NO_CONTENT, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


_FORWARDED: Final = b"x-forwarded-for"


def _origin(scope: Scope) -> str | None:
    """Whose page calls. What a browser hides ("null"), or says twice, is nobody's origin."""
    given = [value for name, value in scope["headers"] if name == b"origin"]
    if not given:
        return None
    return given[0].decode("latin-1") if len(given) == 1 else "null"


def _is_preflight(scope: Scope, origin: str | None) -> bool:
    asks = any(name == b"access-control-request-method" for name, _ in scope["headers"])
    return scope["method"] == "OPTIONS" and origin is not None and asks


def _headers(origin: str | None, page: Page) -> tuple[Header, ...]:
    """What an answer tells the browser; caches keep answers for different origins apart."""
    if origin is None or not page.allowed:
        return (_VARY,)
    return (_VARY, (b"access-control-allow-origin", origin.encode("latin-1")), _EXPOSED)


def _with(headers: tuple[Header, ...], send: Send) -> Send:
    async def complete(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return complete
