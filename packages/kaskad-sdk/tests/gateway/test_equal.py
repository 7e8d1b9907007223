"""A page is answered what the service answers: two equal services, one behind a gateway.

Both stand on the same clock and the same chance, so that every byte can be compared, ids and times
included.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

import httpx2
import pytest

from kaskad.app.ports import StoreUnavailableError
from kaskad_sdk import AsyncOtpClient
from kaskad_sdk.gateway import GatewayResponse, WidgetGateway
from packages.kaskad.tests.builders import TOKEN
from packages.kaskad.tests.http.expected import METHODS
from packages.kaskad.tests.http.house import (
    BLOCKED,
    FOREIGN,
    INACTIVE,
    NOBODY,
    SMS,
    STATES,
    UNKNOWN_ID,
    WORKING,
    House,
)
from tests.peers.strangers import JSON, a_send, strangers

TOLD = ("content-type", "cache-control", "etag", "retry-after", "allow", "x-request-id")
PAGE = "203.0.113.7"
Answered = tuple[int, dict[str, str], bytes]


class Pair:
    """A service that is asked itself, and its twin that is asked by a page."""

    def __init__(self) -> None:
        self.direct = House()
        self.behind = House()
        transport = httpx2.ASGITransport(self.behind.service.application)
        self._http = httpx2.AsyncClient(transport=transport)
        client = AsyncOtpClient(api_url="http://test", api_token=TOKEN, http_client=self._http)
        self.gateway = WidgetGateway(client, offer_completion=True)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Pair":
        for part in (self.direct, self.behind, self._http):
            await self._stack.enter_async_context(part)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def both(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        wait_s: float = 0,
    ) -> tuple[Answered, Answered]:
        """The service's own answer, and the page's."""
        given = {"x-request-id": "page-1", **(headers or {})}
        target = f"{path}?{query}" if query else path
        exchange = self.direct.api.begin(method, target, headers=given, body=body)
        page = asyncio.create_task(self.gateway.handle(method, path, query, given, body, PAGE))
        for clock in (self.direct.clock, self.behind.clock):
            await clock.advance(wait_s)
        answer: GatewayResponse = await asyncio.wait_for(page, 10)
        await self.direct.clock.advance()
        own = exchange.answer()
        told = {name: text for name, text in own.headers if name in TOLD}
        found = {name: text for name, text in answer.headers.items() if name in TOLD}
        return (own.status, told, own.body), (answer.status, found, answer.body)


OTHERS = {"getWidget", "getChallenge", "send", "events"}
"""Those that are about no session, and the one that pages are not offered."""
CALLS = {name: call for name, call in METHODS.items() if name not in OTHERS}


@pytest.mark.parametrize("state", STATES)
async def test_every_state_is_told_alike(state: str) -> None:
    for call in CALLS:
        own, told = await _told(state, call)
        assert own == told, call


async def _told(state: str, call: str) -> tuple[Answered, Answered]:
    method, path, _ = CALLS[call]
    async with Pair() as pair:
        one = await STATES[state](pair.direct)
        assert await STATES[state](pair.behind) == one
        known = "recipient=" + pair.direct.recipient(one)
        query = known if call.lower().startswith(("getstatus", "checkstatus", "complete")) else ""
        body = b'{"code": "000000"}' if call == "checkCode" else b""
        path = path.replace("{requestId}", one)
        return await pair.both(method, path, query=query, body=body, wait_s=26)


async def test_a_whole_verification_is_told_alike() -> None:
    async with Pair() as pair:
        ids = {await house.sent(SMS) for house in (pair.direct, pair.behind)}
        [one] = ids
        code = pair.direct.code(one)
        assert pair.behind.code(one) == code
        query = "recipient=" + pair.direct.recipient(one)
        wrong = f'{{"code": "{pair.direct.wrong(one)}"}}'.encode()
        right = f'{{"code": "{code}"}}'.encode()
        statuses = []
        for method, call, body in (
            ("GET", f"/longPolling/{one}/channel", b""),
            ("POST", f"/{one}/checkCode", wrong),
            ("POST", f"/{one}/checkCode", right),
            ("GET", f"/longPolling/{one}/status", b""),
            ("POST", f"/{one}/checkStatusAndComplete", b""),
            ("POST", f"/{one}/checkStatusAndComplete", b""),
        ):
            asked = "" if call.endswith(("channel", "checkCode")) else query
            own, told = await pair.both(method, call, query=asked, body=body)
            assert own == told
            statuses.append(told[0])
        assert statuses == [200, 400, 201, 200, 201, 201]


@pytest.mark.parametrize("widget", [BLOCKED, INACTIVE, UNKNOWN_ID, FOREIGN, NOBODY, WORKING])
@pytest.mark.parametrize("case", ["a send", "a widget", "a challenge"])
async def test_every_widget_is_told_alike(widget: str, case: str) -> None:
    method, path, headers, body = strangers(widget)[case]
    async with Pair() as pair:
        own, told = await pair.both(method, path, headers=headers, body=body)
    assert own == told


@pytest.mark.parametrize("case", strangers(SMS))
async def test_odd_requests_are_answered_alike(case: str) -> None:
    method, path, headers, body = strangers(SMS)[case]
    async with Pair() as pair:
        own, told = await pair.both(method, path, headers=headers, body=body, wait_s=1)
    assert own == told


@pytest.mark.parametrize(
    "query",
    [
        "",
        "recipient=",
        "recipient=x",
        "recipient=+7900&recipient=+7900",
        "recipient=%2B79001231000",
        "recipient=+79001231000",
        "recipient=8 (900) 123-10-00",
        "recipient=79001231001",
        "recipient=%2B79001231000&since=x",
        "recipient=%2B79001231000&since=999999999999999999999",
        "recipient=%ff",
        "&".join(f"a{index}=1" for index in range(40)),
    ],
)
@pytest.mark.parametrize("path", ["/{}/status", "/longPolling/{}/status"])
async def test_queries_are_understood_alike(path: str, query: str) -> None:
    async with Pair() as pair:
        for house in (pair.direct, pair.behind):
            one = await house.sent(SMS)
        raw = query.replace(" ", "%20")  # a client that sends a blank breaks its own request
        own, told = await pair.both("GET", path.replace("{}", one), query=raw, wait_s=26)
    assert own == told


async def test_limits_are_told_alike() -> None:
    async with Pair() as pair:
        outcomes = set()
        for _ in range(5):
            own, told = await pair.both("POST", "", headers=JSON, body=a_send(SMS), wait_s=1)
            assert own == told
            outcomes.add(told[0])
        assert outcomes == {201, 429}


async def test_a_service_without_its_store_is_told_alike() -> None:
    async with Pair() as pair:
        for house in (pair.direct, pair.behind):
            one = await house.sent(SMS)
            house.store.trouble = StoreUnavailableError("away")
        own, told = await pair.both("GET", f"/{one}/channel")
    assert own == told
    assert told[0] == 503


@pytest.mark.parametrize("token", ["test-token-that-was-revoked", "test-token-of-one-other-widget"])
async def test_a_token_that_may_not_is_told_alike(token: str) -> None:
    async with Pair() as pair:
        pair.direct.api.defaults["authorization"] = f"Bearer {token}"
        client = pair.gateway._client
        client.set_api_token(token)
        headers = {"authorization": f"Bearer {token}"}
        own, told = await pair.both("GET", f"/widget/{SMS}", headers=headers)
    assert own == told
    assert told[0] in {401, 403}
