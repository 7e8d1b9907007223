"""A send that comes to nothing uses nothing up of the guard's."""

import json
from typing import Any

import httpx2
import phonenumbers
import pytest

from kaskad.core.recipients import parse_recipient, regions
from kaskad_sdk import OtpException, RateLimitException
from kaskad_sdk._page_send import problems_of
from kaskad_sdk.captcha import Altcha, FreeRequestsInMemory, Guard
from kaskad_sdk.testing import FakeAsyncOtpClient, FakeOtpClient, Simulation
from tests.peers.pages import CLIENT, JSON, WIDGET, Gate, Played
from tests.peers.work import solved

KINDS = pytest.mark.parametrize("kind", ["async", "sync"])
WORK = Altcha(hmac_key="a key of the tests, long enough", max_number=200)
NUMBER = "a valid phone number, best in international form: +79001234567"
SENT, CAPTCHA = "sent", "CaptchaNotConfirmedException"


class Service(Played):
    """Refuses the next sends as a test says, and takes the others."""

    def __init__(self, *refusals: tuple[int, str] | httpx2.Response) -> None:
        super().__init__(self._play)
        self.refusals = list(refusals)

    def _play(self, _: httpx2.Request) -> httpx2.Response:
        if not self.refusals:
            return httpx2.Response(201, json={"requestId": "x", "recipient": "y"})
        refusal = self.refusals.pop(0)
        if isinstance(refusal, httpx2.Response):
            return refusal
        status, kind = refusal
        return httpx2.Response(status, json={"type": kind, "message": "", "httpStatus": status})


async def sent(gate: Gate, key: str = "", **more: object) -> str:
    """What becomes of a page's send."""
    headers = {**JSON, "idempotency-key": key} if key else JSON
    body = {"widgetId": WIDGET, "recipient": "+79001234567", **more}
    answer = await gate.ask("POST", headers=headers, body=json.dumps(body).encode())
    return SENT if answer.status == 201 else str(json.loads(answer.body).get("type"))


# --- what is known without the service --------------------------------------------------------


@KINDS
@pytest.mark.parametrize(
    "wrong, fields",
    [
        ({"recipient": "12"}, {"recipient": NUMBER}),
        ({"recipient": ""}, {"recipient": NUMBER}),
        ({"recipient": "+7900CALLNOW"}, {"recipient": NUMBER}),
        ({"recipient": "1" * 65}, {"recipient": NUMBER}),
        ({"widgetId": "demo"}, {"widgetId": "a UUID"}),
        ({"widgetId": "", "recipient": "x"}, {"widgetId": "a UUID", "recipient": NUMBER}),
    ],
)
async def test_what_cannot_be_right_is_refused_before_the_guard_is_asked(
    kind: str, wrong: dict[str, str], fields: dict[str, str]
) -> None:
    service, guard = Service(), Guard(WORK, 1)
    gate = Gate(kind, service, captcha=guard)
    body = {"widgetId": WIDGET, "recipient": "+79001234567", **wrong}
    answer = await gate.ask("POST", body=body)
    found = json.loads(answer.body)
    assert (answer.status, found["type"]) == (400, "ValidateError")
    assert found["payload"] == {"fields": fields}
    assert service.asked == []
    assert await sent(gate) == SENT


ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


def test_no_number_of_any_region_is_refused() -> None:
    seen = 0
    for region in sorted(regions()):
        for kind in range(12):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None:
                continue
            for form in range(4):
                text = phonenumbers.format_number(number, form)
                if parse_recipient(text, region) is None:
                    continue
                seen += 1
                for spelt in (text, text.translate(ARABIC)):
                    assert problems_of({"widgetId": WIDGET, "recipient": spelt}) == {}, spelt
    assert seen > 3000


@pytest.mark.parametrize(
    "text, region",
    [("4002", "NU"), ("(8) 9001234567", "RU"), ("\uff0b79001234567", "DE"), ("٨٩٠٠١٢٣٤٥٦٧", "RU")],
)
def test_odd_numbers_of_the_service_are_passed_on(text: str, region: str) -> None:
    assert parse_recipient(text, region) is not None
    assert problems_of({"widgetId": WIDGET.upper(), "recipient": text}) == {}


# --- what the service refuses -----------------------------------------------------------------

REFUSALS = [
    (400, "ValidateError"),
    (400, "NoAvailableChannelsException"),
    (403, "WidgetIsBlockedException"),
    (404, "WidgetNotFoundException"),
    (429, "RateLimitException"),
]


@KINDS
@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("key", ["", "one press"])
async def test_a_free_send_is_given_back(kind: str, refusal: tuple[int, str], key: str) -> None:
    gate = Gate(kind, Service(refusal, refusal), captcha=Guard(WORK, 1))
    assert [await sent(gate, key) for _ in range(2)] == [refusal[1]] * 2
    assert await sent(gate, key) == SENT
    assert await sent(gate) == CAPTCHA, "that one was the free one"


@KINDS
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_solution_of_altcha_is_good_again(kind: str, refusal: tuple[int, str]) -> None:
    gate = Gate(kind, Service(refusal), captcha=Guard(WORK))
    token = solved(json.loads((await gate.ask("GET", "/altcha/challenge")).body))
    found = [await sent(gate, captchaToken=token) for _ in range(3)]
    assert found == [refusal[1], SENT, CAPTCHA]


@KINDS
async def test_a_refused_send_under_a_key_has_not_passed(kind: str) -> None:
    """Else its key would open the door for an hour, and nothing would be counted for it."""
    gate = Gate(kind, Service((429, "RateLimitException")), captcha=Guard(WORK, 1))
    assert await sent(gate, "one press") == "RateLimitException"
    assert await sent(gate, "another press") == SENT
    assert await sent(gate, "one press") == CAPTCHA


@KINDS
@pytest.mark.parametrize(
    "answer",
    [
        (400, CAPTCHA),
        (500, "InternalServerErrorException"),
        (503, "ServiceUnavailableException"),
        httpx2.Response(404, text="<html>nobody knows"),
        httpx2.Response(404, json={"detail": "of something else"}),
    ],
    ids=str,
)
async def test_what_may_have_been_sent_or_wants_a_captcha_is_not_given_back(
    kind: str, answer: Any
) -> None:
    gate = Gate(kind, Service(answer), captcha=Guard(WORK, 1))
    await sent(gate)
    assert await sent(gate) == CAPTCHA


@KINDS
async def test_a_send_that_was_accepted_before_stays_counted(kind: str) -> None:
    service = Service()
    gate = Gate(kind, service, captcha=Guard(WORK, 1))
    assert await sent(gate, "one press") == SENT
    service.refusals = [(429, "RateLimitException")]
    assert await sent(gate, "one press") == "RateLimitException"
    assert await sent(gate) == CAPTCHA


async def test_the_clients_give_back_too() -> None:
    for kind in (FakeOtpClient, FakeAsyncOtpClient):
        counts = FreeRequestsInMemory()
        client = kind(simulation := Simulation(), captcha=Guard(WORK, 1, store=counts))
        simulation.refuse("send", RateLimitException(retry_after_s=42))

        async def send(client: Any = client) -> str:
            try:
                found = client.send(WIDGET, "+79001234567", CLIENT)
                await found if isinstance(client, FakeAsyncOtpClient) else found
            except OtpException as error:
                return error.type
            return SENT

        assert [await send() for _ in range(3)] == ["RateLimitException", SENT, CAPTCHA]
