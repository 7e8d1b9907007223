"""Every error that every call may answer: one test each, and none left out."""

from collections.abc import Awaitable, Callable

import pytest

from kaskad.app.ports import StoreUnavailableError
from kaskad.core import errors
from kaskad.http.handler.routes import BASE, ROUTES, Route
from packages.kaskad.tests.builders import NUMBER, TOKEN
from packages.kaskad.tests.http import house as scene
from packages.kaskad.tests.http.client import Answer
from packages.kaskad.tests.http.expected import (
    ALL_MESSAGES,
    METHODS,
    REFERENCE,
    allowed,
)
from packages.kaskad.tests.http.expected import BASE as EXPECTED_BASE
from packages.kaskad.tests.http.house import (
    BLOCKED,
    EXPIRED_TOKEN,
    INACTIVE,
    NARROW_TOKEN,
    NOBODY,
    REVOKED_TOKEN,
    SMS,
    UNKNOWN_ID,
    WORKING,
    House,
)

Scene = Callable[[House], Awaitable[str]]
Case = Callable[[House], Awaitable[Answer]]
Pair = tuple[str, str]

OF_A_WIDGET = {"getWidget", "getChallenge", "send"}
OF_A_SESSION = [name for name in METHODS if name not in OF_A_WIDGET]
WITH_RECIPIENT = {"getStatus", "getStatusLongPolling", "checkStatusAndComplete"}
CODE = {"code": "000000"}


# --- a request for each call ------------------------------------------------------


async def ask(
    house: House,
    call: str,
    named: str,
    *,
    recipient: str | None = None,
    token: str | None = TOKEN,
    body: object = None,
    query: str = "",
    headers: dict[str, str] | None = None,
) -> Answer:
    """The call about a session or a widget, right in everything that the test does not change."""
    method, path, _ = METHODS[call]
    path = path.replace("{requestId}", named).replace("{widgetId}", named)
    if recipient is None and call in WITH_RECIPIENT:
        known = house.store.sessions.get(named)
        recipient = known.recipient.number if known else NUMBER
    asked = [query] if query else []
    if recipient is not None:
        asked.append("recipient=" + recipient.replace("+", "%2B"))
    if body is None and call == "send":
        body = {"widgetId": named, "recipient": house.number()}
    if body is None and call == "checkCode":
        body = CODE
    exchange = house.api.begin(
        method,
        path + ("?" + "&".join(asked) if asked else ""),
        body=body,
        token=token,
        headers=headers,
    )
    await house.clock.advance()
    if exchange.done:
        return exchange.answer()
    if call == "events":
        exchange.leave()
        await house.clock.advance()
    else:
        await house.clock.advance(25)
    return exchange.answer()


# --- the cases --------------------------------------------------------------------

CASES: dict[Pair, Case] = {}


def _in_state(call: str, state: Scene) -> Case:
    async def case(house: House) -> Answer:
        return await ask(house, call, await state(house))

    return case


def _of_all_session_calls(error: str, case_of: Callable[[str], Case]) -> None:
    CASES.update({(call, error): case_of(call) for call in OF_A_SESSION})


_STATE_ERRORS: dict[str, tuple[Scene, tuple[str, ...]]] = {
    "ResendChannelException": (
        scene.ended,
        (
            "getChannel",
            "getChannelLongPolling",
            "getStatus",
            "getStatusLongPolling",
            "checkCode",
            "checkStatusAndComplete",
        ),
    ),
    "AttemptsExpiredException": (
        scene.spent,
        (
            "getChannel",
            "getChannelLongPolling",
            "getStatus",
            "getStatusLongPolling",
            "checkCode",
            "checkStatusAndComplete",
            "resend",
        ),
    ),
    "NoAvailableChannelsException": (
        scene.exhausted,
        (
            "getChannel",
            "getChannelLongPolling",
            "getStatus",
            "getStatusLongPolling",
            "checkCode",
            "checkStatusAndComplete",
            "resend",
        ),
    ),
    "SessionClosedException": (
        scene.outlived,
        ("getChannel", "getChannelLongPolling", "getStatus", "getStatusLongPolling", "checkCode"),
    ),
    "ChannelChangedException": (scene.changed, ("getStatus", "getStatusLongPolling")),
    "LongPollingTimeoutException": (
        scene.wait,
        ("getChannelLongPolling", "getStatusLongPolling"),
    ),
    "InvalidCodeException": (scene.sent, ("checkCode",)),
    "IsCodelessChannelException": (scene.pushed, ("checkCode",)),
    "RestartCooldownActiveException": (scene.sent, ("resend",)),
    "SessionAlreadyConfirmedException": (scene.confirmed, ("resend",)),
}
for _error, (_state, _calls) in _STATE_ERRORS.items():
    for _call in _calls:
        CASES[_call, _error] = _in_state(_call, _state)


def _mismatch(call: str) -> Case:
    async def case(house: House) -> Answer:
        return await ask(house, call, await house.sent(), recipient="+79007654321")

    return case


for _call in sorted(WITH_RECIPIENT):
    CASES[_call, "PhoneNumberMismatchException"] = _mismatch(_call)


def _forbidden(call: str) -> Case:
    async def case(house: House) -> Answer:
        named = SMS if call in OF_A_WIDGET else await house.sent(SMS)
        return await ask(house, call, named, token=NARROW_TOKEN)

    return case


def _unknown(call: str) -> Case:
    async def case(house: House) -> Answer:
        return await ask(house, call, UNKNOWN_ID)

    return case


def _unauthorized(call: str) -> Case:
    async def case(house: House) -> Answer:
        named = SMS if call in OF_A_WIDGET else await house.sent(SMS)
        answer = await ask(house, call, named, token=None)
        for token in (REVOKED_TOKEN, EXPIRED_TOKEN, "nobody-knows-this-token-at-all", "short", ""):
            again = await ask(house, call, named, token=token)
            assert (again.status, again.body) == (answer.status, answer.body)
        return answer

    return case


def _limited(call: str) -> Case:
    async def case(house: House) -> Answer:
        for _ in range(60):
            unknown = await house.api.get(f"/widget/{UNKNOWN_ID}")
            assert unknown.status == 404
        return await ask(house, call, UNKNOWN_ID)

    return case


def _failing(call: str, trouble: Exception) -> Case:
    async def case(house: House) -> Answer:
        named = SMS if call == "send" else UNKNOWN_ID if call in OF_A_WIDGET else await house.sent()
        house.store.trouble = trouble
        method, path, _ = METHODS[call]
        path = path.replace("{requestId}", named).replace("{widgetId}", named)
        recipient = f"?recipient=%2B{NUMBER[1:]}" if call in WITH_RECIPIENT else ""
        body = {"widgetId": SMS, "recipient": house.number()} if call == "send" else CODE
        sent_body = body if call in {"send", "checkCode"} else None
        return await house.api.call(method, path + recipient, body=sent_body)

    return case


for _call in METHODS:
    CASES[_call, "UnauthorizedException"] = _unauthorized(_call)
    CASES[_call, "ForbiddenException"] = _forbidden(_call)
    CASES[_call, "RateLimitException"] = _limited(_call)
    CASES[_call, "InternalServerErrorException"] = _failing(_call, RuntimeError("a disk"))
    CASES[_call, "ServiceUnavailableException"] = _failing(_call, StoreUnavailableError("a disk"))
    _what = "Widget" if _call in OF_A_WIDGET else "Session"
    CASES[_call, f"{_what}NotFoundException"] = _unknown(_call)


def _malformed(call: str, *, body: object = None, query: str = "") -> Case:
    async def case(house: House) -> Answer:
        named = SMS if call in OF_A_WIDGET else await house.sent(SMS)
        return await ask(house, call, named, body=body, query=query)

    return case


CASES["send", "ValidateError"] = _malformed("send", body={"widgetId": SMS})
CASES["getWidget", "ValidateError"] = _malformed("getWidget", query="userIp=1&userIp=2")
CASES["checkCode", "ValidateError"] = _malformed("checkCode", body={"code": 1})
CASES["resend", "ValidateError"] = _malformed("resend", body={"next": "yes"})
CASES["complete", "ValidateError"] = _malformed("complete", query="recipient=nobody")
for _call in ("getChannelLongPolling", "getStatus", "getStatusLongPolling", "events"):
    CASES[_call, "ValidateError"] = _malformed(_call, query="since=soon")
CASES["checkStatusAndComplete", "ValidateError"] = _malformed(
    "checkStatusAndComplete", query="widgetId=1"
)


async def _no_channel_suits(house: House) -> Answer:
    return await ask(house, "send", NOBODY)


async def _blocked(house: House) -> Answer:
    answer = await ask(house, "send", BLOCKED)
    assert (await ask(house, "send", INACTIVE)).body == answer.body
    return answer


async def _no_captcha(house: House) -> Answer:
    return await ask(house, "send", WORKING)


async def _no_challenge(house: House) -> Answer:
    return await ask(house, "getChallenge", SMS)


CASES["send", "CaptchaNotConfirmedException"] = _no_captcha
CASES["getChallenge", "NotFoundException"] = _no_challenge
CASES["send", "NoAvailableChannelsException"] = _no_channel_suits
CASES["send", "WidgetIsBlockedException"] = _blocked

NEVER: dict[Pair, str] = {
    ("resend", "ResendChannelException"): "listed, but no rule leads there",
    ("getChallenge", "ValidateError"): "it has neither body nor query",
    ("getChannel", "ValidateError"): "it has neither body nor query",
    ("cancel", "ValidateError"): "it has neither body nor query",
}
"""Pairs that are promised to clients and cannot be brought about."""

PAIRS = sorted((route.name, error.type) for route in ROUTES for error in route.all_errors)


# --- the tests --------------------------------------------------------------------


def test_the_calls_are_those_of_the_reference_and_ours() -> None:
    routes = {r.name: (r.method, r.path, r.status) for r in ROUTES}
    assert routes == METHODS
    assert BASE == EXPECTED_BASE
    assert set(REFERENCE) | {"getChallenge", "cancel", "events"} == set(METHODS)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.name))
def test_a_call_lists_the_errors_of_the_reference_and_the_known_additions(route: Route) -> None:
    listed = [error.type for error in route.all_errors]
    assert len(listed) == len(set(listed))
    assert set(listed) == allowed(route.name)


def test_every_pair_has_a_case_or_a_reason() -> None:
    assert set(CASES) | set(NEVER) == set(PAIRS)
    assert not set(CASES) & set(NEVER)


def test_every_message_is_the_literal_one() -> None:
    assert {error.type: (error.http_status, error.ru) for error in errors.ERRORS} == ALL_MESSAGES


@pytest.mark.parametrize(("call", "error"), sorted(CASES), ids=str)
async def test_an_error_has_its_status_type_and_message(
    house: House, call: str, error: str
) -> None:
    answer = await CASES[call, error](house)

    status, message = ALL_MESSAGES[error]
    assert answer.status == status
    assert answer.json["type"] == error
    assert answer.json["httpStatus"] == status
    assert f'"message":"{message}"'.encode() in answer.body
    extra = set(answer.json) - {"type", "message", "httpStatus"}
    tells_more = {"ValidateError", "RateLimitException", "RestartCooldownActiveException"}
    if error == "ServiceUnavailableException":
        assert answer.retry_after == 1
    else:
        assert extra == ({"payload"} if error in tells_more else set())


@pytest.mark.parametrize(("call", "error"), sorted(CASES), ids=str)
async def test_an_error_is_in_english_for_who_asks(house: House, call: str, error: str) -> None:
    house.api.defaults["accept-language"] = "en-GB, en;q=0.9, ru;q=0.8"
    answer = await CASES[call, error](house)

    [kind] = [known for known in errors.ERRORS if known.type == error]
    assert answer.json["type"] == error
    assert answer.json["message"] == kind.en
    assert kind.en.isascii()
