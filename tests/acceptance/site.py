"""A customer's site: a server of its own, for pages that embed the widget."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self
from urllib.parse import urlsplit

from tests.peers.ports import free_port

KINDS = {"html": "text/html; charset=utf-8", "js": "text/javascript", "css": "text/css"}


class Site:
    """Files by their names, which may be exchanged while it serves them."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.files: Mapping[str, str] = {}
        self.headers: Mapping[str, str] = {}

    @contextmanager
    def served(self) -> Iterator[Self]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the base names it
                site.answer(self)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                site.answer(self)

            def log_message(self, *_: object) -> None:
                """Nothing: a test says what went wrong."""

        with ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            thread = Thread(target=server.serve_forever)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = urlsplit(request.path).path.removeprefix("/")
        body = self.files.get(name, "").encode()
        kind = KINDS.get(name.rpartition(".")[2], "text/plain")
        request.send_response(200)
        for header, value in {"content-type": kind, **self.headers}.items():
            request.send_header(header, value)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
