"""A captcha before sends, checked by the clients themselves."""

from datetime import datetime
from typing import Any

import pytest

from kaskad_sdk import AsyncOtpClient, CaptchaNotConfirmedException
from kaskad_sdk._steps import Request, Response
from kaskad_sdk.captcha import Captcha, Cloudflare, Google, Guard, Yandex
from kaskad_sdk.testing import Simulation
from tests.sdk.twins import KINDS, Client, Twin

WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
NUMBER = "+79001234567"
HERE, THERE = "203.0.113.7", "203.0.113.8"


class Listening(Simulation):
    """Keeps what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Request] = []

    def serve(self, request: Request, began: float, *, fresh: bool = True) -> Response | float:
        self.asked.append(request)
        return super().serve(request, began, fresh=fresh)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_first_are_free_and_then_a_token_is_needed(kind: type[Client]) -> None:
    service = Listening()
    guard = Guard(Google(site_key="site", secret_key="secret"), first_free_requests_per_ip=2)
    twin = Twin(kind(simulation=service, captcha=guard))
    assert twin.client.captcha is guard
    for required in (False, False, True):
        widget = await twin("get_widget_data", WIDGET, HERE)
        assert widget.captcha_is_required == required
        assert (widget.captcha_provider, widget.captcha_site_key) == ("google", "site")
        assert (widget.captcha_version, widget.captcha_action) == (2, None)
        if not required:
            await twin("send", WIDGET, NUMBER, HERE)
    assert not (await twin("get_widget_data", WIDGET)).captcha_is_required

    with pytest.raises(CaptchaNotConfirmedException):
        await twin("send", WIDGET, NUMBER, HERE)
    with pytest.raises(CaptchaNotConfirmedException):
        await twin("send", WIDGET, NUMBER, HERE, "refused")
    assert (await twin("send", WIDGET, NUMBER, THERE)).recipient == NUMBER
    asked = len(service.asked)
    assert (await twin("send", WIDGET, NUMBER, HERE, "token-1")).recipient == NUMBER
    verify, send = service.asked[asked:]
    assert verify.url.startswith("https://www.google.com/")
    assert "authorization" not in {name.lower() for name in verify.headers}
    assert b"token-1" not in send.body, "a token is good for once"
    assert HERE.encode() in send.body
    await twin.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_send_under_a_key_of_the_caller_is_admitted_again(kind: type[Client]) -> None:
    guard = Guard(Google(site_key="site", secret_key="secret"))
    twin = Twin(kind(simulation=Listening(), captcha=guard))
    first = await twin("send", WIDGET, NUMBER, HERE, "token-1", idempotency_key="a press")
    again = await twin("send", WIDGET, NUMBER, HERE, "token-1", idempotency_key="a press")
    assert again.request_id == first.request_id
    for key in (None, "", "another press"):
        with pytest.raises(CaptchaNotConfirmedException):
            await twin("send", WIDGET, NUMBER, HERE, "token-1", idempotency_key=key)
    await twin.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_without_an_address_the_service_judges(kind: type[Client]) -> None:
    service = Listening()
    captcha = Google(site_key="site", secret_key="secret")
    twin = Twin(kind(simulation=service, captcha=captcha))
    await twin("send", WIDGET, NUMBER, None, "token-1")
    assert b"token-1" in service.asked[-1].body
    await twin.close()


SITE = ("shop.example", "www.shop.example")
KEYS: dict[str, Any] = {"site_key": "site", "secret_key": "secret"}
VENDORS: dict[str, Captcha] = {
    "google, version 2": Google(**KEYS),
    "google, version 2, of a site": Google(**KEYS, hostnames=SITE),
    "google, version 3": Google(**KEYS, version=3, min_score=0.95, action="send", hostnames=SITE),
    "cloudflare": Cloudflare(**KEYS),
    "cloudflare, of a site": Cloudflare(**KEYS, action="send", hostnames=SITE),
    "yandex": Yandex(**KEYS),
    "yandex, of a site": Yandex(**KEYS, hostnames=SITE),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vendor", VENDORS)
async def test_the_simulation_answers_for_every_vendor(kind: type[Client], vendor: str) -> None:
    twin = Twin(kind(environment="test", captcha=VENDORS[vendor]))
    assert (await twin("send", WIDGET, NUMBER, HERE, "any")).recipient == NUMBER
    for token in ("refused", "any", None):
        with pytest.raises(CaptchaNotConfirmedException):
            await twin("send", WIDGET, NUMBER, HERE, token)
    await twin.close()


async def test_clients_of_one_simulation_may_want_different_things() -> None:
    service, twins = Simulation(), []
    for action in ("sign-in", "sign-up"):
        captcha = Cloudflare(site_key="site", secret_key=f"of {action}", action=action)
        twins.append(Twin(AsyncOtpClient(simulation=service, captcha=captcha)))
    for twin in twins:
        await twin("send", WIDGET, NUMBER, HERE, "any")
        await twin.close()


class Counts:
    """A store of counts that awaits."""

    async def take(self, address: str, *, limit: int, window_s: int, now: datetime) -> bool:
        return False

    async def used(self, address: str, *, window_s: int, now: datetime) -> int:
        return 7

    async def spend(self, key: str, *, until: datetime, now: datetime) -> bool:
        return True


async def test_counts_that_await_serve_the_awaiting_client_alone() -> None:
    captcha = Google(site_key="site", secret_key="secret")
    guard = Guard(captcha, first_free_requests_per_ip=3, store=Counts())
    twins = [Twin(kind(simulation=Simulation(), captcha=guard)) for kind in KINDS]
    assert (await twins[0]("get_widget_data", WIDGET, HERE)).captcha_is_required
    with pytest.raises(CaptchaNotConfirmedException):
        await twins[0]("send", WIDGET, NUMBER, HERE)
    await twins[0]("send", WIDGET, NUMBER, HERE, "token")
    with pytest.raises(TypeError):
        await twins[1]("send", WIDGET, NUMBER, HERE, "token")
    for twin in twins:
        await twin.close()
