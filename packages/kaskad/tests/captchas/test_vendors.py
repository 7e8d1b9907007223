"""Vendors as they may behave, on a real socket: what they are sent, what their words are worth."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from kaskad.app.ports import Finding, Judgement
from kaskad.captchas.sdk import LARGEST_ANSWER, SdkCaptchas
from kaskad.core.model import Captcha, CaptchaProvider, Widget
from kaskad.testing import FakeClock, FakeEntropy
from packages.kaskad.tests import builders

GOOGLE, YANDEX, CLOUDFLARE = list(CaptchaProvider)[:3]
ADDRESS = "203.0.113.7"
QUICK_S = 0.3
TOKEN = "a-token-of-a-page"

SITEVERIFY = {"secret": "s3cret", "response": TOKEN, "remoteip": ADDRESS}
VALIDATE = {"secret": "s3cret", "token": TOKEN, "ip": ADDRESS}

Script = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Vendor:
    """A server that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.script: Script = self.says({"success": True})
        self.url = ""

    @staticmethod
    def says(answer: object, status: int = 200) -> Script:
        async def script(_: web.Request) -> web.StreamResponse:
            return web.json_response(answer, status=status)

        return script

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.asked.append({k: v[0] for k, v in parse_qs(await request.text()).items()})
        return await self.script(request)


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", vendor.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    vendor.url = f"http://{host}:{port}/verify"
    yield vendor
    await runner.cleanup()


@pytest.fixture
async def captchas() -> AsyncIterator[SdkCaptchas]:
    made = SdkCaptchas([builders.KEY], FakeClock(), FakeEntropy(), total_s=QUICK_S)
    yield made
    await made.close()


def widget(vendor: Vendor, provider: CaptchaProvider = GOOGLE, **changes: Any) -> Widget:
    given = {"site_key": "public", "secret_key": "s3cret", "verify_url": vendor.url}
    return builders.widget(captcha=Captcha(provider=provider, **{**given, **changes}))


async def judged(captchas: SdkCaptchas, of: Widget) -> Judgement:
    return await captchas.judge(of, TOKEN, ADDRESS)


@pytest.mark.parametrize(
    ("provider", "form", "answer"),
    [
        (GOOGLE, SITEVERIFY, {"success": True}),
        (CLOUDFLARE, SITEVERIFY, {"success": True}),
        (YANDEX, VALIDATE, {"status": "ok", "host": "x"}),
    ],
)
async def test_each_vendor_is_asked_in_its_own_words(
    vendor: Vendor,
    captchas: SdkCaptchas,
    provider: CaptchaProvider,
    form: dict[str, str],
    answer: object,
) -> None:
    vendor.script = vendor.says(answer)
    found = await judged(captchas, widget(vendor, provider))
    assert found.finding is Finding.PASSED
    assert vendor.asked == [form]
    assert found.key.startswith(f"{provider}:")
    assert TOKEN not in found.key
    assert found.until is not None


REFUSALS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"success": False, "error-codes": ["timeout-or-duplicate"]}),
    ({"version": 3}, {"success": True}),
    ({"version": 3}, {"success": True, "score": 0.49}),
    ({"version": 3, "min_score": 0.9}, {"success": True, "score": 0.89}),
    ({"version": 3, "action": "send"}, {"success": True, "score": 1, "action": "login"}),
    ({"hostnames": ("example.com",)}, {"success": True, "hostname": "evil.example"}),
    ({"hostnames": ("example.com",)}, {"success": True}),
    ({"provider": CLOUDFLARE, "action": "send"}, {"success": True, "action": "login"}),
    ({"provider": YANDEX}, {"status": "failed"}),
    ({"provider": YANDEX, "hostnames": ("example.com",)}, {"status": "ok", "host": "evil.example"}),
]


@pytest.mark.parametrize(("settings", "answer"), REFUSALS)
async def test_the_settings_of_a_widget_are_what_an_answer_has_to_meet(
    vendor: Vendor, captchas: SdkCaptchas, settings: dict[str, Any], answer: dict[str, Any]
) -> None:
    vendor.script = vendor.says(answer)
    found = await judged(captchas, widget(vendor, **settings))
    assert (found.finding, found.misset) == (Finding.REFUSED, False)


@pytest.mark.parametrize(
    ("provider", "answer"),
    [
        (GOOGLE, {"success": False, "error-codes": ["invalid-input-secret"]}),
        (YANDEX, {"status": "failed", "message": "Authentication failed. Secret key not found."}),
    ],
)
async def test_a_key_that_the_vendor_does_not_know_is_told_from_a_wrong_token(
    vendor: Vendor, captchas: SdkCaptchas, provider: CaptchaProvider, answer: dict[str, Any]
) -> None:
    vendor.script = vendor.says(answer)
    found = await judged(captchas, widget(vendor, provider))
    assert (found.finding, found.misset) == (Finding.REFUSED, True)


MET: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"version": 3, "min_score": 0.9}, {"success": True, "score": 0.9}),
    (
        {"version": 3, "action": "send", "hostnames": ("example.com",)},
        {"success": True, "score": 1, "action": "send", "hostname": "example.com"},
    ),
    ({"provider": YANDEX, "hostnames": ("example.com",)}, {"status": "ok", "host": "example.com"}),
]


@pytest.mark.parametrize(("settings", "answer"), MET)
async def test_an_answer_that_meets_them_passes(
    vendor: Vendor, captchas: SdkCaptchas, settings: dict[str, Any], answer: dict[str, Any]
) -> None:
    vendor.script = vendor.says(answer)
    assert (await judged(captchas, widget(vendor, **settings))).finding is Finding.PASSED


# --- vendors in trouble -------------------------------------------------------------------


async def _hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def _drips(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for part in [b'{"success":', *[b" "] * 100, b"true}"]:
        await response.write(part)
        await asyncio.sleep(0.02)
    return response


async def _is_huge(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b'{"success": true, "pad": "' + b"x" * LARGEST_ANSWER + b'"}')


async def _has_no_end(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65536)


async def _leads_elsewhere(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/elsewhere")


async def _breaks_off(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _is_no_json(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>")


async def _is_broken(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500)


async def _squeezes(_: web.Request) -> web.StreamResponse:
    response = web.json_response({"success": True})
    response.enable_compression(web.ContentCoding.gzip)
    response.headers["content-encoding"] = "gzip"
    return response


TROUBLES = [
    _hangs, _drips, _is_huge, _has_no_end, _leads_elsewhere, _breaks_off, _is_no_json, _is_broken,
    _squeezes,
]  # fmt: skip


@pytest.mark.parametrize("script", TROUBLES, ids=lambda script: str(script.__name__))
async def test_a_vendor_in_trouble_is_unavailable_in_good_time(
    vendor: Vendor, captchas: SdkCaptchas, script: Script
) -> None:
    vendor.script = script
    async with asyncio.timeout(5):
        found = await judged(captchas, widget(vendor))
    assert found.finding is Finding.UNAVAILABLE
    assert TOKEN not in repr(found)
    assert "s3cret" not in repr(found)
    assert vendor.paths == ["/verify"]

    vendor.script = vendor.says({"success": True})
    assert (await judged(captchas, widget(vendor))).finding is Finding.PASSED


@pytest.mark.parametrize("script", [_is_huge, _has_no_end])
async def test_no_more_of_an_answer_is_read_than_is_decent(
    vendor: Vendor, captchas: SdkCaptchas, script: Script
) -> None:
    vendor.script = script
    found = await judged(captchas, widget(vendor))
    assert found.reason == f"no answer: an answer of more than {LARGEST_ANSWER} bytes"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/verify", "http://no-such-host.invalid/", "http://127.0.0.1:99999/"]
)
async def test_a_vendor_that_is_not_there_is_unavailable(
    vendor: Vendor, captchas: SdkCaptchas, url: str
) -> None:
    found = await judged(captchas, widget(vendor, verify_url=url))
    assert found.finding is Finding.UNAVAILABLE
    assert TOKEN not in repr(found)


async def test_a_hundred_are_asked_about_at_once(vendor: Vendor) -> None:
    captchas = SdkCaptchas([builders.KEY], FakeClock(), FakeEntropy())
    asked = [captchas.judge(widget(vendor), f"{TOKEN}-{n}", ADDRESS) for n in range(100)]
    found = await asyncio.gather(*asked)
    assert {judgement.finding for judgement in found} == {Finding.PASSED}
    assert len({judgement.key for judgement in found}) == 100
    await captchas.close()


async def test_a_widget_without_captcha_has_no_good_token(captchas: SdkCaptchas) -> None:
    found = await captchas.judge(builders.widget(), TOKEN, ADDRESS)
    assert found.finding is Finding.REFUSED
