"""What holds for every test of the repository."""

import logging
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import coverage
import pytest
import structlog

CHILDREN = "COVERAGE_PROCESS_CONFIG"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Tests marked ``untraced`` run at full speed, and so do the processes that they start."""
    if item.get_closest_marker("untraced") is None:
        return (yield)
    with _untraced():
        return (yield)


@contextmanager
def _untraced() -> Iterator[None]:
    measuring = coverage.Coverage.current()
    if measuring is None:
        yield
        return
    settings = os.environ.pop(CHILDREN, None)
    measuring.stop()
    try:
        yield
    finally:
        measuring.start()
        if settings is not None:
            os.environ[CHILDREN] = settings


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Who sets logs up in this process does so for one test; its streams end with it."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    if logging.root.handlers != handlers:
        logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    if structlog.is_configured():
        structlog.reset_defaults()
