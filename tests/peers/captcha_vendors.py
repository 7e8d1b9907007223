"""Google, Cloudflare and Yandex as a server on this machine that answers as they document."""

import json
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

GOOGLE = "/recaptcha/api/siteverify"
CLOUDFLARE = "/turnstile/v0/siteverify"
YANDEX = "/validate"

SECRET = "1x0000000000000000000000000000000AA"
"""The secret that Cloudflare publishes for tests; here everybody's."""

Answer = tuple[int, bytes]


class Vendors:
    """Tokens are issued by tests and accepted once, whoever asks first.

    ``outage`` makes every call fail in one way: see :data:`OUTAGES`. With a ``context`` they
    speak TLS.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.outage: str | None = None
        self._tokens: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._scheme = "http"
        if context is not None:
            self._scheme = "https"
            self._server.socket = context.wrap_socket(  # shakes hands in the caller's thread
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}{path}"

    def issue(self, token: str, **answer: Any) -> str:
        """A token that a page was given, and what the vendor will say of it besides success."""
        self._tokens[token] = answer
        return token

    def answer(self, path: str, body: bytes, kind: str) -> Answer:
        form = {name: value for name, [value] in parse_qs(body.decode()).items()}
        with self._lock:
            self.asked.append((path, form))
        if kind != "application/x-www-form-urlencoded":
            return 415, b""
        token = form.get("token" if path == YANDEX else "response", "")
        with self._lock:
            known = self._tokens.pop(token, None)
        found = (_yandex if path == YANDEX else _siteverify)(form.get("secret"), token, known)
        return found[0], json.dumps(found[1]).encode()


def _siteverify(
    secret: str | None, token: str, known: dict[str, Any] | None
) -> tuple[int, dict[str, Any]]:
    if secret != SECRET:
        return 200, {"success": False, "error-codes": ["invalid-input-secret"]}
    if known is None:
        code = "timeout-or-duplicate" if token else "missing-input-response"
        return 200, {"success": False, "error-codes": [code]}
    stamp = {"challenge_ts": "2026-01-01T12:00:00Z", "hostname": "shop.example"}
    return 200, {"success": True, **stamp, **known}


def _yandex(
    secret: str | None, token: str, known: dict[str, Any] | None
) -> tuple[int, dict[str, Any]]:
    if secret != SECRET:
        message = "Authentication failed. Secret has not provided."
        return 403, {"status": "failed", "message": message}
    if known is None:
        return 200, {"status": "failed", "message": "Invalid or expired Token."}
    return 200, {"status": "ok", "message": "", "host": "shop.example", **known}


def _hang() -> Answer:
    time.sleep(6)
    return 200, b""


OUTAGES: dict[str, Callable[[], Answer]] = {
    "500": lambda: (500, b'{"success": true, "status": "ok", "host": "shop.example"}'),
    "429": lambda: (429, b""),
    "html": lambda: (200, b"<!doctype html><p>Maintenance</p>"),
    "a list": lambda: (200, b'[{"success": true}]'),
    "deep": lambda: (200, b"[" * 60_000),
    "huge": lambda: (200, b'{"success": true, "pad": "' + b"x" * 1_000_000 + b'"}'),
    "empty": lambda: (200, b""),
    "no verdict": lambda: (200, b"{}"),
    "hang": _hang,
}


def _handler(vendors: Vendors) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if vendors.outage == "reset":
                self.close_connection = True
                return
            if vendors.outage is not None:
                status, answer = OUTAGES[vendors.outage]()
            else:
                kind = self.headers.get("content-type", "")
                status, answer = vendors.answer(self.path, body, kind)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
