"""The configuration of docs/howto/nginx.md in front of a real service, in a real nginx."""

import os
import re
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest

from kaskad.core.errors import ServiceUnavailableException
from kaskad.http.widget.built import Built
from packages.kaskad.tests.docs import markdown
from packages.kaskad.tests.docs.walking import files_of
from tests.acceptance.harness import BASE, CONFIG, WIDGET, Kaskad
from tests.peers.ports import free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.untraced]

PAGE = markdown.DOCS / "howto" / "nginx.md"
FILES = dict(files_of(PAGE))
SITE = FILES["/etc/nginx/sites-available/kaskad"]
NUMBER = "+79001234567"
SHOP = "https://shop.example"
HOLD_S = 3
MAIN = """
daemon off;
worker_processes 2;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site;
}}
"""


class Nginx:
    """nginx with the page's site, its addresses and files moved into a folder."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.folder = folder
        self.port = free_port()
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "the test needs nginx: make setup installs it"
        self.command = [program, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        site = SITE
        for old, new in {
            "127.0.0.1:8480": f"127.0.0.1:{upstream}",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "/etc/ssl/otp.example.com": str(folder),
            "/var/log/nginx": str(folder),
        }.items():
            assert old in site, f"the page no longer has {old}"
            site = site.replace(old, new)
        (folder / "site").write_text(site)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
        make_certificate(folder)

    def __enter__(self) -> Self:
        checked = subprocess.run([*self.command, "-t"], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert "warn" not in checked.stderr
        self.process = subprocess.Popen(self.command)
        context = ssl.create_default_context(cafile=self.folder / "fullchain.pem")
        self.client = httpx2.Client(
            base_url=f"https://127.0.0.1:{self.port}",
            headers={"Host": "otp.example.com"},
            verify=context,
            timeout=15,
        )
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            try:
                self.client.get("/")
            except httpx2.TransportError:
                time.sleep(0.02)
            else:
                return self
        raise AssertionError((self.folder / "error.log").read_text())

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(10)


def make_certificate(folder: Path) -> None:
    """A certificate of our own for the loopback."""
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=otp.example.com -addext subjectAltName=IP:127.0.0.1 "
        f"-keyout {folder}/privkey.pem -out {folder}/fullchain.pem"
    )
    subprocess.run(command.split(), check=True, capture_output=True, timeout=20)


@pytest.fixture(scope="module")
def kaskad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kaskad]:
    """A service with the page's `[server]`, and a simulator to have something to send."""
    shown = [line for line in FILES["kaskad.toml"].splitlines() if re.match("public|trusted", line)]
    assert len(shown) == 2
    config = CONFIG.replace("[server]", "\n".join(["[server]", *shown]))
    config = config.replace("long_poll_timeout = 5", f"long_poll_timeout = {HOLD_S}")
    config = config.replace("{limits}", f'allowed_origins = ["{SHOP}"]')
    with Kaskad(tmp_path_factory.mktemp("service"), config=config, delay=0.5) as service:
        yield service


@pytest.fixture(scope="module")
def nginx(kaskad: Kaskad, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx"), kaskad.port) as proxy:
        proxy.client.headers.update(kaskad.headers)
        yield proxy


def call(nginx: Nginx, path: str, body: object = None, **more: Any) -> httpx2.Response:
    return nginx.client.post(BASE + path, json=body or {}, **more)


def begin(nginx: Nginx, number: str) -> str:
    answer = call(nginx, "/", {"widgetId": WIDGET, "recipient": number})
    assert answer.status_code == 201, answer.text
    request_id: str = answer.json()["requestId"]
    return request_id


def logged(nginx: Nginx, line: str) -> str:
    """The access log, once it has a line: nginx writes it when the answer is on its way already."""
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        log = (nginx.folder / "kaskad.log").read_text()
        if line in log:
            return log
        time.sleep(0.02)
    raise AssertionError(f"never logged: {line}")


def test_a_verification_goes_through_and_leaves_no_number_in_the_log(nginx: Nginx) -> None:
    request_id = begin(nginx, NUMBER)
    sent = nginx.client.get(f"{BASE}/longPolling/{request_id}/channel", params={"since": 1})
    assert sent.json()["status"] == "sent"
    refused = call(nginx, f"/{request_id}/checkCode", {"code": "none"})
    assert refused.json()["type"] == "InvalidCodeException"
    path = f"{BASE}/{request_id}/checkStatusAndComplete?recipient=%2B79001234567"
    assert nginx.client.post(path).json() == {"success": False}
    log = logged(nginx, f"POST {BASE}/{request_id}/checkStatusAndComplete 201")
    assert "9001234567" not in log
    assert "recipient" not in log


def test_a_held_call_is_answered_when_something_happens(nginx: Nginx) -> None:
    request_id = begin(nginx, "+79001234568")
    path = f"{BASE}/longPolling/{request_id}/channel"
    version = nginx.client.get(path).headers["etag"].strip('"')
    soon = threading.Timer(0.5, lambda: call(nginx, f"/{request_id}/cancel"))
    began = time.monotonic()
    soon.start()
    answer = nginx.client.get(path, params={"since": version})
    held = time.monotonic() - began
    soon.join()
    assert answer.json()["type"] == "SessionClosedException"
    assert 0.4 < held < HOLD_S - 0.5, "held by the service, and not for its whole time"


def test_a_held_call_that_nothing_happens_to_is_ended_by_the_service(nginx: Nginx) -> None:
    """The test's service holds for 3 s; the page's read time-out has room for the default."""
    request_id = begin(nginx, "+79001234569")
    path = f"{BASE}/longPolling/{request_id}/channel"
    version = nginx.client.get(path).headers["etag"].strip('"')
    answer = nginx.client.get(path, params={"since": version})
    assert answer.status_code == 408
    assert answer.json()["type"] == "LongPollingTimeoutException"
    match = re.search(r"proxy_read_timeout\s+(\d+)s;", SITE)
    assert match
    assert int(match[1]) >= 25 + 15


def test_events_come_as_they_happen(nginx: Nginx) -> None:
    request_id = begin(nginx, "+79001234570")
    seen = 0
    with nginx.client.stream("GET", f"{BASE}/{request_id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("event:"):
                seen += 1
            if '"status":"sent"' in line:
                # The last one happens because this one was read before it.
                call(nginx, f"/{request_id}/cancel")
            if "SessionClosedException" in line:
                break
    assert seen == 3


def test_pages_go_through_and_the_proxy_says_whose_address_it_is(nginx: Nginx) -> None:
    seen = []
    for n in range(12):
        body = {"widgetId": WIDGET, "recipient": f"+790012346{n:02}"}
        headers = {"Origin": SHOP, "X-Forwarded-For": f"198.51.100.{n}"}
        answer = nginx.client.post("/sdk/", json=body, headers=headers)
        assert answer.headers["access-control-allow-origin"] == SHOP
        seen.append(answer.status_code)
    assert seen == [201] * 10 + [429] * 2


@pytest.mark.parametrize("name", ["otp-widget.umd.js", "kaskad-otp.js", "locales/ru.js"])
def test_the_widgets_files_go_through_with_their_headers(nginx: Nginx, name: str) -> None:
    built = Built.carried()
    for path in (f"/{name}", f"/widget/{built.hash}/{name}"):
        answer = nginx.client.get(path)
        assert answer.content == built.files[name].body
        assert answer.headers["access-control-allow-origin"] == "*"
        again = nginx.client.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304


def test_a_page_of_the_demo_does_not_go_through_as_a_script(nginx: Nginx) -> None:
    assert nginx.client.get("/handset/static/phone.js").status_code == 404
    assert nginx.client.get("/x.js").json()["type"] == "NotFoundException"


@pytest.mark.parametrize(
    "path",
    ["/", "/metrics", "/readyz", "/healthz", "/handset", "/handset/messages", "/demo/", "/x"],
)
def test_nothing_but_the_api_is_public(nginx: Nginx, path: str) -> None:
    answer = nginx.client.get(path)
    assert answer.status_code == 404
    assert "nginx" in answer.text


@pytest.mark.parametrize("path", ["", "/"])
def test_the_base_path_answers_with_and_without_a_slash(nginx: Nginx, path: str) -> None:
    answer = nginx.client.post(BASE + path, json={})
    assert answer.json()["type"] == "ValidateError"


def test_a_body_that_is_too_large_is_refused_by_the_service(nginx: Nginx) -> None:
    answer = call(nginx, "/", {"widgetId": WIDGET, "recipient": "1" * 20_000})
    assert answer.status_code == 413
    assert answer.json()["type"] == "ValidateError"


def test_while_the_service_is_away_its_own_error_is_answered(tmp_path: Path) -> None:
    with Nginx(tmp_path, upstream=free_port()) as nginx:
        answer = nginx.client.get(f"{BASE}/widget/{WIDGET}")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        error = ServiceUnavailableException
        assert answer.json() == {"type": error.type, "message": error.ru, "httpStatus": 503}
