from collections.abc import Iterator
from typing import NamedTuple

import httpx2
import pytest

from tests.adapters.backends import NAMES, back_end
from tests.adapters.upstream import Upstream, upstream


class Backend(NamedTuple):
    """A back end in front of a service that answers as it is told."""

    name: str
    url: str
    service: Upstream
    page: httpx2.Client


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with (
        upstream() as service,
        back_end(request.param, service.url) as url,
        httpx2.Client(timeout=10) as page,
    ):
        yield Backend(request.param, url, service, page)


@pytest.fixture
def backend(served: Backend) -> Backend:
    """A back end of one framework; tests ask for it with ``each_backend``."""
    served.service.forget()
    return served


@pytest.fixture
def service() -> Iterator[Upstream]:
    with upstream() as running:
        yield running


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of a back end is one of each framework."""
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("served", NAMES, indirect=True, scope="module")
