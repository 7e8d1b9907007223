"""The how-tos about embedding: their pages as printed, on a site of their own, in a browser."""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, Request, expect

from packages.kaskad.tests.docs import markdown
from packages.kaskad.tests.docs.walking import files_of
from tests.acceptance.browser import DESKTOP, Demo, Person, person
from tests.acceptance.harness import KASKAD
from tests.acceptance.site import Site

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.untraced]

PAGES = ("embed.md", "embed-csp.md", "embed-react.md", "theming.md")
HERE = "http://127.0.0.1:8480"
TEXTS = {page: (markdown.DOCS / "howto" / page).read_text() for page in PAGES}
FILES = {
    name: text
    for page in PAGES
    for name, text in files_of(markdown.DOCS / "howto" / page)
    if not name.endswith(".toml")
}
Visit = Callable[..., AbstractContextManager[Person]]


@pytest.fixture
def visit(browser: Browser, demo: Demo, customer: Site) -> Visit:
    """Opens a page of the site; at the end the browser may have nothing to complain of."""

    @contextmanager
    def visit(
        page: str, files: Mapping[str, str] = FILES, headers: Mapping[str, str] | None = None
    ) -> Iterator[Person]:
        customer.files = {name: text.replace(HERE, demo.url) for name, text in files.items()}
        customer.headers = headers or {}
        with person(browser, demo, DESKTOP, at=customer.url) as somebody:
            somebody.page.goto(f"{customer.url}/{page}")
            yield somebody

    return visit


def prove(somebody: Person, channel: str = "sms") -> str:
    """A whole verification with the widget of the page."""
    number = somebody.demo.number()
    somebody.part("phone-input").fill(number)
    somebody.part("submit").click()
    somebody.sent_by(channel)
    somebody.type_code(somebody.demo.messages(number)[-1]["code"])
    return number


def test_there_are_pages_to_try() -> None:
    assert len(FILES) >= 7
    assert all("8480" in text for text in FILES.values())


@pytest.mark.parametrize("name", ["script.html", "element.html"])
def test_a_page_hears_that_a_number_is_proven(visit: Visit, name: str) -> None:
    with visit(name) as somebody:
        number = prove(somebody)
        expect(somebody.page.locator("#news")).to_contain_text(number)
        somebody.is_verified(number)


def test_a_form_posts_what_was_proven_without_a_handler(visit: Visit, demo: Demo) -> None:
    with visit("form.html") as somebody:
        posts: list[Request] = []
        somebody.page.on("request", lambda r: posts.append(r) if r.method == "POST" else None)
        somebody.page.get_by_label("Name").fill("Ada")
        expect(somebody.card).to_be_visible()
        somebody.button("Sign up").click()
        assert not [p for p in posts if p.url.endswith("/sign-up")], "sent without a proof"
        number = prove(somebody)
        somebody.is_verified(number)
        with somebody.page.expect_request("**/sign-up") as sent:
            somebody.button("Sign up").click()
        fields = parse_qs(sent.value.post_data or "")
        assert (fields["name"], fields["recipient"]) == (["Ada"], [number])
        session = somebody.demo.messages(number)[-1]["requestId"]
        assert fields["requestId"] == [session]


def test_a_strict_policy_is_kept(visit: Visit, demo: Demo) -> None:
    [text] = [b.text for b in markdown.blocks(TEXTS["embed-csp.md"], "text")]
    name, _, value = text.partition(":")
    policy = {name: " ".join(value.split()).replace(HERE, demo.url)}
    with visit("strict.html", headers=policy) as somebody:
        somebody.is_verified(prove(somebody))
        # And the policy is in force: what has no nonce does not run.
        somebody.page.evaluate(
            "document.body.append(Object.assign(document.createElement('div'), "
            "{innerHTML: '<i onclick=\"window.ran = 1\">x</i>'}))"
        )
        somebody.page.locator("body > div > i").click()
        assert somebody.page.evaluate("window.ran") is None
        assert [t for t in somebody.troubles if "script-src" in t]
        somebody.troubles.clear()


def test_the_look_follows_the_page(visit: Visit, demo: Demo) -> None:
    with visit("theme.html") as somebody:
        expect(somebody.part("submit")).to_have_css("background-color", "rgb(91, 42, 134)")
        expect(somebody.part("heading")).to_have_css("text-transform", "uppercase")
        expect(somebody.card).to_have_css("font-family", re.compile("Georgia"))


def test_words_can_be_replaced(visit: Visit, demo: Demo) -> None:
    with visit("words.html") as somebody:
        expect(somebody.part("heading")).to_have_text("Who are you?")
        expect(somebody.part("submit")).to_have_text("Continue")


MAIN = """
import { createRoot } from "react-dom/client";
import { LogIn } from "./LogIn.jsx";
createRoot(document.getElementById("root")).render(<LogIn />);
"""
SHELL = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>x</title></head>
<body><div id="root"></div><script type="module" src="/src/main.jsx"></script></body></html>"""


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An application with the component of the page, as a bundler leaves it."""
    root = markdown.ROOT
    folder = tmp_path_factory.mktemp("react")
    (folder / "src").mkdir()
    (folder / "index.html").write_text(SHELL)
    (folder / "src" / "main.jsx").write_text(MAIN)
    (folder / "src" / "LogIn.jsx").write_text(FILES["LogIn.jsx"])
    (folder / "src" / "kaskad").symlink_to(root / "web" / "widget" / "dist")
    (folder / "node_modules").symlink_to(root / "node_modules")
    command = [str(root / "scripts" / "web.sh"), "run", "vite", "build", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    built = folder / "dist"
    return {str(f.relative_to(built)): f.read_text() for f in built.rglob("*") if f.is_file()}


def test_a_component_of_react_hears_it_too(visit: Visit, application: dict[str, str]) -> None:
    with visit("index.html", application) as somebody:
        number = prove(somebody)
        expect(somebody.page.locator("p", has_text="Proven")).to_contain_text(number)


def test_what_embed_prints_works_as_printed(visit: Visit, demo: Demo) -> None:
    """With the hash: a browser runs only the file that it names."""
    config = str(demo.folder / "kaskad.toml")
    command = [KASKAD, "embed", "--config", config, "--url", demo.url, "--locale", "en"]
    widget = ["--widget", "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"]
    printed = subprocess.run([*command, *widget], check=True, capture_output=True, text=True)
    parts = re.split(r"<!-- .* -->\n", printed.stdout)[1:]
    assert len(parts) == 3
    shell = "<!doctype html><html lang=en><title>x</title><link rel=icon href=/x><body>"
    files = {f"{index}.html": shell + part for index, part in enumerate(parts)}
    for name, text in files.items():
        with visit(name, files) as somebody:
            somebody.is_verified(prove(somebody))
            if "integrity" in text:
                assert any(path.startswith("/widget/") for path in somebody.paths)


def test_another_file_than_the_hash_names_does_not_run(visit: Visit, demo: Demo) -> None:
    source = f"{HERE}/otp-widget.umd.js"
    wrong = (
        f'<script src="{source}" integrity="sha384-{"A" * 64}" crossorigin="anonymous"></script>'
    )
    page = FILES["script.html"].replace(f'<script src="{source}" async></script>', wrong)
    assert page != FILES["script.html"]
    with visit("wrong.html", {"wrong.html": page}) as somebody:
        expect(somebody.page.locator("#otp-widget")).to_be_empty()
        assert [t for t in somebody.troubles if "integrity" in t]
        somebody.troubles.clear()
