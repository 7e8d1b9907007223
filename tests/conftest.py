"""What holds for every test that starts real processes."""

from collections.abc import Iterator

import pytest

from tests.acceptance.harness import end_all


@pytest.fixture(scope="session", autouse=True)
def nothing_left_running() -> Iterator[None]:
    yield
    end_all()
