"""The core's machine, unchanged, over the running service on each store."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from packages.kaskad.tests.core.drawn import WHICH
from packages.kaskad.tests.core.machine import Verification
from packages.kaskad.tests.running.files import Files, Memory, OneFile, Place
from packages.kaskad.tests.running.service import RunningSystem

pytestmark = pytest.mark.untraced

STEPS = 50
SOAKED = 10_000


class Running(Verification):
    """The machine, with an end at which the process ends as well."""

    system: RunningSystem

    @precondition(lambda self: any(self.system.jobs(track.id) for track in self.tracks))
    @rule(which=WHICH, answer=st.sampled_from(["reject", "error", "unsure"]))
    def fail_what_is_being_handed_over(self, which: int, answer: str) -> None:
        """So that failures take the way through the worker often, and not by chance."""
        waiting = [track for track in self.tracks if self.system.jobs(track.id)]
        track = waiting[which % len(waiting)]
        self._fail(track, track.last.current, answer)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.system.close()


class Restarted(Running):
    """The same with processes that end, in order or not, and begin again over the same file."""

    @rule(killed=st.booleans())
    def restart(self, killed: bool) -> None:
        self.system.restart(killed=killed)
        self._pass(0.0, asleep=False)

    def teardown(self) -> None:
        self.restart(killed=True)
        super().teardown()


def live_through(
    machine: type[Running], new_place: Callable[[], Place], part: int, examples: int
) -> None:
    """One part of the examples: each has its own seed, so that together they are many."""

    class Part(machine):  # type: ignore[misc, valid-type]  # a class of the caller's choice
        @staticmethod
        def make() -> RunningSystem:
            return RunningSystem(new_place())

    if settings.default is not None and settings.default.derandomize:
        seed(part)(Part)
    run_state_machine_as_test(
        Part, settings=settings(max_examples=examples, stateful_step_count=STEPS)
    )


@pytest.mark.parametrize("part", range(6))
def test_in_memory_sessions_keep_their_promises(part: int) -> None:
    live_through(Running, Memory, part, 50)


@pytest.mark.parametrize("part", range(6))
def test_in_sqlite_sessions_keep_their_promises(part: int, tmp_path: Path) -> None:
    files = Files(tmp_path)
    live_through(Restarted, lambda: OneFile(files), part, 25)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(20))
def test_in_memory_sessions_keep_their_promises_for_long(part: int) -> None:
    live_through(Running, Memory, 100 + part, SOAKED // 20)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(20))
def test_in_sqlite_sessions_keep_their_promises_for_long(part: int, tmp_path: Path) -> None:
    files = Files(tmp_path)
    live_through(Restarted, lambda: OneFile(files), 100 + part, SOAKED // 20)
