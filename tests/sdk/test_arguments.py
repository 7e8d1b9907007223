"""What an application hands over, often as a page sent it: refused in the SDK's terms."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from kaskad_sdk import OtpException, ValidateError
from kaskad_sdk.captcha import Altcha, Guard
from tests.sdk.twins import KINDS, Client, Twin

SESSION = "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"
WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
NUMBER = "+79001234567"
HALF = "\ud800"
"""Half of a character: JSON can say it, and no encoding can."""


@pytest.fixture(params=KINDS)
async def twin(request: pytest.FixtureRequest) -> AsyncIterator[Twin]:
    kind: type[Client] = request.param
    twin = Twin(kind(environment="test"))
    yield twin
    await twin.close()


@pytest.mark.parametrize(
    ("call", "given"),
    [
        ("check_status_and_complete", (SESSION, HALF)),
        ("check_status_and_complete", (HALF, NUMBER)),
        ("complete", (SESSION, HALF)),
        ("check_status", (SESSION, HALF)),
        ("wait_for_success_status", (SESSION, HALF)),
        ("verify_code", (SESSION, HALF)),
        ("send", (WIDGET, HALF)),
        ("send", (HALF, NUMBER)),
        ("get_widget_data", (HALF,)),
        ("get_widget_data", (WIDGET, HALF)),
    ],
)
async def test_half_a_character_is_refused(twin: Twin, call: str, given: tuple[str, ...]) -> None:
    if call == "get_widget_data" and given[0] == WIDGET:
        await twin(call, *given)  # whose address it is, is for the service to judge
        return
    with pytest.raises(OtpException) as raised:
        await twin(call, *given)
    assert raised.value.http_status // 100 == 4


@pytest.mark.parametrize("given", [None, 7, [], {}, b"x", True])
async def test_an_id_that_is_no_text_is_a_validate_error(twin: Twin, given: Any) -> None:
    for call, more in (
        ("check_status_and_complete", (NUMBER,)),
        ("verify_code", ("123456",)),
        ("get_channel", ()),
        ("resend", ()),
    ):
        with pytest.raises(ValidateError) as raised:
            await twin(call, given, *more)
        assert raised.value.fields == {"requestId": "a UUID"}
    with pytest.raises(ValidateError) as raised:
        await twin("get_widget_data", given)
    assert raised.value.fields == {"widgetId": "a UUID"}


async def test_an_id_may_be_parsed_already(twin: Twin) -> None:
    await twin("get_widget_data", UUID(WIDGET))
    sent = await twin("send", UUID(WIDGET), NUMBER)
    request_id = UUID(sent.request_id)
    assert (await twin("get_channel", request_id)).type == "sms"
    assert await twin("check_status", request_id, NUMBER) is not None
    assert await twin("check_status", request_id) is not None


@pytest.mark.parametrize("given", [None, [], {}, HALF])
async def test_what_is_no_id_has_no_number_either(twin: Twin, given: Any) -> None:
    for call in ("check_status", "wait_for_success_status"):
        with pytest.raises(ValueError, match="name the recipient"):
            await twin(call, given)


@pytest.mark.parametrize("kind", KINDS)
async def test_behind_a_captcha_arguments_are_taken_alike(kind: type[Client]) -> None:
    guard = Guard(Altcha(hmac_key="a key of the tests, long enough"), first_free_requests_per_ip=2)
    twin = Twin(kind(environment="test", captcha=guard))
    send = partial(twin, "send", user_ip="203.0.113.7", idempotency_key="key")
    wrong: Any
    for wrong in ([], 7, HALF):
        with pytest.raises(ValidateError):
            await send(WIDGET, wrong)
    sent = await send(UUID(WIDGET), NUMBER)
    assert await send(WIDGET, NUMBER) == sent
    await twin.close()
