"""What several of these tests look with, or are served by."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.acceptance.browser import FLAGS, Demo, chromium
from tests.acceptance.site import Site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; only as long as a module, since none of asyncio runs beside it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def customer() -> Iterator[Site]:
    """A customer's site."""
    with Site().served() as site:
        yield site


@pytest.fixture(scope="module")
def demo(customer: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that allows the customer's site instead of the one that the pages name."""
    changes = {"http://127.0.0.1:8000": customer.url}
    with Demo(tmp_path_factory.mktemp("demo"), changes=changes) as demo:
        yield demo
