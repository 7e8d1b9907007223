"""The component for React, in an application that a bundler has put together, in the browser."""

import json
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Request, Route, expect

from tests.browser.pages import NONCE, document
from tests.browser.stage import widget_id
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

ROOT = Path(__file__).parents[2]
WEB = ROOT / "scripts" / "web.sh"
DIST = ROOT / "web" / "widget" / "dist"

# StrictMode runs every effect twice, in a build for development alone.
APPLICATION = """
import { createElement as e, Fragment, StrictMode, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { KaskadOtpForm } from "./kaskad/react.js";

window.told = [];

function Shop() {
  const [shown, show] = useState(true);
  const [drawn, draw] = useState(0);
  const [widgetId, choose] = useState(window.widgets[0]);
  const form = useRef(null);
  window.form = form;
  return e(Fragment, {},
    e("button", { id: "toggle", onClick: () => show(!shown) }, "Show or hide"),
    e("button", { id: "draw", onClick: () => draw(drawn + 1) }, `Drawn again: ${drawn}`),
    e("button", { id: "choose", onClick: () => choose(window.widgets[1]) }, "Another widget"),
    e("button", { id: "reset", onClick: () => form.current.reset() }, "Reset"),
    shown && e(KaskadOtpForm, {
      widgetId, apiUrl: "/sdk", locale: "en", className: "mine", autoFocus: true, required: true,
      elementRef: form,
      onVerified: (verdict) => window.told.push(["onVerified", verdict, drawn]),
      onEvent: (name, detail) => window.told.push([name, detail, drawn]),
    }));
}

createRoot(document.getElementById("root")).render(e(StrictMode, {}, e(Shop)));
"""

CONFIG = """
export default {
  mode: "development",
  base: "/app/",
  define: { "process.env.NODE_ENV": '"development"' },
  resolve: { dedupe: ["react", "react-dom"] },
  build: { minify: false, modulePreload: false, rolldownOptions: {
    input: "main.js", output: { entryFileNames: "[name].js" } } },
};
"""


VERSIONS = {"18": ROOT / "web" / "react-18" / "node_modules", "19": ROOT / "node_modules"}


@pytest.fixture(scope="module", params=VERSIONS)
def application(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application's built files, with the oldest React that it may have or the newest."""
    folder = tmp_path_factory.mktemp("react")
    package = json.loads((VERSIONS[request.param] / "react" / "package.json").read_text())
    version: str = package["version"]
    assert version.startswith(f"{request.param}.")
    (folder / "main.js").write_text(APPLICATION)
    (folder / "vite.config.js").write_text(CONFIG)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "kaskad").symlink_to(DIST)
    (folder / "node_modules").symlink_to(VERSIONS[request.param])
    command = [str(WEB), "run", "vite", "build", str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    assert f'"{version}"' in (folder / "dist" / "main.js").read_text()
    return folder / "dist"


@pytest.fixture
def shop(visitor: Visitor, application: Path) -> Visitor:
    """Somebody at the application."""

    def serve(route: Route) -> None:
        file = application / route.request.url.partition("/app/")[2]
        route.fulfill(body=file.read_bytes(), content_type="text/javascript")

    visitor.page.route("**/app/**", serve)
    widgets = json.dumps([widget_id("sms"), widget_id("voice")])
    body = (
        f'<div id="root"></div><script nonce="{NONCE}">window.widgets = {widgets};</script>'
        '<script type="module" src="/app/main.js"></script>'
    )
    visitor.open(document(body))
    visitor.at("phone")
    return visitor


def told(visitor: Visitor) -> list[tuple[str, int]]:
    """What the application heard, with the number of the drawing that heard it."""
    heard = visitor.page.evaluate("window.told.map(([name, , drawn]) => [name, drawn])")
    return [(name, drawn) for name, drawn in heard]


def test_a_verification_in_an_application_of_react(shop: Visitor) -> None:
    expect(shop.page.locator("kaskad-otp.mine")).to_have_count(1)
    expect(shop.part("phone-input")).to_be_focused()
    number = shop.stage.number()
    shop.ask(number)
    shop.at("code")
    shop.page.locator("#draw").click()  # the form stays, and tells those who are there now
    shop.code.press_sequentially(shop.stage.code(number))
    shop.is_verified(number)
    events = [("otp-ready", 0), ("otp-sent", 0), ("onVerified", 1), ("otp-verified", 1)]
    assert told(shop) == events
    request_id = shop.stage.received(number)[-1]["requestId"]
    verdict = shop.page.evaluate("window.form.current.verdict")
    assert verdict == {"requestId": request_id, "recipient": number}
    shop.page.locator("#reset").click()
    shop.at("phone")
    assert shop.page.evaluate("window.form.current.verdict") is None


def test_a_form_that_goes_while_it_waits_and_comes_again(shop: Visitor) -> None:
    number = shop.stage.number()
    shop.ask(number)
    shop.at("code")
    toggle = shop.page.locator("#toggle")

    def is_held(request: Request) -> bool:
        return "/longPolling/" in request.url

    with shop.page.expect_request(is_held):
        pass  # the code is there: from now on a call is held
    with shop.page.expect_event("requestfailed", is_held):
        toggle.click()
    expect(shop.form).to_have_count(0)
    assert shop.page.evaluate("window.form.current") is None
    calls, heard = len(shop.calls), len(told(shop))
    shop.page.wait_for_timeout(500)
    assert (len(shop.calls), len(told(shop))) == (calls, heard)  # nothing runs on
    toggle.click()
    shop.at("code")
    assert len(shop.stage.received(number)) == 1
    shop.code.press_sequentially(shop.stage.code(number))
    shop.is_verified(number)
    assert [name for name, _ in told(shop)].count("onVerified") == 1


def test_another_widget_begins_anew(shop: Visitor) -> None:
    shop.ask(shop.stage.number())
    shop.at("code")
    shop.page.locator("#choose").click()
    shop.at("phone")
    number = shop.stage.number()
    shop.ask(number)
    shop.at("code")
    shop.on_channel("voice")


RENDER = """
import { createElement, version } from "react";
import { renderToString } from "react-dom/server";
import { KaskadOtp, KaskadOtpForm } from "./kaskad/react.js";

if (globalThis.document || globalThis.HTMLElement) throw new Error("there is a page here");
console.log(renderToString(createElement(KaskadOtpForm, {
  widgetId: "w", locale: "en", theme: "dark", className: "mine", required: true })));
console.log(KaskadOtp.formAssociated);
console.log(version);
"""


def test_it_is_drawn_on_a_server_without_a_page(application: Path) -> None:
    script = application.parent / "render.js"
    script.write_text(RENDER)
    command = [str(WEB), "run", "node", "--preserve-symlinks", str(script)]
    drawn = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert drawn.returncode == 0, drawn.stderr
    element, form_associated, version = drawn.stdout.splitlines()
    assert f'"{version}"' in (application / "main.js").read_text()
    assert element.startswith('<kaskad-otp widget-id="w" ')
    assert 'class="mine"' in element
    assert element.endswith("</kaskad-otp>")
    assert form_associated == "true"
