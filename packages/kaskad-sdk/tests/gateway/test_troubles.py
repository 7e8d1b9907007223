"""What the application's log is told when pages are refused for the application's own sake."""

import logging

import httpx2
import pytest

from kaskad_sdk import NoConnectionException
from kaskad_sdk._page_troubles import AGAIN_AFTER_S, MOST_KINDS, Troubles
from tests.peers.pages import WIDGET, Gate, Played, Playing

KINDS = pytest.mark.parametrize("kind", ["async", "sync"])


def refusal(status: int, kind: str) -> Playing:
    body = {"type": kind, "message": "", "httpStatus": status}
    return lambda _: httpx2.Response(status, json=body)


def nobody(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("no route to +79001234567", request=request)


async def warned(
    kind: str, service: Played, caplog: pytest.LogCaptureFixture, *, pages: int = 1
) -> list[str]:
    caplog.clear()
    gate = Gate(kind, service)
    for _ in range(pages):
        await gate.ask("GET", f"/widget/{WIDGET}")
    return [r.getMessage() for r in caplog.records if r.name == "kaskad_sdk.gateway"]


@KINDS
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refusal(401, "UnauthorizedException"), "API token"),
        (refusal(403, "ForbiddenException"), "widget"),
        (refusal(404, "NotFoundException"), "api_url"),
        (refusal(405, "MethodNotAllowedException"), "api_url"),
        (lambda _: httpx2.Response(301, headers={"location": "https://x"}), "301"),
        (lambda _: httpx2.Response(200, html="<title>somebody's</title>"), "'text/html'"),
    ],
)
async def test_the_log_says_what_the_settings_are_wrong_about(
    kind: str, answer: Playing, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    [told] = await warned(kind, Played(answer), caplog, pages=20)
    assert said in told


@KINDS
async def test_the_log_says_who_does_not_answer(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    [told] = await warned(kind, Played(nobody), caplog, pages=20)
    assert "ConnectError" in told
    assert "+7900" not in told


@KINDS
@pytest.mark.parametrize(
    "answer",
    [
        lambda _: httpx2.Response(200, json={"isActive": True}),
        refusal(404, "WidgetNotFoundException"),
        refusal(403, "WidgetIsBlockedException"),
        refusal(429, "RateLimitException"),
    ],
)
async def test_what_a_page_brings_about_is_no_trouble(
    kind: str, answer: Playing, caplog: pytest.LogCaptureFixture
) -> None:
    assert await warned(kind, Played(answer), caplog) == []


def lost(address: str | None) -> NoConnectionException:
    problem = NoConnectionException()
    problem.address = address
    return problem


def test_each_trouble_is_told_again_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    troubles = Troubles(logging.getLogger("test"), "http://x", clock=lambda: now)
    for now, told in ((0.0, 1), (AGAIN_AFTER_S - 1, 1), (AGAIN_AFTER_S, 2)):  # noqa: B007
        troubles.lost(lost("http://a"))
        assert len(caplog.records) == told
    troubles.lost(lost("http://b"))
    assert len(caplog.records) == 3
    troubles.lost(lost(None))  # the client is closed
    assert len(caplog.records) == 3


def test_what_was_told_does_not_pile_up() -> None:
    troubles = Troubles(logging.getLogger("test"), "http://x", clock=lambda: 0.0)
    for kind in range(3 * MOST_KINDS):
        troubles.lost(lost(f"http://{kind}"))
    assert len(troubles._told) <= MOST_KINDS
