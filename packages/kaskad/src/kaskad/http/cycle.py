"""uvicorn's request and answer, with an answer that goes out in one piece.

What happens once for every request is written out here; what is rare is
uvicorn's own code.
"""

import asyncio
import logging
from collections.abc import Callable, MutableMapping
from functools import lru_cache
from typing import Any, Final, Protocol, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from kaskad.app.polling import Watch
from kaskad.http._lean import Signal
from kaskad.http.exchange import Application, Header, Receive, Scope

OURS_ALONE = frozenset({b"connection", b"transfer-encoding"})
"""Headers that decide about the connection: uvicorn reads them, and writes such answers."""

log = logging.getLogger("uvicorn.error")


class Line(Protocol):
    """The connection, as far as one of its requests uses it."""

    transport: asyncio.Transport
    flow: FlowControl

    @property
    def gone(self) -> bool:
        """Whether no answer can reach the client any more."""

    @property
    def default_headers(self) -> list[Header]:
        """Headers of every answer: the date."""

    def watch(self, tell: Callable[[], None]) -> Watch:
        """Call back when the client has left."""

    def new_request_id(self) -> str:
        """An id for a request that nobody else answers."""

    def on_response_complete(self) -> None:
        """The answer is out."""


class Cycle(RequestResponseCycle):
    """A request and its answer; also what a room may ask of it (:mod:`kaskad.http.exchange`).

    uvicorn writes the head and the body of an answer as they come: two system
    calls, two packets, and a client that is woken twice. Here the head of an
    answer of known length is kept until its body comes, and an answer that is
    there whole is written at once.

    What most requests leave as it is stands here once, and not in each of them.
    """

    logger = log
    access_log = False
    disconnected = False
    waiting_for_100_continue = False
    body: bytes | bytearray = b""  # type: ignore[assignment]  # only appended to, and taken whole
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding = None
    expected_content_length = 0
    _signal: Signal | None = None
    _taken = False
    _held: bytes | None = None

    def __init__(self, line: Line, method: str, *, keep_alive: bool) -> None:
        self._line = line
        self.method = method
        self.keep_alive = keep_alive

    # --- what uvicorn's code asks for ----------------------------------------------------

    @property
    def scope(self) -> Any:  # type: ignore[override]
        """As much of it as uvicorn's code reads: holding all of it would make a circle."""
        return {"method": self.method}

    @property
    def transport(self) -> asyncio.Transport:  # type: ignore[override]
        """What is written to."""
        return self._line.transport

    @property
    def flow(self) -> FlowControl:  # type: ignore[override]
        """Whether there is room to write."""
        return self._line.flow

    @property
    def default_headers(self) -> list[Header]:  # type: ignore[override]
        """Headers of every answer."""
        return self._line.default_headers

    @property
    def message_event(self) -> Signal:  # type: ignore[override]
        """Raised when there is more of the body, or the client has left; made when it is needed."""
        if self._signal is None:
            over = self.disconnected or self.response_complete
            more = not self._taken and (bool(self.body) or not self.more_body)
            self._signal = Signal(raised=over or more)
        return self._signal

    def on_response(self) -> None:
        """The answer is out."""
        self._line.on_response_complete()

    # --- what a room may ask ---------------------------------------------------------------

    @property
    def gone(self) -> bool:
        """Whether no answer can reach the client any more."""
        return self._line.gone

    def watch(self, tell: Callable[[], None]) -> Watch:
        """Call back when the client has left, at once if that was earlier."""
        return self._line.watch(tell)

    def new_request_id(self) -> str:
        """An id for a request that nobody else answers."""
        return self._line.new_request_id()

    def whole_body(self) -> bytes | None:
        """The body if all of it is there; ``None`` when it has to be waited for."""
        if self.more_body or self.disconnected or self._signal is not None:
            return None
        self._taken = True
        body, self.body = bytes(self.body), b""
        return body

    def whole_answer(
        self, status: int, headers: tuple[Header, ...], request_id: str, body: bytes
    ) -> bool:
        """Write an answer at once; ``False``, and nothing is written, when that cannot be."""
        line = self._line
        if self.response_started or self.disconnected or line.flow.write_paused:
            return False
        head = _head(status, headers)
        if head is None or self.method == "HEAD":
            return False
        self.response_started = self.response_complete = True
        parts = [head, request_id.encode(), b"\r\ncontent-length: %d\r\n" % len(body)]
        for name, value in line.default_headers:
            parts += (name, b": ", value, b"\r\n")
        if self.keep_alive:
            parts += (b"\r\n", body)
            line.transport.write(b"".join(parts))
        else:
            parts += (b"connection: close\r\n\r\n", body)
            line.transport.write(b"".join(parts))
            line.transport.close()
        self.tell()
        line.on_response_complete()
        return True

    # --- the request -----------------------------------------------------------------------

    async def serve(self, application: Application, scope: Scope) -> None:
        """Let the application answer; one that does not is an error of ours."""
        try:
            await application(scope, cast("Receive", self.receive), self.send)
        except BaseException:
            log.exception("Exception in ASGI application")
            await self._fail()
        else:
            if not self.response_complete and not self.disconnected:
                log.error("ASGI callable returned without completing response.")
                await self._fail()
        finally:
            del self._line  # it holds this cycle

    async def _fail(self) -> None:
        if self.response_started:
            self.transport.close()
        else:
            await self.send_500_response()

    def tell(self) -> None:
        """Wake who waits for the body, if anybody does."""
        if self._signal is not None:
            self._signal.set()

    # --- the answer ------------------------------------------------------------------------

    async def send(self, message: MutableMapping[str, Any]) -> None:  # type: ignore[override]
        """Send a part of the answer."""
        if not self.response_started:
            head = self._whole_head(message)
            if head is None:
                await super().send(message)  # type: ignore[arg-type]
            else:
                self.response_started = True
                self._held = head
            return
        held, self._held = self._held, None
        if held is None:
            await super().send(message)  # type: ignore[arg-type]
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if not self.disconnected:
            self._write(held, message)

    def _whole_head(self, message: MutableMapping[str, Any]) -> bytes | None:
        """The head as it is written; ``None`` when it is one for uvicorn to write."""
        headers: list[Header] = [*self.default_headers, *message["headers"]]
        lines, length = [STATUS_LINE[message["status"]]], None
        for name, value in headers:
            if name in OURS_ALONE:
                return None
            if name == b"content-length":
                length = value
            lines += (name, b": ", value, b"\r\n")
        if length is None:
            return None
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        head = b"".join(lines)
        # A line break within a header would begin another one: uvicorn refuses that.
        if not _unbroken(head, len(headers) + 2 + (not self.keep_alive)):
            return None
        self.waiting_for_100_continue = False
        self.chunked_encoding = False
        self.expected_content_length = int(length)
        return head

    def _write(self, head: bytes, message: MutableMapping[str, Any]) -> None:
        body: bytes = message.get("body", b"")
        if self.method == "HEAD":
            self.expected_content_length, body = 0, b""
        if len(body) > self.expected_content_length:
            raise RuntimeError("the answer is longer than its Content-Length")
        self.expected_content_length -= len(body)
        self.transport.write(head + body)
        if message.get("more_body", False):
            return
        if self.expected_content_length:
            raise RuntimeError("the answer is shorter than its Content-Length")
        self.response_complete = True
        self.tell()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _unbroken(head: bytes, lines: int) -> bool:
    return head.count(b"\n") == lines and head.count(b"\r") == lines


_REQUEST_ID: Final = b"x-request-id: "


@lru_cache(maxsize=1024)
def _head(status: int, headers: tuple[Header, ...]) -> bytes | None:
    """A head up to the value of the request's id; ``None`` when it is one for uvicorn to write."""
    if not OURS_ALONE.isdisjoint(name for name, _ in headers):
        return None
    lines = [STATUS_LINE[status], *(b"%s: %s\r\n" % header for header in headers)]
    head = b"".join(lines)
    return head + _REQUEST_ID if _unbroken(head, len(lines)) else None
