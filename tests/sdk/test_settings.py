"""Settings that cannot work: refused when the client is made, by name and with what is expected."""

import math
from typing import Any

import httpx2
import pytest

from kaskad_sdk import ValidateError
from tests.sdk.twins import KINDS, Client, Twin

URL, TOKEN = "https://otp.example.com", "ksk-a-secret-of-somebody"
WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
ADDRESS = "the service's address, such as https://otp.example.com"

each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"api_url": ""}, f"api_url is missing: {ADDRESS}"),
        ({"api_url": None}, f"api_url is missing: {ADDRESS}"),
        ({"api_url": 5}, f"api_url is a str, not int: {ADDRESS}"),
        ({"api_url": "otp.example.com"}, f"api_url is {ADDRESS}"),
        ({"api_url": "https://otp.example.com:99999"}, f"api_url is {ADDRESS}"),
        ({"api_url": "https://otp.example.com:0"}, f"api_url is {ADDRESS}"),
        ({"api_url": "https://otp.example.com:port"}, f"api_url is {ADDRESS}"),
        ({"api_url": "https://[::1"}, f"api_url is {ADDRESS}"),
        ({"api_url": "https://otp.example.com\n"}, f"api_url is {ADDRESS}"),
        ({"api_url": " https://otp.example.com"}, f"api_url is {ADDRESS}"),
        ({"api_token": None}, "api_token is missing: the token that the service's operator"),
        ({"api_token": b"x" * 20}, "api_token is a str, not bytes"),
        ({"api_token": TOKEN + "\n"}, "without spaces and line ends"),
        ({"timeout": "5"}, "timeout is a number of seconds, more than 0"),
        ({"timeout": 0}, "timeout is a number of seconds, more than 0"),
        ({"timeout": True}, "timeout is a number of seconds, more than 0"),
        ({"timeout": math.nan}, "timeout is a number of seconds, more than 0"),
        ({"long_poll_timeout": None}, "long_poll_timeout is a number of seconds"),
        ({"max_retries": -1}, "max_retries is a number, 0 or more"),
        ({"max_retries": None}, "max_retries is a number, 0 or more"),
        ({"language": "en\r\nx: y"}, "language is one such as"),
        ({"language": "по-русски"}, "language is one such as"),
        ({"language": ""}, "language is one such as"),
        (
            {"captcha": "google"},
            "captcha is one of kaskad_sdk.captcha, such as Altcha(...), not str",
        ),
        ({"http_client": "mine"}, "http_client is an httpx2."),
    ],
)
def test_a_setting_that_cannot_work_is_refused(
    kind: type[Client], wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises((ValueError, TypeError)) as raised:
        kind(**{"api_url": URL, "api_token": TOKEN, **wrong})
    assert said in str(raised.value)
    assert TOKEN not in str(raised.value)


async def test_an_http_client_of_the_other_kind_is_refused() -> None:
    blocking, awaiting = httpx2.Client(), httpx2.AsyncClient()
    for kind, other in zip(KINDS, (blocking, awaiting), strict=True):
        wrong: Any = {"api_url": URL, "api_token": TOKEN, "http_client": other}
        with pytest.raises(TypeError, match=r"http_client is an httpx2\.\w+, not httpx2\.\w+"):
            kind(**wrong)
    blocking.close()
    await awaiting.aclose()


@each_kind
@pytest.mark.parametrize("key", ["ключ", "a\nb", "k" * 256])
async def test_a_key_that_no_header_can_carry_is_refused(kind: type[Client], key: str) -> None:
    twin = Twin(kind(environment="test"))
    sent = await twin("send", WIDGET, "+79001234567", idempotency_key="k" * 255)
    for call, given in (("send", (WIDGET, "+79001234567")), ("resend", (sent.request_id,))):
        with pytest.raises(ValidateError) as raised:
            await twin(call, *given, idempotency_key=key)
        assert raised.value.fields == {"Idempotency-Key": "1 to 255 printable ASCII characters"}
    await twin.close()
