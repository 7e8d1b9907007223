"""The demo: a page to try a verification on, and the back end that the page needs.

The page calls ``/demo/api`` with the same paths as the public API; this room
plays the customer's back end and adds the token.
"""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from kaskad.app.ports import Catalog
from kaskad.http.exchange import Receive, Scope, Send
from kaskad.http.pages import Pages

API = "/demo/api"
EXAMPLE_NUMBER = "+7 900 123-45-67"

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
Guard = Callable[[Request], Response | None]
Embed = Callable[[str, str, Mapping[str, str]], Mapping[str, str]]
"""Texts to copy, by name, for a service's address, a widget's id and its look."""

LOOK = ("locale", "theme")


class Demo:
    """The page at ``/``, its configuration, and its back end."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        api: Asgi,
        api_base: str,
        token: str,
        region: str,
        guard: Guard,
        element: str | None,
        embed: Embed,
    ) -> None:
        """``element`` is the address of the widget's script, None while it is not built."""
        self._catalog = catalog
        self._api = api
        self._api_base = api_base
        self._token = token.encode()
        self._region = region
        self._guard = guard
        self._element = element
        self._embed = embed
        self._pages = Pages("kaskad.http.demo")

    def routes(self) -> list[Route | Mount]:
        """The routes, for the outer application."""
        return [
            Route("/", self._page, methods=["GET"]),
            Route("/demo/static/{name}", self._file, methods=["GET"]),
            Route("/demo/config.json", self._config, methods=["GET"]),
            Route("/demo/embed.json", self._snippets, methods=["GET"]),
            Mount(API, self._back_end),
        ]

    async def _page(self, request: Request) -> Response:
        return self._guard(request) or self._pages.serve("index.html")

    async def _file(self, request: Request) -> Response:
        return self._guard(request) or self._pages.serve(request.path_params["name"])

    async def _config(self, request: Request) -> Response:
        snapshot = self._catalog.snapshot
        widgets = [
            {
                "id": widget.id,
                "name": widget.name,
                "channels": [
                    {"id": c.id, "type": c.type, "label": c.label}
                    for c in snapshot.cascade(widget.id).channels
                ],
            }
            for widget in snapshot.widgets.values()
        ]
        body = {
            "widgets": widgets,
            "region": self._region,
            "apiBase": self._api_base,
            "exampleNumber": EXAMPLE_NUMBER,
            "element": self._element,
        }
        return self._guard(request) or _json(body)

    async def _snippets(self, request: Request) -> Response:
        asked = request.query_params
        widget = self._catalog.snapshot.widgets.get(asked.get("widget", ""))
        if widget is None or self._element is None:
            raise HTTPException(status_code=404)
        look = {name: asked[name] for name in LOOK if asked.get(name)}
        base = str(request.base_url).rstrip("/")
        return self._guard(request) or _json(self._embed(base, widget.id, look))

    async def _back_end(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same call of the public API, with the demo's token instead of the page's."""
        refusal = self._guard(Request(scope, receive))
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        path = scope["raw_path"].removeprefix(API.encode())
        headers = [h for h in scope["headers"] if h[0] != b"authorization"]
        headers.append((b"authorization", b"Bearer " + self._token))
        inner = {**scope, "raw_path": self._api_base.encode() + path, "headers": headers}
        await self._api(inner, receive, send)


def _json(body: object) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(body), media_type="application/json", headers=headers)
