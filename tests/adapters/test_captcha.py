"""A captcha that the back end asks for: after so many free requests of an address."""

import httpx2
import pytest

from kaskad.core.errors import CaptchaNotConfirmedException
from kaskad.http.exchange import error_reply
from kaskad_sdk.captcha import Altcha, Guard
from tests.adapters.backends import NAMES, back_end
from tests.adapters.upstream import WIDGET, Upstream
from tests.peers.work import solved

SEND = {"widgetId": WIDGET, "recipient": "+79001234567"}


@pytest.mark.parametrize("name", NAMES)
def test_two_are_free_then_a_captcha_is_needed_once_for_each(name: str, service: Upstream) -> None:
    guard = Guard(Altcha(hmac_key="of this test " * 3, max_number=50), 2)
    with (
        back_end(name, service.url, captcha=guard) as url,
        httpx2.Client(base_url=url, timeout=10) as page,
    ):

        def is_required() -> object:
            return page.get(f"/widget/{WIDGET}").json()["captchaIsRequired"]

        for _ in range(2):
            assert is_required() is False
            assert page.post("/", json=SEND).status_code == 201
        assert is_required() is True
        sent = len(service.asked)
        refused = page.post("/", json=SEND)
        wanted = error_reply(CaptchaNotConfirmedException(), english=False)
        assert (refused.status_code, refused.content) == (wanted.status, wanted.body)
        widget = page.get(f"/widget/{WIDGET}").json()
        assert widget["captchaProvider"] == "altcha"
        token = solved(page.get(f"/{widget['captchaChallengeUrl']}").json())
        assert page.post("/", json={**SEND, "captchaToken": token}).status_code == 201
        assert "captchaToken" not in service.asked[-1].json()
        assert page.post("/", json={**SEND, "captchaToken": token}).status_code == 400
        assert len([a for a in service.asked[sent:] if a.method == "POST"]) == 1
