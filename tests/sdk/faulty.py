"""A server that goes wrong on demand, and counts what reaches it."""

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self


@dataclass(kw_only=True)
class Seen:
    """A request, as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(kw_only=True)
class Reply:
    """What becomes of a request; ``drip_s`` is the pause before each byte of the body.

    With ``drip_head`` it is the pause before each byte of all of it, and the head is a long one.
    """

    status: int = 200
    body: bytes = b'{"success": true}'
    headers: dict[str, str] = field(default_factory=dict)
    drip_s: float = 0.0
    drip_head: bool = False
    ends_with_connection: bool = False
    """The answer has no length."""
    hold_s: float = 0.0
    cut: bool = False
    """The connection ends without an answer."""


Script = Callable[[Seen], Reply]


def refusing(status: int, kind: str = "", **headers: str) -> Reply:
    """An error in the service's shape, or of no shape."""
    body = {"type": kind, "message": kind, "httpStatus": status}
    return Reply(
        status=status,
        body=json.dumps(body).encode() if kind else b"<html>oops",
        headers={name.replace("_", "-"): text for name, text in headers.items()},
    )


class FaultyServer:
    """On the loopback, one thread per connection."""

    def __init__(self, script: Script | None = None) -> None:
        self.script: Script = script or (lambda _: Reply())
        self.seen: list[Seen] = []
        self.connections = 0
        self._ended = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def count(self, part: str) -> int:
        """How many requests had that in their address."""
        return sum(part in seen.target for seen in self.seen)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        self._threads[0].join(10)
        self._socket.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self._ended.is_set():
                connection.close()
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            try:
                while (request := _read(lines)) is not None:  # type: ignore[arg-type]  # a reader
                    self.seen.append(request)
                    if not self._answer(connection, self.script(request)):
                        return
            except OSError:
                return

    def _answer(self, connection: socket.socket, reply: Reply) -> bool:
        self._ended.wait(reply.hold_s)
        if reply.cut:
            return False
        head = [f"HTTP/1.1 {reply.status} X"]
        if not reply.ends_with_connection:
            head.append(f"content-length: {len(reply.body)}")
        head += [f"{name}: {text}" for name, text in reply.headers.items()]
        begin, rest = "\r\n".join([*head, "", ""]).encode(), reply.body
        if reply.drip_head:
            begin, rest = b"", begin.replace(b" X", b" " + b"X" * 1000) + rest
        connection.sendall(begin)
        if reply.drip_s == 0:
            connection.sendall(rest)
            return True
        for byte in rest:
            if self._ended.wait(reply.drip_s):
                return False
            connection.sendall(bytes([byte]))
        return True


def _read(lines: "socket.SocketIO") -> Seen | None:
    first = lines.readline().decode().split()
    if len(first) < 2:
        return None
    headers = {}
    while line := lines.readline().strip().decode():
        name, _, text = line.partition(":")
        headers[name.strip().lower()] = text.strip()
    body = lines.read(int(headers.get("content-length", "0"))) or b""
    return Seen(method=first[0], target=first[1], headers=headers, body=body)


def took(call: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    began = time.monotonic()
    call()
    return time.monotonic() - began
