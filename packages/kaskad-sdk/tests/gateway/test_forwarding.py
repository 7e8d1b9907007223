"""What reaches the service of a page's request, and what does not."""

import json
from itertools import product
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad_sdk import errors
from kaskad_sdk._page_paths import CALLS, OF_WIDGETS, Offer, uuid_of
from kaskad_sdk.captcha import Altcha, Guard
from tests.peers.pages import API, CLIENT, JSON, SEND, SESSION, TOKEN, WIDGET, Gate, Played

pytestmark = pytest.mark.parametrize("kind", ["async", "sync"])

BACK_END = {"checkStatusAndComplete", "complete"}
METHODS = ("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "X")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
async def test_each_path_takes_its_one_method(kind: str, call: Any) -> None:
    path = "/" + call.path.replace("{}", WIDGET if call in OF_WIDGETS else SESSION)
    body = json.dumps(SEND).encode()
    for method, offered in product(METHODS, (True, False)):
        played = Played()
        gate = Gate(kind, played, offer_completion=offered)
        answer = await gate.ask(method, path, query="recipient=1", headers=JSON, body=body)
        if call.name in BACK_END and not offered:
            assert (answer.status, played.asked) == (404, [])
        elif method != call.method:
            assert (answer.status, played.asked) == (405, [])
            assert answer.headers["allow"] == call.method
        else:
            assert answer.status == 201
            [asked] = played.asked
            query = "?recipient=1" if call.query else ""
            query = f"?userIp={CLIENT}" if call.name == "getWidget" else query
            assert str(asked.url) == API + path + query
            assert asked.method == method


@pytest.mark.parametrize("path", ["", "/"])
async def test_the_prefix_itself_is_the_send(kind: str, path: str) -> None:
    played = Played()
    await Gate(kind, played).ask("POST", path, body=SEND)
    assert str(played.asked[0].url) == API + "/"


HOSTILE_HEADERS = {
    "authorization": "Bearer ksk-of-the-page",
    "proxy-authorization": "Basic eA==",
    "cookie": "session=1",
    "x-forwarded-for": "1.2.3.4",
    "forwarded": "for=1.2.3.4",
    "x-real-ip": "1.2.3.4",
    "host": "evil.test",
    "transfer-encoding": "chunked",
    "content-length": "3",
    "connection": "upgrade",
    "x-http-method-override": "DELETE",
    "origin": "https://evil.test",
    "referer": "https://evil.test/?secret",
    "user-agent": "a page's",
    "accept-encoding": "br",
    "if-none-match": '"1"',
    "x-anything": "else",
}


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("POST", "", SEND),
        ("POST", f"/{SESSION}/checkCode", {"code": "1234"}),
        ("GET", f"/{SESSION}/channel", b""),
    ],
)
async def test_of_the_headers_only_the_harmless_are_passed_on(
    kind: str, method: str, path: str, body: Any
) -> None:
    played = Played()
    headers = HOSTILE_HEADERS | {
        "accept-language": "en",
        "x-request-id": "page-1",
        "content-type": "application/json",
    }
    await Gate(kind, played).ask(method, path, headers=headers, body=body)
    [asked] = played.asked
    found = dict(asked.headers)
    assert found.pop("authorization") == f"Bearer {TOKEN}"
    assert found.pop("host") == "service.test"
    assert found.pop("content-length", "0") == str(len(asked.content))
    assert found.pop("content-type", "") == ("application/json" if method == "POST" else "")
    assert found == {
        "accept": "application/json",
        "accept-language": "en",
        "x-request-id": "page-1",
    }


@pytest.mark.parametrize(
    "own", ["", "a b", "a\r\nx-evil: 1", "я", "x" * 65, "a_b", None, "\x00", "<script>"]
)
async def test_an_odd_request_id_is_replaced(kind: str, own: str | None) -> None:
    played = Played()
    headers = {} if own is None else {"x-request-id": own}
    answer = await Gate(kind, played).ask("GET", f"/{SESSION}/channel", headers=headers)
    made = played.asked[0].headers["x-request-id"]
    assert made != own
    assert made.isalnum()
    assert answer.headers["x-request-id"] == made


@pytest.mark.parametrize("languages", ["a\r\nx-evil: 1", "я", "x" * 513, ""])
async def test_odd_languages_are_dropped(kind: str, languages: str) -> None:
    played = Played()
    headers = {"accept-language": languages}
    await Gate(kind, played).ask("GET", f"/{SESSION}/channel", headers=headers)
    assert "accept-language" not in played.asked[0].headers
    assert "x-evil" not in played.asked[0].headers


async def test_a_send_is_made_anew_of_four_fields_and_the_address(kind: str) -> None:
    played = Played()
    everything = {
        **SEND,
        "captchaToken": "t",
        "locale": "en",
        "userIp": "8.8.8.8",
        "email": "a@b.test",
        "tenant": "x",
        "__proto__": {},
        "WIDGETID": "y",
    }
    await Gate(kind, played).ask("POST", body=everything)
    assert played.body == {**SEND, "captchaToken": "t", "locale": "en", "userIp": CLIENT}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"widgetId":"w","recipient":"r","userIp":"1.1.1.1","userIp":"8.8.8.8"}',
        b'{"widgetId":"w","recipient":"r","\\u0075serIp":"8.8.8.8"}',
        b'{"widgetId":"w","recipient":"r","email":"a@b.c","email":null}',
    ],
)
async def test_no_spelling_smuggles_a_field(kind: str, raw: bytes) -> None:
    played = Played()
    await Gate(kind, played).ask("POST", headers=JSON, body=raw)
    assert played.body == {"widgetId": "w", "recipient": "r", "userIp": CLIENT}


@pytest.mark.parametrize(
    "address, told",
    [
        (CLIENT, CLIENT),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", None),
        ("testclient", None),
        ("1.1.1.1, 2.2.2.2", None),
    ],
)
async def test_the_service_is_told_an_address_or_none(
    kind: str, address: str, told: str | None
) -> None:
    played = Played()
    await Gate(kind, played).send(address)
    assert played.body.get("userIp") == told


UNKNOWN = {"WidgetNotFoundException", "SessionNotFoundException", "NotFoundException"}
HOSTILE_IDS = (
    "..",
    ".",
    "%2e%2e",
    "%2E",
    "..%2f..",
    "..%5c",
    "x%2fchannel",
    f"{SESSION};a=b",
    f"{SESSION}%00",
    f"{SESSION}%0d%0aX: 1",
    f"{SESSION}%2f..%2f{SESSION}",
    f"{SESSION}%3Frecipient=1",
    f"{SESSION}%23",
    f" {SESSION}",
    SESSION.replace("-", ""),
    "{" + SESSION + "}",
    "urn:uuid:" + SESSION,
    "%",
    "%zz",
    "%ff",
    "\ud800",
    "я",
    "longPolling",
    "x" * 100_000,
)


@pytest.mark.parametrize("named", HOSTILE_IDS, ids=lambda named: ascii(named)[:40])
async def test_what_is_no_id_is_unknown_and_goes_nowhere(kind: str, named: str) -> None:
    played = Played()
    gate = Gate(kind, played, offer_completion=True)
    for call in CALLS:
        if "{}" in call.path:
            answer = await gate.ask(call.method, "/" + call.path.replace("{}", named))
            assert answer.status == 404
            assert json.loads(answer.body)["type"] in UNKNOWN
    assert played.asked == []


@given(st.text(alphabet="/.%;?#\\ 2fF5cC+aя\ud800" + SESSION[:4], max_size=60))
def test_no_path_reaches_another_than_those_of_the_table(kind: str, path: str) -> None:
    found = Offer(completion=True, guarded=False, challenge=True).match(path)
    assert found is None or found[0].path in {"", "altcha/challenge"} or uuid_of(found[1]) is None


async def test_ids_are_passed_on_in_their_one_form(kind: str) -> None:
    played = Played()
    gate = Gate(kind, played)
    await gate.ask("GET", f"/{SESSION.upper()}/%63hannel")
    await gate.ask("GET", f"/{''.join(f'%{ord(c):02x}' for c in SESSION)}/channel")
    assert {str(asked.url) for asked in played.asked} == {f"{API}/{SESSION}/channel"}


@pytest.mark.parametrize(
    "query, passed",
    [
        ("recipient=%2B7900", "recipient=%2B7900"),
        ("recipient=+7900&since=4", "recipient=+7900&since=4"),
        ("recipient=7900#/../x", "recipient=7900%23/../x"),
        ("recipient=7900 HTTP/1.1\r\nX-Evil: 1", "recipient=7900%20HTTP/1.1%0D%0AX-Evil:%201"),
        ("recipient=я", "recipient=%D1%8F"),
        ("recipient=\ud800", "recipient=?"),
        ("", ""),
    ],
)
async def test_a_query_stays_a_query(kind: str, query: str, passed: str) -> None:
    played = Played()
    await Gate(kind, played).ask("GET", f"/{SESSION}/status", query=query)
    raw = played.asked[0].url.raw_path.decode()
    path, _, found = raw.partition("?")
    assert path == f"/api/n/otp-handler/{SESSION}/status"
    assert found == passed


@pytest.mark.parametrize("shape", ["{}/channel", "widget/{}/challenge"])
async def test_a_call_without_a_query_gets_none(kind: str, shape: str) -> None:
    played = Played()
    await Gate(kind, played).ask("GET", shape.replace("{}", SESSION), query="a=b")
    assert "?" not in str(played.asked[0].url)


GUARD = Guard(Altcha(hmac_key="a key of the tests, long enough"))


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (CLIENT, f"userIp={CLIENT}"),
        ("[2001:DB8::1]:443", "userIp=2001%3Adb8%3A%3A1"),
        ("", ""),
        ("testclient", ""),
        ("1.1.1.1&x=y", ""),
    ],
)
@pytest.mark.parametrize("query", ["", "userIp=8.8.8.8", "%75serIp=8.8.8.8&userIp=9.9.9.9", "a=b"])
async def test_a_widget_is_asked_about_for_the_visitor_whatever_the_page_says(
    kind: str, address: str, told: str, query: str
) -> None:
    played = Played()
    await Gate(kind, played).ask("GET", f"/widget/{WIDGET}", query=query, client_ip=address)
    assert played.asked[0].url.query.decode() == told


async def test_a_gateway_with_a_captcha_of_its_own_tells_the_service_nobody(kind: str) -> None:
    played = Played()
    await Gate(kind, played, captcha=GUARD).ask("GET", f"/widget/{WIDGET}")
    assert played.asked[0].url.query == b""


async def test_a_gateway_with_a_captcha_of_its_own_has_no_challenges_of_the_services(
    kind: str,
) -> None:
    played = Played()
    answer = await Gate(kind, played, captcha=GUARD).ask("GET", f"/widget/{WIDGET}/challenge")
    assert (answer.status, played.asked) == (404, [])
    assert json.loads(answer.body)["type"] == "NotFoundException"


async def test_pages_and_the_back_end_do_not_meet_in_one_idempotency_key(kind: str) -> None:
    played = Played()
    gate = Gate(kind, played)
    for key in ("k", "k", "K"):
        await gate.ask("POST", headers={"idempotency-key": key}, body=SEND)
    keys = [asked.headers["idempotency-key"] for asked in played.asked]
    assert keys[0] == keys[1] != keys[2]
    assert "k" not in keys
    assert all(len(key) <= 255 for key in keys)


@pytest.mark.parametrize("key", ["", "я", "a\r\nb", "x" * 256])
async def test_a_bad_idempotency_key_stays_bad(kind: str, key: str) -> None:
    played = Played()
    await Gate(kind, played).ask("POST", headers={"idempotency-key": key}, body=SEND)
    assert played.asked[0].headers["idempotency-key"] == ""


# --- what comes back ----------------------------------------------------------------------


async def test_an_answer_passes_with_its_status_body_and_headers(kind: str) -> None:
    body = b'{"type":"RateLimitException" ,  "message":"\xd1\x8f","httpStatus":429}'
    theirs = {
        "content-type": "application/json; charset=utf-8",
        "etag": '"7"',
        "retry-after": "3",
        "x-request-id": "abc",
        "cache-control": "no-store",
        "set-cookie": "a=b",
        "server": "kaskad",
        "www-authenticate": "Bearer",
        "access-control-allow-origin": "*",
        "location": "https://evil.test",
    }
    played = Played(lambda _: httpx2.Response(429, headers=theirs, content=body))
    answer = await Gate(kind, played).ask("GET", f"/{SESSION}/channel")
    assert (answer.status, answer.body) == (429, body)
    assert answer.headers == {
        "content-type": "application/json; charset=utf-8",
        "etag": '"7"',
        "retry-after": "3",
        "x-request-id": "abc",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }


@pytest.mark.parametrize(
    "status, content_type, body",
    [
        (502, "text/html", b"<h1>Bad Gateway</h1>"),
        (200, "text/html", b"<script>alert(1)</script>"),
        (200, None, b""),
        (301, None, b""),
        (500, "text/plain", b"Traceback"),
    ],
)
async def test_what_the_service_never_says_is_not_shown_to_a_page(
    kind: str, status: int, content_type: str | None, body: bytes
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    played = Played(lambda _: httpx2.Response(status, headers=headers, content=body))
    answer = await Gate(kind, played).ask("GET", f"/{SESSION}/channel")
    _unavailable(answer.status, answer.headers, answer.body)


def _lost(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("refused", request=request)


def _unavailable(status: int, headers: Any, body: bytes) -> None:
    kind = errors.ServiceUnavailableException
    assert status == 503
    assert json.loads(body) == {
        "type": kind.type,
        "message": kind.ru,
        "httpStatus": 503,
        "payload": {"retryAfter": 1},
    }
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["retry-after"] == "1"
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"]


async def test_a_lost_service_is_unavailable_in_its_own_words(kind: str) -> None:
    answer = await Gate(kind, _lost).send()
    _unavailable(answer.status, answer.headers, answer.body)


async def test_a_send_is_never_repeated(kind: str) -> None:
    played = Played(_lost)
    gate = Gate(kind, played)
    await gate.send()
    await gate.ask("POST", f"/{SESSION}/checkCode", body={"code": "1"})
    assert len(played.asked) == 2


async def test_what_breaks_here_is_an_error_in_the_same_shape(kind: str) -> None:
    def broken(_: httpx2.Request) -> httpx2.Response:
        raise RuntimeError("secret detail")

    answer = await Gate(kind, broken).ask(
        "GET", f"/{SESSION}/channel", headers={"x-request-id": "me"}
    )
    assert answer.status == 500
    assert json.loads(answer.body)["type"] == "InternalServerErrorException"
    assert b"secret" not in answer.body
    assert answer.headers["x-request-id"] == "me"


async def test_a_report_of_an_error_names_no_number(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: httpx2.Request) -> httpx2.Response:
        raise RuntimeError("?")

    query = "recipient=79001234567"
    headers = {"cookie": "secret", "x-request-id": "me"}
    await Gate(kind, broken).ask("GET", f"/{SESSION}/status", query=query, headers=headers)
    [record] = caplog.records
    told = caplog.text
    assert record.exc_info is not None
    frames = record.exc_info[2]
    while frames is not None:
        arrived = frames.tb_frame.f_locals.get("arrived")
        told += repr(arrived)
        frames = frames.tb_next
    assert "me" in told
    assert "79001234567" not in told
    assert "secret" not in told


async def test_held_calls_have_the_time_of_a_held_call(kind: str) -> None:
    played = Played()
    gate = Gate(kind, played)
    await gate.ask("GET", f"/longPolling/{SESSION}/channel")
    await gate.ask("GET", f"/{SESSION}/channel")
    held, short = (asked.extensions["timeout"]["read"] for asked in played.asked)
    assert held >= short + 25
