"""The page's calls and their captcha, on a real process: under fire, and over a kill."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.acceptance.harness import BASE, CONFIG, WIDGET, Kaskad
from tests.peers.work import solved

pytestmark = [pytest.mark.acceptance, pytest.mark.untraced]

HERE = "https://shop.example"
FREE = 3
CAPTCHA = f'provider = "altcha", max_number = 1000, first_free_requests_per_ip = {FREE}'
GUARDED = CONFIG.replace("[server]", '[server]\nlog_level = "debug"').replace(
    "{limits}", f'allowed_origins = ["{HERE}"]\ncaptcha = {{{{ {CAPTCHA} }}}}\n{{limits}}'
)
PLENTY = "limits = { per_ip_per_minute = 1000 }"
NEEDED = "CaptchaNotConfirmedException"


@pytest.fixture
def kaskad(tmp_path: Path) -> Iterator[Kaskad]:
    with Kaskad(tmp_path, config=GUARDED, limits=PLENTY) as running:
        yield running


class Page:
    """A page of the shop, with a new number for each send."""

    def __init__(self, kaskad: Kaskad) -> None:
        self.url = kaskad.url + "/sdk"
        self._numbers = iter(range(79001000000, 79001999999))

    def body(self, token: str | None = None) -> dict[str, str]:
        body = {"widgetId": WIDGET, "recipient": f"+{next(self._numbers)}"}
        return body if token is None else {**body, "captchaToken": token}

    def send(self, token: str | None = None) -> httpx2.Response:
        headers = {"Origin": HERE}
        return httpx2.post(self.url + "/", json=self.body(token), headers=headers, timeout=15)

    def widget(self) -> Any:
        return httpx2.get(
            f"{self.url}/widget/{WIDGET}", headers={"Origin": HERE}, timeout=15
        ).json()

    def solved(self) -> str:
        """What Altcha in a page gives for a challenge."""
        where = self.widget()["captchaChallengeUrl"]
        challenge = httpx2.get(f"{self.url}/{where}", headers={"Origin": HERE}, timeout=15).json()
        return solved(challenge)

    def fire(self, *bodies: dict[str, str], **headers: str) -> Counter[str]:
        """All of them at once, each with another forged address and origin."""

        async def send(client: httpx2.AsyncClient, n: int) -> str:
            forged = {"X-Forwarded-For": f"198.51.100.{n % 250}", **headers}
            if n % 2:
                forged["Origin"] = HERE
            answer = await client.post(self.url + "/", json=bodies[n], headers=forged)
            return str(answer.json().get("type", answer.status_code))

        async def all_of_them() -> list[str]:
            limits = httpx2.Limits(max_connections=100)
            async with httpx2.AsyncClient(timeout=30, limits=limits) as client:
                return await asyncio.gather(*(send(client, n) for n in range(len(bodies))))

        return Counter(asyncio.run(all_of_them()))


def test_a_browser_asks_first_and_the_connection_stays_open(kaskad: Kaskad) -> None:
    asks = {"Origin": HERE, "Access-Control-Request-Method": "POST"}
    with httpx2.Client() as client:
        for _ in range(2):
            answer = client.options(f"{kaskad.url}/sdk/", headers=asks)
            assert (answer.status_code, answer.content) == (204, b"")
            assert {"content-length", "transfer-encoding"}.isdisjoint(answer.headers)
            assert answer.headers.get("connection") != "close"
        assert client.get(f"{kaskad.url}/sdk/widget/{WIDGET}").status_code == 200


def test_a_page_is_verified_by_its_own_calls_and_the_back_end_collects(kaskad: Kaskad) -> None:
    page = Page(kaskad)
    sent = page.send()
    assert sent.headers["access-control-allow-origin"] == HERE
    request_id, number = sent.json()["requestId"], sent.json()["recipient"]
    code = kaskad.code(request_id)
    kaskad.sent(request_id)
    call = f"{page.url}/{request_id}/checkCode"
    assert httpx2.post(call, json={"code": code}).json() == {"success": True}
    path = f"/{request_id}/checkStatusAndComplete?recipient=%2B{number[1:]}"
    assert httpx2.post(page.url + path).status_code == 404
    assert httpx2.post(kaskad.url + BASE + path).status_code == 401
    assert kaskad.post(path).json() == {"success": True}


def test_at_once_as_many_begin_as_are_free_and_one_for_each_solution(kaskad: Kaskad) -> None:
    page = Page(kaskad)
    seen = page.fire(*(page.body() for _ in range(100)))
    assert seen == {"201": FREE, NEEDED: 100 - FREE}

    token = page.solved()
    assert page.fire(*(page.body(token) for _ in range(50))) == {"201": 1, NEEDED: 49}


def test_what_is_free_and_what_was_used_outlive_a_kill(kaskad: Kaskad) -> None:
    page = Page(kaskad)
    assert [page.send().status_code for _ in range(FREE - 1)] == [201] * (FREE - 1)
    assert page.widget()["captchaIsRequired"] is False
    used, fresh = page.solved(), page.solved()
    assert page.send().status_code == 201
    assert page.send(used).status_code == 201

    kaskad.kill()
    kaskad.start()

    assert page.widget()["captchaIsRequired"] is True
    assert page.send().json()["type"] == NEEDED
    assert page.send(used).json()["type"] == NEEDED
    assert page.send(fresh).status_code == 201
    log = (kaskad.folder / "stderr.log").read_text()
    assert "captcha refused" not in log, "it was solved, and used"
    for token in (used, fresh):
        assert token not in log
    for path in kaskad.folder.glob("kaskad*.db*"):
        assert used.encode() not in path.read_bytes()


def test_an_address_has_one_limit_whatever_it_claims(tmp_path: Path) -> None:
    config = GUARDED.replace(CAPTCHA, CAPTCHA.replace(f"= {FREE}", "= 1000"))
    with Kaskad(tmp_path, config=config) as kaskad:
        page = Page(kaskad)
        seen = page.fire(*(page.body() for _ in range(60)), Forwarded="for=198.51.100.1")
    assert seen == {"201": 10, "RateLimitException": 50}
