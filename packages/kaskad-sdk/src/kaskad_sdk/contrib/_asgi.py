"""What the adapters for ASGI frameworks do alike: read the body, and notice who leaves."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from kaskad_sdk.contrib._arriving import LARGEST_BODY
from kaskad_sdk.gateway import GatewayResponse, WidgetGateway

T = TypeVar("T")
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]

_begun: set[asyncio.Task[Any]] = set()
"""A loop keeps only weak references to its tasks."""


async def answer(
    gateway: WidgetGateway, scope: Scope, receive: Receive, *, path: str, client_ip: str
) -> GatewayResponse | None:
    """Answer a request; ``None`` when the client left before there was an answer."""
    body = await _body(receive)
    if body is None:
        return None
    method: str = scope["method"]
    query: str = scope["query_string"].decode("latin-1")
    answering = gateway.handle(method, path, query, headers_of(scope), body, client_ip)
    if method != "GET":
        return await carried_out(answering)
    return await while_connected(answering, _departure(receive))


def raw_path_of(scope: Scope) -> str:
    """The path as it was sent, of servers that tell; else the decoded one, encoded again."""
    raw: bytes | None = scope.get("raw_path")
    return quote(scope["path"]) if raw is None else raw.decode("latin-1")


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers by lower-case name; one that came several times is joined by commas."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def seen(scope: Scope) -> tuple[str, Sequence[str]]:
    """The socket's peer, and what was forwarded to it; no peer's address on a Unix socket."""
    peer = scope.get("client")
    return peer[0] if peer else "", [headers_of(scope).get("x-forwarded-for", "")]


async def carried_out(answering: Coroutine[Any, Any, T]) -> T:
    """What ``answering`` returns; when its caller is cancelled, it is finished all the same.

    For what changes something: a client that leaves must not cut a send or a check in half.
    """
    task = asyncio.create_task(answering)
    _begun.add(task)
    task.add_done_callback(_begun.discard)
    return await asyncio.shield(task)


async def while_connected(
    answering: Coroutine[Any, Any, T], departure: Coroutine[Any, Any, None]
) -> T | None:
    """What ``answering`` returns; when the client leaves before, it is cancelled: ``None``."""
    task = asyncio.create_task(answering)
    watch = asyncio.create_task(departure)
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _body(receive: Receive) -> bytes | None:
    """The body, or the beginning of one that is too large; ``None``: it will never be whole."""
    read = b""
    while len(read) <= LARGEST_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        read += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return read


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
