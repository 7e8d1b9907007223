"""Real `kaskad` processes for tests: started on free ports, stopped by their own id."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import httpx2

from tests.peers.ports import free_port

KASKAD = str(Path(sys.executable).with_name("kaskad"))
BASE = "/api/n/otp-handler"
WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"

CONFIG = """
[server]
port = {port}
secret_key = "env:KASKAD_SECRET_KEY"
database_url = "sqlite:///kaskad.db"
long_poll_timeout = 5

[[providers]]
id = "handset"
driver = "simulator"
delay = {delay}

[[channels]]
id = "sms"
type = "sms"
label = "SMS"
provider = "handset"
number_of_tries = 5
send_timeout = 120
templates = [{{ locale = "ru", text = "{{{{ code }}}}" }}]

[[widgets]]
id = "{widget}"
name = "Acceptance"
channels = ["sms"]
{limits}

[[tokens]]
name = "acceptance"
token = "env:KASKAD_TEST_TOKEN"
"""


_started: list[subprocess.Popen[bytes]] = []


def launch(
    command: Sequence[str], folder: Path, log: Path, **options: Any
) -> subprocess.Popen[bytes]:
    """A process that ends with the tests at the latest, whatever they forget."""
    with log.open("a") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out, **options)
    _started.append(process)
    return process


def end_all() -> None:
    """Kill what tests that failed left running."""
    for process in _started:
        if process.poll() is None:
            process.kill()
            process.wait(10)
    _started.clear()


class Kaskad:
    """A `kaskad serve` in a folder of its own."""

    def __init__(
        self, folder: Path, *, config: str = CONFIG, delay: float = 0.0, limits: str = ""
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = "ksk-test-" + secrets.token_hex(16)
        self.config = folder / "kaskad.toml"
        self.config.write_text(
            config.format(port=self.port, delay=delay, widget=WIDGET, limits=limits)
        )
        self.env = {
            **os.environ,
            "KASKAD_SECRET_KEY": secrets.token_hex(32),
            "KASKAD_TEST_TOKEN": self.token,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        command = [KASKAD, "serve", "--config", str(self.config), "--apply"]
        log = self.folder / "stderr.log"
        self.process = launch(command, self.folder, log, env=self.env)
        try:
            self.until(lambda: self.get("/healthz").status_code == 200, within_s=60)
        except BaseException:
            self.process.kill()
            self.process.wait(10)
            raise
        return self

    def until(self, holds: Callable[[], bool], within_s: float = 20.0) -> None:
        """Wait for something to become true of the process."""
        ends = time.monotonic() + within_s
        while time.monotonic() < ends:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"kaskad ended early: {self.log()}")
            try:
                if holds():
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"it never happened: {self.log()}")

    def log(self) -> str:
        return (self.folder / "stderr.log").read_text()[-4000:]

    def kill(self) -> None:
        """The end that nobody can prepare for."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """A graceful stop; the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- calls -------------------------------------------------------------------

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.url + path, headers=self.headers, timeout=15)

    def post(self, path: str, body: object = None, **headers: str) -> httpx2.Response:
        return httpx2.post(
            self.url + BASE + path, json=body or {}, headers=self.headers | headers, timeout=15
        )

    def client(self) -> httpx2.AsyncClient:
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=200)
        return httpx2.AsyncClient(
            base_url=self.url + BASE, headers=self.headers, timeout=30, limits=limits
        )

    def send(self, number: str = "+79001234567") -> str:
        answer = self.post("/", {"widgetId": WIDGET, "recipient": number})
        assert answer.status_code == 201, answer.text
        request_id: str = answer.json()["requestId"]
        return request_id

    def messages(self, number: str | None = None) -> list[dict[str, Any]]:
        query = f"?recipient=%2B{number[1:]}" if number else ""
        found: list[dict[str, Any]] = self.get(f"/handset/messages{query}").json()
        return found

    def code(self, request_id: str) -> str:
        """The code as it arrives on the handset."""

        def arrived() -> list[dict[str, Any]]:
            return [m for m in self.messages() if m["requestId"] == request_id]

        self.until(lambda: bool(arrived()))
        code: str = arrived()[-1]["code"]
        return code

    def sent(self, request_id: str) -> None:
        """Wait until the provider has taken the message."""
        path = f"{BASE}/{request_id}/channel"
        self.until(lambda: self.get(path).json().get("status") == "sent")
