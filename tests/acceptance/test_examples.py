"""The examples as their pages say: real processes, a real service, whole verifications."""

import ast
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from playwright.sync_api import expect, sync_playwright

from packages.kaskad.tests.docs import markdown
from tests.acceptance.browser import FLAGS, chromium, wrong
from tests.acceptance.harness import BASE, CONFIG, WIDGET, Kaskad
from tests.peers.ports import free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.untraced]

EXAMPLES = markdown.ROOT / "examples"
PAGES = {
    "fastapi": "fastapi.md",
    "starlette": "starlette.md",
    "litestar": "litestar.md",
    "aiohttp": "aiohttp.md",
    "flask": "flask.md",
    "django": "django.md",
}
PREFIX = "/auth/otp"
PORT = "8000"
MOST_LINES = 15
BLOCKED = "8f14e45f-ceea-467f-a9f4-0c3d6a1b2c3d"
UNKNOWN = "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"
LIMITS = "limits = { per_ip_per_minute = 1000 }"
PLACE = {
    "long_poll_timeout = 5": "long_poll_timeout = 1",
    "[[tokens]]": f'[[widgets]]\nid = "{BLOCKED}"\nname = "Blocked"\nblocked = true\n'
    'channels = ["sms"]\n\n[[tokens]]',
}

each_example = pytest.mark.parametrize("name", PAGES)


def page_of(name: str) -> str:
    return (markdown.DOCS / "howto" / PAGES[name]).read_text()


@pytest.fixture(scope="module")
def kaskad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kaskad]:
    config = CONFIG
    for old, new in PLACE.items():
        assert old in config
        config = config.replace(old, new)
    with Kaskad(tmp_path_factory.mktemp("service"), config=config, limits=LIMITS) as running:
        yield running


class Example:
    """A back end, started by the last command of its page."""

    def __init__(self, name: str, kaskad: Kaskad, log: Path) -> None:
        self.name = name
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        [commands] = [b.text for b in markdown.blocks(page_of(name), "bash") if not b.reason]
        lines = [line for line in commands.splitlines() if not line.startswith("export KASKAD_")]
        *before, last = "\n".join(lines).replace(PORT, str(port)).splitlines()
        self.environment = {
            **os.environ,
            "KASKAD_URL": kaskad.url,
            "KASKAD_TOKEN": kaskad.token,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        with log.open("w") as output:
            self.process = subprocess.Popen(
                ["bash", "-euc", "\n".join([*before, f"exec {last}"])],
                cwd=markdown.ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
            )
        self.log = log

    def number(self, serial: int) -> str:
        """A number that no other example uses."""
        place = list(PAGES).index(self.name) + 1
        return f"+7900{place}{serial:06}"

    def __enter__(self) -> "Example":
        ends = time.monotonic() + 30
        while time.monotonic() < ends and self.process.poll() is None:
            try:
                if httpx2.get(self.url, timeout=5).status_code == 200:
                    return self
            except httpx2.TransportError:
                time.sleep(0.05)
        self.__exit__()
        raise AssertionError(f"it did not start: {self.log.read_text()}")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(15)


class Visitor:
    """A page's script, without the browser."""

    def __init__(self, example: Example) -> None:
        self.client = httpx2.Client(base_url=example.url, timeout=15)
        self.html = self.client.get("/")
        csrf = self.client.cookies.get("csrftoken")
        self.headers = {"x-csrftoken": csrf} if csrf else {}

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def send(self, number: str) -> dict[str, str]:
        answer = self.client.post(f"{PREFIX}/", json={"widgetId": WIDGET, "recipient": number})
        assert answer.status_code == 201, answer.text
        found: dict[str, str] = answer.json()
        return found

    def get(self, path: str) -> httpx2.Response:
        return self.client.get(PREFIX + path)

    def check(self, request_id: str, code: str) -> httpx2.Response:
        return self.client.post(f"{PREFIX}/{request_id}/checkCode", json={"code": code})

    def log_in(self, begun: dict[str, str]) -> httpx2.Response:
        return self.client.post("/login", json=begun, headers=self.headers)


def version(channel: httpx2.Response) -> str:
    return channel.headers["etag"].strip('"')


@pytest.fixture(scope="module")
def example(request: pytest.FixtureRequest, kaskad: Kaskad) -> Iterator[Example]:
    with Example(request.param, kaskad, kaskad.folder / f"{request.param}.log") as running:
        yield running


each_running = pytest.mark.parametrize("example", PAGES, indirect=True, scope="module")


@each_running
def test_a_number_is_verified_and_logs_in_once(example: Example, kaskad: Kaskad) -> None:
    with Visitor(example) as visitor:
        assert "/auth/otp" in visitor.html.text
        assert visitor.html.headers["content-type"].startswith("text/html")
        number = example.number(0)
        begun = visitor.send(f"8 ({number[2:5]}) {number[5:]}")
        assert begun["recipient"] == number
        path = f"/longPolling/{begun['requestId']}/channel"
        channel = visitor.get(path)
        if channel.json()["status"] == "wait":
            channel = visitor.get(f"{path}?since={version(channel)}")
        assert channel.json()["status"] == "sent"
        assert visitor.log_in(begun).status_code == 403
        code = kaskad.code(begun["requestId"])
        missed = visitor.check(begun["requestId"], wrong(code))
        assert (missed.status_code, missed.json()["type"]) == (400, "InvalidCodeException")
        assert visitor.log_in({**begun, "recipient": "+79007654321"}).status_code == 409
        assert visitor.check(begun["requestId"], code).json() == {"success": True}
        confirmed = visitor.get(f"{path}?since={version(channel)}")
        assert confirmed.json()["status"] == "confirmed"
        entered = visitor.log_in(begun)
        assert (entered.status_code, entered.json()) == (200, {"phone": number})
        assert visitor.log_in(begun).status_code == 403
        assert visitor.log_in({**begun, "requestId": UNKNOWN}).status_code == 404


NONSENSE = (
    b"",
    b"{",
    b"[]",
    b"[{}]",
    b"null",
    b"7",
    b"{}",
    b"\xff",
    b'{"requestId": null, "recipient": null}',
)
"""What somebody may send who is not the page."""


@each_running
def test_a_log_in_that_makes_no_sense_is_refused(example: Example) -> None:
    with Visitor(example) as visitor:
        headers = {"content-type": "application/json", **visitor.headers}
        halves = json.dumps({"requestId": UNKNOWN, "recipient": "\ud800"}).encode()
        lists = json.dumps({"requestId": [], "recipient": {}}).encode()
        for body in (*NONSENSE, halves, lists):
            answer = visitor.client.post("/login", content=body, headers=headers)
            assert answer.status_code // 100 == 4, body


# --- the same errors as from the service ------------------------------------------------------

Call = Callable[..., httpx2.Response]


def _begun(call: Call, number: str) -> str:
    answer = call("POST", "/", json={"widgetId": WIDGET, "recipient": number})
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["requestId"]
    return found


class Story(NamedTuple):
    """Calls that end in an error."""

    name: str
    status: int
    error: str
    tell: Callable[[Call, str], httpx2.Response]


def _refused(name: str, status: int, error: str, *call: object, **given: object) -> Story:
    return Story(name, status, error, lambda ask, _: ask(*call, **given))


def _of_session(
    name: str, status: int, error: str, method: str, path: str, **given: object
) -> Story:
    def tell(ask: Call, number: str) -> httpx2.Response:
        return ask(method, f"/{path}".replace("ID", _begun(ask, number)), **given)

    return Story(name, status, error, tell)


def _five_misses(ask: Call, number: str) -> httpx2.Response:
    request_id = _begun(ask, number)
    while ask("GET", f"/{request_id}/channel").json()["status"] == "wait":
        time.sleep(0.02)  # until then a wrong code is free
    for _ in range(5):
        ended = ask("POST", f"/{request_id}/checkCode", json={"code": "none"})
    return ended


def _four_sends(ask: Call, number: str) -> httpx2.Response:
    for _ in range(3):
        _begun(ask, number)
    return ask("POST", "/", json={"widgetId": WIDGET, "recipient": number})


def _nothing_new(ask: Call, number: str) -> httpx2.Response:
    path = f"/longPolling/{_begun(ask, number)}/channel"
    answer, since = ask("GET", path), ""
    while answer.status_code == 200:
        since = version(answer)
        answer = ask("GET", f"{path}?since={since}")
    return answer


def _closed(ask: Call, number: str) -> httpx2.Response:
    request_id = _begun(ask, number)
    ask("POST", f"/{request_id}/cancel")
    return ask("GET", f"/{request_id}/channel")


def _body(**changes: object) -> dict[str, object]:
    return {"widgetId": WIDGET, "recipient": "+79001112233", **changes}


VALIDATE = "ValidateError"
NO_WIDGET = "WidgetNotFoundException"
TEXT = {"content-type": "text/plain"}
AS_JSON = {"content-type": "application/json"}
STORIES = [
    _refused("no JSON", 400, VALIDATE, "POST", "/", content=b"{", headers=AS_JSON),
    _refused("no body", 400, VALIDATE, "POST", "/", content=b"", headers=AS_JSON),
    _refused("a list", 400, VALIDATE, "POST", "/", json=[]),
    _refused("text", 400, VALIDATE, "POST", "/", content=b"{}", headers=TEXT),
    _refused("a form", 400, VALIDATE, "POST", "/", data={"widgetId": WIDGET}),
    _refused("no fields", 400, VALIDATE, "POST", "/", json={}),
    _refused("numbers", 400, VALIDATE, "POST", "/", json={"widgetId": 1, "recipient": 2}),
    _refused("no phone", 400, VALIDATE, "POST", "/", json=_body(recipient="phone")),
    _refused("no UUID", 400, VALIDATE, "POST", "/", json=_body(widgetId="shop")),
    _refused("a megabyte", 413, VALIDATE, "POST", "/", json=_body(recipient="1" * 2**20)),
    _refused("no widget", 404, NO_WIDGET, "POST", "/", json=_body(widgetId=UNKNOWN)),
    _refused("blocked", 403, "WidgetIsBlockedException", "POST", "/", json=_body(widgetId=BLOCKED)),
    _refused("widget", 404, NO_WIDGET, "GET", f"/widget/{UNKNOWN}"),
    _refused("session", 404, "SessionNotFoundException", "GET", f"/{UNKNOWN}/channel"),
    _refused("no id", 404, "SessionNotFoundException", "GET", "/7/channel"),
    _refused("path", 404, "NotFoundException", "GET", "/nothing/at/all"),
    _refused("method", 405, "MethodNotAllowedException", "GET", f"/{UNKNOWN}/checkCode"),
    _refused("options", 405, "MethodNotAllowedException", "OPTIONS", "/"),
    _of_session("no recipient", 400, VALIDATE, "GET", "ID/status"),
    _of_session(
        "other", 409, "PhoneNumberMismatchException", "GET", "ID/status?recipient=79005556677"
    ),
    _of_session("miss", 400, "InvalidCodeException", "POST", "ID/checkCode", json={"code": "none"}),
    _of_session("no code", 400, VALIDATE, "POST", "ID/checkCode", json={"code": None}),
    _of_session("early", 409, "RestartCooldownActiveException", "POST", "ID/resend"),
    _of_session("bad resend", 400, VALIDATE, "POST", "ID/resend", json={"next": "yes"}),
    Story("quiet", 408, "LongPollingTimeoutException", _nothing_new),
    Story("attempts", 400, "AttemptsExpiredException", _five_misses),
    Story("limit", 429, "RateLimitException", _four_sends),
    Story("closed", 400, "SessionClosedException", _closed),
]
COMPARED = ("content-type", "www-authenticate", "allow", "cache-control")
_SECONDS = re.compile(rb'"retryAfter":\d+')


def _told(answer: httpx2.Response) -> object:
    """What must be the same; the seconds to wait depend on the moment."""
    headers = {name: answer.headers.get(name) for name in COMPARED}
    waits = answer.headers.get("retry-after", "").isdigit()
    return answer.status_code, _SECONDS.sub(b"", answer.content), headers, waits


@each_running
def test_errors_are_those_of_the_service(example: Example, kaskad: Kaskad) -> None:
    numbers = iter(range(1, 1000))
    with Visitor(example) as visitor, httpx2.Client(base_url=kaskad.url, timeout=15) as direct:

        def through_page(method: str, path: str, **given: object) -> httpx2.Response:
            return visitor.client.request(method, PREFIX + path, **given)  # type: ignore[arg-type]  # as the stories give

        def from_service(method: str, path: str, **given: object) -> httpx2.Response:
            headers = {**kaskad.headers, **given.pop("headers", {})}  # type: ignore[dict-item]  # as the stories give
            return direct.request(method, BASE + path, headers=headers, **given)  # type: ignore[arg-type]  # as the stories give

        for story in STORIES:
            ours = story.tell(through_page, example.number(next(numbers)))
            theirs = story.tell(from_service, example.number(next(numbers)))
            assert (theirs.status_code, theirs.json()["type"]) == (story.status, story.error)
            assert _told(ours) == _told(theirs), story.name


@each_running
def test_the_page_cannot_collect_the_verdict(example: Example) -> None:
    with Visitor(example) as visitor:
        begun = visitor.send(example.number(1000))
        for call in ("complete", "checkStatusAndComplete"):
            path = f"{PREFIX}/{begun['requestId']}/{call}?recipient=79003332211"
            assert visitor.client.post(path).status_code == 404


# --- in a browser -----------------------------------------------------------------------------


@pytest.mark.browser
def test_a_person_logs_in(kaskad: Kaskad, tmp_path: Path) -> None:
    with (
        Example("fastapi", kaskad, tmp_path / "log") as example,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium(), args=FLAGS) as browser,
    ):
        page = browser.new_page()
        troubles: list[str] = []
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(f"{example.url}/?widget={WIDGET}")
        buttons = page.get_by_role("button")
        expect(buttons).to_have_text(["Send the code"])
        page.get_by_label("Phone number").fill("8 900 765 43 21")
        with page.expect_response(re.compile(PREFIX + "/$")) as sent:
            page.get_by_role("button", name="Send the code").click()
        code = kaskad.code(sent.value.json()["requestId"])
        status = page.get_by_role("status")
        expect(status).to_have_text("Sent: SMS")
        page.get_by_label("Code", exact=True).fill(wrong(code))
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_have_text("The code is wrong")
        page.get_by_label("Code", exact=True).fill(code)
        page.get_by_role("button", name="Log in").click()
        expect(status).to_have_text("You are logged in as +79007654321.")
        expect(buttons).to_have_count(0)
        assert troubles == []


# --- what the pages of the manual show ------------------------------------------------------


@each_example
def test_the_manual_shows_the_example_as_it_is(name: str) -> None:
    shown = {}
    for block in markdown.blocks(page_of(name), "python"):
        first, _, text = block.text.partition("\n")
        shown[first.removeprefix("# ")] = text
    files = [f for f in (EXAMPLES / name).glob("*.py") if f.name != "manage.py"]
    assert shown == {str(file.relative_to(markdown.ROOT)): file.read_text() for file in files}


@each_example
def test_verifying_takes_few_lines(name: str) -> None:
    """Without imports and the page, which a site has anyway."""
    lines = 0
    for file in (EXAMPLES / name).glob("*.py"):
        if file.name == "manage.py":
            continue
        for node in ast.parse(file.read_text()).body:
            text = "\n".join(_code(node))
            if "kaskad" in text.lower() or "otp" in text or "requestId" in text:
                lines += len(_code(node))
    assert 0 < lines <= MOST_LINES, lines


def _code(node: ast.stmt) -> list[str]:
    """The lines of a statement; none of an import or of what only the page needs."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Expr):
        return []
    return ast.unparse(node).splitlines()
