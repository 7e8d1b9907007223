"""The page's endpoints in a Litestar application.

.. code-block:: python

    app = Litestar([kaskad_router(client, prefix="/auth/otp")])
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kaskad_sdk.client import AsyncOtpClient
from kaskad_sdk.contrib import _asgi
from kaskad_sdk.contrib._arriving import LARGEST_BODY, METHODS, address_reader, below_any
from kaskad_sdk.gateway import WidgetGateway

try:
    from litestar import Request, Response, Router, route
    from litestar.enums import HttpMethod
except ModuleNotFoundError as missing:
    raise ImportError("kaskad_sdk.contrib.litestar needs Litestar") from missing

__all__ = ["kaskad_router"]

# Whatever their user, token and state are: nothing of that is read here.
_Asked = Request[Any, Any, Any]


def kaskad_router(
    client: AsyncOtpClient,
    *,
    prefix: str,
    trusted_proxies: Iterable[str] = (),
    get_client_ip: Callable[[_Asked], str] | None = None,
    offer_completion: bool = False,
) -> Router:
    """A router that puts the page's endpoints under ``prefix``, such as ``"/auth/otp"``.

    The user's address is the socket's peer, or, behind ``trusted_proxies`` (addresses, networks,
    ``"unix"``), what they put into ``X-Forwarded-For``; ``get_client_ip`` finds it in another way.
    The calls that collect the verdict are your back end's: pages are offered them only with
    ``offer_completion``. Raises :class:`ValueError` for proxies that are no addresses.
    """
    gateway = WidgetGateway(client, offer_completion=offer_completion, max_body=LARGEST_BODY)
    address = address_reader(_seen, trusted_proxies=trusted_proxies, get_client_ip=get_client_ip)

    @route(
        ["/", "/{rest:path}"], http_method=list(map(HttpMethod, METHODS)), include_in_schema=False
    )
    async def endpoints(request: _Asked) -> Response[bytes]:
        raw = _asgi.raw_path_of(request.scope)
        path = below_any(raw, str(request.path_params.get("rest", "")))
        found = await _asgi.answer(
            gateway, request.scope, request.receive, path=path, client_ip=address(request)
        )
        if found is None:
            return Response(b"")  # nobody is there to read it
        return Response(found.body, status_code=found.status, headers=dict(found.headers))

    # The gateway bounds bodies, and says so in its own words.
    return Router(prefix, route_handlers=[endpoints], request_max_body_size=None)


def _seen(request: _Asked) -> tuple[str, Sequence[str]]:
    return _asgi.seen(request.scope)
