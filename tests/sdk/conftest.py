"""What several of these tests call."""

from collections.abc import Iterator

import pytest

from tests.sdk.faulty import FaultyServer


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """It says yes to everything, until a test gives it a script."""
    with FaultyServer() as server:
        yield server
