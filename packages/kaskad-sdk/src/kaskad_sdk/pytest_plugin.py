"""Fixtures for pytest: put ``pytest_plugins = ["kaskad_sdk.pytest_plugin"]`` in a conftest."""

from collections.abc import Iterator

import pytest

from kaskad_sdk.testing import FakeAsyncOtpClient, FakeOtpClient, Simulation


@pytest.fixture
def otp_simulation() -> Simulation:
    """A service of the test's own; both clients below talk to it."""
    return Simulation(code=None)


@pytest.fixture
def otp_client(otp_simulation: Simulation) -> Iterator[FakeOtpClient]:
    """A client that blocks."""
    with FakeOtpClient(otp_simulation) as client:
        yield client


@pytest.fixture
def async_otp_client(otp_simulation: Simulation) -> FakeAsyncOtpClient:
    """A client that awaits; there is nothing to close."""
    return FakeAsyncOtpClient(otp_simulation)
