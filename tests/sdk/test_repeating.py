"""What is asked again, and what never: counted at a server that goes wrong."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from kaskad_sdk import (
    AsyncOtpClient,
    CommonForbiddenException,
    InternalServerErrorException,
    LongPollingTimeoutException,
    NoConnectionException,
    OtpException,
    RateLimitException,
    ServiceUnavailableException,
    SessionNotFoundException,
)
from kaskad_sdk._steps import Request
from tests.acceptance.crowd import allowed
from tests.sdk.faulty import FaultyServer, Reply, Seen, refusing
from tests.sdk.twins import KINDS, Client, Twin

SESSION = "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"
WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
NUMBER = "+79001234567"
SENT = Reply(status=201, body=f'{{"requestId": "{SESSION}", "recipient": "{NUMBER}"}}'.encode())

CALLS = {
    "get_widget_data": (WIDGET,),
    "send": (WIDGET, NUMBER),
    "get_channel": (SESSION,),
    "check_status": (SESSION, NUMBER),
    "verify_code": (SESSION, "123456"),
    "check_status_and_complete": (SESSION, NUMBER),
    "complete": (SESSION, NUMBER),
    "resend": (SESSION,),
    "cancel": (SESSION,),
}
ENDS = {
    "get_channel": "channel",
    "check_status": "status",
    "verify_code": "checkCode",
    "check_status_and_complete": "checkStatusAndComplete",
    "complete": "complete",
    "resend": "resend",
    "cancel": "cancel",
}
HARMLESS_TWICE = {"get_widget_data", "send", "get_channel", "check_status", "resend"}
NEVER = {"verify_code"}


@pytest.fixture(params=KINDS)
async def twin(request: pytest.FixtureRequest, server: FaultyServer) -> AsyncIterator[Twin]:
    kind: type[Client] = request.param
    twin = Twin(kind(api_url=server.url, api_token="t-o-k-e-n", timeout=10.0))
    yield twin
    await twin.close()


async def every_call(twin: Twin, **how: str) -> dict[str, BaseException]:
    """What each call raises; all of them are made at once."""
    made = [twin(call, *given, **how) for call, given in CALLS.items()]
    raised = await asyncio.gather(*made, return_exceptions=True)
    return dict(zip(CALLS, raised, strict=True))


def asked(server: FaultyServer) -> dict[str, int]:
    """How many requests each call made."""
    ends = {call: f"/{SESSION}/{end}" for call, end in ENDS.items()}
    ends |= {"send": "/otp-handler/", "get_widget_data": f"/widget/{WIDGET}"}
    targets = [seen.target.partition("?")[0] for seen in server.seen]
    return {call: sum(t.endswith(end) for t in targets) for call, end in ends.items()}


def times(most: int, among: set[str]) -> dict[str, int]:
    return {call: most if call in among else 1 for call in CALLS}


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_an_absent_service_is_asked_again_only_where_twice_is_harmless(
    server: FaultyServer, twin: Twin, status: int
) -> None:
    server.script = lambda _: refusing(status, retry_after="0")
    raised = await every_call(twin)
    assert {x.__class__ for x in raised.values()} == {ServiceUnavailableException}
    assert asked(server) == times(3, HARMLESS_TWICE)


async def test_a_lost_answer_is_asked_for_again_only_where_twice_is_harmless(
    server: FaultyServer, twin: Twin
) -> None:
    server.script = lambda _: Reply(cut=True)
    for lost in (await every_call(twin)).values():
        assert isinstance(lost, NoConnectionException)
        assert lost.sent
    assert asked(server) == times(3, HARMLESS_TWICE)


async def test_a_limit_is_waited_for_if_it_is_short(server: FaultyServer, twin: Twin) -> None:
    server.script = lambda _: refusing(429, "RateLimitException", retry_after="0")
    raised = await every_call(twin)
    assert {x.__class__ for x in raised.values()} == {RateLimitException}
    assert asked(server) == times(3, set(CALLS) - NEVER)


@pytest.mark.parametrize(
    "reply",
    [
        refusing(409, "RestartCooldownActiveException", retry_after="1"),
        refusing(400, "InvalidCodeException"),
        refusing(500, "InternalServerErrorException"),
        refusing(500),
        refusing(429, "RateLimitException", retry_after="6"),
    ],
    ids=["409", "400", "500", "garbage", "429 for long"],
)
async def test_a_refusal_is_not_asked_for_again(
    server: FaultyServer, twin: Twin, reply: Reply
) -> None:
    server.script = lambda _: reply
    for error in (await every_call(twin)).values():
        assert isinstance(error, OtpException)
        assert error.http_status == reply.status
    assert asked(server) == times(1, set())


@pytest.mark.parametrize("call", ["send", "resend"])
async def test_one_key_goes_with_every_repetition_and_another_with_the_next_call(
    server: FaultyServer, twin: Twin, call: str
) -> None:
    server.script = lambda _: refusing(503)
    for _ in range(2):
        with pytest.raises(ServiceUnavailableException):
            await twin(call, *CALLS[call])
    keys = [seen.headers["idempotency-key"] for seen in server.seen]
    assert len(keys) == 6
    assert keys[0] == keys[1] == keys[2] != keys[3] == keys[4] == keys[5]


@pytest.mark.parametrize("call", ["send", "resend"])
async def test_without_a_key_nothing_is_repeated(
    server: FaultyServer, twin: Twin, call: str
) -> None:
    server.script = lambda _: refusing(503)
    with pytest.raises(ServiceUnavailableException):
        await twin(call, *CALLS[call], idempotency_key="")
    assert [seen.headers.get("idempotency-key") for seen in server.seen] == [None]


async def test_a_service_that_comes_back_is_not_noticed(server: FaultyServer, twin: Twin) -> None:
    replies = iter([refusing(503), Reply(cut=True), SENT])
    server.script = lambda _: next(replies)
    sent = await twin("send", WIDGET, NUMBER)
    assert (sent.request_id, sent.recipient) == (SESSION, NUMBER)


async def test_the_pause_that_is_asked_for_is_made(server: FaultyServer, twin: Twin) -> None:
    replies = iter([refusing(429, "RateLimitException", retry_after="1"), SENT])
    server.script = lambda _: next(replies)
    began = time.monotonic()
    await twin("send", WIDGET, NUMBER)
    assert time.monotonic() - began >= 1.0


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_is_there(kind: type[Client]) -> None:
    with FaultyServer() as gone:
        pass
    twin = Twin(kind(api_url=gone.url, api_token="t", max_retries=1))
    for lost in (await every_call(twin)).values():
        assert isinstance(lost, NoConnectionException)
        assert not lost.sent
        assert NUMBER[1:] not in str(lost)
    await twin.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_who_did_not_answer_is_told_and_nothing_else_of_the_address(
    kind: type[Client],
) -> None:
    with FaultyServer() as gone:
        pass
    twin = Twin(kind(api_url=gone.url, api_token="t-o-k-e-n", max_retries=0))
    for method, *given in (
        ("check_status", SESSION, NUMBER),
        ("wait_for_success_status", SESSION, NUMBER),
        ("forward", Request(method="GET", url=f"/{SESSION}/status?recipient={NUMBER}")),
    ):
        with pytest.raises(NoConnectionException) as raised:
            await twin(str(method), *given, **({"timeout": 0.6} if "wait" in str(method) else {}))
        assert raised.value.address == gone.url
        told = str(raised.value)
        assert told == f"NoConnectionException: {gone.url}: ConnectError: Connection refused"
        assert raised.value.message == NoConnectionException.ru  # a visitor may be shown that
        for hidden in ("t-o-k-e-n", SESSION, NUMBER[1:]):
            assert hidden not in told
    await twin.close()


@pytest.mark.parametrize("call", ["complete", "get_channel"])
@pytest.mark.parametrize("head", [False, True], ids=["the body", "the head"])
async def test_an_answer_that_trickles_is_given_up(
    server: FaultyServer, twin: Twin, call: str, head: bool
) -> None:
    server.script = lambda _: Reply(drip_s=0.3, drip_head=head)
    impatient = Twin(
        twin.client.__class__(api_url=server.url, api_token="t", timeout=0.5, max_retries=0)
    )
    began = time.monotonic()
    with pytest.raises(NoConnectionException):
        await impatient(call, *CALLS[call])
    assert time.monotonic() - began < allowed(3.0)
    await impatient.close()


@pytest.mark.parametrize("head", [False, True], ids=["the body", "the head"])
async def test_a_wait_for_an_answer_that_trickles_ends_in_time(
    server: FaultyServer, twin: Twin, head: bool
) -> None:
    server.script = lambda _: Reply(drip_s=0.3, drip_head=head)
    began = time.monotonic()
    with pytest.raises(LongPollingTimeoutException):
        await twin("wait_for_success_status", SESSION, NUMBER, timeout=0.7)
    assert time.monotonic() - began < allowed(3.0)


async def test_where_an_answer_is_cut_it_does_not_end(server: FaultyServer, twin: Twin) -> None:
    """One without a length seems to."""
    server.script = lambda _: Reply(
        body=b'{"success": true}' + b" " * 40, drip_s=0.03, ends_with_connection=True
    )
    impatient = Twin(
        twin.client.__class__(api_url=server.url, api_token="t", timeout=1.0, max_retries=0)
    )
    with pytest.raises(NoConnectionException):
        await impatient("complete", SESSION)
    await impatient.close()


async def test_an_answer_in_time_leaves_its_connection_alone(
    server: FaultyServer, twin: Twin
) -> None:
    brief = Twin(twin.client.__class__(api_url=server.url, api_token="t", timeout=1.0))
    assert (await brief("complete", SESSION)).success
    await asyncio.sleep(1.2)
    assert (await brief("complete", SESSION)).success
    assert server.connections == 1
    await brief.close()


async def test_an_answer_without_end_is_given_up(server: FaultyServer, twin: Twin) -> None:
    server.script = lambda _: Reply(body=b" " * 2_000_000)
    with pytest.raises(NoConnectionException):
        await twin("complete", SESSION)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"success": "yes"}', b"[" * 9])
async def test_a_success_that_makes_no_sense_is_an_error(
    server: FaultyServer, twin: Twin, body: bytes
) -> None:
    server.script = lambda _: Reply(body=body)
    for call, given in CALLS.items():
        with pytest.raises(InternalServerErrorException):
            await twin(call, *given)


async def test_a_forbidden_of_a_proxy_is_forbidden(server: FaultyServer, twin: Twin) -> None:
    server.script = lambda _: refusing(403)
    with pytest.raises(CommonForbiddenException) as refused:
        await twin("send", WIDGET, NUMBER)
    assert refused.value.http_status == 403


async def test_an_unknown_type_keeps_everything(server: FaultyServer, twin: Twin) -> None:
    body = '{"type": "New", "message": "м", "httpStatus": 418, "payload": {"a": [1]}}'
    server.script = lambda _: Reply(
        status=418, body=body.encode(), headers={"X-Request-Id": "r1", "Retry-After": "7"}
    )
    with pytest.raises(OtpException) as refused:
        await twin("get_channel", SESSION)
    error = refused.value
    assert error.__class__ is OtpException
    assert (error.type, error.message, error.http_status) == ("New", "м", 418)
    assert (error.payload, error.request_id, error.session_id) == ({"a": [1]}, "r1", SESSION)
    assert error.retry_after_s == 7.0


@pytest.mark.parametrize("odd", ["..", ".", "", "a/b", "a?b", "%2e%2e", "ы", "x" * 65])
async def test_what_cannot_be_an_id_is_not_asked_for(
    server: FaultyServer, twin: Twin, odd: str
) -> None:
    with pytest.raises(SessionNotFoundException):
        await twin("get_channel", odd)
    assert server.seen == []


# --- forwarding ------------------------------------------------------------------------------


async def test_a_forwarded_request_gets_the_tokens_authority(
    server: FaultyServer, twin: Twin
) -> None:
    server.script = lambda _: refusing(418)
    headers = {"authorization": "Bearer of-the-page", "host": "evil", "x-a": "1"}
    request = Request(method="POST", url="/a/b?since=4", headers=headers, body=b"{}")
    answer = await twin.forward(request)
    assert (answer.status, answer.body) == (418, b"<html>oops")
    seen = server.seen[0]
    assert (seen.method, seen.target) == ("POST", "/api/n/otp-handler/a/b?since=4")
    assert seen.headers["authorization"] == "Bearer t-o-k-e-n"
    assert (seen.headers["x-a"], seen.body) == ("1", b"{}")
    assert seen.headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_forwarded_request_that_was_sent_is_not_repeated(
    server: FaultyServer, twin: Twin, method: str
) -> None:
    server.script = lambda _: Reply(cut=True)
    with pytest.raises(NoConnectionException):
        await twin.forward(Request(method=method, url="/x/channel"))
    assert len(server.seen) == 1


@pytest.mark.parametrize("url", ["http://evil/", "x", "/../secret", "/a/%2e%2e/b", "/a/./b"])
async def test_a_forwarded_request_stays_below_the_api(
    server: FaultyServer, twin: Twin, url: str
) -> None:
    with pytest.raises(ValueError):
        await twin.forward(Request(method="GET", url=url))
    assert server.seen == []


# --- waits and sends do not meet -------------------------------------------------------------


async def test_held_calls_do_not_make_a_send_wait(server: FaultyServer, twin: Twin) -> None:
    def script(seen: Seen) -> Reply:
        return Reply(hold_s=90.0) if "longPolling" in seen.target else SENT

    server.script = script
    waits = [
        asyncio.ensure_future(twin("wait_for_success_status", SESSION, NUMBER, timeout=90))
        for _ in range(120)
    ]
    async with asyncio.timeout(60):
        while server.count("longPolling") < len(waits):  # noqa: ASYNC110  # another thread counts
            await asyncio.sleep(0.01)
    await asyncio.wait_for(asyncio.shield(_sent(twin)), allowed(2.0))
    await twin.close()
    ended = await asyncio.wait_for(asyncio.gather(*waits, return_exceptions=True), allowed(5.0))
    assert {error.__class__ for error in ended} == {NoConnectionException}


async def _sent(twin: Twin) -> object:
    return await twin("send", WIDGET, NUMBER)


# --- waits -----------------------------------------------------------------------------------

TIMED_OUT = refusing(408, "LongPollingTimeoutException")
WAITS = ("wait_for_channel_selected", "wait_for_success_status")


async def test_a_wait_of_nobody_is_given_up_as_soon_as_a_call(kind_gone: Twin) -> None:
    for call in WAITS:
        began = time.monotonic()
        with pytest.raises(NoConnectionException):
            await kind_gone(call, SESSION, NUMBER, timeout=60)
        assert time.monotonic() - began < allowed(5.0)


@pytest.fixture(params=KINDS)
async def kind_gone(request: pytest.FixtureRequest) -> AsyncIterator[Twin]:
    with FaultyServer() as gone:
        pass
    twin = Twin(request.param(api_url=gone.url, api_token="t"))
    yield twin
    await twin.close()


async def test_polls_go_on_until_the_deadline_and_not_in_a_hot_circle(
    server: FaultyServer, twin: Twin
) -> None:
    server.script = lambda _: TIMED_OUT
    with pytest.raises(LongPollingTimeoutException) as late:
        await twin("wait_for_success_status", SESSION, NUMBER, timeout=3)
    assert (late.value.http_status, late.value.session_id) == (408, SESSION)
    assert 2 <= len(server.seen) <= 12


async def test_a_poll_that_timed_out_is_followed_by_the_next_at_once(
    server: FaultyServer, twin: Twin
) -> None:
    at: list[float] = []

    def script(_: Seen) -> Reply:
        at.append(time.monotonic())
        return TIMED_OUT if len(at) < 3 else Reply()

    server.script = script
    assert await twin("wait_for_success_status", SESSION, NUMBER, timeout=30)
    assert at[2] - at[0] < allowed(1.0)


async def test_a_wait_begins_where_its_last_answer_ended(server: FaultyServer, twin: Twin) -> None:
    def view(status: str, version: int) -> Reply:
        body = f'{{"type": "sms", "status": "{status}", "label": "", "codeType": "code"}}'
        return Reply(body=body.encode(), headers={"ETag": f'"{version}"'})

    replies = iter([view("wait", 3), TIMED_OUT, view("wait", 5), view("sent", 6)])
    server.script = lambda _: next(replies)
    channel = await twin("wait_for_channel_selected", SESSION)
    assert (channel.status, channel.version) == ("sent", 6)
    base = f"/api/n/otp-handler/longPolling/{SESSION}/channel?since="
    assert [seen.target for seen in server.seen[1:]] == [base + "3", base + "3", base + "5"]


async def test_a_service_without_versions_is_followed_too(server: FaultyServer, twin: Twin) -> None:
    bare = b'{"type": "sms", "status": "%b", "label": "", "codeType": "code", "payload": {}}'
    replies = iter([Reply(body=bare % b"wait"), Reply(body=bare % b"sent")])
    server.script = lambda _: next(replies)
    channel = await twin("wait_for_channel_selected", SESSION)
    assert (channel.status, channel.version, channel.settings.code) == ("sent", None, None)
    assert server.seen[1].target.endswith("/channel")


async def test_a_cancelled_wait_is_over_at_once(server: FaultyServer) -> None:
    server.script = lambda _: Reply(hold_s=30)
    async with AsyncOtpClient(api_url=server.url, api_token="t") as client:
        wait = asyncio.ensure_future(client.wait_for_success_status(SESSION, NUMBER))
        while not server.seen:  # noqa: ASYNC110  # another thread counts
            await asyncio.sleep(0.01)
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
        assert len(server.seen) == 1


async def test_the_log_names_no_number(
    server: FaultyServer, twin: Twin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await twin("check_status", SESSION, NUMBER)
    assert f"GET {server.url}/api/n/otp-handler/{SESSION}/status: 200" in caplog.text
    assert NUMBER[1:] not in caplog.text
    assert "t-o-k-e-n" not in caplog.text
    assert "t-o-k-e-n" not in repr(twin.client)


async def test_a_call_under_way_goes_on_with_the_new_token(
    server: FaultyServer, twin: Twin
) -> None:
    def script(seen: Seen) -> Reply:
        if seen.headers["authorization"] == "Bearer new":
            return Reply(body=b'{"success": true}')
        twin.client.set_api_token("new")
        return refusing(408) if "longPolling" in seen.target else refusing(503)

    server.script = script
    assert await twin("wait_for_success_status", SESSION, NUMBER, timeout=5)
    twin.client.set_api_token("old")
    assert await twin("resend", SESSION)


async def test_the_service_is_told_whose_widget_it_describes(
    server: FaultyServer, twin: Twin
) -> None:
    server.script = lambda _: Reply(body=b'{"name": "", "isActive": true, "isBlocked": false}')
    await twin("get_widget_data", WIDGET, "2001:db8::1")
    await twin("get_widget_data", WIDGET)
    told, untold = (seen.target for seen in server.seen)
    assert told.endswith(f"/widget/{WIDGET}?userIp=2001%3Adb8%3A%3A1")
    assert untold.endswith(f"/widget/{WIDGET}")
