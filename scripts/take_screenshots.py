"""Takes pictures of every state of the widget and of the demo's page.

    .venv/bin/python -m scripts.take_screenshots [FOLDER [STATE ...]]

In English and Russian, on a desktop and on a phone, light and dark. They are for looking at:
nothing compares them.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.acceptance.browser import (
    DESKTOP,
    FLAGS,
    PATIENCE_MS,
    PHONE,
    Demo,
    Look,
    Person,
    chromium,
    person,
    wrong,
)
from tests.browser.stage import Stage
from tests.browser.states import STATES, settle
from tests.browser.visitor import visiting

FOLDER = Path(__file__).parents[1] / "build" / "screenshots"
LOOKS = {
    f"{language}-{screen}": look._replace(locale=locale)
    for language, locale in (("en", "en-GB"), ("ru", "ru-RU"))
    for screen, look in (("desktop", DESKTOP), ("phone", PHONE))
}


def picture(page: Page, name: Path) -> None:
    """Both themes."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        settle(page)
        page.screenshot(path=f"{name}-{scheme}.png", full_page=True)


# --- the demo ----------------------------------------------------------------------------


def _start(_: Person) -> None:
    """As it is when somebody comes."""


def _begin(somebody: Person, index: int, channel: str) -> str:
    """Choose a widget by its place in the row, and ask for a code."""
    somebody.at("widgets").get_by_role("radio").nth(index).locator("..").click()
    number = somebody.demo.number()
    somebody.part("phone-input").fill(number)
    somebody.part("submit").click()
    somebody.sent_by(channel)
    expect(somebody.page.locator("kaskad-phone article").last).to_be_visible()
    return number


def _code(somebody: Person) -> None:
    _begin(somebody, 1, "sms")


def _wrong(somebody: Person) -> None:
    _begin(somebody, 1, "sms")
    somebody.type_code(wrong(somebody.code_on_phone("sms")))
    expect(somebody.part("error").filter(has_text=re.compile("2"))).to_be_visible()


def _push(somebody: Person) -> None:
    _begin(somebody, 8, "sim_push")


def _verified(somebody: Person) -> None:
    _begin(somebody, 1, "sms")
    somebody.type_code(somebody.code_on_phone("sms"))
    somebody.on_step("verified")
    expect(somebody.at("backend-result").locator("li")).to_have_count(1)


DEMO: dict[str, Callable[[Person], None]] = {
    "start": _start,
    "code": _code,
    "wrong": _wrong,
    "push": _push,
    "verified": _verified,
}


def take_demo(browser: Browser, demo: Demo, look: Look, name: str, to: Path) -> None:
    """One state of the demo's page as one person sees it."""
    with person(browser, demo, look) as somebody:
        somebody.expected |= {400}
        somebody.open()
        DEMO[name](somebody)
        picture(somebody.page, to)


# --- the widget --------------------------------------------------------------------------


def take(browser: Browser, stage: Stage, look: Look, name: str, to: Path) -> None:
    """One state of the widget as one person sees it."""
    with visiting(browser, stage, look) as visitor:
        STATES[name](visitor)
        picture(visitor.page, to)


def main(folder: Path, wanted: Sequence[str]) -> None:
    """All of them, or those that are named; the demo's as `demo-start` and so on."""
    expect.set_options(timeout=PATIENCE_MS)
    folder.mkdir(parents=True, exist_ok=True)
    unknown = {*wanted} - {*STATES} - {f"demo-{name}" for name in DEMO}
    if unknown:
        sys.exit(f"no such state: {', '.join(sorted(unknown))}")
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as other,
        Demo(Path(one)) as demo,
        Stage(Path(other)) as stage,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for shown, look in LOOKS.items():
            for name in DEMO:
                if not wanted or f"demo-{name}" in wanted:
                    take_demo(browser, demo, look, name, folder / f"demo-{name}-{shown}")
            for name in STATES:
                if not wanted or name in wanted:
                    take(browser, stage, look, name, folder / f"{name}-{shown}")
        browser.close()
    print(f"{len(list(folder.glob('*.png')))} pictures are in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER, sys.argv[2:])
