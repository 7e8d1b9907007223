"""The page's endpoints in a Flask application.

.. code-block:: python

    app.register_blueprint(kaskad_blueprint(client), url_prefix="/auth/otp")

A held call keeps a thread of the server for as long as it is held: WSGI does not tell that a client
has left. Give the server threads for the people who verify at the same moment.
"""

from collections.abc import Callable, Iterable

from kaskad_sdk.client import OtpClient
from kaskad_sdk.contrib._arriving import LARGEST_BODY, METHODS, address_reader, below_any, wsgi_path
from kaskad_sdk.gateway import SyncWidgetGateway

try:
    from flask import Blueprint, Request, Response, request
except ModuleNotFoundError as missing:
    raise ImportError("kaskad_sdk.contrib.flask needs Flask") from missing

__all__ = ["kaskad_blueprint"]


def kaskad_blueprint(
    client: OtpClient,
    *,
    trusted_proxies: Iterable[str] = (),
    get_client_ip: Callable[[Request], str] | None = None,
    offer_completion: bool = False,
    name: str = "kaskad",
) -> Blueprint:
    """A blueprint with the page's endpoints, to be registered with a ``url_prefix``.

    The user's address is the socket's peer, or, behind ``trusted_proxies`` (addresses, networks,
    ``"unix"``), what they put into ``X-Forwarded-For``; ``get_client_ip`` finds it in another way.
    The calls that collect the verdict are your back end's: pages are offered them only with
    ``offer_completion``. Raises :class:`ValueError` for proxies that are no addresses.
    """
    gateway = SyncWidgetGateway(client, offer_completion=offer_completion, max_body=LARGEST_BODY)
    address = address_reader(_seen, trusted_proxies=trusted_proxies, get_client_ip=get_client_ip)

    def endpoints(rest: str = "") -> Response:
        found = gateway.handle(
            request.method,
            below_any(wsgi_path(request.environ, request.path), rest),
            request.query_string.decode("latin-1"),
            {name.lower(): value for name, value in request.headers.items()},
            request.stream.read(LARGEST_BODY + 1),
            address(request),
        )
        return Response(found.body, found.status, dict(found.headers))

    blueprint = Blueprint(name, __name__)
    for rule in ("", "/", "/<path:rest>"):
        blueprint.add_url_rule(
            rule,
            "endpoints",
            endpoints,
            methods=METHODS,
            provide_automatic_options=False,
            strict_slashes=True,
            merge_slashes=False,
        )
    return blueprint


def _seen(asked: Request) -> tuple[str, list[str]]:
    return asked.remote_addr or "", asked.headers.getlist("X-Forwarded-For")
