"""uvicorn's connection, with what uvicorn leaves to a proxy in front of it.

Bounds on time and size for clients that are slow or mean harm, word of a client
that leaves, and little memory: a held call is a connection.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import unquote

import httptools
from msgspec.structs import replace
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from kaskad.core.errors import KaskadError, ServiceUnavailableException, ValidateError
from kaskad.http._lean import Flow, Queue
from kaskad.http.cycle import Cycle
from kaskad.http.exchange import (
    ALWAYS,
    REQUEST,
    Application,
    Call,
    Header,
    Receive,
    Scope,
    Send,
    error_reply,
)
from kaskad.http.porch import Porch, Waiting

LARGEST_HEAD = 64 * 1024
LARGEST_REST = 2 * 1024 * 1024
MOST_AHEAD = 64
RETRY_AFTER_S = 5
CLOSE: Header = (b"connection", b"close")


class TooManyAheadError(Exception):
    """A client sends request after request and awaits no answer."""


class Connection(HttpToolsProtocol):
    """One client's connection; also what a request may ask of it (:mod:`kaskad.http.exchange`)."""

    # Beyond thirty names an object's dict is no longer shared with its class, and grows threefold.
    __slots__ = ("_lost", "_place", "_porch", "_taken", "_tell")

    def __init__(self, porch: Porch, **given: Any) -> None:
        super().__init__(**given)
        self.pipeline = Queue()  # type: ignore[assignment]  # used as the queue that it is
        self._porch = porch
        self._place: Waiting | None = None
        self._tell: Callable[[], None] | None = None
        self._lost = False
        self._taken = 0

    # --- for requests ------------------------------------------------------------------

    @property
    def gone(self) -> bool:
        """Whether no answer can reach the client any more."""
        return self._lost or self.transport.is_closing()

    def watch(self, tell: Callable[[], None]) -> "_Watch":
        """Call back when the client has left, at once if that was earlier."""
        self._tell = tell
        if self._lost:
            tell()
        return _Watch(self)

    def unwatch(self) -> None:
        """Call back no more."""
        self._tell = None

    def new_request_id(self) -> str:
        """An id for a request that nobody else answers."""
        return self._porch.new_request_id()

    @property
    def default_headers(self) -> list[Header]:
        """Headers of every answer: the date."""
        return self.server_state.default_headers

    # --- coming and going --------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        self.flow = Flow(transport)
        porch = self._porch
        if len(self.connections) > porch.patience.connections and not porch.make_room():
            self.app = _turned_away
        self._wait_in(porch.asking)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over, whoever ended it."""
        super().connection_lost(exc)
        self._lost = True
        self._wait_in(None)
        self._porch.unread.pop(self, None)
        if self._tell is not None:
            self._tell()

    def drop(self) -> None:
        """End the connection; what the client would not read is lost."""
        self._wait_in(None)
        self._porch.unread.pop(self, None)
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _wait_in(self, place: Waiting | None) -> None:
        if place is not self._place:
            if self._place is not None:
                del self._place[self]
            if place is not None:
                place[self] = self.loop.time()
            self._place = place

    # --- requests ----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take what has come, if there is not too much of it."""
        self._taken += len(data)  # since the last head, or body, that was whole
        super().data_received(data)
        if self.transport.is_closing():
            return
        if not self._busy:
            self._wait_in(self._porch.asking)
        if self._taken > LARGEST_HEAD:
            self._bound()

    @property
    def _busy(self) -> bool:
        """Whether a request is under way."""
        cycle = cast("Cycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _bound(self) -> None:
        cycle = cast("Cycle | None", self.cycle)
        if cycle is None or not cycle.more_body:
            self._refuse(ValidateError({"head": f"at most {LARGEST_HEAD} bytes"}, status=413))
        elif self._taken > LARGEST_REST:
            self.drop()

    def on_message_begin(self) -> None:
        """A request begins."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """The request is known, and begun unless another one is under way."""
        if len(self.pipeline) >= MOST_AHEAD:
            raise TooManyAheadError
        before = cast("Cycle | None", self.cycle)
        parser = self.parser
        version, method = parser.get_http_version(), parser.get_method().decode("ascii")
        keep_alive = version != "1.0" and parser.should_keep_alive()
        cycle = Cycle(self, method, keep_alive=keep_alive)
        scope = self._scope_of(version, method, cycle)
        if self.expect_100_continue:
            cycle.waiting_for_100_continue = True
        self.cycle = cycle
        self._taken = 0
        self._wait_in(None)
        if before is None or before.response_complete:
            self._begin(cycle, scope, cast("Application", self.app))
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, scope, self.app))  # type: ignore[arg-type]

    def _scope_of(self, version: str, method: str, cycle: Cycle) -> Scope:
        raw_path, query = _parted(self.url)
        path = raw_path.decode("ascii")
        return {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "method": method,
            "scheme": self.scheme,
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self.headers,
            "server": self.server,
            "client": self.client,
            REQUEST: cycle,
        }

    def _begin(self, cycle: Cycle, scope: Scope, application: Application) -> None:
        task = self.loop.create_task(cycle.serve(application, scope))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body, if the request is of a kind that has one."""
        cycle = cast("Cycle", self.cycle)
        if cycle.response_complete or cycle.method in {"GET", "HEAD"}:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.tell()

    def on_message_complete(self) -> None:
        """There is no more of the body."""
        cycle = cast("Cycle", self.cycle)
        cycle.more_body = False
        self._taken = 0
        cycle.tell()

    def on_response_complete(self) -> None:
        """Begin what was sent ahead, or wait for the next request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            if self.transport.get_write_buffer_size():
                self._porch.unread.setdefault(self, self.loop.time())
            return
        if self.pipeline:
            self._begin(*self.pipeline.pop())  # type: ignore[call-arg,arg-type]
        else:
            self._wait_in(self._porch.idle)
        if not self.pipeline:
            self.flow.resume_reading()

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._porch.unread.setdefault(self, self.loop.time())

    def resume_writing(self) -> None:
        """The client reads again; of a connection that is ended the rest has its time, too."""
        super().resume_writing()
        self._porch.unread.pop(self, None)
        if self.transport.is_closing():
            self._porch.unread[self] = self.loop.time()

    # --- refusals without a request ------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(ValidateError({"request": "a request in HTTP/1.1"}))

    def _refuse(self, error: KaskadError) -> None:
        if not self._busy:
            reply = error_reply(error, english=False)
            headers = (
                *self.server_state.default_headers,
                *reply.headers,
                *ALWAYS,
                (b"x-request-id", self._porch.new_request_id().encode()),
                (b"content-length", str(len(reply.body)).encode()),
                CLOSE,
            )
            lines = [b"%s: %s\r\n" % header for header in headers]
            self.transport.write(b"".join([STATUS_LINE[error.status], *lines, b"\r\n", reply.body]))
        self.drop_politely()

    def drop_politely(self) -> None:
        """End the connection once what is written has been read, or its time is up."""
        self._wait_in(None)
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._porch.unread.setdefault(self, self.loop.time())


class _Watch:
    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def cancel(self) -> None:
        self._connection.unwatch()


async def _turned_away(scope: Scope, receive: Receive, send: Send) -> None:
    """Every place is taken by a request: come again."""
    call = Call(scope, receive, scope[REQUEST].new_request_id)
    error = ServiceUnavailableException(retry_after_s=RETRY_AFTER_S)
    reply = error_reply(error, english=call.english)
    await call.answer(send, replace(reply, headers=(*reply.headers, CLOSE)))


def _parted(url: bytes) -> tuple[bytes, bytes]:
    """The path and the query of what a request asks for."""
    if url[:1] == b"/" and b"#" not in url:
        path, _, query = url.partition(b"?")
        return path, query
    whole = httptools.parse_url(url)
    return whole.path, whole.query or b""
