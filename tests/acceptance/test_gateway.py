"""The page's endpoints in front of a real service: for strangers, for visitors, in outages."""

import asyncio
import http.client
import inspect
import json
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kaskad_sdk import AsyncOtpClient, OtpClient
from kaskad_sdk.gateway import GatewayResponse, SyncWidgetGateway, WidgetGateway
from tests.acceptance.crowd import allowed, until_held
from tests.acceptance.harness import BASE, CONFIG, WIDGET, Kaskad
from tests.peers.strangers import strangers
from tests.peers.work import solved

pytestmark = [pytest.mark.acceptance, pytest.mark.untraced]

LIMITS = """limits = { per_recipient_per_minute = 1000, per_recipient_per_hour = 1000,
per_ip_per_minute = 1000 }""".replace("\n", " ")
TOLD = ("content-type", "cache-control", "etag", "retry-after", "allow", "x-request-id")
PAGE = "203.0.113.7"
KINDS = pytest.mark.parametrize("kind", ["async", "sync"])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kaskad]:
    with Kaskad(tmp_path_factory.mktemp("service"), limits=LIMITS) as running:
        yield running


class Site:
    """A back end with a gateway, and the page's way to it."""

    def __init__(self, kind: str, service: Kaskad) -> None:
        known: dict[str, Any] = {"api_url": service.url, "api_token": service.token}
        self.client: OtpClient | AsyncOtpClient
        self.gateway: WidgetGateway | SyncWidgetGateway
        if kind == "async":
            self.client = AsyncOtpClient(**known)
            self.gateway = WidgetGateway(self.client, offer_completion=True)
        else:
            self.client = OtpClient(**known)
            self.gateway = SyncWidgetGateway(self.client, offer_completion=True)

    async def ask(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        address: str = PAGE,
    ) -> GatewayResponse:
        if isinstance(self.gateway, SyncWidgetGateway):
            gateway = self.gateway
            return await asyncio.to_thread(
                gateway.handle, method, path, query, headers or {}, body, address
            )
        return await self.gateway.handle(method, path, query, headers or {}, body, address)

    async def json(
        self, method: str, path: str, query: str = "", *, address: str = PAGE, **body: object
    ) -> Any:
        raw = json.dumps(body).encode() if body else b""
        headers = {"content-type": "application/json"}
        found = await self.ask(method, path, query, headers, raw, address=address)
        return json.loads(found.body)

    async def sent(self, request_id: str) -> str:
        """Wait for the message to leave; the version of the channel's view then."""
        for _ in range(1000):
            answer = await self.ask("GET", f"/{request_id}/channel")
            if json.loads(answer.body)["status"] == "sent":
                return answer.headers["etag"].strip('"')
            await asyncio.sleep(0.02)
        raise AssertionError("it never left")

    async def __aenter__(self) -> "Site":
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(64))
        return self

    async def __aexit__(self, *_: object) -> None:
        closing = self.client.close()
        if inspect.isawaitable(closing):
            await closing


def _direct(
    service: Kaskad, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """As a back end would ask; a path is sent as it is written."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=15)
    sent = {"Authorization": f"Bearer {service.token}", **headers}
    connection.request(method, BASE + path, body=body or None, headers=sent)
    answer = connection.getresponse()
    found = {name.lower(): text for name, text in answer.getheaders() if name.lower() in TOLD}
    read = answer.read()
    connection.close()
    return answer.status, found, read


@KINDS
@pytest.mark.parametrize("part", range(4))
async def test_strangers_are_answered_as_by_the_service(
    service: Kaskad, kind: str, part: int
) -> None:
    async with Site(kind, service) as site:
        for name, (method, path, headers, body) in list(strangers(WIDGET).items())[part::4]:
            given = {**headers, "x-request-id": "page-1"}
            own = await asyncio.to_thread(_direct, service, method, path, given, body)
            page = await site.ask(method, path, "", given, body)
            told = {key: text for key, text in page.headers.items() if key in TOLD}
            assert (page.status, told) == own[:2], name
            if page.status == 201:
                assert json.loads(page.body).keys() == json.loads(own[2]).keys()
            elif method != "HEAD":  # whose body the server leaves out, whoever wrote it
                assert page.body == own[2], name


@KINDS
async def test_a_visitor_verifies_a_number(service: Kaskad, kind: str) -> None:
    number = f"+790045600{'01' if kind == 'async' else '02'}"
    query = f"recipient=%2B{number[1:]}"
    async with Site(kind, service) as site:
        assert (await site.json("GET", f"/widget/{WIDGET}"))["isActive"] is True
        begun = await site.json("POST", "", widgetId=WIDGET, recipient=number)
        one = begun["requestId"]
        channel = await site.ask("GET", f"/longPolling/{one}/channel")
        assert json.loads(channel.body)["type"] == "sms"
        assert channel.headers["etag"]
        held = asyncio.create_task(site.json("GET", f"/longPolling/{one}/status", query))
        code = await asyncio.to_thread(service.code, one)
        wrong = await site.json("POST", f"/{one}/checkCode", code="000000")
        assert wrong.get("type") == "InvalidCodeException" or code == "000000"
        assert not held.done()
        assert await site.json("POST", f"/{one}/checkCode", code=code) == {"success": True}
        assert await asyncio.wait_for(held, 15) == {"success": True}
        collect = site.client.check_status_and_complete(one, number)
        verdict = await collect if inspect.isawaitable(collect) else collect
        assert verdict.success
        again = await site.json("POST", f"/{one}/checkStatusAndComplete", query)
        assert again == {"success": False}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kaskad]:
    """A service that asks for a captcha itself, after one send of an address that is free."""
    captcha = 'captcha = { provider = "altcha", max_number = 1000, first_free_requests_per_ip = 1 }'
    folder = tmp_path_factory.mktemp("guarded")
    with Kaskad(folder, limits=f"{LIMITS}\n{captcha}") as running:
        yield running


@KINDS
async def test_a_visitor_solves_the_captcha_of_the_service(guarded: Kaskad, kind: str) -> None:
    here, there = ("198.51.100.1", "2001:db8::1") if kind == "async" else ("192.0.2.1", "192.0.2.2")
    number = f"+790045700{'01' if kind == 'async' else '02'}"
    send = {"widgetId": WIDGET, "recipient": number}
    async with Site(kind, guarded) as site:

        async def required(address: str, query: str = "") -> object:
            widget = await site.json("GET", f"/widget/{WIDGET}", query, address=address)
            asked: Any = site.client.get_widget_data(WIDGET, address)
            told = await asked if inspect.isawaitable(asked) else asked
            assert told.captcha_is_required == widget["captchaIsRequired"]
            return told.captcha_is_required

        assert await required(here) is False
        assert "requestId" in await site.json("POST", "", address=here, **send)
        assert await required(here) is True
        assert await required(here, f"userIp={there}") is True, "a page does not say who it is"
        assert await required(there) is False
        refused = await site.json("POST", "", address=here, **send)
        assert refused["type"] == "CaptchaNotConfirmedException"

        where = (await site.json("GET", f"/widget/{WIDGET}"))["captchaChallengeUrl"]
        token = solved(await site.json("GET", f"/{where}"))
        begun = await site.json("POST", "", address=here, captchaToken=token, **send)
        code = await asyncio.to_thread(guarded.code, begun["requestId"])
        checked = await site.json("POST", f"/{begun['requestId']}/checkCode", code=code)
        assert checked == {"success": True}
        collect = site.client.check_status_and_complete(begun["requestId"], number)
        verdict = await collect if inspect.isawaitable(collect) else collect
        assert verdict.success


async def test_a_call_is_held_as_long_as_the_service_holds_it(service: Kaskad) -> None:
    async with Site("async", service) as waiting, Site("sync", service) as blocking:
        begun = await waiting.json("POST", "", widgetId=WIDGET, recipient="+79004560011")
        one = begun["requestId"]
        query = f"since={await waiting.sent(one)}"
        began = time.monotonic()
        path = f"/longPolling/{one}/channel"
        answers = await asyncio.gather(*(s.ask("GET", path, query) for s in (waiting, blocking)))
        assert [answer.status for answer in answers] == [408, 408]
        assert 4.9 < time.monotonic() - began < 5 + allowed(1.0)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kaskad]:
    """A service that holds a call for as long as one does by default."""
    config = CONFIG.replace("long_poll_timeout = 5", "long_poll_timeout = 25")
    with Kaskad(tmp_path_factory.mktemp("patient"), config=config, limits=LIMITS) as running:
        yield running


@KINDS
async def test_held_calls_leave_room_for_others(patient: Kaskad, kind: str) -> None:
    """More than a pool of calls has connections, where no call needs a thread."""
    many = 120 if kind == "async" else 30
    async with Site(kind, patient) as site:
        begun = {}
        for index in range(many):
            number = f"+790047{index:05}"
            one = (await site.json("POST", "", widgetId=WIDGET, recipient=number))["requestId"]
            begun[f"/longPolling/{one}/channel"] = f"since={await site.sent(one)}"
        holds = [asyncio.create_task(site.ask("GET", *call)) for call in begun.items()]
        await until_held(patient, many)
        answer = await site.ask("GET", f"/widget/{WIDGET}")
        assert answer.status == 200
        assert not [hold for hold in holds if hold.done()], "none has made room"
        for hold in holds:
            hold.cancel()


async def test_a_service_that_dies_is_unavailable(tmp_path: Path) -> None:
    with Kaskad(tmp_path, limits=LIMITS) as service:
        async with Site("async", service) as waiting, Site("sync", service) as blocking:
            body = {"widgetId": WIDGET, "recipient": "+79004560099"}
            one = (await waiting.json("POST", "", **body))["requestId"]
            path = f"/longPolling/{one}/channel"
            query = f"since={await waiting.sent(one)}"
            sites = (waiting, blocking)
            held = [asyncio.create_task(site.ask("GET", path, query)) for site in sites]
            await asyncio.sleep(0.3)
            await asyncio.to_thread(service.kill)
            answers = await asyncio.gather(*held)
            answers += await asyncio.gather(*(s.ask("GET", f"/{one}/channel") for s in sites))
    for answer in answers:
        assert answer.status == 503
        assert json.loads(answer.body)["type"] == "ServiceUnavailableException"


async def test_a_cancelled_page_frees_its_held_call(service: Kaskad) -> None:
    async with Site("async", service) as site:
        begun = await site.json("POST", "", widgetId=WIDGET, recipient="+79004560077")
        path = f"/longPolling/{begun['requestId']}/status"
        held = asyncio.create_task(site.ask("GET", path, "recipient=%2B79004560077"))
        await asyncio.sleep(0.2)
        held.cancel()
        with pytest.raises(asyncio.CancelledError):
            await held
        assert (await site.ask("GET", f"/widget/{WIDGET}")).status == 200


def test_threads_share_one_gateway(service: Kaskad) -> None:
    client = OtpClient(api_url=service.url, api_token=service.token)
    gateway = SyncWidgetGateway(client)
    statuses: list[int] = []

    def visit() -> None:
        path = f"/widget/{WIDGET}"
        answers = [gateway.handle("GET", path, "", {}, b"", PAGE) for _ in range(20)]
        statuses.extend(answer.status for answer in answers)

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert statuses == [200] * 160
