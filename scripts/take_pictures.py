"""Takes the pictures of the manual: a real demo, a real browser, at the steps that the pages show.

    .venv/bin/python -m scripts.take_pictures

Codes and times in them are new each time, so take them again only when the demo looks different.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.acceptance.browser import FLAGS, Demo, Look, chromium, person

PICTURE = Path(__file__).parents[1] / "docs" / "tutorial" / "demo.png"
LOOK = Look(1120, 720)
NUMBER = "+7 900 123-45-67"


def main(picture: Path) -> None:
    """The demo when a code has arrived on the phone and is being typed."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Demo(Path(folder)) as demo,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        with person(browser, demo, LOOK) as somebody:
            somebody.open()
            somebody.ask("SMS", NUMBER)
            somebody.sent_by("sms")
            somebody.type_code(somebody.code_on_phone("sms")[:2])
            somebody.page.wait_for_timeout(500)  # until nothing moves any more
            somebody.page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
