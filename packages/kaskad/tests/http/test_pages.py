"""The handset and the demo: for whoever sits at this machine."""

import asyncio
import re
from typing import Any

import pytest

from kaskad.app.inbox import MOST_MESSAGES, Delivered
from kaskad.core.model import ChannelType
from kaskad.http.guard import is_local
from kaskad.testing import START
from packages.kaskad.tests.builders import TOKEN
from packages.kaskad.tests.http.client import Answer, Client, Exchange
from packages.kaskad.tests.http.conftest import OpenHouse
from packages.kaskad.tests.http.house import PUSH, SMS, TWO, WIDGETS, House

JSON = "application/json"


@pytest.fixture
async def demo(open_house: OpenHouse) -> House:
    return await open_house(handset=True, demo_token=TOKEN)


async def get(house: House, path: str, **how: Any) -> Answer:
    return await house.api.get(path, absolute=True, token=None, **how)


async def post(house: House, path: str, **how: Any) -> Answer:
    return await house.api.post(path, absolute=True, token=None, **how)


# --- the handset's calls --------------------------------------------------------------


async def test_the_messages_are_json(demo: House) -> None:
    text, call = await demo.sent(SMS), await demo.sent(TWO)
    push = await demo.sent(PUSH)
    answer = await get(demo, "/handset/messages")

    assert answer.status == 200
    assert (answer.header("content-type") or "").startswith(JSON)
    assert answer.header("cache-control") == "no-store"
    first, second, third = answer.json
    assert {"id", "type", "text", "code", "callerId", "requestId", "at"} <= set(first)
    assert (first["type"], first["requestId"], first["callerId"]) == ("sms", text, None)
    assert first["code"] == demo.code(text)
    assert first["code"] in first["text"]
    assert first["at"] == START.isoformat().replace("+00:00", ".200000Z")
    assert (second["type"], second["requestId"]) == ("voice", call)
    assert second["callerId"].startswith("+7")
    assert (third["type"], third["requestId"], third["code"]) == ("sim_push", push, None)
    assert (third["answer"], len({m["id"] for m in answer.json})) == (None, 3)


async def test_messages_can_be_asked_for_by_number(demo: House) -> None:
    mine = demo.number()
    request_id = await demo.sent(number=mine)
    await demo.sent()
    for form in (mine.replace("+", "%2B"), mine, "8" + mine[2:], f"%20{mine[1:]}"):
        answer = await get(demo, f"/handset/messages?recipient={form}")
        assert [m["requestId"] for m in answer.json] == [request_id]
    assert len((await get(demo, "/handset/messages?recipient=")).json) == 2
    assert (await get(demo, "/handset/messages?recipient=%2B79007654321")).json == []
    answer = await get(demo, "/handset/messages?recipient=nobody")
    assert (answer.status, answer.outcome) == (400, "ValidateError")


@pytest.mark.parametrize(
    "word, status", [("confirm", True), ("decline", "NoAvailableChannelsException")]
)
async def test_a_push_is_answered_once(demo: House, word: str, status: str | bool) -> None:
    request_id = await demo.sent(PUSH)
    [message] = (await get(demo, "/handset/messages")).json
    path = f"/handset/messages/{message['id']}"

    answer = await post(demo, f"{path}/{word}")
    assert (answer.status, answer.json) == (200, {"success": True})
    await demo.clock.advance()

    own = demo.recipient(request_id)
    assert (await demo.api.get(f"/{request_id}/status?recipient={own}")).outcome == status
    assert (await get(demo, "/handset/messages")).json[0]["answer"] == word
    for again in ("confirm", "decline"):
        assert (await post(demo, f"{path}/{again}")).outcome == "NotFoundException"


async def test_only_a_push_can_be_answered(demo: House) -> None:
    await demo.sent(SMS)
    [message] = (await get(demo, "/handset/messages")).json
    for path in (f"{message['id']}/confirm", "x/confirm", f"{message['id']}/burn"):
        answer = await post(demo, f"/handset/messages/{path}")
        assert (answer.status, answer.outcome) == (404, "NotFoundException")
    answer = await get(demo, f"/handset/messages/{message['id']}/confirm")
    assert answer.outcome == "MethodNotAllowedException"


def _inbox_events(exchange: Exchange) -> list[str]:
    return re.findall(r'"requestId":"([^"]+)"', exchange.text)


async def test_the_stream_tells_what_is_there_and_what_comes(demo: House) -> None:
    first = await demo.sent(SMS)
    mine = demo.number()
    streams = [
        demo.api.begin("GET", path, absolute=True, token=None)
        for path in ("/handset/events", f"/handset/events?recipient=%2B{mine[1:]}")
    ]
    await demo.clock.advance()
    assert [_inbox_events(s) for s in streams] == [[first], []]
    assert streams[0].text.startswith(": connected\n\nevent: message\nid: ")

    second = await demo.sent(PUSH, number=mine)
    assert [_inbox_events(s) for s in streams] == [[first, second], [second]]
    [message] = demo.messages(second)
    await post(demo, f"/handset/messages/{message.id}/confirm")
    await demo.clock.advance()
    assert '"answer":"confirm"' in streams[1].text

    for stream in streams:
        stream.leave()
        assert stream.task is not None
        await asyncio.wait([stream.task], timeout=5)
        assert stream.done
    assert not demo.service.inbox._readers
    started = streams[0].started
    assert started is not None
    headers = dict(started["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert headers[b"cache-control"] == b"no-store"


async def test_the_stream_ends_with_the_service_and_lives_until_then(
    demo: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = demo.api.begin("GET", "/handset/events", absolute=True, token=None)
    await demo.clock.advance()
    loop = asyncio.get_running_loop()
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + 1.5)
    await demo.clock.advance()
    assert ": still here" in stream.text
    assert not stream.done

    demo.service.drain()
    monkeypatch.setattr(loop, "time", lambda: real() + 3.5)
    await demo.clock.advance()
    assert stream.answer().status == 200


async def test_a_stream_refuses_what_is_no_number(demo: House) -> None:
    answer = await get(demo, "/handset/events?recipient=x")
    assert answer.outcome == "ValidateError"


async def test_the_oldest_messages_go(demo: House) -> None:
    for number in range(MOST_MESSAGES + 5):
        demo.service.inbox.put(
            Delivered(
                id=str(number),
                type=ChannelType.SMS,
                label="",
                recipient="+79001234567",
                text="",
                code=None,
                caller_id=None,
                session="",
                launch=1,
                at=START,
            )
        )
    found = (await get(demo, "/handset/messages")).json
    assert (len(found), found[0]["id"]) == (MOST_MESSAGES, "5")


# --- who may look ---------------------------------------------------------------------

LOOKS = [
    "/",
    "/handset",
    "/handset/",
    "/handset/messages",
    "/handset/events",
    "/handset/static/handset.js",
    "/demo/static/demo.js",
    "/demo/config.json",
    f"/demo/api/widget/{SMS}",
]
FORWARDING = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
]
STRANGE_HOSTS = [
    "",
    "evil.example",
    "evil.example:8480",
    "127.0.0.1.evil.example",
    "127.evil.example:8480",
    "localhost.evil.example",
    "192.168.0.7",
    "[2001:db8::1]:8480",
    "0.0.0.0",
]
OWN_HOSTS = [
    "127.0.0.1",
    "127.0.0.1:8480",
    "127.9.9.9",
    "localhost",
    "LocalHost:8480",
    "[::1]",
    "[::1]:8480",
]


@pytest.mark.parametrize("header", FORWARDING)
@pytest.mark.parametrize("path", LOOKS)
async def test_what_was_forwarded_is_refused(demo: House, path: str, header: str) -> None:
    answer = await get(demo, path, headers={header: "127.0.0.1"})
    assert (answer.status, answer.outcome) == (403, "ForbiddenException")


@pytest.mark.parametrize("host", STRANGE_HOSTS)
@pytest.mark.parametrize("path", LOOKS)
async def test_another_name_for_this_host_is_refused(demo: House, path: str, host: str) -> None:
    answer = await get(demo, path, headers={"host": host})
    assert (answer.status, answer.outcome) == (403, "ForbiddenException")


@pytest.mark.parametrize("host", OWN_HOSTS)
async def test_the_loopbacks_own_names_are_served(demo: House, host: str) -> None:
    assert is_local(host)
    assert (await get(demo, "/handset/messages", headers={"host": host})).status == 200


@pytest.mark.parametrize(
    "headers, fine",
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"origin": "http://127.0.0.1:8480"}, True),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://127.0.0.1:9999"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://[::1"}, False),
        ({"origin": "127.0.0.1:8480"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8480"}, False),
    ],
    ids=str,
)
async def test_another_sites_page_may_not_answer_or_send(
    demo: House, headers: dict[str, str], fine: bool
) -> None:
    await demo.sent(PUSH)
    [message] = (await get(demo, "/handset/messages")).json
    path = f"/handset/messages/{message['id']}/decline"
    answer = await post(demo, path, headers=headers)
    assert answer.outcome == (True if fine else "ForbiddenException")

    api = Client(demo.api.app, "/demo/api")
    body = {"widgetId": SMS, "recipient": demo.number()}
    answer = await api.post("/", body, token=None, headers=headers)
    assert answer.outcome == ("ok" if fine else "ForbiddenException")
    looked = await get(demo, "/handset/messages", headers=headers)
    assert looked.status == 200


async def test_a_demo_for_a_whole_network_is_served_by_any_name(open_house: OpenHouse) -> None:
    house = await open_house(handset=True, demo_token=TOKEN, local_only=False)
    for path in LOOKS:
        if path != "/handset/events":
            assert (await get(house, path, headers={"host": "demo.lan"})).status == 200
        forwarded = {"host": "demo.lan", "x-forwarded-for": "10.0.0.1"}
        assert (await get(house, path, headers=forwarded)).status == 403


async def test_without_a_demo_there_is_neither(house: House) -> None:
    for path in LOOKS:
        assert (await get(house, path)).outcome == "NotFoundException"
    answer = await post(house, "/handset/messages/x/confirm")
    assert answer.outcome == "NotFoundException"


async def test_a_handset_may_be_there_without_a_demo(open_house: OpenHouse) -> None:
    house = await open_house(handset=True)
    assert (await get(house, "/handset")).status == 200
    assert (await get(house, "/")).status == 404
    assert (await get(house, "/demo/config.json")).status == 404


# --- pages and files ------------------------------------------------------------------

PAGES = {"/": "/demo/static/", "/handset": "/handset/static/", "/handset/": "/handset/static/"}
TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "html": "text/html"}


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_and_everything_that_it_names_answer(demo: House, page: str) -> None:
    answer = await get(demo, page)
    assert (answer.status, answer.header("content-type")) == (200, "text/html; charset=utf-8")
    html = answer.body.decode()
    assert "<script>" not in html
    assert not re.search(r'\son\w+="', html)
    named = set(re.findall(r'(?:src|href)="([^"#]+)"', html))
    assert any(name.endswith(".js") for name in named)
    seen: set[str] = set()
    while named - seen:
        name = sorted(named - seen)[0]
        seen.add(name)
        assert not re.match(r"\w+:|//", name), f"{name} is from elsewhere"
        found = await get(demo, name if name.startswith("/") else PAGES[page] + name)
        assert found.status == 200, name
        kind = TYPES.get(name.rpartition(".")[2], "text/html")
        assert (found.header("content-type") or "").startswith(kind)
        assert found.header("x-content-type-options") == "nosniff"
        if name.endswith(".js"):
            folder = name.rpartition("/")[0]
            modules = re.findall(r'from\s+"\./([\w.-]+)"', found.body.decode())
            named |= {f"{folder}/{module}" for module in modules}


@pytest.mark.parametrize(
    "path", ["/", "/handset", "/demo/static/demo.js", "/handset/static/handset.css"]
)
async def test_a_page_runs_nothing_from_elsewhere(demo: House, path: str) -> None:
    answer = await get(demo, path)
    policy = dict(
        part.strip().split(" ", 1)
        for part in (answer.header("content-security-policy") or "").split(";")
    )
    assert policy["default-src"] == "'self'"
    assert policy["object-src"] == policy["base-uri"] == "'none'"
    assert policy["frame-ancestors"] == "'self'"
    assert "unsafe" not in str(policy)
    assert answer.header("referrer-policy") == "no-referrer"
    assert answer.header("cache-control") == "no-cache"
    assert answer.header("x-request-id")


@pytest.mark.parametrize(
    "path",
    [
        "/handset/static/nothing.js",
        "/handset/static/__init__.py",
        "/handset/static/..%2f__init__.py",
        "/handset/static/../__init__.py",
        "/demo/static/nothing.js",
        "/demo/static/",
        "/handset/nothing",
        "/demo",
        "/demo/",
        "/demo/api",
    ],
)
async def test_other_files_are_not_found_in_the_usual_shape(demo: House, path: str) -> None:
    answer = await get(demo, path)
    assert (answer.status, answer.outcome) == (404, "NotFoundException")


async def test_the_demo_says_what_there_is_to_try(demo: House) -> None:
    found = (await get(demo, "/demo/config.json")).json
    assert (found["apiBase"], found["region"]) == ("/api/n/otp-handler", "RU")
    assert {w["id"] for w in found["widgets"]} == {w.id for w in WIDGETS}
    [two] = [w for w in found["widgets"] if w["id"] == TWO]
    assert [c["id"] for c in two["channels"]] == ["lost", "voice"]
    assert TOKEN not in str(found)


async def test_the_demos_back_end_has_the_token_and_the_same_calls(demo: House) -> None:
    api = Client(demo.api.app, "/demo/api")
    number = demo.number()
    sent = await api.post("/", {"widgetId": SMS, "recipient": number}, token="the page's own")
    assert sent.status == 201
    request_id = sent.json["requestId"]
    await demo.clock.advance(1)
    assert (await api.get(f"/{request_id}/channel", token=None)).json["status"] == "sent"
    code = {"code": demo.code(request_id)}
    assert (await api.post(f"/{request_id}/checkCode", code, token=None)).outcome is True
    path = f"/{request_id}/checkStatusAndComplete?recipient=%2B{number[1:]}"
    assert (await api.post(path, token=None)).outcome is True
    assert (await api.get(f"/{request_id}%2Fchannel", token=None)).status == 404
    mine = await api.get(f"/widget/{SMS}", token=None, headers={"x-request-id": "mine"})
    assert mine.header("x-request-id") == "mine"
    poll = api.begin("GET", f"/longPolling/{await demo.begin()}/channel", token=None)
    await demo.clock.advance(1)
    assert poll.answer().json["status"] == "sent"
