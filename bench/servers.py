"""The processes that are measured, pinned to one core; the load has the other."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
SERVER_CORE, LOAD_CORE = 0, 1

CONFIG = """
[server]
port = {port}
secret_key = "{key}"
database_url = "sqlite:///kaskad.db"
log_level = "warning"

[[providers]]
id = "handset"
driver = "simulator"
delay = 0

[[channels]]
id = "sms"
type = "sms"
label = "SMS"
provider = "handset"
templates = [{{ locale = "ru", text = "{{{{ code }}}} is your code" }}]

[[widgets]]
id = "{widget}"
name = "Bench"
channels = ["sms"]

[[tokens]]
name = "bench"
token = "{token}"
"""


@dataclass(frozen=True)
class Target:
    """A server under load."""

    port: int
    process: int
    key: bytes = b""
    token: str = ""

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def bare() -> Iterator[Target]:
    """uvicorn with the yardstick."""
    port = _free_port()
    options = "--loop uvloop --http httptools --no-access-log --log-level warning --lifespan off"
    command = [sys.executable, "-m", "uvicorn", "bench.bare:application", "--port", str(port)]
    with _running([*command, *options.split()], port, Path.cwd()) as process:
        yield Target(port, process, token=secrets.token_hex(16))


@contextlib.contextmanager
def kaskad() -> Iterator[Target]:
    """The service with everything on, its stores on the disk."""
    port, key, token = _free_port(), secrets.token_bytes(32), secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="kaskad-bench-", dir=".") as name:
        folder = Path(name).absolute()
        config = CONFIG.format(port=port, key=key.hex(), token=token, widget=WIDGET)
        (folder / "kaskad.toml").write_text(config)
        command = [sys.executable, "-m", "kaskad", "serve", "--apply"]
        with _running(command, port, folder) as process:
            yield Target(port, process, key, token)


@contextlib.contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[int]:
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    os.sched_setaffinity(process.pid, {SERVER_CORE})  # its threads come later, and inherit it
    try:
        _wait_for(port, process)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        if process.poll() is not None:
            raise SystemExit("the server ended before it listened")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit("the server does not listen")
