"""One service for all browser tests of a worker, one browser a module, one profile a test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.acceptance.browser import DESKTOP, FLAGS, Look, chromium
from tests.browser.stage import Stage
from tests.browser.visitor import Visitor, visiting

# A page that no server sent has no place in any network, so it may not call this machine.
OTHER_SITES = "--disable-features=LocalNetworkAccessChecks"


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


# Not for longer: while it lives, its loop stands in the way of asynchronous tests.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS, OTHER_SITES])
        yield browser
        browser.close()


@pytest.fixture
def look(request: pytest.FixtureRequest) -> Look:
    """Desktop, unless a test says otherwise."""
    chosen: Look = getattr(request, "param", DESKTOP)
    return chosen


@pytest.fixture
def visitor(browser: Browser, stage: Stage, look: Look) -> Iterator[Visitor]:
    with visiting(browser, stage, look) as visitor:
        yield visitor
