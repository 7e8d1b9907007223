"""The handset: a page that looks like a phone, for what the simulator delivers.

It shows codes, so it is only for whoever sits at this machine: no forwarded
request and no foreign host name gets an answer.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from kaskad.app.inbox import Delivered, Inbox
from kaskad.core.errors import KaskadError, NotFoundException, ValidateError
from kaskad.core.model import ReportKind
from kaskad.core.recipients import parse_query_recipient
from kaskad.http.guard import Guard, refused
from kaskad.http.pages import Pages

LONGEST_BACKLOG = 1000

Serve = Callable[[Request], Awaitable[Response]]

_ANSWERS = {"confirm": ReportKind.CONFIRMED, "decline": ReportKind.DECLINED}


class Handset:
    """The page, its JSON calls, and its live stream."""

    def __init__(
        self,
        inbox: Inbox,
        *,
        region: str,
        guard: Guard,
        simulated: Callable[[], bool],
        demo: bool,
        draining: Callable[[], bool],
    ) -> None:
        self._inbox = inbox
        self._region = region
        self._guard = guard
        self._simulated = simulated
        self._demo = demo
        self._draining = draining
        self._pages = Pages("kaskad.http.handset")

    def routes(self) -> list[Route]:
        """The routes, for the outer application."""
        return [
            Route("/handset", self._guarded(self._page), methods=["GET"]),
            Route("/handset/", self._guarded(self._page), methods=["GET"]),
            Route("/handset/static/{name}", self._guarded(self._file), methods=["GET"]),
            Route("/handset/messages", self._guarded(self._messages), methods=["GET"]),
            Route("/handset/events", self._guarded(self._events), methods=["GET"]),
            Route(
                "/handset/messages/{id}/{answer:str}", self._guarded(self._answer), methods=["POST"]
            ),
        ]

    def _guarded(self, serve: Callable[[Request], Response]) -> Serve:
        async def guarded(request: Request) -> Response:
            try:
                if not self._simulated():
                    raise NotFoundException
                return self._guard(request) or serve(request)
            except KaskadError as refusal:
                return refused(request, refusal)

        return guarded

    def _page(self, _: Request) -> Response:
        page = self._pages.serve("index.html")
        if self._demo:
            return page
        # Without the demo there is nowhere to go from here.
        lines = bytes(page.body).splitlines(keepends=True)
        page.body = b"".join(x for x in lines if b'data-text="demo"' not in x).replace(
            b'href="/"', b'href="/handset"'
        )
        page.headers["content-length"] = str(len(page.body))
        return page

    def _file(self, request: Request) -> Response:
        return self._pages.serve(request.path_params["name"])

    def _messages(self, request: Request) -> Response:
        messages = self._inbox.messages(self._recipient(request))
        return _json([_wire(message) for message in messages])

    def _recipient(self, request: Request) -> str | None:
        text = request.query_params.get("recipient")
        if not text:
            return None
        recipient = parse_query_recipient(text, self._region)
        if recipient is None:
            raise ValidateError({"recipient": "a phone number"})
        return recipient.number

    def _answer(self, request: Request) -> Response:
        kind = _ANSWERS.get(request.path_params["answer"])
        if kind is None or not self._inbox.answer(request.path_params["id"], kind):
            raise NotFoundException
        return _json({"success": True})

    def _events(self, request: Request) -> Response:
        return StreamingResponse(
            self._stream(self._recipient(request)),
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
            media_type="text/event-stream",
        )

    async def _stream(self, recipient: str | None) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[Delivered] = asyncio.Queue(LONGEST_BACKLOG)

        def hear(message: Delivered) -> None:
            if recipient in (None, message.recipient) and not queue.full():
                queue.put_nowait(message)

        stop = self._inbox.subscribe(hear)
        try:
            yield b": connected\n\n"
            for message in self._inbox.messages(recipient):
                yield _event(message)
            while not self._draining():
                try:
                    async with asyncio.timeout(1.0):
                        yield _event(await queue.get())
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            stop()


def _json(value: object) -> Response:
    return Response(
        msgspec.json.encode(value),
        media_type="application/json",
        headers={"cache-control": "no-store", "x-content-type-options": "nosniff"},
    )


def _event(message: Delivered) -> bytes:
    data = msgspec.json.encode(_wire(message))
    return b"event: message\nid: %s\ndata: %s\n\n" % (message.id.encode(), data)


def _wire(message: Delivered) -> dict[str, object]:
    return {
        "id": message.id,
        "type": message.type,
        "text": message.text,
        "code": message.code,
        "callerId": message.caller_id,
        "requestId": message.session,
        "at": message.at,
        "recipient": message.recipient,
        "label": message.label,
        "answer": message.answer,
    }
