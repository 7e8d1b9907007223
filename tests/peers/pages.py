"""A gateway under test, whichever it is, with a service behind it that a test plays."""

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx2

from kaskad_sdk import AsyncOtpClient, OtpClient
from kaskad_sdk.captcha import Guard
from kaskad_sdk.gateway import GatewayResponse, SyncWidgetGateway, WidgetGateway

TOKEN = "ksk-the-back-ends-own-token"
API = "http://service.test/api/n/otp-handler"
WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
SESSION = "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"
CLIENT = "203.0.113.7"
SEND = {"widgetId": WIDGET, "recipient": "+79001234567"}
JSON = {"content-type": "application/json"}

Playing = Callable[[httpx2.Request], httpx2.Response]


class Played:
    """Answers in the service's place, and keeps what it was asked."""

    def __init__(self, playing: Playing | None = None) -> None:
        self.asked: list[httpx2.Request] = []
        self.playing = playing or (lambda _: httpx2.Response(201, json={"success": True}))

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        return self.playing(request)

    @property
    def body(self) -> Any:
        """The newest request's body."""
        return json.loads(self.asked[-1].content)


class Gate:
    """``WidgetGateway`` or ``SyncWidgetGateway`` over a real client that reaches ``played``."""

    def __init__(
        self, kind: str, played: Playing, *, captcha: Guard | None = None, **settings: Any
    ) -> None:
        transport = httpx2.MockTransport(played)
        self.gateway: WidgetGateway | SyncWidgetGateway
        known: dict[str, Any] = {"api_url": API, "api_token": TOKEN, "captcha": captcha}
        if kind == "async":
            http = httpx2.AsyncClient(transport=transport)
            client = AsyncOtpClient(**known, http_client=http, max_retries=0)
            self.gateway = WidgetGateway(client, **settings)
        else:
            blocking = httpx2.Client(transport=transport)
            self.gateway = SyncWidgetGateway(
                OtpClient(**known, http_client=blocking, max_retries=0), **settings
            )

    async def ask(
        self,
        method: str,
        path: str = "",
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: object = b"",
        client_ip: str = CLIENT,
    ) -> GatewayResponse:
        """A page's request; a ``body`` that is not bytes is JSON."""
        given = dict(headers or {})
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
            given.setdefault("content-type", "application/json")
        found = self.gateway.handle(method, path, query, given, body, client_ip)
        answer = await found if inspect.isawaitable(found) else found
        assert isinstance(answer, GatewayResponse)
        return answer

    async def send(self, client_ip: str = CLIENT, **more: object) -> GatewayResponse:
        """A page's send."""
        return await self.ask("POST", body={**SEND, **more}, client_ip=client_ip)
