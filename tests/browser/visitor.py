"""Somebody at a page with the widget: what they do, and what must hold whatever they do."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    Route,
    expect,
)

from tests.acceptance.browser import PATIENCE_MS, Look
from tests.browser.pages import POLICY, document, with_element
from tests.browser.stage import Stage

REFUSALS = {400, 404, 408, 409}
SAME_SITE_SCHEMES = {"http", "https", "ws", "wss"}

LISTEN = """
window.heard = [];
for (const name of ["otp-ready", "otp-sent", "otp-channel-change", "otp-code-error",
    "otp-verified", "otp-expired", "otp-error", "otp-resend", "code:check"])
  document.addEventListener(name, ({ detail }) => window.heard.push([name, detail]));
addEventListener("securitypolicyviolation", (e) =>
  console.error(`policy violated: ${e.violatedDirective} ${e.blockedURI}`));
"""


class Visitor:
    """A page of a customer in a browser of somebody's own."""

    def __init__(self, page: Page, stage: Stage, look: Look) -> None:
        self.page = page
        self.stage = stage
        self.look = look
        self.offline = False
        self.policy = POLICY
        self.troubles: list[str] = []
        self.calls: list[str] = []
        self._pages: dict[str, str] = {}
        self._held: list[list[Route]] = []
        self._leaving = False
        self._under_way: set[Request] = set()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.troubles.append(f"page error: {error}"))
        page.on("request", self._note)
        page.on("requestfinished", self._forget)
        page.on("requestfailed", self._forget)
        page.add_init_script(LISTEN)
        self.hosts = {urlsplit(url).netloc for url in (stage.url, stage.shop)}
        page.route(re.compile(r"/shop[^/]*$"), self._serve)

    # --- what must always hold -----------------------------------------------------

    def _hear(self, message: ConsoleMessage) -> None:
        text = message.text
        refused = any(f"status of {status} " in text for status in REFUSALS)
        lost = self.offline and ("net::ERR_" in text or "status of 503 " in text)
        if message.type in {"error", "warning"} and not refused and not lost:
            self.troubles.append(f"console: {text} ({message.location.get('url')})")

    def _note(self, request: Request) -> None:
        parts = urlsplit(request.url)
        self.calls.append(f"{request.method} {parts.path}")
        self._under_way.add(request)
        if parts.scheme in SAME_SITE_SCHEMES and parts.netloc not in self.hosts:
            self.troubles.append(f"request to another host: {request.url}")

    def _forget(self, request: Request) -> None:  # Playwright takes no method of a set
        self._under_way.discard(request)

    def verify(self) -> None:
        """Nothing was said in the console, and nobody else was asked for anything."""
        assert not self.troubles, "\n".join(self.troubles)

    # --- the network ----------------------------------------------------------------

    def hold(self, calls: str, *, times: int | None = None) -> list[Route]:
        """Keep back calls by the end of their address; they come into the list.

        Whoever lets one go on takes it out; what is left at the end is cut then.
        """
        held: list[Route] = []
        self._held.append(held)

        def keep(route: Route) -> None:
            if self._leaving:
                route.abort()
            else:
                held.append(route)

        self.page.route(f"**{calls}", keep, times=times)
        return held

    def until_held(self, held: list[Route]) -> None:
        """Wait for a call that is kept back."""
        while not held:
            self.page.wait_for_timeout(10)

    def until_answered(self) -> None:
        """Wait until no call is under way, be it that none gets through."""
        while self._under_way:
            self.page.wait_for_timeout(10)

    def leave(self) -> None:
        """Leave no call without an answer: asyncio would tell of its handler, at any time later."""
        self._leaving = True
        for route in itertools.chain(*self._held):
            with suppress(Error):  # the page has given it up
                route.abort()
        self.page.unroute_all(behavior="wait")

    # --- the page -------------------------------------------------------------------

    def _serve(self, route: Route) -> None:
        """Be the customer's server."""
        headers = {"content-type": "text/html; charset=utf-8"}
        if not route.request.url.startswith(self.stage.shop):
            headers["content-security-policy"] = self.policy
        path = urlsplit(route.request.url).path
        route.fulfill(body=self._pages.get(path, document("")), headers=headers)

    def open(self, html: str, path: str = "/shop", *, elsewhere: bool = False) -> None:
        """Come to a page of the customer's; ``elsewhere``: of another site, without a policy."""
        self._pages[path] = html
        self.page.goto((self.stage.shop if elsewhere else self.stage.url) + path)

    def come(self, widget: str, **more: str) -> None:
        """Come to a page with one widget, in this visitor's language."""
        self.open(with_element(widget, lang=self.look.locale[:2], **more))
        self.at("phone")

    @property
    def heard(self) -> list[tuple[str, Any]]:
        """The widget's events with their details, in order."""
        return [(name, detail) for name, detail in self.page.evaluate("window.heard")]

    def names(self) -> list[str]:
        """The names of the events so far."""
        return [name for name, _ in self.heard]

    def detail(self, name: str) -> Any:
        """The detail of the only event of a name."""
        [found] = [detail for each, detail in self.heard if each == name]
        return found

    def stop_clock(self) -> None:
        """Let the page's time stand still, a little later than now, until it is moved on."""
        self.page.clock.pause_at(self.page.evaluate("Date.now()") / 1000 + 30)

    # --- the form -------------------------------------------------------------------

    @property
    def form(self) -> Locator:
        return self.page.locator("kaskad-otp")

    def part(self, name: str, form: Locator | None = None) -> Locator:
        """What is seen of a part, of this form if there are several."""
        return (form or self.form).locator(f"[part~={name}]").filter(visible=True)

    def at(self, step: str) -> None:
        """The form is at a step."""
        expect(self.part("card")).to_have_attribute("data-step", step)

    def on_channel(self, kind: str) -> None:
        expect(self.part("card")).to_have_attribute("data-channel", kind)

    @property
    def code(self) -> Locator:
        return self.part("code-input")

    @property
    def error(self) -> Locator:
        return self.part("error").filter(has_text=re.compile("."))

    def ask(self, number: str) -> None:
        """Ask for a code."""
        self.part("phone-input").fill(number)
        self.part("submit").click()

    def begin(self, widget: str, **more: str) -> str:
        """Come, ask for a code, and wait for the channel; the number that was used."""
        number = self.stage.number()
        self.come(widget, **more)
        self.ask(number)
        return number

    def count(self, call: str) -> int:
        """How often a call was made, by the end of its path."""
        return sum(each.startswith("POST") and each.endswith(call) for each in self.calls)

    def is_verified(self, number: str) -> None:
        """The form says so, and so does the page's event."""
        self.at("verified")
        detail = self.detail("otp-verified")
        assert detail == {
            "requestId": self.stage.received(number)[-1]["requestId"],
            "recipient": number,
            "status": "success",
        }


@contextmanager
def visiting(browser: Browser, stage: Stage, look: Look, *, scale: float = 1) -> Iterator[Visitor]:
    """Somebody with a browser profile of their own; at the end nothing may have gone wrong.

    ``scale``: pixels of the screen in one of the page, twice as many when it is enlarged to 200 %.
    """
    context = browser.new_context(
        viewport={"width": look.width, "height": look.height},
        color_scheme="dark" if look.scheme == "dark" else "light",
        locale=look.locale,
        device_scale_factor=scale,
        reduced_motion="reduce",
        has_touch=look.width < 600,
        is_mobile=look.width < 600,
    )
    context.set_default_timeout(PATIENCE_MS)
    try:
        visitor = Visitor(context.new_page(), stage, look)
        try:
            yield visitor
            visitor.verify()
        finally:
            visitor.leave()
    finally:
        context.close()


def wrong(code: str, by: int = 1) -> str:
    """Another code of the same length."""
    return f"{(int(code) + by) % 10 ** len(code):0{len(code)}}"
