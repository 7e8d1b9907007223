"""A back end for each framework, on real servers and sockets in this process."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

import django
import uvicorn
from aiohttp import web
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.core.servers.basehttp import WSGIRequestHandler as DjangoRequestHandler
from django.test.utils import override_settings
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar
from starlette.applications import Starlette
from werkzeug.serving import WSGIRequestHandler as WerkzeugRequestHandler
from werkzeug.serving import make_server

from kaskad_sdk import AsyncOtpClient, OtpClient
from kaskad_sdk.captcha import Guard
from kaskad_sdk.contrib.aiohttp import kaskad_app
from kaskad_sdk.contrib.django import async_otp_client, otp_client
from kaskad_sdk.contrib.fastapi import kaskad_router as fastapi_router
from kaskad_sdk.contrib.flask import kaskad_blueprint
from kaskad_sdk.contrib.litestar import kaskad_router as litestar_router
from kaskad_sdk.contrib.starlette import kaskad_routes

PREFIX = "/auth/otp"
TOKEN = "ksk-the-token-of-the-back-end"

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1", "testserver"],
        INSTALLED_APPS=["kaskad_sdk.contrib.django"],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
        ],
        ROOT_URLCONF="tests.adapters.django_urls",
        SECRET_KEY="only for tests",
    )
    django.setup()


class Setup(NamedTuple):
    """What a back end is made of."""

    api_url: str
    captcha: Guard | None = None
    options: Mapping[str, Any] = MappingProxyType({})

    def client(self) -> AsyncOtpClient:
        return AsyncOtpClient(api_url=self.api_url, api_token=TOKEN, captcha=self.captcha)

    def sync_client(self) -> OtpClient:
        return OtpClient(api_url=self.api_url, api_token=TOKEN, captcha=self.captcha)


# --- servers ---------------------------------------------------------------------------------


def _listening() -> socket.socket:
    sock = socket.create_server(("127.0.0.1", 0), backlog=128)
    sock.setblocking(False)
    return sock


Closing = Callable[[], Awaitable[None]]


@contextmanager
def uvicorn_server(app: Any, close: Closing) -> Iterator[int]:
    sock = _listening()
    config = uvicorn.Config(
        app, log_level="warning", lifespan="off", proxy_headers=False, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)

    async def serve() -> None:
        await server.serve(sockets=[sock])
        await close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        sock.close()


@contextmanager
def _aiohttp(app: web.Application, close: Closing) -> Iterator[int]:
    sock = _listening()
    stop: list[Callable[[], object]] = []
    ready = threading.Event()

    async def serve() -> None:
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, sock).start()
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(ended.set))
        ready.set()
        await ended.wait()
        await runner.cleanup()
        await close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait(10)
    try:
        yield sock.getsockname()[1]
    finally:
        stop[0]()
        thread.join()


class _SilentWerkzeug(WerkzeugRequestHandler):
    def log(self, *_: object) -> None:
        """Say nothing."""


class _SilentDjango(DjangoRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _served(server: Any) -> Iterator[int]:
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# --- back ends -------------------------------------------------------------------------------


@contextmanager
def _starlette(setup: Setup) -> Iterator[int]:
    client = setup.client()
    routes = kaskad_routes(client, prefix=PREFIX, **setup.options)
    with uvicorn_server(Starlette(routes=routes), client.close) as port:
        yield port


@contextmanager
def _fastapi(setup: Setup) -> Iterator[int]:
    client, app = setup.client(), FastAPI()
    app.include_router(fastapi_router(client, **setup.options), prefix=PREFIX)
    with uvicorn_server(app, client.close) as port:
        yield port


@contextmanager
def _litestar(setup: Setup) -> Iterator[int]:
    client = setup.client()
    router = litestar_router(client, prefix=PREFIX, **setup.options)
    with uvicorn_server(Litestar([router], logging_config=None), client.close) as port:
        yield port


@contextmanager
def _aiohttp_back_end(setup: Setup) -> Iterator[int]:
    client, app = setup.client(), web.Application()
    app.add_subapp(PREFIX, kaskad_app(client, **setup.options))
    with _aiohttp(app, client.close) as port:
        yield port


@contextmanager
def _flask(setup: Setup) -> Iterator[int]:
    client, app = setup.sync_client(), Flask(__name__)
    app.register_blueprint(kaskad_blueprint(client, **setup.options), url_prefix=PREFIX)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_SilentWerkzeug)
    with closing(client), _served(server) as port:
        yield port


def _django_settings(setup: Setup) -> override_settings:
    given = {name.upper(): value for name, value in setup.options.items()}
    fixed = {"API_URL": setup.api_url, "API_TOKEN": TOKEN, "CAPTCHA": setup.captcha}
    return override_settings(KASKAD={**fixed, **given})


@contextmanager
def _django_wsgi(setup: Setup) -> Iterator[int]:
    server = ThreadedWSGIServer(("127.0.0.1", 0), _SilentDjango)
    server.set_app(WSGIHandler())
    with _django_settings(setup), closing(otp_client()), _served(server) as port:
        yield port


@contextmanager
def _django_asgi(setup: Setup) -> Iterator[int]:
    with _django_settings(setup), uvicorn_server(ASGIHandler(), async_otp_client().close) as port:
        yield port


STARTERS = {
    "starlette": _starlette,
    "fastapi": _fastapi,
    "litestar": _litestar,
    "aiohttp": _aiohttp_back_end,
    "flask": _flask,
    "django-wsgi": _django_wsgi,
    "django-asgi": _django_asgi,
}
NAMES = tuple(STARTERS)
NOTICES_WHO_LEAVES = ("starlette", "fastapi", "litestar", "aiohttp", "django-asgi")
READS_NO_MORE = tuple(name for name in NAMES if name != "django-asgi")
"""Django's ASGI handler takes a body whole, to a file, before any view is asked."""


@contextmanager
def back_end(
    name: str, api_url: str, *, captcha: Guard | None = None, **options: Any
) -> Iterator[str]:
    """A running back end; the address of the page's endpoints, without a slash at the end."""
    prefix = "/async/otp" if name == "django-asgi" else PREFIX
    with STARTERS[name](Setup(api_url, captcha, options)) as port:
        yield f"http://127.0.0.1:{port}{prefix}"
