"""Many waits on one client: sends do not wait for them, memory stays where it is, CPU is cheap."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from statistics import median, quantiles

import httpx2
import pytest

from kaskad_sdk import AsyncOtpClient
from tests.acceptance.harness import CONFIG, WIDGET, Kaskad
from tests.peers.ports import free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.untraced]

APPLICATION = Path(__file__).with_name("application.py")
HOLD_S = 5
FEW, MANY = 80, 500
PUSHES = (
    CONFIG.replace('id = "sms"', 'id = "push"')
    .replace('type = "sms"', 'type = "sim_push"')
    .replace('channels = ["sms"]', 'channels = ["push"]')
    .replace('driver = "simulator"', 'driver = "simulator"\noutcome = "confirm"')
)
"""Every push is confirmed after the delay."""


@contextmanager
def application(kaskad: Kaskad) -> Iterator[str]:
    """A back end in a process of its own, and its address."""
    port = free_port()
    env = {
        **os.environ,
        "OTP_URL": kaskad.url,
        "OTP_TOKEN": kaskad.token,
        "OTP_WIDGET": WIDGET,
        "OTP_HOLD": str(HOLD_S),
    }
    root = APPLICATION.parents[2]
    with subprocess.Popen([sys.executable, str(APPLICATION), str(port)], env=env, cwd=root) as app:
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(400):
                try:
                    httpx2.get(url + "/memory")
                    break
                except httpx2.TransportError:
                    time.sleep(0.05)
            yield url
        finally:
            app.terminate()


@asynccontextmanager
async def visitors(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    limits = httpx2.Limits(max_connections=1000, max_keepalive_connections=1000)
    async with httpx2.AsyncClient(base_url=url, timeout=90, limits=limits) as client:
        yield client


class Crowd:
    """People who sign in at the application."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        self._numbers = count(79000000000)
        self.sends: list[float] = []
        self.done = 0

    async def post(self, path: str, number: str) -> dict[str, object]:
        answer = await self._http.post(path, json={"number": number})
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    async def begin(self) -> tuple[str, str]:
        number = f"+{next(self._numbers)}"
        began = time.monotonic()
        sent = await self.post("/begin", number)
        self.sends.append(time.monotonic() - began)
        return str(sent["id"]), number

    async def sign_in(self) -> None:
        request_id, number = await self.begin()
        assert await self.post(f"/wait/{request_id}", number) == {"success": True}
        assert await self.post(f"/finish/{request_id}", number) == {"success": True}
        self.done += 1

    async def memory(self) -> int:
        return int((await self._http.get("/memory")).json()["kb"])


async def rounds(crowd: Crowd, waits: int, until: float) -> list[int]:
    """Everybody signs in, again and again; the memory after each round."""
    used: list[int] = []
    while not used or time.monotonic() < until:
        first = asyncio.gather(*(crowd.sign_in() for _ in range(waits)))
        await asyncio.sleep(0)
        while not first.done():
            await asyncio.sleep(0.2)
            await crowd.begin()  # while the others wait
        await first
        used.append(await crowd.memory())
    return used


def test_a_crowd_of_waits_shares_a_client(tmp_path: Path) -> None:
    """How long a send takes is not looked at: that is up to who else is on the machine."""
    with Kaskad(tmp_path, config=PUSHES, delay=2.0) as kaskad, application(kaskad) as url:
        used, crowd = asyncio.run(_played(url, FEW, seconds=0))
    assert crowd.done == FEW
    assert used[-1] < 400_000, used


@pytest.mark.soak
def test_five_hundred_waits_share_a_client(tmp_path: Path) -> None:
    with Kaskad(tmp_path, config=PUSHES, delay=6.0) as kaskad, application(kaskad) as url:
        used, crowd = asyncio.run(_played(url, MANY, seconds=0))
    assert crowd.done == MANY
    assert median(crowd.sends[MANY:]) < 1.0, quantiles(crowd.sends, n=100)
    assert used[-1] < 400_000, used


@pytest.mark.soak
def test_memory_is_flat_for_ten_minutes(tmp_path: Path) -> None:
    seconds = float(os.environ.get("KASKAD_SOAK_S", "600"))
    with Kaskad(tmp_path, config=PUSHES, delay=8.0) as kaskad, application(kaskad) as url:
        used, crowd = asyncio.run(_played(url, MANY, seconds=seconds))
    late = quantiles(crowd.sends[MANY:], n=100)
    print(f"{crowd.done} verified, memory kB {used}, send p50 {late[49]:.3f} p99 {late[98]:.3f}")
    warm = used[max(1, len(used) // 4) :]
    assert max(warm) - min(warm) < 0.1 * warm[0], used
    assert late[98] < 5.0


async def _played(url: str, waits: int, seconds: float) -> tuple[list[int], Crowd]:
    async with visitors(url) as http:
        crowd = Crowd(http)
        return await rounds(crowd, waits, time.monotonic() + seconds), crowd


# --- CPU -------------------------------------------------------------------------------------

SERVER = """
import sys, uvicorn
BODY = b'{"success":true}'
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"application/json"), (b"content-length", b"16")]})
    await send({"type": "http.response.body", "body": BODY})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", lifespan="off")
"""
SESSION = "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"
CONCURRENT = 64


@pytest.fixture
def server() -> Iterator[str]:
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)]) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(400):
                try:
                    httpx2.get(url)
                    break
                except httpx2.TransportError:
                    time.sleep(0.05)
            yield url
        finally:
            process.terminate()


async def cpu_per_call(call: Callable[[], Awaitable[object]], calls: int) -> float:
    """Seconds of this process for each of so many calls, 64 of them at once."""
    left = iter(range(calls))

    async def caller() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(call() for _ in range(CONCURRENT)))
    began = time.process_time()
    await asyncio.gather(*(caller() for _ in range(CONCURRENT)))
    return (time.process_time() - began) / calls


async def compared(url: str, *, calls: int, times: int) -> tuple[float, float]:
    """What a call costs with the SDK and with a bare client: the least of several turns each."""
    base = f"{url}/api/n/otp-handler"
    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
    ours, bare = [], []
    headers = {"authorization": "Bearer t", "accept": "application/json"}
    async with (
        AsyncOtpClient(api_url=url, api_token="t") as otp,
        httpx2.AsyncClient(limits=limits, headers=headers) as http,
    ):

        async def plain() -> object:
            params = {"recipient": "+79001234567"}
            answer = await http.get(f"{base}/{SESSION}/status", params=params)
            return json.loads(answer.content)["success"]

        async def status() -> object:
            return await otp.check_status(SESSION, "+79001234567")

        for _ in range(times):
            bare.append(await cpu_per_call(plain, calls))
            ours.append(await cpu_per_call(status, calls))
    return min(ours), min(bare)


async def test_a_call_costs_hardly_more_than_with_a_bare_client(server: str) -> None:
    ours, bare = await compared(server, calls=400, times=2)
    assert ours < 1.6 * bare, (ours, bare)


@pytest.mark.soak
async def test_a_call_costs_at_most_a_fifth_more(server: str) -> None:
    ours, bare = await compared(server, calls=4000, times=3)
    print(f"CPU per call: {ours * 1e3:.3f} ms, bare {bare * 1e3:.3f} ms, {ours / bare:.2f} times")
    assert ours <= 1.2 * bare, (ours, bare)
