"""The views behind the page's endpoints.

They are exempt from the CSRF check by design. That check keeps a foreign site from acting in the
name of somebody who is logged in, and nothing here is done in anybody's name: cookies and tokens of
the page are dropped, the answers depend on the body alone, and whoever could make a browser send
such a request could as well send it from their own machine. Limits and captcha meet both alike.
"""

from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from kaskad_sdk.contrib._arriving import LARGEST_BODY, below_any, wsgi_path
from kaskad_sdk.contrib._asgi import carried_out, raw_path_of
from kaskad_sdk.contrib.django.clients import address, async_gateway, gateway
from kaskad_sdk.gateway import GatewayResponse


@csrf_exempt
def endpoints(request: HttpRequest, rest: str) -> HttpResponse:
    """Answer a page; a held call keeps its thread."""
    return _response(gateway().handle(*_asked(request, rest)))


@csrf_exempt
async def endpoints_async(request: HttpRequest, rest: str) -> HttpResponse:
    """Answer a page under ASGI; Django cancels a held call when its client leaves."""
    if not isinstance(request, ASGIRequest):
        raise ImproperlyConfigured(
            "kaskad_sdk.contrib.django.urls_async needs an ASGI server; "
            "under WSGI include kaskad_sdk.contrib.django.urls."
        )
    answering = async_gateway().handle(*_asked(request, rest))
    return _response(await (answering if request.method == "GET" else carried_out(answering)))


def _asked(request: HttpRequest, rest: str) -> tuple[str, str, str, dict[str, str], bytes, str]:
    if isinstance(request, ASGIRequest):
        raw = raw_path_of(request.scope)
    else:
        raw = wsgi_path(request.META, request.path)
    return (
        request.method or "",
        below_any(raw, rest),
        request.META.get("QUERY_STRING", ""),
        {name.lower(): value for name, value in request.headers.items()},
        request.read(LARGEST_BODY + 1),
        address()(request),
    )


def _response(found: GatewayResponse) -> HttpResponse:
    return HttpResponse(found.body, status=found.status, headers=dict(found.headers))
