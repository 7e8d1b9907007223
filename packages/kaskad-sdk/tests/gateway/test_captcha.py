"""The guard at the gateway: who needs a captcha, who passes, and what a page is told."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx2
import pytest

from kaskad_sdk import OtpClient
from kaskad_sdk.captcha import Altcha, Cloudflare, FreeRequestsInMemory, Guard
from kaskad_sdk.gateway import SyncWidgetGateway
from tests.peers.pages import CLIENT, SEND, WIDGET, Gate, Played
from tests.peers.work import solved

KINDS = pytest.mark.parametrize("kind", ["async", "sync"])
VERIFY = "https://vendor.test/siteverify"
TURNSTILE = Cloudflare(site_key="public", secret_key="private", verify_url=VERIFY)
WORK = Altcha(hmac_key="a key of the tests, long enough", max_number=200)
WIDGET_DATA = {
    "isBlocked": False,
    "isActive": True,
    "name": "Форма",
    "captchaIsRequired": False,
    "captchaProvider": "the service's",
    "captchaSiteKey": "the service's",
    "captchaVersion": 3,
    "captchaAction": "the service's",
    "captchaChallengeUrl": "/the/service's",
}


class Everybody(Played):
    """The service and the vendor; the vendor takes ``good`` for solved."""

    def __init__(self, vendor: httpx2.Response | None = None) -> None:
        super().__init__(self._play)
        self.vendor = vendor

    def _play(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "vendor.test":
            if self.vendor is not None:
                return self.vendor
            return httpx2.Response(200, json={"success": b"response=good" in request.content})
        if request.method == "GET":
            return httpx2.Response(200, json=WIDGET_DATA)
        return httpx2.Response(201, json={"requestId": "x", "recipient": "y"})

    @property
    def sent(self) -> list[dict[str, Any]]:
        """Bodies of the sends that reached the service."""
        ours = [asked for asked in self.asked if asked.url.host == "service.test"]
        return [json.loads(asked.content) for asked in ours if asked.method == "POST"]


def _outcome(answer: Any) -> str:
    if answer.status == 201:
        return "sent"
    assert answer.status == 400
    return str(json.loads(answer.body)["type"])


NOT_CONFIRMED = "CaptchaNotConfirmedException"


@KINDS
async def test_a_send_passes_with_a_solved_captcha_only(kind: str) -> None:
    everybody = Everybody()
    gate = Gate(kind, everybody, captcha=Guard(TURNSTILE))
    assert _outcome(await gate.send()) == NOT_CONFIRMED
    assert _outcome(await gate.send(captchaToken="bad")) == NOT_CONFIRMED
    assert everybody.sent == []
    assert _outcome(await gate.send(captchaToken="good")) == "sent"
    assert everybody.sent == [{**SEND, "userIp": CLIENT}], "its token is used and not passed on"


@KINDS
async def test_the_vendor_gets_neither_our_token_nor_the_page_s_headers(kind: str) -> None:
    everybody = Everybody()
    gate = Gate(kind, everybody, captcha=Guard(TURNSTILE))
    await gate.ask("POST", headers={"cookie": "a=b"}, body={**SEND, "captchaToken": "good"})
    to_vendor = everybody.asked[0]
    assert str(to_vendor.url) == VERIFY
    assert "authorization" not in to_vendor.headers
    assert "cookie" not in to_vendor.headers
    assert to_vendor.content == b"secret=private&response=good&remoteip=203.0.113.7"


AGAIN = {"idempotency-key": "one press of the button"}


@KINDS
@pytest.mark.parametrize(("free", "token"), [(0, "good"), (1, None)])
async def test_a_send_that_is_made_again_is_admitted_again(
    kind: str, free: int, token: str | None
) -> None:
    """The first answer was lost on its way: the token, or the free send, is used up already."""
    everybody = Everybody()
    gate = Gate(kind, everybody, captcha=Guard(TURNSTILE, free))
    body = SEND if token is None else {**SEND, "captchaToken": token}
    for client_ip in (CLIENT, CLIENT, "198.51.100.9"):
        answer = await gate.ask("POST", headers=AGAIN, body=body, client_ip=client_ip)
        assert _outcome(answer) == "sent"
    asked = [one for one in everybody.asked if one.url.host == "service.test"]
    assert len({one.headers["idempotency-key"] for one in asked}) == 1, "one verification, then"
    assert len(everybody.asked) - len(asked) == (token is not None), "the vendor was asked once"


@KINDS
@pytest.mark.parametrize(
    ("first", "second", "changed"),
    [
        (AGAIN, {}, {}),
        ({}, {}, {}),
        ({"idempotency-key": "another press"}, AGAIN, {}),
        ({"idempotency-key": ""}, {"idempotency-key": ""}, {}),
        ({"idempotency-key": "not\x00decent"}, {"idempotency-key": "not\x00decent"}, {}),
        (AGAIN, AGAIN, {"recipient": "+79001234568"}),
        (AGAIN, AGAIN, {"widgetId": "7a1c54de-90f2-4d0b-8a53-1be2f3c4d5a6"}),
    ],
)
async def test_another_send_needs_a_captcha_of_its_own(
    kind: str, first: dict[str, str], second: dict[str, str], changed: dict[str, str]
) -> None:
    gate = Gate(kind, Everybody(), captcha=Guard(TURNSTILE))
    body = {**SEND, "captchaToken": "good"}
    assert _outcome(await gate.ask("POST", headers=first, body=body)) == "sent"
    other = {**body, **changed}
    assert _outcome(await gate.ask("POST", headers=second, body=other)) == NOT_CONFIRMED


@KINDS
async def test_a_refused_send_that_is_made_again_is_refused_again(kind: str) -> None:
    gate = Gate(kind, Everybody(), captcha=Guard(TURNSTILE))
    for _ in range(3):
        answer = await gate.ask("POST", headers=AGAIN, body={**SEND, "captchaToken": "bad"})
        assert _outcome(answer) == NOT_CONFIRMED


@KINDS
async def test_without_a_guard_the_service_verifies(kind: str) -> None:
    everybody = Everybody()
    await Gate(kind, everybody).send(captchaToken="t")
    assert everybody.sent[0]["captchaToken"] == "t"


@KINDS
@pytest.mark.parametrize("fail_open", [False, True])
@pytest.mark.parametrize("vendor", [httpx2.Response(500), httpx2.Response(200, text="garbage")])
async def test_a_vendor_that_is_down_shuts_or_opens(
    kind: str, fail_open: bool, vendor: httpx2.Response
) -> None:
    everybody = Everybody(httpx2.Response(vendor.status_code, content=vendor.content))
    gate = Gate(kind, everybody, captcha=Guard(TURNSTILE, fail_open=fail_open))
    outcome = _outcome(await gate.send(captchaToken="any"))
    assert outcome == ("sent" if fail_open else NOT_CONFIRMED)
    assert _outcome(await gate.send()) == NOT_CONFIRMED


@KINDS
async def test_the_first_are_free_and_the_page_is_told(kind: str) -> None:
    gate = Gate(kind, Everybody(), captcha=Guard(TURNSTILE, 2))

    async def required() -> bool:
        answer = await gate.ask("GET", f"/widget/{WIDGET}")
        data = json.loads(answer.body)
        kept = {name: data[name] for name in ("isBlocked", "isActive", "name")}
        assert kept == {"isBlocked": False, "isActive": True, "name": "Форма"}
        assert (data["captchaProvider"], data["captchaSiteKey"]) == ("cloudflare", "public")
        assert not {"captchaVersion", "captchaAction", "captchaChallengeUrl"} & set(data)
        return bool(data["captchaIsRequired"])

    found = [(await required(), _outcome(await gate.send())) for _ in range(3)]
    assert found == [(False, "sent"), (False, "sent"), (True, NOT_CONFIRMED)]
    assert _outcome(await gate.send("203.0.113.8")) == "sent"


@KINDS
async def test_the_service_s_refusal_of_a_widget_passes_unchanged(kind: str) -> None:
    body = b'{"type": "WidgetNotFoundException", "message": "?", "httpStatus": 404}'
    headers = {"content-type": "application/json"}
    played = Played(lambda _: httpx2.Response(404, content=body, headers=headers))
    gate = Gate(kind, played, captcha=Guard(TURNSTILE))
    answer = await gate.ask("GET", f"/widget/{WIDGET}")
    assert (answer.status, answer.body) == (404, body)


@KINDS
@pytest.mark.parametrize("body", [{}, {"widgetId": WIDGET}, {**SEND, "recipient": 5}])
async def test_what_the_service_refuses_costs_nothing(kind: str, body: dict[str, Any]) -> None:
    everybody = Everybody()
    guard = Guard(TURNSTILE, 1)
    gate = Gate(kind, everybody, captcha=guard)
    await gate.ask("POST", body={**body, "captchaToken": "good"})
    assert [asked.url.host for asked in everybody.asked] == ["service.test"]
    assert _outcome(await gate.send()) == "sent", "the free one is still there"


@KINDS
@pytest.mark.parametrize("token", [5, True, [], {}, ["good"], "x" * 8193])
async def test_an_ill_typed_token_never_passes(kind: str, token: object) -> None:
    everybody = Everybody()
    gate = Gate(kind, everybody, captcha=Guard(TURNSTILE, 1))
    answer = await gate.send(captchaToken=token)
    assert json.loads(answer.body)["payload"] == {"fields": {"captchaToken": "a string"}}
    assert everybody.asked == []


async def test_under_fire_exactly_the_promised_number_is_free() -> None:
    everybody = Everybody()
    gate = Gate("async", everybody, captcha=Guard(TURNSTILE, 5))
    forged = [f"2001:db8:0:1::{index:x}" for index in range(1, 51)]
    answers = await asyncio.gather(*(gate.send(address) for address in forged))
    assert sum(answer.status == 201 for answer in answers) == 5
    assert len(everybody.sent) == 5


async def test_of_fifty_sends_at_once_with_one_token_one_is_sent() -> None:
    everybody = Everybody()
    gate = Gate("async", everybody, captcha=Guard(TURNSTILE))
    answers = await asyncio.gather(*(gate.send(captchaToken="good") for _ in range(50)))
    assert sum(answer.status == 201 for answer in answers) == 1
    assert len(everybody.sent) == 1


def test_of_fifty_threads_with_one_token_one_is_sent() -> None:
    everybody = Everybody()
    client = httpx2.Client(transport=httpx2.MockTransport(everybody))
    gateway = SyncWidgetGateway(
        OtpClient(
            api_url="http://service.test",
            api_token="t",
            captcha=Guard(TURNSTILE),
            http_client=client,
        )
    )
    body = json.dumps({**SEND, "captchaToken": "good"}).encode()

    def send(_: int) -> int:
        return gateway.handle("POST", "", "", {}, body, CLIENT).status

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(send, range(50)))
    assert statuses.count(201) == 1
    assert len(everybody.sent) == 1


@KINDS
async def test_a_page_solves_the_proof_of_work(kind: str) -> None:
    everybody = Everybody()
    gate = Gate(kind, everybody, captcha=Guard(WORK))
    data = json.loads((await gate.ask("GET", f"/widget/{WIDGET}")).body)
    assert (data["captchaProvider"], data["captchaSiteKey"]) == ("altcha", "")
    answer = await gate.ask("GET", "/" + data["captchaChallengeUrl"])
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    challenge = json.loads(answer.body)
    assert challenge != json.loads((await gate.ask("GET", "/altcha/challenge")).body)
    token = solved(challenge)
    assert _outcome(await gate.send(captchaToken=token)) == "sent"
    assert _outcome(await gate.send(captchaToken=token)) == NOT_CONFIRMED
    assert (await gate.ask("POST", "/altcha/challenge")).headers["allow"] == "GET"


@KINDS
@pytest.mark.parametrize("captcha", [None, Guard(TURNSTILE)])
async def test_there_are_no_challenges_but_altcha_s(kind: str, captcha: Guard | None) -> None:
    everybody = Everybody()
    answer = await Gate(kind, everybody, captcha=captcha).ask("GET", "/altcha/challenge")
    assert (answer.status, everybody.asked) == (404, [])


class _Shared:
    """Counts that are asynchronous, and generous."""

    async def take(self, address: str, *, limit: int, window_s: int, now: datetime) -> bool:
        return True

    async def used(self, address: str, *, window_s: int, now: datetime) -> int:
        return 0

    async def spend(self, key: str, *, until: datetime, now: datetime) -> bool:
        return True


async def test_asynchronous_counts_serve_the_asynchronous_gateway_alone() -> None:
    guard = Guard(TURNSTILE, 1, store=_Shared())
    assert _outcome(await Gate("async", Everybody(), captcha=guard).send()) == "sent"
    with pytest.raises(TypeError):
        Gate("sync", Everybody(), captcha=guard)


@KINDS
async def test_counts_that_fail_let_nobody_pass(kind: str) -> None:
    class Failing(FreeRequestsInMemory):
        def take(self, *_: Any, **__: Any) -> bool:
            raise ConnectionError("the counts are away")

    everybody = Everybody()
    guard = Guard(TURNSTILE, 1, store=Failing(), fail_open=True)
    answer = await Gate(kind, everybody, captcha=guard).send(captchaToken="good")
    assert answer.status == 500
    assert everybody.asked == []
