"""Answers on the wire: one piece where that is possible, and what uvicorn would send."""

import asyncio
import logging
from collections.abc import Callable, MutableMapping
from typing import Any, cast

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from kaskad.app.polling import Watch
from kaskad.core.errors import ValidateError
from kaskad.http._lean import Flow, Signal
from kaskad.http.cycle import Cycle
from kaskad.http.exchange import LARGEST_BODY, REQUEST, Call, Receive, Reply

DATE = (b"date", b"Sat, 21 Nov 2026 08:00:00 GMT")
Message = MutableMapping[str, Any]

LENGTH_2 = (b"content-length", b"2")


class Wire:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def close(self) -> None:
        self.closed = True


class Line:
    """A connection, as far as its requests use it."""

    gone = False

    def __init__(self) -> None:
        self.wire, self.done = Wire(), 0
        self.transport = cast("asyncio.Transport", self.wire)
        self.flow: FlowControl = Flow(self.transport)
        self.default_headers = [DATE]

    def watch(self, tell: Callable[[], None]) -> Watch:
        raise NotImplementedError

    def new_request_id(self) -> str:
        return "1"

    def on_response_complete(self) -> None:
        self.done += 1


class Exchange:
    """One cycle on a wire: ours, or one of uvicorn's to compare with."""

    def __init__(
        self, kind: type = Cycle, *, method: str = "POST", keep_alive: bool = True
    ) -> None:
        self.line = line = Line()
        self.wire, self.flow = line.wire, cast("Flow", line.flow)
        self.cycle: RequestResponseCycle
        if kind is Cycle:
            self.cycle = self.own = Cycle(line, method, keep_alive=keep_alive)
            return
        self.cycle = RequestResponseCycle(
            scope=cast("Any", {"type": "http", "method": method}),
            transport=line.transport,
            flow=line.flow,
            logger=logging.getLogger("tests"),
            access_logger=logging.getLogger("tests"),
            access_log=False,
            default_headers=[DATE],
            message_event=cast("asyncio.Event", Signal()),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=line.on_response_complete,
        )

    @property
    def done(self) -> int:
        return self.line.done

    async def head(self, *headers: tuple[bytes, bytes], status: int = 201) -> None:
        await self.cycle.send(
            {"type": "http.response.start", "status": status, "headers": list(headers)}
        )

    async def body(self, body: bytes, *, more: bool = False) -> None:
        await self.cycle.send({"type": "http.response.body", "body": body, "more_body": more})


async def test_an_answer_of_known_length_goes_out_in_one_piece() -> None:
    exchange = Exchange()
    await exchange.head((b"content-type", b"text/plain"), LENGTH_2)
    assert exchange.wire.pieces == []
    await exchange.body(b"ok")
    assert exchange.wire.pieces == [
        (
            b"HTTP/1.1 201 Created\r\ndate: Sat, 21 Nov 2026 08:00:00 GMT\r\n"
            b"content-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
        )
    ]
    assert (exchange.done, exchange.wire.closed) == (1, False)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize(
    "headers",
    [
        (LENGTH_2,),
        (),
        (LENGTH_2, (b"connection", b"close")),
        ((b"transfer-encoding", b"chunked"),),
        (LENGTH_2, (b"x-request-id", b"one")),
    ],
)
async def test_the_bytes_are_those_of_uvicorn(
    method: str, keep_alive: bool, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    sent = []
    for kind in (Cycle, RequestResponseCycle):
        exchange = Exchange(kind, method=method, keep_alive=keep_alive)
        await exchange.head(*headers)
        await exchange.body(b"o", more=True)
        await exchange.body(b"k")
        closed = exchange.wire.closed
        sent.append((b"".join(exchange.wire.pieces), closed, exchange.done))
    assert sent[0] == sent[1]


async def test_a_stream_begins_before_its_first_event() -> None:
    exchange = Exchange(method="GET")
    await exchange.head((b"content-type", b"text/event-stream"), status=200)
    assert exchange.wire.pieces[0].startswith(b"HTTP/1.1 200 OK\r\n")


async def test_parts_of_a_known_length_go_out_as_they_come() -> None:
    exchange = Exchange()
    await exchange.head(LENGTH_2)
    await exchange.body(b"o", more=True)
    assert exchange.wire.pieces[0].endswith(b"\r\n\r\no")
    assert exchange.done == 0
    await exchange.body(b"k")
    assert (exchange.wire.pieces[1], exchange.done) == (b"k", 1)


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb"])
async def test_a_header_cannot_begin_another_one(value: bytes) -> None:
    exchange = Exchange()
    with pytest.raises(RuntimeError, match="header value"):
        await exchange.head(LENGTH_2, (b"x-request-id", value))
    assert exchange.wire.pieces == []


@pytest.mark.parametrize(("body", "problem"), [(b"o", "shorter"), (b"okay", "longer")])
async def test_a_length_is_kept(body: bytes, problem: str) -> None:
    exchange = Exchange()
    await exchange.head(LENGTH_2)
    with pytest.raises(RuntimeError, match=problem):
        await exchange.body(body)


async def test_who_has_left_is_sent_nothing() -> None:
    exchange = Exchange()
    await exchange.head(LENGTH_2)
    exchange.cycle.disconnected = True
    await exchange.body(b"ok")
    assert (exchange.wire.pieces, exchange.done) == ([], 0)


async def test_who_does_not_read_is_waited_for() -> None:
    exchange = Exchange()
    await exchange.head(LENGTH_2)
    exchange.flow.pause_writing()
    answer = asyncio.ensure_future(exchange.body(b"ok"))
    await asyncio.sleep(0)
    assert exchange.wire.pieces == []
    exchange.flow.resume_writing()
    await answer
    assert exchange.done == 1


# --- an answer that is there whole -------------------------------------------------------

JSON = (b"content-type", b"application/json")
WHOLE = (
    b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\nx-request-id: r-1\r\n"
    b"content-length: 2\r\ndate: Sat, 21 Nov 2026 08:00:00 GMT\r\n"
)


@pytest.mark.parametrize("keep_alive", [True, False])
async def test_a_whole_answer_is_written_at_once(keep_alive: bool) -> None:
    exchange = Exchange(keep_alive=keep_alive)
    assert exchange.own.whole_answer(201, (JSON,), "r-1", b"ok")
    end = b"\r\nok" if keep_alive else b"connection: close\r\n\r\nok"
    assert exchange.wire.pieces == [WHOLE + end]
    assert (exchange.done, exchange.wire.closed) == (1, not keep_alive)
    assert exchange.own.response_complete


@pytest.mark.parametrize(
    "header", [(b"connection", b"close"), (b"x", b"a\r\nset-cookie: b"), (b"x", b"a\nb")]
)
async def test_some_answers_are_for_uvicorn_to_write(header: tuple[bytes, bytes]) -> None:
    exchange = Exchange()
    assert not exchange.own.whole_answer(201, (JSON, header), "r-1", b"ok")
    assert (exchange.wire.pieces, exchange.done) == ([], 0)


async def test_a_whole_answer_waits_for_who_does_not_read() -> None:
    exchange = Exchange()
    exchange.flow.pause_writing()
    assert not exchange.own.whole_answer(201, (JSON,), "r-1", b"ok")
    assert exchange.wire.pieces == []


async def test_nobody_is_answered_twice_or_after_leaving() -> None:
    exchange = Exchange()
    assert exchange.own.whole_answer(201, (JSON,), "r-1", b"ok")
    assert not exchange.own.whole_answer(201, (JSON,), "r-1", b"ok")
    gone = Exchange()
    gone.own.disconnected = True
    assert not gone.own.whole_answer(201, (JSON,), "r-1", b"ok")
    assert (exchange.done, gone.done) == (1, 0)


async def test_a_body_that_is_there_is_read_once() -> None:
    cycle = Exchange().own
    cycle.body += b"{}"
    assert cycle.whole_body() is None  # there may be more
    cycle.more_body = False
    assert cycle.whole_body() == b"{}"
    nothing_more = asyncio.ensure_future(cycle.receive())
    await asyncio.sleep(0)
    assert not nothing_more.done()
    cycle.disconnected = True
    cycle.tell()
    assert await nothing_more == {"type": "http.disconnect"}


async def test_a_body_that_is_being_waited_for_comes_that_way() -> None:
    cycle = Exchange().own
    reading = asyncio.ensure_future(cycle.receive())
    await asyncio.sleep(0)
    cycle.body += b"{}"
    cycle.more_body = False
    assert cycle.whole_body() is None
    cycle.tell()
    assert await reading == {"type": "http.request", "body": b"{}", "more_body": False}


# --- the short way through a call --------------------------------------------------------

REPLY = Reply(status=201, body=b"ok", headers=(JSON,))


async def test_a_call_reads_and_answers_over_its_own_server_without_messages() -> None:
    exchange = Exchange()
    cycle = exchange.own
    cycle.body, cycle.more_body = b"{}", False
    call = Call({"headers": [], REQUEST: cycle}, receive_of(cycle), lambda: "r-1")
    assert await call.body(1) == b"{}"
    await call.answer(cycle.send, REPLY)
    assert len(exchange.wire.pieces) == 1
    assert exchange.wire.pieces[0].endswith(b"\r\n\r\nok")


async def test_who_stands_between_a_call_and_its_server_is_not_passed_by() -> None:
    exchange = Exchange()
    cycle = exchange.own
    cycle.body, cycle.more_body = b"{}", False

    async def read() -> Message:
        return {"type": "http.request", "body": b'{"read": true}', "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"x-added", b"1")]}
        await cycle.send(message)

    call = Call({"headers": [], REQUEST: cycle}, read, lambda: "r-1")
    assert await call.body(1) == b'{"read": true}'
    await call.answer(send, REPLY)
    assert b"\r\nx-added: 1\r\n" in exchange.wire.pieces[0]


async def test_a_large_body_is_refused_on_the_short_way_too() -> None:
    cycle = Exchange().own
    cycle.body, cycle.more_body = b" " * (LARGEST_BODY + 1), False
    call = Call({"headers": [], REQUEST: cycle}, receive_of(cycle), lambda: "r-1")
    with pytest.raises(ValidateError) as refusal:
        await call.body(1)
    assert refusal.value.status == 413


def receive_of(cycle: Cycle) -> Receive:
    return cast("Receive", cycle.receive)
