"""Options that every adapter has, and what is refused when a back end starts."""

import inspect
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, HTTPException

import kaskad_sdk.contrib.django
from kaskad_sdk import AsyncOtpClient, OtpClient
from kaskad_sdk.contrib.aiohttp import kaskad_app
from kaskad_sdk.contrib.fastapi import kaskad_router as fastapi_router
from kaskad_sdk.contrib.flask import kaskad_blueprint
from kaskad_sdk.contrib.litestar import kaskad_router as litestar_router
from kaskad_sdk.contrib.starlette import kaskad_routes
from tests.adapters.backends import NAMES, PREFIX, Setup, back_end, uvicorn_server
from tests.adapters.upstream import REQUEST_ID, Upstream

ADAPTERS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (kaskad_routes, {"prefix": "/otp"}),
    (fastapi_router, {}),
    (kaskad_blueprint, {}),
    (kaskad_app, {}),
    (litestar_router, {"prefix": "/otp"}),
]


OPTIONS = ["trusted_proxies", "get_client_ip", "offer_completion"]


def test_every_adapter_has_one_name_and_the_same_options() -> None:
    for adapter, more in ADAPTERS:
        module = inspect.getmodule(adapter)
        assert module is not None
        assert module.__all__ == [adapter.__name__]
        names = [name for name in inspect.signature(adapter).parameters if name != "name"]
        assert names == ["client", *more, *OPTIONS]
        parameters = inspect.signature(adapter).parameters
        assert {parameters[name].kind for name in OPTIONS} == {inspect.Parameter.KEYWORD_ONLY}
    assert kaskad_sdk.contrib.django.__all__ == ["async_otp_client", "otp_client"]


def test_dependencies_of_a_fastapi_router_stand_before_its_endpoints(service: Upstream) -> None:
    def refuse() -> None:
        raise HTTPException(418)

    client, app = Setup(service.url).client(), FastAPI()
    app.include_router(fastapi_router(client), prefix=PREFIX, dependencies=[Depends(refuse)])
    with uvicorn_server(app, client.close) as port:
        for path in ("/", f"/{REQUEST_ID}/channel", "/nothing"):
            assert httpx2.get(f"http://127.0.0.1:{port}{PREFIX}{path}").status_code == 418
    assert service.asked == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("call", ["complete", "checkStatusAndComplete"])
def test_completion_is_offered_when_it_is_switched_on(
    name: str, call: str, service: Upstream
) -> None:
    with back_end(name, service.url, offer_completion=True) as url:
        answer = httpx2.post(f"{url}/{REQUEST_ID}/{call}?recipient=79001234567")
    assert (answer.status_code, answer.json()) == (201, {"success": True})


@pytest.mark.parametrize(("adapter", "more"), ADAPTERS)
@pytest.mark.parametrize(
    "options",
    [
        {"trusted_proxies": ["*"]},
        {"trusted_proxies": ["0.0.0.0/0"]},
        {"trusted_proxies": ["proxy.example.com"]},
        {"trusted_proxies": "10.0.0.1"},
        {"trusted_proxies": ["10.0.0.1"], "get_client_ip": lambda request: "10.0.0.2"},
    ],
)
def test_bad_proxies_are_refused_at_once(
    adapter: Callable[..., Any], more: dict[str, Any], options: dict[str, Any]
) -> None:
    make = OtpClient if adapter is kaskad_blueprint else AsyncOtpClient
    client = make(api_url="http://127.0.0.1:1", api_token="any")
    with pytest.raises(ValueError):
        adapter(client, **more, **options)
