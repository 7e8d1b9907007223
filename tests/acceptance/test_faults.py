"""Real processes that are killed, stopped, left by their clients, and short of disk."""

import asyncio
import contextlib
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.crowd import allowed
from tests.acceptance.harness import BASE, CONFIG, WIDGET, Kaskad
from tests.acceptance.load import LIMITS, Load

pytestmark = [pytest.mark.acceptance, pytest.mark.untraced]

BACKENDS = 16


@pytest.fixture
def kaskad(tmp_path: Path) -> Iterator[Kaskad]:
    running = Kaskad(tmp_path, limits=LIMITS)
    running.start()
    yield running
    assert running.process is not None
    if running.process.poll() is None:
        running.stop()


def figures(kaskad: Kaskad) -> dict[tuple[str, str], float]:
    """The figures, by name and bound."""
    text = kaskad.get("/metrics").text
    families = text_string_to_metric_families(text)
    return {(s.name, s.labels.get("le", "")): s.value for f in families for s in f.samples}


# --- kill -9 -------------------------------------------------------------------------


async def _killed_under_load(kaskad: Kaskad, load: Load, after_s: float) -> None:
    load.stopping, load.broken = False, []
    working = asyncio.create_task(load.run(BACKENDS))
    await asyncio.sleep(after_s)
    kaskad.kill()
    await working
    assert load.broken, "nobody was interrupted"


def _rounds(kaskad: Kaskad, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(rounds):
        load = Load(kaskad, seed=number)
        asyncio.run(_killed_under_load(kaskad, load, chance.uniform(0.1, 0.8)))
        kaskad.start()
        asyncio.run(load.hold_to_promises())
        assert load.statuses.keys() <= {200, 201, 400, 408}, load.statuses


def test_kill_9_under_load_loses_nothing_that_was_answered(kaskad: Kaskad) -> None:
    _rounds(kaskad, 5, seed=1)


@pytest.mark.soak
def test_fifty_times_kill_9_under_load(kaskad: Kaskad) -> None:
    _rounds(kaskad, 50, seed=2)


# --- SIGTERM -------------------------------------------------------------------------


async def _stopped_under_load(kaskad: Kaskad, load: Load) -> tuple[Counter[str], float]:
    """What the readiness probe said on a connection that was open, and how long the end took."""
    assert kaskad.process is not None
    working = asyncio.create_task(load.run(BACKENDS))
    said: Counter[str] = Counter()
    async with httpx2.AsyncClient(base_url=kaskad.url, timeout=15) as client:
        await asyncio.sleep(1.0)
        assert (await client.get("/readyz")).status_code == 200
        kaskad.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        with contextlib.suppress(httpx2.TransportError):
            while True:
                said[(await client.get("/readyz")).json()["status"]] += 1
    load.stopping = True
    await working
    code = await asyncio.to_thread(kaskad.process.wait, 15)
    assert code == 0
    return said, time.monotonic() - began


def test_sigterm_under_load_loses_nothing_and_breaks_nothing(kaskad: Kaskad) -> None:
    load = Load(kaskad)
    said, took_s = asyncio.run(_stopped_under_load(kaskad, load))
    assert took_s < 10
    assert set(said) <= {"ok", "draining"}
    assert said["ok"] <= 20, "ready for long after the signal"
    assert {s for s in load.statuses if s >= 500} <= {503}
    kaskad.start()
    asyncio.run(load.hold_to_promises())
    assert load.statuses.keys() <= {200, 201, 400, 408, 503}, load.statuses


def test_messages_under_way_at_sigterm_are_sent_by_the_next_process(tmp_path: Path) -> None:
    kaskad = Kaskad(tmp_path, delay=6.0)
    kaskad.start()
    under_way = [kaskad.send(f"+7900123456{n}") for n in range(5)]
    kaskad.until(lambda: figures(kaskad)["kaskad_store_jobs", ""] == 5)
    began = time.monotonic()
    assert kaskad.stop() == 0
    assert time.monotonic() - began < 10
    kaskad.config.write_text(kaskad.config.read_text().replace("delay = 6.0", "delay = 0"))
    kaskad.start()
    began = time.monotonic()
    for request_id in under_way:
        kaskad.sent(request_id)
    assert time.monotonic() - began < 6, "a lease of the stopped process was waited for"
    assert sorted(m["requestId"] for m in kaskad.messages()) == sorted(under_way)
    kaskad.stop()


# --- a provider that hangs -----------------------------------------------------------

SILENT = "223634df-ddfe-4dda-b31d-f3b4e75fc5dc"
WITH_A_SILENT_PROVIDER = f"""{CONFIG}
[[providers]]
id = "silent"
driver = "simulator"
outcome = "hang"

[[channels]]
id = "voice"
type = "voice"
label = "Voice"
provider = "silent"
send_timeout = 60
templates = [{{{{ locale = "ru", text = "{{{{{{{{ code }}}}}}}}" }}}}]

[[widgets]]
id = "{SILENT}"
name = "Silent"
channels = ["voice"]
"""
MORE_THAN_ITS_PLACES = 80


def test_a_provider_that_hangs_delays_neither_others_nor_the_end(tmp_path: Path) -> None:
    kaskad = Kaskad(tmp_path, config=WITH_A_SILENT_PROVIDER)
    kaskad.start()
    for number in range(MORE_THAN_ITS_PLACES):
        body = {"widgetId": SILENT, "recipient": f"+790012300{number:02}"}
        assert kaskad.post("/", body).status_code == 201
    began = time.monotonic()
    for number in range(5):
        kaskad.sent(kaskad.send(f"+7900123456{number}"))
    assert time.monotonic() - began < 30  # and not the 60 seconds that it may hang
    assert figures(kaskad)["kaskad_store_jobs", ""] == MORE_THAN_ITS_PLACES
    began = time.monotonic()
    assert kaskad.stop() == 0
    assert time.monotonic() - began < 10
    kaskad.start()
    assert figures(kaskad)["kaskad_store_jobs", ""] == MORE_THAN_ITS_PLACES
    kaskad.stop()


# --- clients that vanish -------------------------------------------------------------


def _poll_and_forget(kaskad: Kaskad, request_id: str, *, politely: bool) -> socket.socket:
    """A held call whose client will hang up: with a goodbye, or with a reset."""
    client = socket.create_connection(("127.0.0.1", kaskad.port))
    if not politely:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    path = f"{BASE}/longPolling/{request_id}/status?recipient=%2B79001234567"
    lines = [f"GET {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {kaskad.token}", "", ""]
    client.sendall("\r\n".join(lines).encode())
    return client


def test_places_of_clients_that_vanish_are_free_within_a_second(tmp_path: Path) -> None:
    with Kaskad(tmp_path, limits="limits = { per_recipient_per_minute = 99 }") as kaskad:
        sessions = [kaskad.send() for _ in range(10)]
        clients = [
            _poll_and_forget(kaskad, request_id, politely=bool(n % 2))
            for request_id in sessions
            for n in range(8)
        ]
        kaskad.until(lambda: figures(kaskad)["kaskad_held_polls", ""] == 80)
        for client in clients:
            client.close()
        kaskad.until(lambda: figures(kaskad)["kaskad_held_polls", ""] == 0, within_s=allowed(1.0))


# --- a disk without room -------------------------------------------------------------


def _room(kaskad: Kaskad, size: int) -> None:
    """Let no file of the process grow beyond this size."""
    assert kaskad.process is not None
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.prlimit(kaskad.process.pid, resource.RLIMIT_FSIZE, (size, hard))


@pytest.mark.parametrize("log_file", ["kaskad-sessions.db-wal", "stderr.log"])
def test_a_process_without_room_on_its_disk_goes_on_when_there_is_some(
    kaskad: Kaskad, log_file: str
) -> None:
    live, proven = kaskad.send("+79001234561"), kaskad.send("+79001234562")
    code = kaskad.code(live)
    for request_id in (live, proven):
        kaskad.sent(request_id)
    assert kaskad.post(f"/{proven}/checkCode", {"code": kaskad.code(proven)}).status_code == 201

    log = kaskad.folder / log_file
    _room(kaskad, log.stat().st_size)
    body = {"widgetId": WIDGET, "recipient": "+79001234563"}
    refused = [
        kaskad.post("/", body),
        kaskad.post(f"/{live}/checkCode", {"code": code}),
        kaskad.post(f"/{proven}/complete"),
    ]
    assert [a.json()["type"] for a in refused] == ["ServiceUnavailableException"] * 3
    assert kaskad.get("/readyz").status_code == 503
    assert kaskad.get("/healthz").status_code == 200
    assert kaskad.get(f"{BASE}/{live}/channel").json()["status"] == "sent"

    _room(kaskad, resource.RLIM_INFINITY)
    assert kaskad.get("/readyz").status_code == 200
    assert kaskad.post("/", body).status_code == 201
    assert kaskad.post(f"/{live}/checkCode", {"code": code}).json() == {"success": True}
    assert kaskad.post(f"/{proven}/complete").json() == {"success": True}
    assert kaskad.post(f"/{proven}/complete").json() == {"success": False}
    kaskad.kill()
    kaskad.start()
    assert kaskad.post(f"/{live}/complete").json() == {"success": True}
    assert kaskad.post("/", body).status_code == 429


# --- the event loop ------------------------------------------------------------------


async def _works_for(load: Load, seconds: float) -> None:
    working = asyncio.create_task(load.run(BACKENDS))
    await asyncio.sleep(seconds)
    load.stopping = True
    await working


_WATCH = """
import sys, time
late = 0
ends = time.monotonic() + float(sys.argv[1])
while (began := time.monotonic()) < ends:
    time.sleep(0.05)
    late += time.monotonic() - began > 0.1
print(late)
"""


def test_nothing_blocks_the_event_loop_under_a_mixed_load(kaskad: Kaskad) -> None:
    """In 99 of 100 measurements it is less than 100 ms late, a machine that stalls aside.

    What would block it would do so often: that this process alone is not run for a moment is
    allowed twice.
    """
    load, seconds = Load(kaskad), 4.0
    command = [sys.executable, "-c", _WATCH, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as watch:
        asyncio.run(_works_for(load, seconds))
        stalls = int(watch.communicate(timeout=15)[0])
    seen = figures(kaskad)
    name = "kaskad_event_loop_lag_seconds"
    measured = seen[f"{name}_count", ""]
    late = measured - seen[f"{name}_bucket", "0.1"]
    assert measured >= 40
    assert late <= 0.01 * measured + stalls + 2
    assert load.statuses.keys() <= {200, 201, 400, 408}
