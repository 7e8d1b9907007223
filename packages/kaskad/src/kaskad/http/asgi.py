"""The whole service as one ASGI application."""

from collections.abc import Awaitable, MutableMapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from kaskad.core.errors import (
    InternalServerErrorException,
    KaskadError,
    MethodNotAllowedException,
    NotFoundException,
)
from kaskad.http.exchange import ALWAYS, Receive, Scope, Send, header_of, request_id_of
from kaskad.http.guard import refused
from kaskad.http.handler.endpoint import Handler
from kaskad.http.handler.router import is_ours
from kaskad.http.sdk.endpoint import PageEndpoints, is_for_pages

_BY_STATUS: dict[int, type[KaskadError]] = {
    404: NotFoundException,
    405: MethodNotAllowedException,
}


class Application:
    """The public API on the short way, everything else through Starlette."""

    def __init__(self, handler: Handler, pages: PageEndpoints, routes: Sequence[BaseRoute]) -> None:
        self._handler = handler
        self._pages = pages
        self._outside = Starlette(
            routes=list(routes),
            exception_handlers={HTTPException: _refused, 500: _broken},
        )
        self._outside.router.redirect_slashes = False

    def new_request_id(self) -> str:
        """An id for a request that came without one, or never came to be."""
        return self._handler.new_request_id()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request; no frame of ours is kept while a call of the API is held."""
        if scope["type"] == "http" and is_ours(scope["raw_path"]):
            return self._handler(scope, receive, send)
        if scope["type"] == "http" and is_for_pages(scope["raw_path"]):
            return self._pages(scope, receive, send)
        return self._elsewhere(scope, receive, send)

    async def _elsewhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            own = header_of(scope, b"x-request-id")
            request_id = request_id_of(own, self._handler.new_request_id)
            await self._outside(scope, receive, _completed(send, request_id))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})


def _completed(send: Send, request_id: str) -> Send:
    """Every answer carries some headers, whoever gives it."""
    always = (*ALWAYS, (b"x-request-id", request_id.encode()))

    async def complete(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = list(message["headers"])
            names = {name for name, _ in given}
            more = [header for header in always if header[0] not in names]
            message = {**message, "headers": given + more}
        await send(message)

    return complete


async def _refused(request: Request, problem: Exception) -> Response:
    status = problem.status_code if isinstance(problem, HTTPException) else 500
    kind = _BY_STATUS.get(status, InternalServerErrorException)
    response = refused(request, kind())
    if isinstance(problem, HTTPException) and problem.headers:
        response.headers.update(problem.headers)
    return response


async def _broken(request: Request, _: Exception) -> Response:
    return refused(request, InternalServerErrorException())
