"""The page's endpoints in a Starlette application.

.. code-block:: python

    app = Starlette(routes=kaskad_routes(client, prefix="/auth/otp"))
"""

from collections.abc import Callable, Iterable

from kaskad_sdk.client import AsyncOtpClient
from kaskad_sdk.contrib import _asgi
from kaskad_sdk.contrib._arriving import LARGEST_BODY, address_reader, below, below_any
from kaskad_sdk.gateway import WidgetGateway

try:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute, Route
    from starlette.types import Receive, Scope, Send
except ModuleNotFoundError as missing:
    raise ImportError("kaskad_sdk.contrib.starlette needs Starlette") from missing

__all__ = ["kaskad_routes"]


def kaskad_routes(
    client: AsyncOtpClient,
    *,
    prefix: str,
    trusted_proxies: Iterable[str] = (),
    get_client_ip: Callable[[Request], str] | None = None,
    offer_completion: bool = False,
) -> list[BaseRoute]:
    """Routes that put the page's endpoints under ``prefix``, such as ``"/auth/otp"``.

    The user's address is the socket's peer, or, behind ``trusted_proxies`` (addresses, networks,
    ``"unix"``), what they put into ``X-Forwarded-For``; ``get_client_ip`` finds it in another way.
    The calls that collect the verdict are your back end's: pages are offered them only with
    ``offer_completion``. Raises :class:`ValueError` for proxies that are no addresses.
    """
    endpoints = Endpoints(
        client,
        trusted_proxies=trusted_proxies,
        get_client_ip=get_client_ip,
        offer_completion=offer_completion,
    )
    prefix = prefix.rstrip("/")
    whole = [Route(prefix, endpoints)] if prefix else []
    return [*whole, Route(prefix + "/{rest:path}", endpoints)]


class Endpoints:
    """The endpoints as an ASGI application; options as of :func:`kaskad_routes`."""

    def __init__(
        self,
        client: AsyncOtpClient,
        *,
        trusted_proxies: Iterable[str] = (),
        get_client_ip: Callable[[Request], str] | None = None,
        offer_completion: bool = False,
    ) -> None:
        self._gateway = WidgetGateway(
            client, offer_completion=offer_completion, max_body=LARGEST_BODY
        )
        self._address = address_reader(
            lambda request: _asgi.seen(request.scope),
            trusted_proxies=trusted_proxies,
            get_client_ip=get_client_ip,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that a route matched."""
        response = await self.respond(Request(scope, receive))
        await response(scope, receive, send)

    async def respond(self, request: Request, segments: int | None = None) -> Response:
        """The answer to a request whose path has so many ``segments`` below the prefix.

        Without that number the route's parameter ``rest`` is what stands there.
        """
        raw = _asgi.raw_path_of(request.scope)
        rest: str = request.path_params.get("rest", "")
        path = below_any(raw, rest) if segments is None else below(raw, segments)
        found = await _asgi.answer(
            self._gateway,
            request.scope,
            request.receive,
            path=path,
            client_ip=self._address(request),
        )
        if found is None:
            return Response()  # nobody is there to read it
        return Response(found.body, found.status, found.headers)
