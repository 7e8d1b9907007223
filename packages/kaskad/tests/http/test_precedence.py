"""Which answer wins: of several states that hold at once, and of several faults in one request."""

from typing import Any

import pytest

from packages.kaskad.tests.builders import TOKEN
from packages.kaskad.tests.http.client import Answer
from packages.kaskad.tests.http.expected import METHODS
from packages.kaskad.tests.http.house import (
    BLOCKED,
    NARROW_TOKEN,
    NOBODY,
    SMS,
    STATES,
    UNKNOWN_ID,
    House,
)

# --- states: the first that holds is answered ---------------------------------------

RESEND, OVER = "ResendChannelException", "NoAvailableChannelsException"
SPENT, CLOSED = "AttemptsExpiredException", "SessionClosedException"
INVALID, CHANGED = "InvalidCodeException", "ChannelChangedException"
HELD, COOLDOWN = "held", "RestartCooldownActiveException"
CONFIRMED = "SessionAlreadyConfirmedException"

CALLS = (
    "getChannel",
    "getChannelLongPolling",
    "getStatus",
    "getStatusLongPolling",
    "checkCode",
    "checkStatusAndComplete",
    "complete",
    "resend",
    "cancel",
)

ANSWERS: dict[str, tuple[str | bool, ...]] = {
    "completed": (CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, False, False, CONFIRMED, False),
    "confirmed_and_outlived": (
        CLOSED,
        CLOSED,
        CLOSED,
        CLOSED,
        CLOSED,
        False,
        False,
        CONFIRMED,
        False,
    ),
    "cancelled": (CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, False, False, OVER, False),
    "outlived": (CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, False, False, OVER, False),
    "spent_and_outlived": (CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, False, False, OVER, False),
    "exhausted_and_outlived": (CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, False, False, OVER, False),
    "confirmed": ("ok", "ok", True, True, INVALID, True, True, CONFIRMED, False),
    "confirmed_and_expired": ("ok", "ok", True, True, INVALID, True, True, CONFIRMED, False),
    "spent": (SPENT, SPENT, SPENT, SPENT, SPENT, SPENT, False, SPENT, True),
    "spent_and_ended": (SPENT, SPENT, SPENT, SPENT, SPENT, SPENT, False, SPENT, True),
    "exhausted": (OVER, OVER, OVER, OVER, OVER, OVER, False, OVER, True),
    "ended_for_good": (OVER, OVER, OVER, OVER, OVER, OVER, False, OVER, True),
    "ended": (RESEND, RESEND, RESEND, RESEND, RESEND, RESEND, False, True, True),
    "changed_and_ended": (RESEND, RESEND, RESEND, RESEND, RESEND, RESEND, False, True, True),
    "changed": ("ok", "ok", CHANGED, CHANGED, INVALID, False, False, COOLDOWN, True),
    "pushed": (
        "ok",
        "ok",
        False,
        HELD,
        "IsCodelessChannelException",
        False,
        False,
        COOLDOWN,
        True,
    ),
    "sent": ("ok", "ok", False, HELD, INVALID, False, False, COOLDOWN, True),
    "wait": ("ok", HELD, False, HELD, INVALID, False, False, COOLDOWN, True),
}
"""What each call answers in each state; a wrong code and, where it is needed, the right number."""

WITH_RECIPIENT = {"getStatus", "getStatusLongPolling", "checkStatusAndComplete"}


async def in_state(house: House, call: str, state: str) -> str | bool:
    request_id = await STATES[state](house)
    method, path, _ = METHODS[call]
    path = path.replace("{requestId}", request_id)
    if call in WITH_RECIPIENT:
        path += f"?recipient={house.recipient(request_id)}"
    body = None
    if call == "checkCode":
        sent = house.messages(request_id)
        body = {"code": house.wrong(request_id) if sent and sent[-1].code else "000000"}
    exchange = house.api.begin(method, path, body=body)
    await house.clock.advance()
    if exchange.done:
        return exchange.answer().outcome
    await house.clock.advance(25)
    assert exchange.answer().outcome == "LongPollingTimeoutException"
    return HELD


def test_every_state_has_its_row() -> None:
    assert set(ANSWERS) == set(STATES)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("state", sorted(ANSWERS))
async def test_a_call_answers_the_first_state_that_holds(
    house: House, state: str, call: str
) -> None:
    assert await in_state(house, call, state) == ANSWERS[state][CALLS.index(call)]


async def test_a_right_code_after_confirmation_is_right_again(house: House) -> None:
    request_id = await house.confirmed()
    await house.clock.leap(400)
    assert (await house.check(request_id, house.code(request_id))).outcome is True


@pytest.mark.parametrize("call", ["complete", "checkStatusAndComplete"])
async def test_the_verdict_is_collected_once(house: House, call: str) -> None:
    request_id = await house.confirmed()
    path = f"/{request_id}/{call}?recipient={house.recipient(request_id)}"

    answers = [house.api.begin("POST", path) for _ in range(20)]
    await house.clock.advance()

    assert sorted(a.answer().json["success"] for a in answers) == [False] * 19 + [True]
    assert (await house.api.post(path)).outcome is False


async def test_a_stream_ends_with_the_state(house: House) -> None:
    for state in ("spent", "exhausted", "outlived", "completed", "cancelled"):
        request_id = await STATES[state](house)
        stream = await house.hold(f"/{request_id}/events")
        assert stream.answer().status == 200
        assert "event: error" in stream.text


# --- faults: the order in which they are noticed --------------------------------------


async def outcome(house: House, method: str, path: str, **how: Any) -> str | bool:
    answer: Answer = await house.api.call(method, path, **how)
    return answer.outcome


READING = ("getChannel", "getChannelLongPolling", "events", "cancel")


@pytest.mark.parametrize("call", READING)
async def test_401_then_404_then_403_then_the_state(house: House, call: str) -> None:
    method, path, _ = METHODS[call]
    request_id = await STATES["outlived"](house)

    def at(name: str) -> str:
        return path.replace("{requestId}", name)

    bad = "" if call in {"cancel", "getChannel"} else "?since=x"
    assert await outcome(house, method, at("1") + bad, token=None) == "UnauthorizedException"
    if bad:
        assert await outcome(house, method, at("1") + bad) == "ValidateError"
    for unknown in ("1", UNKNOWN_ID):
        found = await outcome(house, method, at(unknown), token=NARROW_TOKEN)
        assert found == "SessionNotFoundException"
    found = await outcome(house, method, at(request_id), token=NARROW_TOKEN)
    assert found == "ForbiddenException"
    if call != "events":
        found = await outcome(house, method, at(request_id))
        assert found == (False if call == "cancel" else "SessionClosedException")


@pytest.mark.parametrize("call", ["getStatus", "getStatusLongPolling", "checkStatusAndComplete"])
@pytest.mark.parametrize("malformed", ["", "recipient=", "recipient=abc", "recipient=12"])
async def test_the_recipient_is_read_before_and_compared_after_the_session_is_known(
    house: House, call: str, malformed: str
) -> None:
    method, path, _ = METHODS[call]
    request_id = await STATES["spent"](house)
    other, own = "recipient=%2B79007654321", f"recipient={house.recipient(request_id)}"

    async def at(name: str, query: str, token: str | None = TOKEN) -> str | bool:
        asked = path.replace("{requestId}", name) + "?" + query
        return await outcome(house, method, asked, token=token)

    assert await at("1", malformed, None) == "UnauthorizedException"
    assert await at("1", malformed) == "ValidateError"
    assert await at(UNKNOWN_ID, malformed) == "ValidateError"
    assert await at(request_id, malformed, NARROW_TOKEN) == "ValidateError"
    assert await at(UNKNOWN_ID, other, NARROW_TOKEN) == "SessionNotFoundException"
    assert await at(request_id, other, NARROW_TOKEN) == "ForbiddenException"
    assert await at(request_id, other) == "PhoneNumberMismatchException"
    assert await at(request_id, own) == "AttemptsExpiredException"


async def test_another_widget_is_another_session(house: House) -> None:
    request_id = await house.confirmed()
    path = f"/{request_id}/checkStatusAndComplete?recipient={house.recipient(request_id)}"
    strange = path.replace(house.recipient(request_id), "%2B79007654321")

    assert await outcome(house, "POST", f"{path}&widgetId=1") == "ValidateError"
    assert await outcome(house, "POST", f"{strange}&widgetId={NOBODY}") == (
        "SessionNotFoundException"
    )
    assert await outcome(house, "POST", f"{path}&widgetId={NOBODY}") == "SessionNotFoundException"
    assert await outcome(house, "POST", f"{path}&widgetId={SMS.upper()}") is True


async def test_complete_takes_another_number_for_a_no(house: House) -> None:
    request_id = await house.confirmed()
    path = f"/{request_id}/complete"

    assert await outcome(house, "POST", "/1/complete?recipient=x", token=None) == (
        "UnauthorizedException"
    )
    assert await outcome(house, "POST", "/1/complete?recipient=x") == "ValidateError"
    assert await outcome(house, "POST", f"{path}?recipient=12") == "ValidateError"
    found = await outcome(house, "POST", f"/{UNKNOWN_ID}/complete?recipient=%2B79007654321")
    assert found == "SessionNotFoundException"
    found = await outcome(house, "POST", f"{path}?recipient=%2B79007654321", token=NARROW_TOKEN)
    assert found == "ForbiddenException"
    assert await outcome(house, "POST", f"{path}?recipient=%2B79007654321") is False
    assert await outcome(house, "POST", path) is True


async def test_check_code_reads_its_body_first(house: House) -> None:
    request_id = await STATES["spent"](house)

    async def at(name: str, code: object, token: str | None = TOKEN) -> str | bool:
        return await outcome(house, "POST", f"/{name}/checkCode", body={"code": code}, token=token)

    assert await at("1", 5, None) == "UnauthorizedException"
    assert await at("1", 5) == "ValidateError"
    assert await at(request_id, 5, NARROW_TOKEN) == "ValidateError"
    assert await at(UNKNOWN_ID, "1", NARROW_TOKEN) == "SessionNotFoundException"
    assert await at(request_id, "1", NARROW_TOKEN) == "ForbiddenException"
    assert await at(request_id, "1") == "AttemptsExpiredException"


async def test_resend_reads_its_body_first_and_looks_for_a_channel_before_the_cooldown(
    house: House,
) -> None:
    request_id = await house.sent(SMS)

    async def at(name: str, body: object, token: str | None = TOKEN) -> str | bool:
        return await outcome(house, "POST", f"/{name}/resend", body=body, token=token)

    assert await at("1", {"next": 1}, None) == "UnauthorizedException"
    assert await at("1", {"next": 1}) == "ValidateError"
    assert await at(request_id, {"next": 1}, NARROW_TOKEN) == "ValidateError"
    assert await at(UNKNOWN_ID, {}, NARROW_TOKEN) == "SessionNotFoundException"
    assert await at(request_id, {}, NARROW_TOKEN) == "ForbiddenException"
    assert await at(request_id, {"next": True}) == OVER
    assert await at(request_id, {}) == COOLDOWN


async def test_send_goes_from_the_form_to_the_widget_to_the_channels_to_the_limit(
    house: House,
) -> None:
    number = house.number()
    for _ in range(3):
        await house.begin(number=number)

    async def at(widget: str, recipient: str, token: str | None = TOKEN) -> str | bool:
        body = {"widgetId": widget, "recipient": recipient}
        return await outcome(house, "POST", "/", body=body, token=token)

    assert await at("1", "x", None) == "UnauthorizedException"
    assert await at("1", number) == "ValidateError"
    assert await at(UNKNOWN_ID, "12") == "ValidateError"
    assert await at(BLOCKED, "12", NARROW_TOKEN) == "ValidateError"
    assert await at(UNKNOWN_ID, number, NARROW_TOKEN) == "WidgetNotFoundException"
    assert await at(BLOCKED, number, NARROW_TOKEN) == "ForbiddenException"
    assert await at(BLOCKED, number) == "WidgetIsBlockedException"
    assert await at(NOBODY, number) == OVER
    assert await at(SMS, number) == "RateLimitException"


async def test_a_path_and_its_methods_are_looked_at_before_the_token(house: House) -> None:
    assert await outcome(house, "GET", "/nothing/at/all/here", token=None) == "NotFoundException"
    answer = await house.api.call("PUT", f"/{UNKNOWN_ID}/checkCode", token=None)
    assert (answer.outcome, answer.header("allow")) == ("MethodNotAllowedException", "POST")
    answer = await house.api.call("DELETE", "/", token=None)
    assert (answer.outcome, answer.header("allow")) == ("MethodNotAllowedException", "POST")
    answer = await house.api.post(f"/{UNKNOWN_ID}/status", token=None)
    assert (answer.outcome, answer.header("allow")) == ("MethodNotAllowedException", "GET")
