"""Numbers with a fixed code, for tests of customers: nothing is sent to them."""

from datetime import timedelta

from msgspec.structs import replace

from kaskad.core.model import TestRecipient
from kaskad.testing import START
from packages.kaskad.tests import builders
from packages.kaskad.tests.http.conftest import OpenHouse
from packages.kaskad.tests.http.house import OTHER, PUSH, REJECT, SMS, WIDGETS, House, configuration
from packages.kaskad.tests.logs import Logged

NUMBER, CODE = "+79990000001", "4711"
UNTIL = START + timedelta(seconds=100)


async def _house(open_house: OpenHouse) -> House:
    fixed = TestRecipient(number=NUMBER, code=CODE, until=UNTIL)
    widgets = [replace(widget, test_recipients=(fixed,)) for widget in WIDGETS]
    return await open_house(configuration(widgets=widgets))


async def test_the_fixed_code_confirms_and_nothing_is_sent(open_house: OpenHouse) -> None:
    house = await _house(open_house)
    request_id = await house.sent(number=NUMBER)

    assert house.service.inbox.messages() == []
    channel = (await house.api.get(f"/{request_id}/channel")).json
    assert (channel["status"], channel["settings"]["code"]["length"]) == ("sent", 4)
    assert (await house.check(request_id, "0000")).outcome == "InvalidCodeException"
    assert (await house.check(request_id, CODE)).outcome is True
    path = f"/{request_id}/checkStatusAndComplete?recipient=%2B{NUMBER[1:]}"
    assert (await house.api.post(path)).outcome is True
    assert (await house.api.post(path)).outcome is False


async def test_a_provider_that_would_refuse_is_not_asked(open_house: OpenHouse) -> None:
    house = await _house(open_house)
    for widget in (REJECT, PUSH):
        request_id = await house.sent(widget, NUMBER)
        found = (await house.api.get(f"/{request_id}/channel")).json
        assert (found["status"], found["codeType"]) == ("sent", "code")
        assert (await house.check(request_id, CODE)).outcome is True


async def test_every_such_session_is_in_the_audit(open_house: OpenHouse) -> None:
    house = await _house(open_house)
    request_id = await house.begin(number=NUMBER)
    await house.begin()

    [(tenant, actor, action, subject)] = house.catalog.rows
    assert (tenant, action) == (builders.TENANT, "session.test_recipient")
    assert actor == f"token:{builders.TOKEN}"
    assert request_id in subject
    assert NUMBER not in subject
    assert CODE not in subject


async def test_a_repeated_send_is_one_row(open_house: OpenHouse) -> None:
    house = await _house(open_house)
    for _ in range(3):
        await house.begin(number=NUMBER, headers={"idempotency-key": "k"})
    assert len(house.catalog.rows) == 1


async def test_an_audit_that_fails_is_logged_and_does_not_fail_the_send(
    open_house: OpenHouse, logged: Logged
) -> None:
    house = await _house(open_house)

    async def broken(**_: object) -> None:
        raise OSError

    house.catalog.audit = broken  # type: ignore[method-assign]
    request_id = await house.begin(number=NUMBER)
    assert (await house.api.get(f"/{request_id}/channel")).status == 200
    assert [e["event"] for e in logged if e["log_level"] == "error"] == ["audit row lost"]


async def test_after_its_end_the_number_is_like_any_other(open_house: OpenHouse) -> None:
    house = await _house(open_house)
    await house.clock.leap(99.9)
    before = await house.begin(number=NUMBER)
    await house.clock.leap(0.1)
    after = await house.sent(number=NUMBER)

    assert [m.session for m in house.service.inbox.messages()] == [after]
    assert (await house.check(after, CODE)).outcome == "InvalidCodeException"
    assert (await house.check(before, CODE)).outcome is True
    assert len(house.catalog.rows) == 1


async def test_another_number_or_widget_has_no_fixed_code(open_house: OpenHouse) -> None:
    fixed = TestRecipient(number=NUMBER, code=CODE, until=UNTIL)
    own = [replace(w, test_recipients=(fixed,)) for w in WIDGETS if w.id == SMS]
    house = await open_house(configuration(widgets=own))
    for widget, number in ((SMS, house.number()), (OTHER, NUMBER)):
        request_id = await house.sent(widget, number)
        assert len(house.messages(request_id)) == 1
        assert (await house.check(request_id, CODE)).outcome == "InvalidCodeException"


async def test_its_limits_are_those_of_every_number(open_house: OpenHouse) -> None:
    house = await _house(open_house)
    for _ in range(3):
        await house.begin(number=NUMBER)
    answer = await house.api.post("/", {"widgetId": SMS, "recipient": NUMBER})
    assert answer.outcome == "RateLimitException"
