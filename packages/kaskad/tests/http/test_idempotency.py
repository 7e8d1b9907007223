"""A call that is made twice with one ``Idempotency-Key`` happens once."""

from typing import Any

import pytest

from packages.kaskad.tests.http.client import Answer
from packages.kaskad.tests.http.house import (
    NARROW_TOKEN,
    NOBODY,
    OTHER,
    SMS,
    House,
)

KEY = {"idempotency-key": "order-17"}


async def send(house: House, number: str, **how: Any) -> Answer:
    body = {"widgetId": how.pop("widget", SMS), "recipient": number, **how.pop("body", {})}
    return await house.api.post("/", body, headers=how.pop("headers", KEY), **how)


async def test_the_same_send_is_answered_the_same(house: House) -> None:
    number = house.number()
    first = await send(house, number)
    await house.clock.advance(100)
    for _ in range(5):
        again = await send(house, number)
        assert (again.status, again.body) == (first.status, first.body)
    assert len(house.store.sessions) == 1
    assert len(house.service.inbox.messages()) == 1


async def test_a_repeated_send_counts_towards_no_limit(house: House) -> None:
    number = house.number()
    for _ in range(10):
        assert (await send(house, number)).status == 201
    for _ in range(2):
        assert (await send(house, number, headers={})).status == 201
    assert (await send(house, number, headers={})).status == 429
    assert (await send(house, number)).status == 201


async def test_twenty_at_once_are_one_session_and_one_message(house: House) -> None:
    number = house.number()
    body = {"widgetId": SMS, "recipient": number}
    calls = [house.api.begin("POST", "/", body=body, headers=KEY) for _ in range(20)]
    await house.clock.advance(1)

    assert {call.answer().status for call in calls} == {201}
    assert len({call.answer().body for call in calls}) == 1
    assert len(house.store.sessions) == 1
    assert len(house.service.inbox.messages()) == 1


async def test_twenty_different_ones_at_once_are_one_session(house: House) -> None:
    bodies = [{"widgetId": SMS, "recipient": house.number()} for _ in range(20)]
    calls = [house.api.begin("POST", "/", body=body, headers=KEY) for body in bodies]
    await house.clock.advance(1)

    outcomes = [call.answer().outcome for call in calls]
    assert sorted(map(str, outcomes)) == ["ValidateError"] * 19 + ["ok"]
    assert len(house.store.sessions) == 1


@pytest.mark.parametrize(
    "change",
    [{"recipient": "+79007654321"}, {"widgetId": OTHER}, {"locale": "en"}],
    ids=str,
)
async def test_another_body_under_the_same_key_is_refused(
    house: House, change: dict[str, str]
) -> None:
    number = house.number()
    await send(house, number)
    answer = await send(house, number, body=change)
    assert (answer.status, answer.outcome) == (400, "ValidateError")
    assert set(answer.json["payload"]["fields"]) == {"Idempotency-Key"}
    assert len(house.store.sessions) == 1


@pytest.mark.parametrize(
    "change", [{"userIp": "203.0.113.1"}, {"captchaToken": "x"}, {"email": "a@b.example"}], ids=str
)
async def test_a_person_who_is_elsewhere_by_then_asks_for_the_same(
    house: House, change: dict[str, str]
) -> None:
    """A phone that loses its network and so its answer comes back with another address."""
    number = house.number()
    first = await send(house, number, body={"userIp": "203.0.113.7"})
    answer = await send(house, number, body=change)
    assert (answer.status, answer.body) == (201, first.body)
    assert len(house.store.sessions) == 1


async def test_the_order_of_the_fields_is_no_difference(house: House) -> None:
    number = house.number()
    headers = KEY | {"content-type": "application/json"}
    one = b'{"widgetId":"%s","recipient":"%s"}' % (SMS.encode(), number.encode())
    two = b'{ "recipient": "%s", "more": 1, "widgetId": "%s" }' % (number.encode(), SMS.encode())
    first = await house.api.post("/", one, headers=headers)
    assert (await house.api.post("/", two, headers=headers)).body == first.body


async def test_a_key_belongs_to_its_token(house: House) -> None:
    number = house.number()
    first = await send(house, number, widget=OTHER)
    second = await send(house, number, widget=OTHER, token=NARROW_TOKEN)
    assert first.json["requestId"] != second.json["requestId"]
    assert (await send(house, number, widget=OTHER)).body == first.body
    assert (await send(house, number, widget=OTHER, token=NARROW_TOKEN)).body == second.body


async def test_without_a_key_every_send_is_another(house: House) -> None:
    number = house.number()
    answers = [await send(house, number, headers={}) for _ in range(2)]
    assert answers[0].json["requestId"] != answers[1].json["requestId"]


async def test_a_refused_send_is_not_remembered(house: House) -> None:
    number = house.number()
    assert (await send(house, number, widget=NOBODY)).outcome == "NoAvailableChannelsException"
    for _ in range(3):
        await house.begin(number=number)
    assert (await send(house, number)).outcome == "RateLimitException"
    await house.clock.leap(60)
    assert (await send(house, number)).status == 201


async def test_a_key_is_forgotten_after_a_day(house: House) -> None:
    number = house.number()
    first = await send(house, number)
    await house.clock.leap(86_399)
    assert (await send(house, number)).body == first.body
    await house.clock.leap(1)
    assert (await send(house, number)).json["requestId"] != first.json["requestId"]


@pytest.mark.parametrize("key", ["", "x" * 256, "ключ".encode().decode("latin-1"), "a\tb"])
async def test_a_key_is_short_and_visible(house: House, key: str) -> None:
    answer = await send(house, house.number(), headers={"idempotency-key": key})
    assert answer.outcome == "ValidateError"
    assert set(answer.json["payload"]["fields"]) == {"Idempotency-Key"}
    assert not house.store.sessions


@pytest.mark.parametrize("key", ["x", "x" * 255, "a b;c", "ключ".encode().hex()])
async def test_a_key_may_be_anything_else(house: House, key: str) -> None:
    number = house.number()
    first = await send(house, number, headers={"idempotency-key": key})
    assert first.status == 201
    assert (await send(house, number, headers={"idempotency-key": key})).body == first.body


# --- resend ---------------------------------------------------------------------------


async def test_the_same_resend_sends_once(house: House) -> None:
    request_id = await house.sent()
    await house.clock.advance(30)
    for form in (request_id, request_id.upper(), request_id):
        answer = await house.api.post(f"/{form}/resend", headers=KEY)
        assert answer.outcome is True
        await house.clock.advance(1)
    assert len(house.messages(request_id)) == 2
    answer = await house.api.post(f"/{request_id}/resend")
    assert answer.outcome == "NoAvailableChannelsException"


async def test_twenty_resends_at_once_are_one(house: House) -> None:
    request_id = await house.sent()
    await house.clock.advance(30)
    calls = [house.api.begin("POST", f"/{request_id}/resend", headers=KEY) for _ in range(20)]
    await house.clock.advance(1)
    assert [call.answer().outcome for call in calls] == [True] * 20
    assert len(house.store.sessions[request_id].launches) == 2


async def test_a_resend_of_another_kind_or_session_is_another_request(house: House) -> None:
    first, second = await house.sent(), await house.sent()
    await house.clock.advance(30)
    assert (await house.api.post(f"/{first}/resend", headers=KEY)).outcome is True
    for path, body in ((first, {"next": True}), (second, {}), (second, {"next": True})):
        answer = await house.api.post(f"/{path}/resend", body, headers=KEY)
        assert answer.outcome == "ValidateError"
    answer = await send(house, house.number())
    assert answer.outcome == "ValidateError"
    assert len(house.store.sessions[second].launches) == 1


async def test_a_body_of_a_resend_that_says_nothing_is_no_difference(house: House) -> None:
    request_id = await house.sent()
    await house.clock.advance(30)
    for body in (None, {}, {"next": False}, b" "):
        answer = await house.api.post(f"/{request_id}/resend", body, headers=KEY)
        assert answer.outcome is True
    assert len(house.store.sessions[request_id].launches) == 2


async def test_a_refused_resend_is_not_remembered(house: House) -> None:
    request_id = await house.sent()
    answer = await house.api.post(f"/{request_id}/resend", headers=KEY)
    assert answer.outcome == "RestartCooldownActiveException"
    await house.clock.advance(30)
    assert (await house.api.post(f"/{request_id}/resend", headers=KEY)).outcome is True


async def test_calls_that_do_not_read_the_key_do_not_mind_it(house: House) -> None:
    request_id = await house.confirmed()
    odd = {"idempotency-key": "x" * 300}
    assert (await house.api.post(f"/{request_id}/complete", headers=odd)).outcome is True
    assert (await house.api.post(f"/{request_id}/complete", headers=odd)).outcome is False
