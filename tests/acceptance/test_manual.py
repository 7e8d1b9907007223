"""The manual's site as a reader meets it: from a folder, without a network, on two screens."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from packages.kaskad.tests.docs import markdown
from scripts import take_pictures
from tests.acceptance.browser import DESKTOP, PATIENCE_MS, PHONE, Look

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.untraced]

WITHIN = ("file:", "data:", "blob:")
PNG_SIZE = slice(16, 24)
PICTURES = os.environ.get("KASKAD_SCREENSHOTS", "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manual")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-d", str(folder)]
    subprocess.run(command, cwd=markdown.ROOT, check=True, capture_output=True, timeout=60)
    return folder


class Reader:
    """Somebody with a page of the manual before them, and everything that went wrong with it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.troubles: list[str] = []
        page.on("request", self._note)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.troubles.append(message.text)

    def _note(self, request: Request) -> None:
        if not request.url.startswith(WITHIN):
            self.troubles.append(f"asks another host: {request.url}")


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def look(request: pytest.FixtureRequest) -> Look:
    chosen: Look = request.param
    return chosen


@pytest.fixture
def reader(browser: Browser, look: Look) -> Iterator[Reader]:
    context = browser.new_context(
        viewport={"width": look.width, "height": look.height},
        color_scheme="dark" if look.scheme == "dark" else "light",
    )
    context.set_default_timeout(PATIENCE_MS)
    somebody = Reader(context.new_page())
    yield somebody
    context.close()
    assert somebody.troubles == []


def test_every_page_fits_and_loads_nothing_from_elsewhere(
    site: Path, reader: Reader, look: Look
) -> None:
    pages = sorted(path for path in site.rglob("*.html") if path.name != "404.html")
    assert len(pages) > 10
    for path in pages:
        reader.page.goto(path.as_uri())
        expect(reader.page.locator("h1")).to_be_visible()
        sticks_out = reader.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert sticks_out <= 0, f"{path.name}: {sticks_out} px to scroll sideways"
        broken = reader.page.evaluate(
            "[...document.images].filter((i) => !i.complete || !i.naturalWidth).map((i) => i.src)"
        )
        assert broken == []
        if PICTURES:
            picture = f"manual-{path.parent.name}-{path.stem}-{look.width}.png"
            reader.page.screenshot(path=Path(PICTURES) / picture, full_page=True)


def test_the_search_works_from_a_folder(site: Path, reader: Reader, look: Look) -> None:
    reader.page.goto((site / "index.html").as_uri())
    if look.width < 600:
        reader.page.locator("label[for=__search]").first.click()
    reader.page.get_by_role("textbox", name="Search").click()
    reader.page.keyboard.type("vacuum")
    found = reader.page.locator('.md-search-result__item a[href*="howto/backup.html"]').first
    expect(found).to_be_visible()


def test_the_picture_of_the_tutorial_can_be_taken_again(tmp_path: Path) -> None:
    """By a process of its own: this one has a browser open already."""
    picture = tmp_path / "demo.png"
    command = [sys.executable, "-m", "scripts.take_pictures", str(picture)]
    subprocess.run(command, cwd=markdown.ROOT, check=True, capture_output=True, timeout=60)
    taken, shown = picture.read_bytes(), take_pictures.PICTURE.read_bytes()
    assert taken[PNG_SIZE] == shown[PNG_SIZE]
    assert len(shown) < 300_000
