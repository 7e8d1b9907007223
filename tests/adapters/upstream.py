"""A service that answers as it is told and remembers what it was asked, on a real socket."""

import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from kaskad.core.errors import KaskadError
from kaskad.http.exchange import error_reply

BASE = "/api/n/otp-handler"
REQUEST_ID = "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"
WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


def refusal(error: KaskadError) -> Answer:
    """What the service answers when it refuses."""
    reply = error_reply(error, english=False)
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    return Answer(reply.status, reply.body, {**headers, "x-request-id": "of-the-service"})


def success(asked: Asked) -> Answer:
    """A plausible answer to anything."""
    body: dict[str, object] = {"success": True}
    if asked.path == f"{BASE}/":
        body = {"requestId": REQUEST_ID, "recipient": "+79001234567"}
    if "/widget/" in asked.path:
        body = {"isBlocked": False, "isActive": True, "name": "W", "captchaIsRequired": False}
    status = 201 if asked.method == "POST" else 200
    headers = {"content-type": "application/json; charset=utf-8", "etag": '"7"'}
    return Answer(status, json.dumps(body).encode(), {**headers, "cache-control": "no-store"})


class Upstream:
    """What it answers is ``answer``; a path with ``holding`` in it is held."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Answer] = success
        self.holding = ""
        self.held = threading.Event()
        self.left = threading.Event()
        self.released = threading.Event()

    def forget(self) -> None:
        self.asked.clear()
        self.answer = success
        self.holding = ""
        self.held.clear()
        self.left.clear()
        self.released.clear()

    def is_held(self, asked: Asked) -> bool:
        return bool(self.holding) and self.holding in asked.path

    def hold(self, connection: socket.socket) -> bool:
        """Wait until the caller has left or the call is released; whether the caller is there."""
        self.held.set()
        while not self.released.is_set():
            if select.select([connection], [], [], 0.02)[0]:  # nothing more comes but its end
                self.left.set()
                return False
        return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece
    upstream: Upstream

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body)
        self.upstream.asked.append(asked)
        if self.upstream.is_held(asked) and not self.upstream.hold(self.connection):
            self.close_connection = True
            return
        answer = self.upstream.answer(asked)
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = _take  # noqa: N815  # the library's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def upstream() -> Iterator[Upstream]:
    """A running one."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    handler.upstream = Upstream(server.server_address[1])  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield handler.upstream  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
