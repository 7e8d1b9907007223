"""A real process whose wall clock is set while it runs, and between two runs."""

import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.acceptance.harness import BASE, CONFIG, Kaskad

pytestmark = [pytest.mark.acceptance, pytest.mark.untraced]

# Processes are killed and started again within it, on whatever machine.
LIFETIME_S = 25
SHORT = CONFIG.replace("number_of_tries = 5", f"number_of_tries = 5\nlifetime = {LIFETIME_S}")
HOUR = 3600

SET_CLOCK = """
import os, pathlib, time

_really, _step = time.time, pathlib.Path(os.environ["WALL_CLOCK_STEP"])
time.time = lambda: _really() + float(_step.read_text())
"""


class Wall:
    """The wall clock of the processes that a :class:`Kaskad` starts."""

    def __init__(self, kaskad: Kaskad) -> None:
        self._step = kaskad.folder / "step"
        self.set(0)
        (kaskad.folder / "sitecustomize.py").write_text(SET_CLOCK)
        kaskad.env |= {"WALL_CLOCK_STEP": str(self._step), "PYTHONPATH": str(kaskad.folder)}

    def set(self, seconds: float) -> None:
        """Let it be so many seconds ahead."""
        new = self._step.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self._step)


def check(kaskad: Kaskad, request_id: str, code: str) -> str | bool:
    answer = kaskad.post(f"/{request_id}/checkCode", {"code": code}).json()
    return bool(answer["success"]) if "success" in answer else str(answer["type"])


class Life(NamedTuple):
    """A service whose clock is set while it runs, or between two runs."""

    steps_s: tuple[int, ...]
    restarted: bool


LIVES = {
    "while it runs": Life((HOUR, -2 * HOUR), restarted=False),
    "forward between two runs": Life((HOUR,), restarted=True),
    "back between two runs": Life((-2 * HOUR,), restarted=True),
}


def test_a_step_of_the_clock_changes_nothing(tmp_path: Path) -> None:
    """All at the same time, since each takes as long as a code lives."""
    with ExitStack() as stack:
        served = {}
        for name in LIVES:
            (folder := tmp_path / name.replace(" ", "-")).mkdir()
            kaskad = Kaskad(folder, config=SHORT)
            served[name] = (kaskad, Wall(kaskad))
            stack.enter_context(kaskad)
        codes = {}
        for name, (kaskad, _) in served.items():
            used, unused = (kaskad.send(f"+7900123456{n}") for n in range(2))
            codes[name] = (used, kaskad.code(used)), (unused, kaskad.code(unused))
            for request_id in (used, unused):
                kaskad.sent(request_id)
        sent_at = time.monotonic()
        for name, (kaskad, wall) in served.items():
            for step_s in LIVES[name].steps_s:
                wall.set(step_s)
                kaskad.get("/healthz")
            if LIVES[name].restarted:
                kaskad.kill()
                kaskad.start()
            assert check(kaskad, *codes[name][0]) is True, f"it died early: {name}"
        time.sleep(max(0.0, LIFETIME_S - 3 - (time.monotonic() - sent_at)))
        for name, (kaskad, _) in served.items():
            unused, _ = codes[name][1]
            answer = kaskad.get(f"{BASE}/{unused}/channel").json()
            assert answer.get("status") == "sent", f"it died early: {name}"
        time.sleep(max(0.0, LIFETIME_S + 0.2 - (time.monotonic() - sent_at)))
        for name, (kaskad, _) in served.items():
            ended = check(kaskad, *codes[name][1])
            assert ended == "ResendChannelException", f"it lived on: {name}"
            again = kaskad.send("+79001234568")
            ahead = LIVES[name].steps_s[-1] if LIVES[name].restarted else 0
            assert abs(_now(kaskad, again) - time.time() - ahead) < 10, name


def _now(kaskad: Kaskad, request_id: str) -> float:
    """The time as the service tells it."""
    answer = kaskad.get(f"{BASE}/{request_id}/channel").json()
    return datetime.fromisoformat(answer["payload"]["now"]).timestamp()
