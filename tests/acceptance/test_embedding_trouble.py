"""What a page that embeds the widget wrongly shows, and what the browser's console says of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from packages.kaskad.tests.docs import markdown
from tests.acceptance.browser import PATIENCE_MS, Demo
from tests.acceptance.site import Site
from tests.peers.ports import free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.untraced]

TEXT = (markdown.DOCS / "howto" / "embed.md").read_text()
WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
CLOSED = "2d1f0c3a-7b8e-4f60-8c11-1a2b3c4d5e07"
ELSEWHERE = "2d1f0c3a-7b8e-4f60-8c11-1a2b3c4d5e01"
UNPUBLISHED = "2d1f0c3a-7b8e-4f60-8c11-1a2b3c4d5e02"
UNKNOWN = "11111111-ddfe-4dda-b31d-f3b4e75fc5dc"
NO_CONNECTION, SUPPORT = "No connection. Check it.", "Please contact support."
ORIGINS = 'allowed_origins = ["http://127.0.0.1:8000", "http://localhost:8000"]'
LATE_MS = 1500
"""How long a form that must not come is waited for; a right one is there in a quarter of it."""

ELEMENT = '<script type="module" src="SERVICE/kaskad-otp.js"></script>'
SCRIPT = '<script src="SERVICE/otp-widget.umd.js"></script>'
POLICY = '<meta http-equiv="Content-Security-Policy" content="{}">'


def element(attributes: str = f'widget-id="{WIDGET}"', head: str = "") -> str:
    return page(head + ELEMENT, f"<kaskad-otp {attributes}></kaskad-otp>")


def script(entries: str, body: str = '<div id="otp-widget"></div>') -> str:
    return page(f"<script>window.OTP_WIDGETS = {entries};</script>{SCRIPT}", body)


def page(head: str, body: str) -> str:
    start = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Log in</title>'
    return f'{start}<link rel="icon" href="data:,">{head}</head><body>{body}</body></html>'


class Trouble(NamedTuple):
    """A page, what its visitors see (nothing, if empty), and what the console says."""

    text: str
    shows: str = ""
    says: tuple[str, ...] = ()
    asked: str = ""
    """The address that a failed request was for, where the console tells it beside the text."""


ENTRY = f'{{ widgetId: "{WIDGET}" }}'
MISSED = 'no element of the page has id="otp-widget" (containerId) yet'
CSP = "violates the following Content Security Policy directive"
TROUBLES = {
    "a policy against calls": Trouble(
        element(head=POLICY.format("default-src 'self'; script-src SERVICE")),
        NO_CONNECTION,
        ("Connecting to", CSP),
    ),
    "an address without a service": Trouble(
        element(f'widget-id="{WIDGET}" api-url="GONE/sdk"'),
        NO_CONNECTION,
        ("ERR_CONNECTION_REFUSED",),
    ),
    "an unknown widget": Trouble(
        element(f'widget-id="{UNKNOWN}"'), SUPPORT, ("404",), f"/sdk/widget/{UNKNOWN}"
    ),
    "a widget that is no UUID": Trouble(
        element('widget-id="shop"'), SUPPORT, ("404",), "/sdk/widget/shop"
    ),
    "a widget for no page, beside one for this": Trouble(
        element(f'widget-id="{UNPUBLISHED}"'), SUPPORT, ("404",), f"/sdk/widget/{UNPUBLISHED}"
    ),
    "a widget for other pages, beside one for this": Trouble(
        element(f'widget-id="{ELSEWHERE}"'), SUPPORT, ("403",), f"/sdk/widget/{ELSEWHERE}"
    ),
    "a blocked widget": Trouble(element(f'widget-id="{CLOSED}"'), SUPPORT),
    "a policy against the script": Trouble(
        element(head=POLICY.format("default-src 'self'")), "", ("Loading the script", CSP)
    ),
    "another address than the service's": Trouble(
        element().replace("SERVICE", "GONE"), "", ("ERR_CONNECTION_REFUSED",), "/kaskad-otp.js"
    ),
    "an entry without a widget": Trouble(script("[{}]"), "", ("OTP_WIDGETS: widgetId is missing",)),
    "an element without a widget": Trouble(element(""), "", ("needs widget-id=UUID",)),
    "no entries": Trouble(page(SCRIPT, '<div id="otp-widget"></div>')),
    "no container": Trouble(script(f"[{ENTRY}]", ""), "", (MISSED,)),
    "a container of another name": Trouble(
        script(f"[{ENTRY}]", '<div id="login"></div>'), "", (MISSED,)
    ),
    "one container for two": Trouble(
        script(f"[{ENTRY}, {ENTRY}]"),
        "Confirm your number",
        ("OTP_WIDGETS: #otp-widget has a widget already",),
    ),
    "another version's address": Trouble(
        element().replace("SERVICE/", "SERVICE/widget/0123456789abcdef/"),
        "",
        ("Failed to load resource",),
        "/widget/0123456789abcdef/kaskad-otp.js",
    ),
    "another version's hash": Trouble(
        element().replace(" src=", f' crossorigin integrity="sha384-{"A" * 64}" src='),
        "",
        ("valid digest in the 'integrity' attribute",),
    ),
}


@pytest.fixture(scope="module")
def demo(customer: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    blocked, elsewhere = f'id = "{CLOSED}"', 'allowed_origins = ["https://elsewhere.example"]'
    changes = {
        f'["voice"]\n{ORIGINS}': f'["voice"]\n{elsewhere}',
        f'["flashcall"]\n{ORIGINS}': '["flashcall"]',
        "http://127.0.0.1:8000": customer.url,
        blocked: f"{blocked}\nblocked = true",
    }
    with Demo(tmp_path_factory.mktemp("demo"), changes=changes) as demo:
        yield demo


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def console(tab: Page) -> list[ConsoleMessage]:
    heard: list[ConsoleMessage] = []

    def hear(line: ConsoleMessage) -> None:  # Playwright marks it, and a list's method cannot be
        heard.append(line)

    tab.on("console", hear)
    return heard


def written(text: str, demo: Demo) -> str:
    return text.replace("SERVICE", demo.url).replace("GONE", f"http://127.0.0.1:{free_port()}")


def told(tab: Page, console: list[ConsoleMessage], *words: str, asked: str = "") -> None:
    """A line of the console has these words, perhaps a moment after the page shows it."""
    for _ in range(PATIENCE_MS // 100):
        for line in console:
            if all(w in line.text for w in words) and asked in line.location.get("url", ""):
                return
        tab.wait_for_timeout(100)
    raise AssertionError([line.text for line in console])


@pytest.mark.parametrize("name", TROUBLES)
def test_what_is_wrong_is_seen_as_the_page_says(
    demo: Demo, customer: Site, tab: Page, console: list[ConsoleMessage], name: str
) -> None:
    trouble = TROUBLES[name]
    customer.files = {"page.html": written(trouble.text, demo)}
    tab.goto(f"{customer.url}/page.html")
    if trouble.shows:
        expect(tab.get_by_text(trouble.shows).first).to_be_visible()
    else:
        tab.wait_for_timeout(LATE_MS)
        assert tab.locator("body").aria_snapshot() == ""
    if trouble.says:
        told(tab, console, *trouble.says, asked=trouble.asked)


@pytest.mark.parametrize("text", [element(), script(f"[{ENTRY}]")], ids=["element", "script"])
@pytest.mark.parametrize("at", ["another name", "a file"])
def test_an_origin_that_is_not_allowed(
    demo: Demo,
    customer: Site,
    tab: Page,
    console: list[ConsoleMessage],
    tmp_path: Path,
    text: str,
    at: str,
) -> None:
    """`localhost` is another origin than the address that the widget allows."""
    customer.files = {"page.html": written(text, demo)}
    (tmp_path / "page.html").write_text(customer.files["page.html"])
    origin = f"http://localhost:{customer.port}"
    there = f"{origin}/page.html"
    if at == "a file":
        there, origin = (tmp_path / "page.html").as_uri(), "null"
    tab.goto(there)
    expect(tab.get_by_text(NO_CONNECTION)).to_be_visible()
    told(tab, console, f"from origin '{origin}' has been blocked by CORS policy")


def test_a_service_whose_widgets_are_for_no_page(
    customer: Site, tab: Page, console: list[ConsoleMessage], tmp_path: Path
) -> None:
    with Demo(tmp_path, changes={ORIGINS: ""}) as demo:
        customer.files = {"page.html": written(element(), demo)}
        tab.goto(f"{customer.url}/page.html")
        expect(tab.get_by_text(NO_CONNECTION)).to_be_visible()
        told(tab, console, f"from origin '{customer.url}' has been blocked by CORS policy")


def test_the_page_has_what_was_tried() -> None:
    """Its words are those of the form and of the console."""
    _, _, table = TEXT.partition("## When it does not work")
    spoken = [words for t in TROUBLES.values() for words in t.says]
    spoken += ["blocked by CORS policy"]
    spoken += [t.shows for t in TROUBLES.values() if t.shows != "Confirm your number"]
    assert [words for words in spoken if words not in table] == []
