"""Limits and verdicts against everybody at once, over HTTP, on the embedded store."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.harness import WIDGET, Kaskad

pytestmark = [pytest.mark.acceptance, pytest.mark.untraced]

NUMBER = "+79001234567"


@pytest.fixture
def kaskad(tmp_path: Path) -> Iterator[Kaskad]:
    with Kaskad(tmp_path) as running:
        yield running


def kinds(answers: list[httpx2.Response]) -> Counter[str]:
    return Counter(a.json().get("type") or f"success: {a.json()['success']}" for a in answers)


def wrong(code: str, number: int) -> str:
    return f"{(int(code) + 1 + number) % 1_000_000:06}"


def test_200_wrong_guesses_at_once_get_no_more_than_the_attempts_left(kaskad: Kaskad) -> None:
    request_id = kaskad.send()
    code = kaskad.code(request_id)
    kaskad.sent(request_id)
    first = kaskad.post(f"/{request_id}/checkCode", {"code": wrong(code, 500)})
    assert first.json()["type"] == "InvalidCodeException"

    async def fire() -> list[httpx2.Response]:
        async with kaskad.client() as client:
            return await asyncio.gather(
                *(
                    client.post(f"/{request_id}/checkCode", json={"code": wrong(code, n)})
                    for n in range(200)
                )
            )

    answers = asyncio.run(fire())

    assert kinds(answers) == {"InvalidCodeException": 3, "AttemptsExpiredException": 197}
    last = kaskad.post(f"/{request_id}/checkCode", {"code": code})
    assert last.json()["type"] == "AttemptsExpiredException"


def test_50_right_guesses_all_succeed_and_one_completion_wins(kaskad: Kaskad) -> None:
    request_id = kaskad.send()
    code = kaskad.code(request_id)
    kaskad.sent(request_id)

    async def fire() -> tuple[list[httpx2.Response], list[httpx2.Response]]:
        async with kaskad.client() as client:
            checks = await asyncio.gather(
                *(client.post(f"/{request_id}/checkCode", json={"code": code}) for _ in range(50))
            )
            path = f"/{request_id}/checkStatusAndComplete?recipient=%2B79001234567"
            calls = [client.post(path) for _ in range(25)]
            calls += [client.post(f"/{request_id}/complete") for _ in range(25)]
            return checks, await asyncio.gather(*calls)

    checks, completions = asyncio.run(fire())

    assert [a.status_code for a in checks] == [201] * 50
    assert kinds(checks) == {"success: True": 50}
    assert kinds(completions) == {"success: True": 1, "success: False": 49}


def test_40_sends_to_one_number_give_3_sessions_and_3_messages(kaskad: Kaskad) -> None:
    async def fire() -> list[httpx2.Response]:
        body = {"widgetId": WIDGET, "recipient": NUMBER}
        async with kaskad.client() as client:
            return await asyncio.gather(*(client.post("/", json=body) for _ in range(40)))

    answers = asyncio.run(fire())

    refused = [a for a in answers if a.status_code == 429]
    accepted = [a.json()["requestId"] for a in answers if a.status_code == 201]
    assert (len(accepted), len(refused)) == (3, 37)
    assert all(a.json()["type"] == "RateLimitException" for a in refused)
    assert all(0 < int(a.headers["retry-after"]) <= 60 for a in refused)
    for request_id in accepted:
        kaskad.sent(request_id)
    assert sorted(m["requestId"] for m in kaskad.messages()) == sorted(accepted)


def test_guesses_and_the_right_code_at_once_end_in_one_verdict(kaskad: Kaskad) -> None:
    request_id = kaskad.send()
    code = kaskad.code(request_id)
    kaskad.sent(request_id)

    async def fire() -> list[httpx2.Response]:
        async with kaskad.client() as client:
            guesses = [wrong(code, n) for n in range(60)]
            guesses[2] = code
            return await asyncio.gather(
                *(client.post(f"/{request_id}/checkCode", json={"code": g}) for g in guesses)
            )

    seen = kinds(asyncio.run(fire()))

    misses = seen["InvalidCodeException"] + seen["AttemptsExpiredException"]
    assert seen["success: True"] + misses == 60
    if seen["success: True"]:
        status = kaskad.get(f"/api/n/otp-handler/{request_id}/status?recipient=%2B79001234567")
        assert status.json() == {"success": True}
    else:
        assert seen["InvalidCodeException"] == 4
