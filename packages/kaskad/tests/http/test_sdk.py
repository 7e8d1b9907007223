"""The page's endpoints: the same calls without a token, for origins that a widget allows."""

import asyncio
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from msgspec.structs import replace

from kaskad.core.model import TestRecipient
from kaskad.testing import START
from packages.kaskad.tests.builders import TOKEN
from packages.kaskad.tests.http import house as scene
from packages.kaskad.tests.http.client import Answer, Client, Exchange
from packages.kaskad.tests.http.conftest import OpenHouse
from packages.kaskad.tests.http.expected import METHODS, NOT_FOR_PAGES, PAGE_BASE
from packages.kaskad.tests.http.house import (
    BLOCKED,
    FOREIGN,
    FOREIGN_TOKEN,
    HANG,
    OTHER,
    REVOKED_TOKEN,
    SMS,
    STATES,
    UNKNOWN_ID,
    House,
    configuration,
)

HERE, THERE, NOWHERE = "https://shop.example", "http://127.0.0.1:3000", "https://evil.example"
PUBLISHED = (SMS, HANG, BLOCKED, FOREIGN)
EXPOSED = "ETag, Retry-After, X-Request-Id"


class Page(Client):
    """A page of an origin; ``None`` is a reader that says nothing of itself."""

    def __init__(self, house: House, origin: str | None = HERE) -> None:
        super().__init__(house.api.app, PAGE_BASE)
        if origin is not None:
            self.defaults["origin"] = origin

    def begin(self, method: str, path: str, **how: Any) -> Exchange:
        return super().begin(method, path, **{"token": None, **how})


def published(*widgets: str, origin: str = HERE) -> list[Any]:
    return [replace(w, allowed_origins=(origin,)) for w in scene.WIDGETS if w.id in widgets]


def town() -> Any:
    """Some widgets for pages of one origin, one for those of another, the rest for none."""
    return configuration(widgets=[*published(*PUBLISHED), *published(OTHER, origin=THERE)])


@pytest.fixture
async def site(open_house: OpenHouse) -> House:
    return await open_house(town())


async def send(page: Client, house: House, widget: str = SMS, **how: Any) -> Answer:
    body = {"widgetId": widget, "recipient": house.number(), **how.pop("body", {})}
    return await page.post("/", body, **how)


# --- the calls ------------------------------------------------------------------------


async def test_a_page_verifies_and_the_back_end_collects(site: House) -> None:
    page = Page(site)
    assert (await page.get(f"/widget/{SMS}")).json["name"] == "Форма"
    sent = await send(page, site)
    assert sent.status == 201
    request_id = sent.json["requestId"]
    held = page.begin("GET", f"/longPolling/{request_id}/channel?since=1")
    await site.clock.advance(1)
    assert held.answer().json["status"] == "sent"
    assert held.answer().header("etag") == '"2"'

    number = site.recipient(request_id)
    waiting = page.begin("GET", f"/longPolling/{request_id}/status?recipient={number}")
    assert (await site.check(request_id, site.wrong(request_id))).status == 400
    checked = await page.post(f"/{request_id}/checkCode", {"code": site.code(request_id)})
    await site.clock.advance()
    assert (checked.status, checked.json) == (201, {"success": True})
    assert waiting.answer().json == {"success": True}

    for call in sorted(NOT_FOR_PAGES):
        answer = await page.post(f"/{request_id}/{call}?recipient={number}")
        assert answer.outcome == "NotFoundException"
    done = await site.api.post(f"/{request_id}/checkStatusAndComplete?recipient={number}")
    assert done.outcome is True


async def ask(house: House, way: Client, call: str, request_id: str, name: str) -> Answer:
    """One of the calls about a session, as far as it gets at once."""
    method, path, _ = METHODS[call]
    path = path.replace("{requestId}", name)
    if call in {"getStatus", "getStatusLongPolling"}:
        path += f"?recipient={house.recipient(request_id)}"
    body = {"code": "000000"} if call == "checkCode" else None
    exchange = way.begin(method, path, body=body)
    await house.clock.advance()
    if not exchange.done:
        exchange.leave()
        await house.clock.advance()
    if not exchange.complete:
        return Answer(status=0, headers=[], body=b"held")
    return exchange.answer()


READING = ("getChannel", "getChannelLongPolling", "getStatus", "getStatusLongPolling", "events")
SESSION_CALLS = (*READING, "checkCode", "resend", "cancel")


@pytest.mark.parametrize("state", STATES)
async def test_in_every_state_a_page_reads_what_a_back_end_reads(
    open_house: OpenHouse, state: str
) -> None:
    everything = configuration(widgets=published(*(w.id for w in scene.WIDGETS)))
    answers = []
    for way in (Page, lambda house: house.api):
        house = await open_house(everything)
        request_id = await STATES[state](house)
        found = [await ask(house, way(house), c, request_id, request_id) for c in READING]
        answers.append([(answer.status, answer.body) for answer in found])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("call", ["checkCode", "resend", "cancel"])
@pytest.mark.parametrize("state", ["wait", "sent", "ended", "spent", "confirmed", "completed"])
async def test_in_many_states_a_page_does_what_a_back_end_does(
    open_house: OpenHouse, state: str, call: str
) -> None:
    answers = []
    for way in (Page, lambda house: house.api):
        house = await open_house(configuration(widgets=published(SMS, HANG)))
        request_id = await STATES[state](house)
        answer = await ask(house, way(house), call, request_id, request_id)
        session = replace(house.store.sessions[request_id], timeline=())
        answers.append((answer.status, answer.body, session))
    assert answers[0] == answers[1]


async def test_a_page_sees_a_blocked_widget_and_cannot_use_it(site: House) -> None:
    page = Page(site)
    assert (await page.get(f"/widget/{BLOCKED}")).json["isBlocked"] is True
    assert (await send(page, site, BLOCKED)).outcome == "WidgetIsBlockedException"


async def test_a_send_that_is_repeated_with_its_key_happens_once(site: House) -> None:
    body = {"widgetId": SMS, "recipient": site.number()}
    key = {"idempotency-key": "k"}
    answers = [await Page(site).post("/", body, headers=key) for _ in range(3)]
    assert len({answer.body for answer in answers}) == 1
    assert len(site.store.sessions) == 1
    other = await Page(site).post("/", body, headers=key, peer="203.0.113.9")
    assert other.json["requestId"] != answers[0].json["requestId"]


async def test_a_phone_that_changes_its_network_repeats_the_same_send(site: House) -> None:
    body = {"widgetId": SMS, "recipient": site.number()}
    key = {"idempotency-key": "8Jx1rVQ0o3mEw6ZkT4bYcA"}
    first = await Page(site).post("/", body, headers=key)
    elsewhere = await Page(site).post("/", body, headers=key, peer="203.0.113.9")
    assert elsewhere.body == first.body
    path = f"/{first.json['requestId']}/resend"
    await site.clock.advance(60)
    for peer in ("203.0.113.7", "203.0.113.9"):
        answer = await Page(site).post(path, {}, headers=key, peer=peer)
        assert (answer.outcome, answer.status) == ("ValidateError", 400), "used for the send"
        answer = await Page(site).post(path, {}, headers={"idempotency-key": "r" * 22}, peer=peer)
        assert (answer.status, answer.json) == (201, {"success": True})
    assert len(site.store.sessions) == 1
    [session] = site.store.sessions.values()
    assert len(session.launches) == 2


async def test_no_page_serves_another_tenant_more_than_its_widgets(site: House) -> None:
    page = Page(site)
    answer = await send(page, site, FOREIGN)
    session = site.store.sessions[answer.json["requestId"]]
    assert (answer.status, session.tenant) == (201, scene.FOREIGN_TENANT)
    path = f"/{session.id}/channel"
    assert (await page.get(path)).status == 200
    assert (await site.api.get(path, token=FOREIGN_TOKEN)).status == 200
    assert (await site.api.get(path)).status == 404


async def test_a_page_says_little_of_itself(site: House) -> None:
    forged = {"userIp": 7, "email": ["x"], "locale": "en", "captchaToken": None}
    sent = await send(Page(site), site, body=forged)
    assert sent.status == 201
    assert site.store.sessions[sent.json["requestId"]].locale == "en"
    for field in ("widgetId", "recipient", "locale", "captchaToken"):
        answer = await send(Page(site), site, body={field: 7})
        assert list(answer.json["payload"]["fields"]) == [field]


@pytest.mark.parametrize("token", [TOKEN, REVOKED_TOKEN, "x"])
async def test_a_token_that_a_page_sends_is_worth_nothing(site: House, token: str) -> None:
    page = Page(site)
    hidden = await site.begin(scene.PUSH)
    assert (await page.get(f"/widget/{SMS}", token=token)).status == 200
    assert (await page.get(f"/{hidden}/channel", token=token)).status == 404
    assert (await page.post(f"/{hidden}/complete", token=token)).status == 404


@pytest.mark.parametrize("path", ["", "/", "?x=1"])
async def test_the_base_answers_with_and_without_a_slash(site: House, path: str) -> None:
    body = {"widgetId": SMS, "recipient": site.number()}
    assert (await Page(site).post(path, body)).status == 201


@pytest.mark.parametrize("path", ["/x", "/a/b/c/d", "/widget/a/b", "/%ff/channel", "/longPolling"])
async def test_there_is_nothing_else(site: House, path: str) -> None:
    answer = await Page(site).get(path)
    assert answer.outcome == "NotFoundException"
    assert answer.header("access-control-allow-origin") == HERE


async def test_what_only_begins_alike_is_not_ours(site: House) -> None:
    answer = await Page(site).get("/sdkx", absolute=True)
    assert answer.outcome == "NotFoundException"
    assert answer.header("vary") is None


async def test_another_method_is_refused_with_those_that_there_are(site: House) -> None:
    answer = await Page(site).call("PUT", f"/{UNKNOWN_ID}/channel")
    assert (answer.outcome, answer.header("allow")) == ("MethodNotAllowedException", "GET")
    answer = await Page(site).post(f"/{UNKNOWN_ID}/channel")
    assert answer.header("access-control-allow-origin") == HERE


# --- origins --------------------------------------------------------------------------


async def test_answers_are_for_the_origin_that_asked(site: House) -> None:
    request_id = await site.begin()
    for path, status in ((f"/widget/{SMS}", 200), (f"/{UNKNOWN_ID}/channel", 404)):
        answer = await Page(site).get(path)
        assert answer.status == status
        assert answer.header("access-control-allow-origin") == HERE
        assert answer.header("access-control-expose-headers") == EXPOSED
        assert answer.header("access-control-allow-credentials") is None
    stream = Page(site).begin("GET", f"/{request_id}/events")
    await site.clock.advance()
    stream.leave()
    await site.clock.advance()
    assert stream.answer().header("access-control-allow-origin") == HERE


async def test_who_says_no_origin_is_served_and_told_nothing(site: House) -> None:
    reader = Page(site, None)
    for widget in (SMS, OTHER):
        answer = await reader.get(f"/widget/{widget}")
        assert answer.status == 200
        assert answer.header("access-control-allow-origin") is None
        assert answer.header("access-control-expose-headers") is None
    assert (await send(reader, site, OTHER)).status == 201


FOREIGNERS = [NOWHERE, "null", "", HERE + "/", HERE.upper(), HERE + ".evil.example", "*"]


@pytest.mark.parametrize("origin", FOREIGNERS)
async def test_a_foreign_origin_is_refused_before_anything_happens(
    site: House, origin: str
) -> None:
    request_id = await site.begin()
    site.store.trouble = AssertionError("somebody looked")
    page = Page(site, origin)
    body = {"widgetId": SMS, "recipient": site.number()}
    calls = [
        page.begin("POST", "/", parts=[b"x"] * 3, ends=False),
        page.begin("POST", "/", body=body),
        page.begin("GET", f"/widget/{SMS}"),
        page.begin("GET", f"/{request_id}/channel"),
        page.begin("GET", f"/longPolling/{request_id}/channel"),
        page.begin("GET", f"/{request_id}/events"),
        page.begin("OPTIONS", "/", headers={"access-control-request-method": "POST"}),
    ]
    await site.clock.advance()
    for call in calls:
        answer = call.answer()
        assert answer.outcome == "ForbiddenException"
        assert not [name for name, _ in answer.headers if name.startswith("access-control")]
    assert len(site.store.sessions) == 1


async def test_two_origins_are_none(site: House) -> None:
    exchange = Page(site).begin("GET", f"/widget/{SMS}")
    exchange.scope["headers"].append((b"origin", HERE.encode()))
    await site.clock.advance()
    assert exchange.answer().outcome == "ForbiddenException"


async def test_another_sites_widget_is_forbidden_and_its_sessions_are_unknown(site: House) -> None:
    theirs = (await send(Page(site, THERE), site, OTHER)).json["requestId"]
    mine = Page(site)
    assert (await mine.get(f"/widget/{OTHER}")).outcome == "ForbiddenException"
    before = len(site.store.sessions)
    assert (await send(mine, site, OTHER)).outcome == "ForbiddenException"
    assert len(site.store.sessions) == before
    for call in SESSION_CALLS:
        known = await ask(site, mine, call, theirs, theirs)
        unknown = await ask(site, mine, call, theirs, UNKNOWN_ID)
        assert (known.status, known.body) == (unknown.status, unknown.body)
        assert known.outcome == "SessionNotFoundException"
    path = f"/{theirs}/channel"
    assert (await Page(site, THERE).get(path)).status == 200
    assert (await Page(site, None).get(path)).status == 200


async def test_a_widget_without_origins_is_not_for_pages(site: House) -> None:
    hidden = await site.begin(scene.PUSH)
    for page in (Page(site), Page(site, None)):
        assert (await page.get(f"/widget/{scene.PUSH}")).outcome == "WidgetNotFoundException"
        assert (await send(page, site, scene.PUSH)).outcome == "WidgetNotFoundException"
        assert (await page.get(f"/{hidden}/channel")).outcome == "SessionNotFoundException"


async def test_the_next_call_follows_the_configuration(site: House) -> None:
    request_id = await site.begin()
    assert (await Page(site).get(f"/{request_id}/channel")).status == 200
    site.configure(configuration(widgets=published(SMS, origin=THERE)))
    assert (await Page(site).get(f"/{request_id}/channel")).outcome == "ForbiddenException"
    assert (await Page(site, THERE).get(f"/{request_id}/channel")).status == 200


# --- what a browser asks first ----------------------------------------------------------


async def preflight(site: House, path: str, method: str, origin: str = HERE) -> Answer:
    headers = {
        "access-control-request-method": method,
        "access-control-request-headers": "content-type",
    }
    return await Page(site, origin).call("OPTIONS", path, headers=headers)


@pytest.mark.parametrize("call", sorted(set(METHODS) - NOT_FOR_PAGES))
async def test_a_browser_may_make_every_call(site: House, call: str) -> None:
    method, path, _ = METHODS[call]
    path = path.replace("{requestId}", UNKNOWN_ID).replace("{widgetId}", SMS)
    site.store.trouble = AssertionError("somebody looked")
    answer = await preflight(site, path, method)
    assert answer.status == 204
    assert answer.header("access-control-allow-origin") == HERE
    assert answer.header("access-control-allow-methods") == method
    allowed = (answer.header("access-control-allow-headers") or "").lower().split(", ")
    assert {"authorization", "content-type", "idempotency-key", "last-event-id"} <= set(allowed)
    assert answer.header("access-control-max-age") == "600"
    assert answer.header("content-length") is None


@pytest.mark.parametrize("call", sorted(NOT_FOR_PAGES))
async def test_a_browser_is_not_told_of_what_is_not_for_it(site: House, call: str) -> None:
    answer = await preflight(site, f"/{UNKNOWN_ID}/{call}", "POST")
    assert answer.outcome == "NotFoundException"
    answer = await Page(site).get(f"/{UNKNOWN_ID}/{call}")
    assert (answer.outcome, answer.header("allow")) == ("NotFoundException", None)


async def test_options_without_a_question_is_a_method_like_others(site: House) -> None:
    answer = await Page(site).call("OPTIONS", "/")
    assert (answer.outcome, answer.header("allow")) == ("MethodNotAllowedException", "POST")
    answer = await Page(site, None).call(
        "OPTIONS", "/", headers={"access-control-request-method": "POST"}
    )
    assert answer.outcome == "MethodNotAllowedException"


# --- whose address it is -----------------------------------------------------------------


async def statuses(house: House, calls: int, **how: Any) -> list[int]:
    """Sends to one new number after the other."""
    found = []
    for number in range(calls):
        given = {name: value(number) for name, value in how.items()}
        peer = given.pop("peer", "203.0.113.7")
        headers = {name.replace("_", "-"): value for name, value in given.items()}
        page = Page(house, None)
        found.append((await send(page, house, headers=headers, peer=peer)).status)
    return found


async def test_whatever_a_page_claims_its_address_is_its_sockets(site: House) -> None:
    claims = await statuses(
        site,
        30,
        origin=lambda n: (HERE, HERE)[n % 2],
        x_forwarded_for=lambda n: f"198.51.100.{n}",
        forwarded=lambda n: f"for=198.51.100.{n}",
        x_real_ip=lambda n: f"198.51.100.{n}",
    )
    assert claims == [201] * 10 + [429] * 20


async def test_an_address_of_the_new_kind_counts_by_its_network(site: House) -> None:
    found = await statuses(site, 12, peer=lambda n: f"2001:db8:0:1::{n:x}")
    assert found == [201] * 10 + [429] * 2
    assert await statuses(site, 1, peer=lambda n: "2001:db8:0:2::1") == [201]


async def test_every_limit_holds_with_a_forged_origin(site: House) -> None:
    number = site.number()
    body = {"widgetId": SMS, "recipient": number}
    calls = [Page(site, origin) for origin in (HERE, None, HERE, None, HERE)]
    found = [(await page.post("/", body, peer=f"203.0.113.{n}")) for n, page in enumerate(calls)]
    assert [answer.status for answer in found] == [201] * 3 + [429] * 2
    assert found[-1].retry_after == 60


PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))


async def test_behind_proxies_the_address_is_the_first_stranger_from_the_right(
    open_house: OpenHouse,
) -> None:
    house = await open_house(town(), trusted_proxies=PROXIES)
    rotating = await statuses(
        house,
        1000,
        peer=lambda n: f"10.0.{n % 4}.{n % 250}",
        x_forwarded_for=lambda n: f"198.51.{n // 250}.{n % 250}, 203.0.113.7, 10.1.1.1",
    )
    assert rotating == [201] * 10 + [429] * 990
    others = await statuses(
        house, 20, peer=lambda n: "10.0.0.1", x_forwarded_for=lambda n: f"203.0.113.{n + 10}:4711"
    )
    assert others == [201] * 20


async def test_a_stranger_is_not_believed_though_there_are_proxies(open_house: OpenHouse) -> None:
    house = await open_house(town(), trusted_proxies=PROXIES)
    found = await statuses(house, 12, x_forwarded_for=lambda n: f"198.51.100.{n}")
    assert found == [201] * 10 + [429] * 2


async def test_sixty_unknown_ids_a_minute_from_one_address(site: House) -> None:
    known = await site.begin()
    page = Page(site)
    answers = [await page.get(f"/{n}/channel") for n in range(61)]
    assert [answer.status for answer in answers] == [404] * 60 + [429]
    assert (await page.get(f"/{known}/channel")).status == 200
    assert (await page.get("/x/channel", peer="203.0.113.1")).status == 404
    assert (await site.api.get("/x/channel")).status == 404


# --- places -----------------------------------------------------------------------------


async def crowd(house: House, calls: int, per_session: int = 8, **how: Any) -> list[Exchange]:
    """Held calls of one address, over as many sessions as they need."""
    held: list[Exchange] = []
    while len(held) < calls:
        request_id = await house.begin(HANG)
        path = f"/longPolling/{request_id}/channel"
        more = min(per_session, calls - len(held))
        held += [Page(house).begin("GET", path, **how) for _ in range(more)]
        await house.clock.advance()
    return held


async def test_sixty_four_calls_are_held_for_an_address_and_the_oldest_goes(site: House) -> None:
    held = await crowd(site, 64, peer="203.0.113.7")
    assert not [call for call in held if call.done]
    elsewhere = await crowd(site, 8, peer="203.0.113.8")
    request_id = await site.begin(HANG)
    own = site.api.begin("GET", f"/longPolling/{request_id}/channel")

    more = await crowd(site, 3, peer="203.0.113.7")

    assert [call.done for call in held] == [True] * 3 + [False] * 61
    assert {call.answer().outcome for call in held[:3]} == {"LongPollingTimeoutException"}
    assert not [call for call in (*elsewhere, own, *more) if call.done]
    assert site.hub.held == 64 + 8 + 1
    for call in (*held, *elsewhere, own, *more):
        call.leave()
    await site.clock.advance()
    assert site.hub.held == 0
    assert not site.hub._owned


async def test_a_stream_takes_a_place_like_a_poll(site: House) -> None:
    request_id = await site.begin(HANG)
    stream = Page(site).begin("GET", f"/{request_id}/events", peer="203.0.113.7")
    await site.clock.advance()
    held = await crowd(site, 64, peer="203.0.113.7")
    assert stream.done
    assert not [call for call in held if call.done]
    for call in held:
        call.leave()
    await site.clock.advance()


async def test_a_back_ends_calls_have_no_such_bound(site: House) -> None:
    held = []
    for _ in range(10):
        request_id = await site.begin(HANG)
        path = f"/longPolling/{request_id}/channel"
        held += [site.api.begin("GET", path) for _ in range(8)]
        await site.clock.advance()
    assert site.hub.held == 80
    assert not [call for call in held if call.done]
    for call in held:
        call.leave()
    await site.clock.advance()


async def test_two_hundred_guesses_of_pages_at_once_are_as_many_as_are_left(site: House) -> None:
    request_id = await site.sent()
    body = {"code": site.wrong(request_id)}
    pages = [Page(site), Page(site, None)]
    calls = [
        pages[n % 2].begin("POST", f"/{request_id}/checkCode", body=body, peer=f"203.0.113.{n}")
        for n in range(200)
    ]
    await asyncio.sleep(0)
    await site.clock.advance()
    outcomes = [call.answer().outcome for call in calls]
    assert outcomes.count("InvalidCodeException") == 2
    assert outcomes.count("AttemptsExpiredException") == 198


async def test_the_audit_trail_tells_a_page_from_a_token(open_house: OpenHouse) -> None:
    until = START + timedelta(days=30)
    test = TestRecipient(number="+79990000001", code="123456", until=until)
    [widget] = published(SMS)
    house = await open_house(configuration(widgets=[replace(widget, test_recipients=(test,))]))
    body = {"widgetId": SMS, "recipient": test.number}
    assert (await Page(house).post("/", body)).status == 201
    assert (await house.api.post("/", body)).status == 201
    assert [actor for _, actor, _, _ in house.catalog.rows] == ["page", f"token:{TOKEN}"]
