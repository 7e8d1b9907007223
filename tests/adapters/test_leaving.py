"""A page that goes away: a held call ends with it, one that changes something does not."""

import socket
import time
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

from kaskad_sdk.contrib.starlette import kaskad_routes
from tests.acceptance.crowd import allowed
from tests.adapters.backends import (
    NAMES,
    NOTICES_WHO_LEAVES,
    PREFIX,
    Setup,
    back_end,
    uvicorn_server,
)
from tests.adapters.upstream import REQUEST_ID, WIDGET, Upstream


def call(url: str, method: str, path: str, body: bytes = b"") -> socket.socket:
    """A request whose answer nobody will read."""
    address = urlsplit(url)
    sock = socket.create_connection((address.hostname or "", address.port or 0), 30)
    head = (
        f"{method} {address.path}{path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    sock.sendall(head.encode() + body)
    return sock


@pytest.mark.parametrize("name", NOTICES_WHO_LEAVES)
def test_a_held_call_ends_within_a_second_of_its_client(name: str, service: Upstream) -> None:
    service.holding = "longPolling"
    with back_end(name, service.url) as url:
        sock = call(url, "GET", f"/longPolling/{REQUEST_ID}/channel")
        assert service.held.wait(30)
        time.sleep(0.1)
        assert not service.left.is_set()
        sock.close()
        assert service.left.wait(allowed(1.0))


@pytest.mark.parametrize("name", NAMES)
def test_a_send_is_finished_although_its_client_has_left(name: str, service: Upstream) -> None:
    service.holding = "otp-handler/"
    body = b'{"widgetId": "%s", "recipient": "+79001234567"}' % WIDGET.encode()
    with back_end(name, service.url) as url:
        sock = call(url, "POST", "/", body)
        assert service.held.wait(30)
        sock.close()
        assert not service.left.wait(0.7)
        service.released.set()


def test_middleware_of_the_application_does_not_hide_who_leaves(service: Upstream) -> None:
    """Starlette's own kind stands between the server and the routes with a queue of its own."""

    async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    service.holding = "longPolling"
    setup = Setup(service.url)
    client = setup.client()
    app = Starlette(
        routes=kaskad_routes(client, prefix=PREFIX),
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=pass_on)],
    )
    with uvicorn_server(app, client.close) as port:
        sock = call(f"http://127.0.0.1:{port}{PREFIX}", "GET", f"/longPolling/{REQUEST_ID}/status")
        assert service.held.wait(30)
        sock.close()
        assert service.left.wait(allowed(1.0))
