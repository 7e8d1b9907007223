"""Limits as a caller meets them, exact at their boundaries."""

import pytest
from msgspec.structs import replace

from kaskad.core.model import WidgetLimits
from packages.kaskad.tests import builders
from packages.kaskad.tests.builders import TENANT, TOKEN
from packages.kaskad.tests.http.client import Answer
from packages.kaskad.tests.http.conftest import OpenHouse
from packages.kaskad.tests.http.house import (
    FOREIGN,
    FOREIGN_TOKEN,
    HANG,
    OTHER,
    SMS,
    House,
    configuration,
)


async def send(
    house: House,
    number: str | None = None,
    *,
    ip: str | None = None,
    widget: str = SMS,
    token: str = TOKEN,
) -> Answer:
    body = {"widgetId": widget, "recipient": number or house.number()}
    if ip is not None:
        body["userIp"] = ip
    return await house.api.post("/", body, token=token)


def refused(answer: Answer, seconds: int) -> bool:
    assert answer.outcome == "RateLimitException"
    assert answer.json["payload"] == {"retryAfter": seconds}
    return answer.retry_after == seconds


# --- a recipient ----------------------------------------------------------------------


async def test_three_sends_a_minute_to_one_number(house: House) -> None:
    number = house.number()
    for _ in range(3):
        assert (await send(house, number)).status == 201
        await house.clock.leap(10)

    assert refused(await send(house, number), 30)
    assert (await send(house)).status == 201
    await house.clock.leap(29)
    assert refused(await send(house, number), 1)
    await house.clock.leap(0.5)
    assert refused(await send(house, number), 1)
    await house.clock.leap(0.5)
    assert (await send(house, number)).status == 201
    assert refused(await send(house, number), 10)


async def test_ten_sends_an_hour_to_one_number(house: House) -> None:
    number = house.number()
    for _ in range(10):
        assert (await send(house, number)).status == 201
        await house.clock.leap(60)

    assert refused(await send(house, number), 3000)
    await house.clock.leap(2999)
    assert refused(await send(house, number), 1)
    await house.clock.leap(1)
    assert (await send(house, number)).status == 201
    assert refused(await send(house, number), 60)


async def test_forty_sends_at_once_are_three(house: House) -> None:
    body = {"widgetId": SMS, "recipient": house.number()}
    calls = [house.api.begin("POST", "/", body=body) for _ in range(40)]
    await house.clock.advance(1)
    assert sorted(call.answer().status for call in calls) == [201] * 3 + [429] * 37
    assert len(house.service.inbox.messages()) == 3


async def test_one_number_in_every_form_and_through_every_widget_is_one(house: House) -> None:
    number = house.number()
    digits = number[2:]
    forms = [number, "8" + digits, f"+7 ({digits[:3]}) {digits[3:6]}-{digits[6:]}"]
    for form, widget in zip(forms, (SMS, OTHER, HANG), strict=True):
        assert (await send(house, form, widget=widget)).status == 201
    assert (await send(house, digits)).status == 429


async def test_a_refused_send_consumes_nothing(house: House) -> None:
    number = house.number()
    for _ in range(3):
        await send(house, number)
    for _ in range(20):
        assert (await send(house, number)).status == 429
    await house.clock.leap(60)
    assert (await send(house, number)).status == 201
    assert len(house.store.sessions) == 4


async def test_another_tenant_has_its_own_windows(house: House) -> None:
    number = house.number()
    for _ in range(3):
        await send(house, number)
    answer = await send(house, number, widget=FOREIGN, token=FOREIGN_TOKEN)
    assert answer.status == 201


async def test_a_widget_may_allow_more_or_less(open_house: OpenHouse) -> None:
    limits = WidgetLimits(per_recipient_per_minute=1, per_recipient_per_hour=2)
    strict = replace(builders.widget(id=SMS, limits=limits), channels=("sms",))
    house = await open_house(configuration(widgets=[strict]))
    number = house.number()
    assert (await send(house, number)).status == 201
    assert refused(await send(house, number), 60)
    await house.clock.leap(60)
    assert (await send(house, number)).status == 201
    assert refused(await send(house, number), 3540)


# --- a person's address ---------------------------------------------------------------


async def test_ten_sends_a_minute_from_one_address(house: House) -> None:
    for _ in range(10):
        assert (await send(house, ip="203.0.113.7")).status == 201
        await house.clock.leap(1)
    for form in ("203.0.113.7", " 203.0.113.7 ", "::ffff:203.0.113.7"):
        assert refused(await send(house, ip=form), 50)
    assert (await send(house, ip="203.0.113.8")).status == 201
    assert (await send(house)).status == 201
    await house.clock.leap(49.5)
    assert refused(await send(house, ip="203.0.113.7"), 1)
    await house.clock.leap(0.5)
    assert (await send(house, ip="203.0.113.7")).status == 201


async def test_an_address_of_the_new_kind_counts_by_its_network(house: House) -> None:
    for number in range(10):
        assert (await send(house, ip=f"2001:db8:0:1::{number:x}")).status == 201
    for ip in ("2001:db8:0:1:ffff::1", "2001:0DB8:0000:0001::9", "2001:db8:0:1::"):
        assert refused(await send(house, ip=ip), 60)
    assert (await send(house, ip="2001:db8:0:2::1")).status == 201


async def test_without_an_address_there_is_no_such_limit(house: House) -> None:
    for _ in range(30):
        assert (await send(house)).status == 201


async def test_a_forwarding_header_is_no_address(house: House) -> None:
    for number in range(12):
        body = {"widgetId": SMS, "recipient": house.number(), "userIp": "203.0.113.7"}
        headers = {"x-forwarded-for": f"198.51.100.{number}"}
        answer = await house.api.post("/", body, headers=headers)
        assert answer.status == (201 if number < 10 else 429)


async def test_a_send_that_one_limit_refuses_does_not_count_for_the_other(house: House) -> None:
    number = house.number()
    for _ in range(3):
        await send(house, number)
    for _ in range(20):
        assert (await send(house, number, ip="203.0.113.7")).status == 429
    for _ in range(10):
        assert (await send(house, ip="203.0.113.7")).status == 201


# --- resends --------------------------------------------------------------------------


async def test_a_strangers_sends_do_not_refuse_my_resend(house: House) -> None:
    number = house.number()
    mine = await house.sent(number=number)
    for _ in range(2):
        await send(house, number)
    assert (await send(house, number)).status == 429
    await house.clock.advance(30)
    assert (await house.api.post(f"/{mine}/resend")).outcome is True


async def test_a_resend_counts_towards_the_next_send(house: House) -> None:
    number = house.number()
    mine = await house.sent(number=number)
    await house.clock.advance(30)
    await house.api.post(f"/{mine}/resend")
    assert (await send(house, number)).status == 201
    assert (await send(house, number)).status == 429


async def test_a_session_resends_within_its_own_windows(open_house: OpenHouse) -> None:
    eager = builders.channel(
        id="sms", provider="sms-provider", number_of_restart=99, restart_cooldown_s=1
    )
    house = await open_house(configuration(eager))
    request_id = await house.sent()
    for _ in range(2):
        await house.clock.advance(1)
        assert (await house.api.post(f"/{request_id}/resend")).outcome is True
        await house.clock.advance(1)
    await house.clock.advance(1)
    answer = await house.api.post(f"/{request_id}/resend")
    assert refused(answer, 54)
    assert len(house.messages(request_id)) == 3
    await house.clock.advance(54)
    assert (await house.api.post(f"/{request_id}/resend")).outcome is True


async def test_the_cooldown_says_when_to_come_back(house: House) -> None:
    waiting = await house.begin(HANG)
    answer = await house.api.post(f"/{waiting}/resend")
    assert answer.outcome == "RestartCooldownActiveException"
    assert (answer.retry_after, answer.json["payload"]) == (90, {"retryAfter": 90})

    request_id = await house.sent()
    answer = await house.api.post(f"/{request_id}/resend")
    assert (answer.status, answer.retry_after) == (409, 30)
    await house.clock.advance(28.2)
    assert (await house.api.post(f"/{request_id}/resend")).retry_after == 1
    await house.clock.advance(0.9)
    assert (await house.api.post(f"/{request_id}/resend")).retry_after == 1
    await house.clock.advance(0.1)
    assert (await house.api.post(f"/{request_id}/resend")).outcome is True


# --- failed checks --------------------------------------------------------------------


@pytest.mark.parametrize("tenant", [TENANT, "elsewhere"])
async def test_twenty_failed_checks_a_day_refuse_new_sessions_only(
    house: House, tenant: str
) -> None:
    number = house.number()
    mine = await house.sent(number=number)
    for _ in range(10):
        await house.clock.leap(400)
        strange = await house.sent(number=number)
        for _ in range(2):
            answer = await house.check(strange, house.wrong(strange))
            assert answer.outcome == "InvalidCodeException"
    await house.clock.leap(400)

    if tenant != TENANT:
        answer = await send(house, number, widget=FOREIGN, token=FOREIGN_TOKEN)
        assert answer.status == 201
        return
    assert refused(await send(house, number), 86_400 - 400 * 10 - 9)
    assert (await send(house)).status == 201
    assert (await house.check(strange, house.code(strange))).status in {201, 400}
    assert (await house.api.get(f"/{mine}/channel")).outcome != "AttemptsExpiredException"
    await house.clock.leap(86_400 - 400 * 10 - 9)
    assert (await send(house, number)).status == 201


async def test_a_session_that_is_open_goes_on_after_a_strangers_failures(
    open_house: OpenHouse,
) -> None:
    limits = WidgetLimits(failed_checks_per_recipient_per_day=2)
    widget = replace(builders.widget(id=SMS, limits=limits), channels=("sms",))
    house = await open_house(configuration(widgets=[widget]))
    number = house.number()
    mine, strange = await house.sent(number=number), await house.sent(number=number)
    for _ in range(3):
        await house.check(strange, house.wrong(strange))
    assert (await send(house, number)).status == 429

    await house.clock.advance(30)
    assert (await house.api.post(f"/{mine}/resend")).outcome is True
    await house.clock.advance(1)
    assert (await house.check(mine, house.code(mine))).outcome is True


async def test_two_hundred_guesses_at_once_are_as_many_as_are_left(house: House) -> None:
    request_id = await house.sent()
    wrong = house.wrong(request_id)
    body = {"code": wrong}
    calls = [house.api.begin("POST", f"/{request_id}/checkCode", body=body) for _ in range(200)]
    await house.clock.advance()
    outcomes = [call.answer().outcome for call in calls]
    assert outcomes.count("InvalidCodeException") == 2
    assert outcomes.count("AttemptsExpiredException") == 198
    assert house.store.sessions[request_id].misses == 3
