"""The page's endpoints in an aiohttp application.

.. code-block:: python

    app.add_subapp("/auth/otp", kaskad_app(client))
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from kaskad_sdk.client import AsyncOtpClient
from kaskad_sdk.contrib._arriving import LARGEST_BODY, address_reader, below_any
from kaskad_sdk.contrib._asgi import carried_out, while_connected
from kaskad_sdk.gateway import WidgetGateway

try:
    from aiohttp import web
except ModuleNotFoundError as missing:
    raise ImportError("kaskad_sdk.contrib.aiohttp needs aiohttp") from missing

__all__ = ["kaskad_app"]

LOOK_AFTER_S: Final = 0.5
"""aiohttp tells nobody that a client has left, unless it cancels every handler: look."""


def kaskad_app(
    client: AsyncOtpClient,
    *,
    trusted_proxies: Iterable[str] = (),
    get_client_ip: Callable[[web.BaseRequest], str] | None = None,
    offer_completion: bool = False,
) -> web.Application:
    """An application with the page's endpoints, for ``add_subapp(prefix, ...)``.

    The user's address is the socket's peer, or, behind ``trusted_proxies`` (addresses, networks,
    ``"unix"``), what they put into ``X-Forwarded-For``; ``get_client_ip`` finds it in another way.
    The calls that collect the verdict are your back end's: pages are offered them only with
    ``offer_completion``. Raises :class:`ValueError` for proxies that are no addresses.
    """
    gateway = WidgetGateway(client, offer_completion=offer_completion, max_body=LARGEST_BODY)
    address = address_reader(_seen, trusted_proxies=trusted_proxies, get_client_ip=get_client_ip)

    async def endpoints(request: web.Request) -> web.Response:
        raw, _, query = request.raw_path.partition("?")
        path = below_any(raw, request.match_info.get("rest", ""))
        body = await _body(request)
        headers = {
            name.lower(): ", ".join(request.headers.getall(name)) for name in request.headers
        }
        answering = gateway.handle(request.method, path, query, headers, body, address(request))
        if request.method == "GET":
            found = await while_connected(answering, _departure(request))
        else:
            found = await carried_out(answering)
        if found is None:
            return web.Response()  # nobody is there to read it
        return web.Response(status=found.status, headers=found.headers, body=found.body)

    app = web.Application()
    app.router.add_route("*", "", endpoints)
    app.router.add_route("*", "/{rest:.*}", endpoints)
    return app


def _seen(request: web.BaseRequest) -> tuple[str, list[str]]:
    return request.remote or "", request.headers.getall("X-Forwarded-For", [])


async def _body(request: web.Request) -> bytes:
    """The body, or the beginning of one that is too large."""
    read = b""
    while len(read) <= LARGEST_BODY and (part := await request.content.readany()):
        read += part
    return read


async def _departure(request: web.Request) -> None:
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110  # it sets no event
        await asyncio.sleep(LOOK_AFTER_S)
