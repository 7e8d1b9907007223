"""The commands of both READMEs, run as they are printed against a real demo."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from packages.kaskad.tests.docs import markdown

KASKAD = str(Path(sys.executable).with_name("kaskad"))
WALKS = {"README.md": "One verification with curl", "README.ru.md": "Одна проверка с curl"}
EXPECTED = "# → "

pytestmark = pytest.mark.acceptance


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A demo's address, and the folder it was started in."""
    folder, port = tmp_path_factory.mktemp("walk"), free_port()
    base = f"http://127.0.0.1:{port}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KASKAD_")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [KASKAD, "demo", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            wait_for(base, process, folder / "log")
            yield base, folder
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(15)
    assert status == 0, (folder / "log").read_text()


def wait_for(base: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + 30
    while time.monotonic() < ends and process.poll() is None:
        try:
            if httpx2.get(f"{base}/readyz", timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    pytest.fail(f"the demo did not start: {log.read_text()}")


def script(readme: str) -> str:
    section = markdown.sections((markdown.ROOT / readme).read_text(), 2)[WALKS[readme]]
    return "".join(block.text for block in markdown.blocks(section, "bash"))


def pattern(line: str) -> str:
    """What a line of output must look like; an ellipsis stands for anything."""
    return ".*".join(re.escape(part) for part in line.removeprefix(EXPECTED).split("…"))


@pytest.mark.parametrize("readme", WALKS)
def test_the_walk_answers_what_the_readme_shows(readme: str, demo: tuple[str, Path]) -> None:
    base, folder = demo
    commands = script(readme)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "BASE": base, "NO_PROXY": "*", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = [line for line in commands.splitlines() if line.startswith(EXPECTED)]
    printed = done.stdout.splitlines()
    assert len(printed) == len(expected), done.stdout
    for line, wanted in zip(printed, expected, strict=True):
        assert re.fullmatch(pattern(wanted), line), wanted
    assert [line for line in printed if '"success"' in line][-2:] == [
        '{"success":true}',
        '{"success":false}',
    ]


def test_the_address_and_the_token_are_where_the_readmes_say(demo: tuple[str, Path]) -> None:
    _, folder = demo
    assert (folder / "var/demo/token").read_text().startswith("ksk_")
    assert (folder / "var/demo/kaskad.toml").exists()
    for readme in WALKS:
        assert "BASE=${BASE:-http://127.0.0.1:8480}\n" in script(readme)
        assert "TOKEN=$(cat var/demo/token)\n" in script(readme)
