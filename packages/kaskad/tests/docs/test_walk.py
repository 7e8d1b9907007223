"""The commands of the READMEs and the how-to, run as they are printed against real processes."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from packages.kaskad.tests.docs import markdown

KASKAD = str(Path(sys.executable).with_name("kaskad"))
HOWTO = markdown.DOCS / "howto" / "first-verification.md"
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
    folder, port = clone_like(tmp_path_factory.mktemp("walk")), free_port()
    with started([KASKAD, "demo", "--port", str(port)], folder, port) as base:
        yield base, folder


def clone_like(folder: Path) -> Path:
    """The folder with the command where a clone has it."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "kaskad").symlink_to(KASKAD)
    return folder


@contextmanager
def started(command: list[str], folder: Path, port: int, **more: str) -> Iterator[str]:
    """A server's address while it runs; it must end well when it is asked to."""
    base = f"http://127.0.0.1:{port}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KASKAD_")} | more
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            wait_for(base, process, folder / "log")
            yield base
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
    return commands_of(markdown.ROOT / readme, WALKS[readme])


def commands_of(path: Path, section: str) -> str:
    text = markdown.sections(path.read_text(), 2)[section]
    return "".join(block.text for block in markdown.blocks(text, "bash"))


def run(commands: str, base: str, folder: Path) -> str:
    """What the commands print."""
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
    return done.stdout


def pattern(line: str) -> str:
    """What a line of output must look like; an ellipsis stands for anything."""
    return ".*".join(re.escape(part) for part in line.removeprefix(EXPECTED).split("…"))


@pytest.mark.parametrize("readme", WALKS)
def test_the_walk_answers_what_the_readme_shows(readme: str, demo: tuple[str, Path]) -> None:
    commands = script(readme)
    expected = [line for line in commands.splitlines() if line.startswith(EXPECTED)]
    printed = run(commands, *demo).splitlines()
    assert len(printed) == len(expected), printed
    for line, wanted in zip(printed, expected, strict=True):
        assert re.fullmatch(pattern(wanted), line), wanted
    assert [line for line in printed if '"success"' in line][-2:] == [
        '{"success":true}',
        '{"success":false}',
    ]


def test_the_how_to_shows_what_happened(demo: tuple[str, Path]) -> None:
    look = commands_of(HOWTO, "2. From a terminal")
    story = run(script("README.md") + look, *demo)
    for word in ("launch 1", "check_code", "check_status_and_complete", "+7900***4567"):
        assert word in story
    assert "+79001234567" not in story.splitlines()[-1]


@pytest.mark.parametrize(
    ("path", "section"),
    [
        (markdown.ROOT / "README.md", "Configuration"),
        (markdown.ROOT / "README.ru.md", "Конфигурация"),
        (HOWTO, "3. With a configuration of your own"),
    ],
    ids=["README.md", "README.ru.md", "howto"],
)
def test_a_configuration_of_ones_own_is_served(path: Path, section: str, tmp_path: Path) -> None:
    text = markdown.sections(path.read_text(), 2)[section]
    folder, port = clone_like(tmp_path), free_port()
    (folder / "kaskad.toml").write_text(markdown.blocks(text, "toml")[0].text)
    # `exec`: the signal that ends the test is then the server's, not the shell's.
    serve = ".venv/bin/kaskad serve"
    commands = commands_of(path, section).replace(serve, f"exec {serve}")
    with started(["bash", "-eu", "-c", commands], folder, port, KASKAD_PORT=str(port)) as base:
        log = (folder / "log").read_text()
        token = next(line for line in log.splitlines() if line.startswith("ksk_"))
        answer = httpx2.get(
            f"{base}/api/n/otp-handler/widget/7a1c54de-90f2-4d0b-8a53-1be2f3c4d5a6",
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
        assert answer.json()["isActive"] is True


def test_the_address_and_the_token_are_where_the_readmes_say(demo: tuple[str, Path]) -> None:
    _, folder = demo
    assert (folder / "var/demo/token").read_text().startswith("ksk_")
    assert (folder / "var/demo/kaskad.toml").exists()
    for readme in WALKS:
        assert "BASE=${BASE:-http://127.0.0.1:8480}\n" in script(readme)
        assert "TOKEN=$(cat var/demo/token)\n" in script(readme)
