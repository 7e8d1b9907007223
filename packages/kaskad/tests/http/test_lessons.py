"""Defects that services like this one have had, each as a test over HTTP that would catch it."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from msgspec.structs import replace

from kaskad.app.ports import StoreUnavailableError
from packages.kaskad.tests import builders
from packages.kaskad.tests.http.client import Answer
from packages.kaskad.tests.http.conftest import OpenHouse
from packages.kaskad.tests.http.house import (
    FOREIGN,
    FOREIGN_TOKEN,
    HANG,
    OTHER,
    REJECT,
    SMS,
    House,
    configuration,
)

NUMBER = "+79001230001"


def everything(answer: Answer) -> str:
    return f"{answer.headers} {answer.body.decode()}"


# --- codes ------------------------------------------------------------------------------


async def test_a_wrong_guess_does_not_tell_the_code(house: House) -> None:
    request_id = await house.sent()
    code = house.code(request_id)
    for guess in (house.wrong(request_id), code[:-1], code + "0", "", "x"):
        answer = await house.check(request_id, guess)
        assert answer.status == 400
        assert code not in everything(answer)
    for path in (f"/{request_id}/channel", f"/{request_id}/status?recipient=%2B79001231000"):
        assert code not in everything(await house.api.get(path))


async def test_a_used_code_is_not_good_for_anything_more(house: House) -> None:
    request_id = await house.confirmed()
    code = house.code(request_id)
    assert (await house.api.post(f"/{request_id}/complete")).outcome is True
    assert (await house.check(request_id, code)).outcome == "SessionClosedException"
    assert (await house.api.post(f"/{request_id}/complete")).outcome is False

    number = house.store.sessions[request_id].recipient.number
    later = await house.sent(SMS, number)
    assert house.code(later) != code
    assert (await house.check(later, code)).outcome == "InvalidCodeException"


async def test_a_resend_that_fails_leaves_the_good_code_good(open_house: OpenHouse) -> None:
    widget = builders.widget(id=OTHER)
    house = await open_house(configuration(widgets=[replace(widget, channels=("once", "reject"))]))
    request_id = await house.sent(OTHER)
    code = house.code(request_id)
    await house.clock.advance(31)
    assert (await house.api.post(f"/{request_id}/resend")).outcome is True
    await house.clock.advance(1)
    assert len(house.store.sessions[request_id].launches) == 2
    assert len(house.messages(request_id)) == 1
    assert (await house.check(request_id, code)).outcome is True


async def test_a_resend_gives_no_attempt_back(house: House) -> None:
    request_id = await house.sent()
    await house.check(request_id, house.wrong(request_id))
    await house.clock.advance(31)
    assert (await house.api.post(f"/{request_id}/resend")).outcome is True
    await house.clock.advance(1)
    assert len(house.messages(request_id)) == 2
    left = (await house.api.get(f"/{request_id}/channel")).json["remainingCodeAttempts"]
    assert left == 2
    outcomes = [(await house.check(request_id, house.wrong(request_id))).outcome for _ in range(2)]
    assert outcomes == ["InvalidCodeException", "AttemptsExpiredException"]


@pytest.mark.parametrize("tries", [1, 2, 3, 5])
async def test_so_many_tries_are_exactly_so_many_looks(open_house: OpenHouse, tries: int) -> None:
    channel = builders.channel("sms", id="sms", provider="sms-provider", number_of_tries=tries)
    house = await open_house(configuration(channel))
    lucky, unlucky = await house.sent(), await house.sent()
    for _ in range(tries - 1):
        for request_id in (lucky, unlucky):
            answer = await house.check(request_id, house.wrong(request_id))
            assert answer.outcome == "InvalidCodeException"
    assert (await house.check(lucky, house.code(lucky))).outcome is True
    answer = await house.check(unlucky, house.wrong(unlucky))
    assert answer.outcome == "AttemptsExpiredException"
    assert (await house.check(unlucky, house.code(unlucky))).outcome == "AttemptsExpiredException"


async def test_a_form_that_is_submitted_twice_succeeds_twice(house: House) -> None:
    request_id = await house.sent()
    code = house.code(request_id)
    answers = await asyncio.gather(*(house.check(request_id, code) for _ in range(3)))
    assert [answer.outcome for answer in answers] == [True] * 3
    assert (await house.check(request_id, code)).outcome is True


# --- sending ----------------------------------------------------------------------------


async def test_a_burst_is_refused_and_breaks_nothing(house: House) -> None:
    body = {"widgetId": SMS, "recipient": NUMBER}
    answers = await asyncio.gather(*(house.api.post("/", body) for _ in range(200)))
    assert Counter(answer.status for answer in answers) == {201: 3, 429: 197}


async def test_a_provider_that_fails_is_never_a_success(house: House) -> None:
    request_id = await house.sent(REJECT)
    assert house.messages(request_id) == []
    channel = await house.api.get(f"/{request_id}/channel")
    assert channel.outcome == "NoAvailableChannelsException"
    query = f"recipient={house.recipient(request_id)}"
    assert (await house.api.get(f"/{request_id}/status?{query}")).status == 400
    answer = await house.api.post(f"/{request_id}/checkStatusAndComplete?{query}")
    assert answer.status == 400


async def test_nothing_is_sent_that_is_not_stored(house: House) -> None:
    house.store.trouble = StoreUnavailableError("away")
    answer = await house.api.post("/", {"widgetId": SMS, "recipient": NUMBER})
    assert answer.status == 503
    await house.clock.advance(30)
    assert house.service.inbox.messages() == []
    house.store.trouble = None
    await house.clock.advance(30)
    assert house.service.inbox.messages() == []
    assert house.store.sessions == {}


async def test_a_provider_that_hangs_delays_nobody_else(house: House) -> None:
    for _ in range(100):
        await house.begin(HANG)
    await house.clock.advance(1)
    request_id = await house.sent(SMS)
    assert (await house.check(request_id, house.code(request_id))).outcome is True


@pytest.mark.parametrize(
    "name", ["{{ code }}", "{% if %}", "{{ 7 | times: 6 }}", "%s %(code)s {0} $code \\1"]
)
async def test_a_name_in_a_message_is_never_a_template(open_house: OpenHouse, name: str) -> None:
    template = replace(builders.channel("sms").templates[0], text="{{ widget }}: {{ code }}")
    channel = builders.channel("sms", id="sms", provider="sms-provider", templates=(template,))
    widget = replace(builders.widget(id=OTHER), channels=("sms",), name=name)
    house = await open_house(configuration(channel, widgets=[widget]))
    request_id = await house.sent(OTHER)
    [message] = house.messages(request_id)
    assert message.text == f"{name}: {message.code}"


# --- whose it is ------------------------------------------------------------------------


async def test_one_number_with_two_tenants_is_two_matters(house: House) -> None:
    theirs = {"token": FOREIGN_TOKEN}
    for _ in range(3):
        await house.sent(SMS, NUMBER)
    full = await house.api.post("/", {"widgetId": SMS, "recipient": NUMBER})
    assert full.outcome == "RateLimitException"
    other = await house.begin(FOREIGN, NUMBER, **theirs)
    await house.clock.advance(1)
    mine = next(iter(house.store.sessions))

    answer = await house.check(other, house.code(mine), **theirs)
    assert answer.outcome == "InvalidCodeException"
    for request_id, how in ((other, {}), (mine, theirs)):
        answer = await house.check(request_id, house.code(request_id), **how)
        assert answer.outcome == "SessionNotFoundException"
    assert (await house.check(other, house.code(other), **theirs)).outcome is True
    assert (await house.check(mine, house.code(mine))).outcome is True


@pytest.mark.parametrize(
    "header", [None, "X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP"]
)
async def test_the_limit_of_an_address_needs_no_header_and_minds_none(
    house: House, header: str | None
) -> None:
    statuses = []
    for n in range(12):
        headers = {} if header is None else {header: f"203.0.113.{n}"}
        body = {"widgetId": SMS, "recipient": house.number(), "userIp": "192.0.2.1"}
        statuses.append((await house.api.post("/", body, headers=headers)).status)
    assert statuses == [201] * 10 + [429] * 2


@pytest.mark.parametrize(
    "written", ["+79001230001", " 79001230001", "%2B79001230001", "8%20(900)%20123-00-01"]
)
async def test_a_plus_in_a_query_is_a_plus(house: House, written: str) -> None:
    request_id = await house.sent(SMS, NUMBER)
    written = written.replace(" ", "%20")
    answer = await house.api.get(f"/{request_id}/status?recipient={written}")
    assert (answer.status, answer.outcome) == (200, False)


# --- what is left -----------------------------------------------------------------------


async def test_nothing_is_kept_for_ever(house: House) -> None:
    for n in range(40):
        body = {"userIp": f"192.0.2.{n}"}
        request_id = await house.begin(SMS, body=body, headers={"Idempotency-Key": f"key {n}"})
        await house.clock.advance(1)
        await house.check(request_id, house.wrong(request_id))
        await house.api.get(f"/{request_id}/channel")
    assert house.store.sizes()["answers"] == 40
    for _ in range(3 * 24):
        await house.clock.leap(timedelta(hours=1).total_seconds())
    assert set(house.store.sizes().values()) == {0}
