"""The machine of :mod:`machine` over the pure core: 2,000 lives of 50 steps."""

import pytest
from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

from packages.kaskad.tests.core.machine import CoreVerification

pytestmark = pytest.mark.untraced

PARTS = 16
EXAMPLES, STEPS = 2000, 50


def live_through(part: int, examples: int) -> None:
    """One part of the examples: each has its own seed, so that together they are many."""

    class Part(CoreVerification):
        pass

    if settings.default is not None and settings.default.derandomize:
        seed(part)(Part)
    run_state_machine_as_test(
        Part, settings=settings(max_examples=examples, stateful_step_count=STEPS)
    )


@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", range(PARTS))
def test_sessions_keep_their_promises(part: int) -> None:
    live_through(part, EXAMPLES // PARTS)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_sessions_keep_their_promises_for_long(part: int) -> None:
    live_through(PARTS + part, 10 * EXAMPLES // PARTS)
