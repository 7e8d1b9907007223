"""The page's endpoints in a FastAPI application; its OpenAPI document shows them.

.. code-block:: python

    app.include_router(kaskad_router(client), prefix="/auth/otp")
"""

import re
from collections.abc import Awaitable, Callable, Iterable

from kaskad_sdk.client import AsyncOtpClient
from kaskad_sdk.contrib._arriving import METHODS

try:
    from fastapi import APIRouter, Request, Response
except ModuleNotFoundError as missing:
    raise ImportError("kaskad_sdk.contrib.fastapi needs FastAPI") from missing

from kaskad_sdk.contrib._openapi import CALLS, Call, ErrorResponse
from kaskad_sdk.contrib.starlette import Endpoints

__all__ = ["kaskad_router"]


def kaskad_router(
    client: AsyncOtpClient,
    *,
    trusted_proxies: Iterable[str] = (),
    get_client_ip: Callable[[Request], str] | None = None,
    offer_completion: bool = False,
) -> APIRouter:
    """A router with the page's endpoints, to be included with a ``prefix``.

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
    router = APIRouter(tags=["verification"])
    guarded = client.captcha is not None
    for call in CALLS:
        if (offer_completion or not call.completes) and not (guarded and call.unguarded):
            _document(router, call, _endpoint(endpoints, call.segments))
    for path, segments in (("", 0), ("/", 0), ("/{rest:path}", None)):
        endpoint = _endpoint(endpoints, segments)
        router.add_api_route(path, endpoint, methods=list(METHODS), include_in_schema=False)
    return router


def _endpoint(
    endpoints: Endpoints, segments: int | None
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await endpoints.respond(request, segments)

    return endpoint


def _document(
    router: APIRouter, call: Call, endpoint: Callable[[Request], Awaitable[Response]]
) -> None:
    router.add_api_route(
        call.path,
        endpoint,
        name=call.name,
        summary=call.summary,
        methods=[call.method],
        status_code=call.status,
        response_model=call.answer,
        responses={"4XX": {"model": ErrorResponse}, "5XX": {"model": ErrorResponse}},
        openapi_extra=_extra(call),
    )


def _extra(call: Call) -> dict[str, object]:
    """What FastAPI would read out of the function's signature, if it were to check it."""
    in_path = [(name, True, "path") for name in re.findall(r"{(\w+)}", call.path)]
    in_query = [(name, required, "query") for name, required in call.query]
    extra: dict[str, object] = {
        "parameters": [
            {"name": name, "in": place, "required": required, "schema": {"type": "string"}}
            for name, required, place in in_path + in_query
        ]
    }
    if call.body is not None:
        content = {"application/json": {"schema": call.body.model_json_schema()}}
        extra["requestBody"] = {"required": call.body_required, "content": content}
    return extra
