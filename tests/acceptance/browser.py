"""A real `kaskad demo` process and a person at its page, in chromium.

Set KASKAD_SCREENSHOTS to a folder to keep a picture of every step.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect

from tests.acceptance.harness import KASKAD, launch
from tests.peers.ports import free_port

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SAME_SITE_SCHEMES = {"http", "https", "ws", "wss"}
PICTURES = os.environ.get("KASKAD_SCREENSHOTS", "")
# The machine may stand still for a while: only what never happens is a failure.
PATIENCE_MS = 30_000
STARTS_WITHIN_S = 90
ENDS_WITHIN_S = 30
expect.set_options(timeout=PATIENCE_MS)
# A held poll that nothing happened to.
ALWAYS_EXPECTED = {408}


def chromium() -> str:
    """The one in CHROMIUM, or the one without a window, which takes half the processor time."""
    chosen = os.environ.get("CHROMIUM")
    for name in [chosen] if chosen else ["chromium-headless-shell", "chromium"]:
        if found := shutil.which(name):
            return found
    pytest.fail("the browser tests need chromium-headless-shell: make setup installs it")


class Look(NamedTuple):
    """How somebody looks at the page."""

    width: int
    height: int
    scheme: str = "light"
    locale: str = "en-GB"


DESKTOP = Look(1280, 800)
PHONE = Look(375, 812, "dark")


class Demo:
    """A `kaskad demo` with a folder and a port of its own."""

    def __init__(self, folder: Path, *, changes: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._numbers = iter(range(10, 100))
        if changes:
            text = (files("kaskad") / "demo.toml").read_text()
            for old, new in changes.items():
                assert old in text, f"demo.toml has no {old!r}"
                text = text.replace(old, new)
            (folder / "kaskad.toml").write_text(text)

    def start(self) -> Self:
        command = [KASKAD, "demo", "--dir", str(self.folder), "--port", str(self.port)]
        self.process = launch(command, self.folder, self.folder / "output.log")
        ends = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < ends:
            assert self.process.poll() is None, f"the demo ended early: {self.log()}"
            try:
                if httpx2.get(self.url + "/readyz", timeout=5).status_code == 200:
                    return self
            except httpx2.TransportError:
                time.sleep(0.02)
        raise AssertionError(f"the demo never became ready: {self.log()}")

    def stop(self) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(ENDS_WITHIN_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def log(self) -> str:
        return (self.folder / "output.log").read_text()[-4000:]

    def number(self) -> str:
        """A phone that no other test uses."""
        return f"+79001234{next(self._numbers):03}"

    def send(self, widget: str, number: str) -> None:
        """A verification that somebody else began."""
        listed = httpx2.get(self.url + "/demo/config.json", timeout=5).json()["widgets"]
        chosen = next(each["id"] for each in listed if each["name"] == widget)
        body = {"widgetId": chosen, "recipient": number}
        answer = httpx2.post(self.url + "/demo/api/", json=body, timeout=5)
        assert answer.status_code == 201, answer.text

    def messages(self, number: str) -> list[dict[str, Any]]:
        url = f"{self.url}/handset/messages?recipient={quote(number)}"
        found: list[dict[str, Any]] = httpx2.get(url, timeout=5).json()
        return found


class Person:
    """Somebody at one page: what they do, and what must hold whatever they do."""

    def __init__(self, page: Page, demo: Demo, look: Look, *, at: str = "") -> None:
        self.page = page
        self.demo = demo
        self.hosts = {urlsplit(url).netloc for url in (demo.url, at) if url}
        self.look = look
        self.expected = set(ALWAYS_EXPECTED)
        self.offline = False
        self.troubles: list[str] = []
        self.paths: list[str] = []
        self.test = os.environ.get("PYTEST_CURRENT_TEST", "").split("::")[-1].split(" ")[0]
        self._pictures = 0
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.troubles.append(f"page error: {error}"))
        page.on("request", self._note)
        page.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => "
            "console.error(`policy violated: ${e.violatedDirective} ${e.blockedURI}`))"
        )

    # --- what must always hold -----------------------------------------------------

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        text = message.text
        if any(f"status of {status} " in text for status in self.expected):
            return
        if self.offline and "net::ERR_" in text:
            return
        self.troubles.append(f"console: {text} ({message.location.get('url')})")

    def _note(self, request: Request) -> None:
        parts = urlsplit(request.url)
        self.paths.append(parts.path)
        if parts.scheme in SAME_SITE_SCHEMES and parts.netloc not in self.hosts:
            self.troubles.append(f"request to another host: {request.url}")

    def see(self, name: str) -> None:
        """Look at the step as it is now, on both kinds of screen; nothing may stick out."""
        for look in sorted((DESKTOP, PHONE), key=lambda each: each.width == self.look.width):
            self.page.set_viewport_size({"width": look.width, "height": look.height})
            sticks_out = self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert sticks_out <= 0, f"{name}: {sticks_out} px to scroll sideways at {look.width}"
            if PICTURES:
                self._picture(Path(PICTURES), f"{name}-{look.width}")
        self._pictures += 1

    def _picture(self, folder: Path, name: str) -> None:
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            self.page.wait_for_timeout(250)  # the buttons' colours change gradually
            file = f"{self.test}-{self._pictures:02}-{name}-{scheme}.png"
            self.page.screenshot(path=folder / file, full_page=True)
        self.page.emulate_media(color_scheme="dark" if self.look.scheme == "dark" else "light")

    def verify(self) -> None:
        assert self.troubles == []

    # --- the parts of the page ------------------------------------------------------

    def at(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    def part(self, name: str) -> Locator:
        """A part of the widget that can be seen."""
        return self.page.locator(f"kaskad-otp [part~={name}]").filter(visible=True)

    @property
    def card(self) -> Locator:
        """The widget as a whole; its step and its channel are attributes."""
        return self.page.locator("kaskad-otp [part~=card]")

    def on_step(self, step: str, channel: str | None = None) -> None:
        """The widget shows a step, of this channel if one is named."""
        expect(self.card).to_have_attribute("data-step", step)
        if channel is not None:
            expect(self.card).to_have_attribute("data-channel", channel)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def message(self, kind: str) -> Locator:
        """The newest message of a type on the phone."""
        return self.at("phone").locator(f"article[data-type={kind}]").last

    def code_on_phone(self, kind: str) -> str:
        """The code as the person reads it: the marked digits of the newest message."""
        text = self.message(kind).locator("mark").first.inner_text()
        return "".join(filter(str.isdigit, text))

    def press(self, kind: str, action: str) -> None:
        self.message(kind).locator(f"[data-action={action}]").click()

    # --- steps ----------------------------------------------------------------------

    def open(self, path: str = "/") -> None:
        self.page.goto(self.demo.url + path)
        if path.partition("?")[0] == "/":
            expect(self.card).to_be_visible()

    def choose(self, group: str, name: str) -> None:
        """One of a group of choices, as it is labelled."""
        self.at(group).get_by_role("radio", name=name, exact=True).locator("..").click()

    def ask(self, widget: str, number: str) -> None:
        """Ask for a code."""
        self.choose("widgets", widget)
        self.part("phone-input").fill(number)
        self.part("submit").click()

    def sent_by(self, channel: str) -> None:
        """The widget says that the channel's provider has taken the message."""
        expect(self.card).to_have_attribute("data-channel", channel)
        expect(self.card).to_have_attribute("data-step", re.compile("^code"))

    def type_code(self, code: str) -> None:
        """Type it; the last digit sends it."""
        self.part("code-input").click()
        self.page.keyboard.type(code)

    def is_verified(self, number: str) -> None:
        self.on_step("verified")
        digits = re.sub(r"\D", "", self.part("number").inner_text())
        assert f"+{digits}" == number

    def answers(self) -> list[str | None]:
        items = self.at("backend-result").locator("li").all()
        return [item.get_attribute("data-success") for item in items]

    def back_end_heard(self, *answers: str) -> None:
        items = self.at("backend-result").locator("li")
        expect(items).to_have_count(len(answers))
        assert self.answers() == list(answers)


@contextmanager
def person(browser: Browser, demo: Demo, look: Look, *, at: str = "") -> Iterator[Person]:
    """Somebody with a browser profile of their own; at the end nothing may have gone wrong.

    ``at`` is the site whose page they are at, if it is not the demo's.
    """
    context = browser.new_context(
        viewport={"width": look.width, "height": look.height},
        color_scheme="dark" if look.scheme == "dark" else "light",
        locale=look.locale,
        reduced_motion="reduce",
        has_touch=look.width < 600,
    )
    context.set_default_timeout(PATIENCE_MS)
    try:
        somebody = Person(context.new_page(), demo, look, at=at)
        yield somebody
        somebody.verify()
    finally:
        context.close()


def wrong(code: str) -> str:
    """Another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"
