"""A process that is killed has lost nothing that it acknowledged."""

import signal
import threading
import time
from pathlib import Path

import pytest

from tests.acceptance.crowd import allowed
from tests.acceptance.harness import BASE, CONFIG, Kaskad

pytestmark = pytest.mark.acceptance

NUMBER = "+79001234567"


def test_sessions_go_on_after_kill_9(tmp_path: Path) -> None:
    kaskad = Kaskad(tmp_path)
    kaskad.start()
    confirmed, guessed, fresh = (kaskad.send(f"+7900123456{n}") for n in range(3))
    codes = {r: kaskad.code(r) for r in (confirmed, guessed, fresh)}
    for request_id in codes:
        kaskad.sent(request_id)
    assert kaskad.post(f"/{confirmed}/checkCode", {"code": codes[confirmed]}).status_code == 201
    for _ in range(2):
        wrong = f"{(int(codes[guessed]) + 1) % 1_000_000:06}"
        kaskad.post(f"/{guessed}/checkCode", {"code": wrong})

    kaskad.kill()
    kaskad.start()

    assert kaskad.post(f"/{confirmed}/complete").json() == {"success": True}
    assert kaskad.post(f"/{confirmed}/complete").json() == {"success": False}
    assert kaskad.get(f"{BASE}/{guessed}/channel").json()["remainingCodeAttempts"] == 3
    assert kaskad.post(f"/{fresh}/checkCode", {"code": codes[fresh]}).json() == {"success": True}
    assert kaskad.stop() == 0


def test_a_waiting_job_is_sent_at_once_after_kill_9(tmp_path: Path) -> None:
    kaskad = Kaskad(tmp_path, delay=3.0)
    kaskad.start()
    request_id = kaskad.send()
    time.sleep(0.3)  # the worker has claimed it, the provider has not taken it
    assert kaskad.messages() == []

    kaskad.kill()
    kaskad.start()
    began = time.monotonic()
    kaskad.sent(request_id)

    # It is 15 seconds long, and began before the process did.
    assert time.monotonic() - began < 10.0, "a lease of the dead process was waited for"
    assert [m["requestId"] for m in kaskad.messages()] == [request_id]
    assert kaskad.stop() == 0


def test_limits_survive_kill_9(tmp_path: Path) -> None:
    kaskad = Kaskad(tmp_path)
    kaskad.start()
    for _ in range(3):
        kaskad.send(NUMBER)
    kaskad.kill()
    kaskad.start()
    body = {"widgetId": "123634df-ddfe-4dda-b31d-f3b4e75fc5dc", "recipient": NUMBER}
    assert kaskad.post("/", body).status_code == 429
    kaskad.stop()


def test_sigterm_answers_held_calls_and_ends_in_good_time(tmp_path: Path) -> None:
    held_for_long = CONFIG.replace("long_poll_timeout = 5", "long_poll_timeout = 25")
    kaskad = Kaskad(tmp_path, config=held_for_long, delay=8.0)
    kaskad.start()
    request_id = kaskad.send()
    answers: list[int] = []

    def poll() -> None:
        answers.append(kaskad.get(f"{BASE}/longPolling/{request_id}/channel").status_code)

    polls = [threading.Thread(target=poll) for _ in range(5)]
    for thread in polls:
        thread.start()
    kaskad.until(lambda: "\nkaskad_held_polls 5.0" in kaskad.get("/metrics").text)
    began = time.monotonic()
    assert kaskad.process is not None
    kaskad.process.send_signal(signal.SIGTERM)
    for thread in polls:
        thread.join(15)
    assert answers == [408] * 5
    assert time.monotonic() - began < allowed(1.0)  # and not when their own time is up
    assert kaskad.stop() == 0
    assert time.monotonic() - began < 10.0


def test_a_second_process_on_the_same_files_is_refused_clearly(tmp_path: Path) -> None:
    with Kaskad(tmp_path) as kaskad:
        other = Kaskad(tmp_path)
        other.env = kaskad.env
        with pytest.raises(AssertionError, match="in use"):
            other.start()
        assert other.process is not None
        assert other.process.returncode == 2
        other.stop()
