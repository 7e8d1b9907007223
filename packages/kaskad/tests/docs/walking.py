"""A newcomer who does what a page says: saves its files, runs its commands, compares the answers.

What the blocks of a page mean:

- A block that begins with `# NAME` (a file name; also `// NAME`, `<!-- NAME -->`) is that file.
  `# NAME, below LINE` is put below that line of the file, `# NAME, at its end` behind it.
- `bash` blocks run in their order, in one shell, which has to like each of them. A block that ends
  with a server keeps its terminal; the rest of the page runs in another one.
- A line `# → ANSWER` is what the commands above it print, and a `json` or `text` block what those
  of the block before it do. An ellipsis stands for anything, alone on its line for any lines.
- A block below `<!-- not run: REASON -->` is only read.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx2

from packages.kaskad.tests.docs import markdown
from tests.peers.ports import free_port

KASKAD = str(Path(sys.executable).with_name("kaskad"))
PORT = 8480
NOT_OURS = ("KASKAD_", "MAKE", "MFLAGS", "ARGS")
"""Variables of whoever runs the tests: settings, and what a `make` hands on to the next."""
EXPECTED = "# → "
ANYTHING = "…"
ANY_LINES = r"(?:.*\n)*"
SERVERS = re.compile(r"^(make run|\S*kaskad (serve|demo))\b.*$")
NAMED = re.compile(
    r"^(?:#|//|<!--) ([\w./-]+\.\w+|/[\w./-]+)(?:, (below (.+)|at its end))?(?: -->)?$"
)
_DONE = "-- next block --"


class File(NamedTuple):
    """A file that a page wants saved, or a piece of one."""

    name: str
    text: str
    below: str | None = None
    more: bool = False

    def merged(self, before: str) -> str:
        """The whole text of the file after this block."""
        if self.below is not None:
            assert f"{self.below}\n" in before, f"{self.name} has no line {self.below}"
            return before.replace(f"{self.below}\n", f"{self.below}\n{self.text}", 1)
        return f"{before}\n{self.text}" if self.more else self.text


def as_file(block: markdown.Block) -> File | None:
    """The file that a block is, if it is one."""
    first, _, rest = block.text.partition("\n")
    match = NAMED.match(first)
    if match is None or block.language == "bash":
        return None
    whole = match[2] is None
    return File(match[1], block.text if whole else rest, match[3], more=not whole)


def files_of(path: Path) -> Iterator[tuple[str, str]]:
    """Each state of each file that a page makes its reader save: name and text."""
    now: dict[str, str] = {}
    for block in markdown.blocks(path.read_text()):
        if (file := as_file(block)) and not block.reason:
            now[file.name] = file.merged(now.get(file.name, ""))
            yield file.name, now[file.name]


class Terminal:
    """A shell that stays open between the blocks of a page."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._log = (folder / "terminal.log").open("a+")
        self._shell = subprocess.Popen(
            ["bash", "-euo", "pipefail"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )

    def run(self, commands: str) -> list[str]:
        """The lines that the commands print; every one of them has to succeed."""
        self._type(f"{{ {commands}\n}} </dev/null\necho '{_DONE}'\n")
        lines: list[str] = []
        assert self._shell.stdout is not None
        for line in self._shell.stdout:
            text, done, _ = line.rstrip("\n").partition(_DONE)
            if text or not done:
                lines.append(text)
            if done:
                return lines
        raise AssertionError(f"failed: {commands}\n{lines}\n{self.complaints()}")

    def begin(self, commands: str) -> None:
        """Start something that does not end by itself; the terminal is taken from now on."""
        *before, last = commands.strip().split("\n")
        self._type("\n".join([*before, f"exec {last}", ""]))

    def _type(self, text: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(text)
        self._shell.stdin.flush()

    @property
    def open(self) -> bool:
        """Whether the shell, or what took its place, is there."""
        return self._shell.poll() is None

    def close(self) -> None:
        """End it, and whatever runs in it."""
        if self.open:
            os.killpg(self._shell.pid, signal.SIGTERM)
        self._shell.wait(20)
        for end in (self._shell.stdin, self._shell.stdout, self._log):
            assert end is not None
            end.close()

    def complaints(self) -> str:
        """What was written to stderr, here or in other terminals of the folder."""
        self._log.seek(0)
        return self._log.read()[-4000:]


class Walk:
    """Somebody in a folder of their own, with a page in front of them.

    ``places`` are texts of the page that are others here, such as folders of the system; programs
    in the folder's ``bin`` stand in for those of the machine.
    """

    def __init__(self, folder: Path, places: Mapping[str, str] | None = None) -> None:
        self.folder = clone_like(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._places = {f"127.0.0.1:{PORT}": f"127.0.0.1:{self.port}", **(places or {})}
        kept = {k: v for k, v in os.environ.items() if not k.startswith(NOT_OURS)}
        self.environment = {
            **kept,
            "KASKAD_PORT": str(self.port),
            "NO_PROXY": "*",
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
        }
        self.terminal = Terminal(self.folder, self.environment)
        self.server: Terminal | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for terminal in (self.terminal, self.server):
            if terminal is not None:
                terminal.close()

    def follow(self, text: str) -> None:
        """Do what a page, or a part of it, says."""
        printed: list[str] = []
        for block in markdown.blocks(text):
            if block.reason:
                continue
            if file := as_file(block):
                self._save(file)
            elif block.language == "bash" and SERVERS.match(block.text.rstrip().split("\n")[-1]):
                self._serve(self.here(block.text))
            elif block.language == "bash":
                printed = self.terminal.run(self.here(block.text))
                compare(printed, shown_in(block.text))
            elif block.language == "text":
                compare(printed, block.text.splitlines())
            elif block.language == "json":
                assert matches(json.loads("\n".join(printed)), json.loads(block.text)), printed
            else:
                raise AssertionError(f"neither a file nor to be run: {block.text}")

    def here(self, text: str) -> str:
        """The text with the places that are others in a test."""
        for place, other in self._places.items():
            text = text.replace(place, other)
        return text

    def _save(self, file: File) -> None:
        path = self.folder / self.here(file.name)  # an absolute name stays as it is
        before = path.read_text() if path.exists() else ""
        path.write_text(file._replace(text=self.here(file.text)).merged(before))

    def _serve(self, commands: str) -> None:
        """Begin a server in this terminal, after the one before it was stopped."""
        if self.server is not None:
            self.server.close()
        self.server, self.terminal = self.terminal, Terminal(self.folder, self.environment)
        self.server.begin(commands)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait for the service to say that it takes work."""
        ends = time.monotonic() + 30
        while time.monotonic() < ends and (self.server is None or self.server.open):
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the server did not start: {self.terminal.complaints()}")


def shown_in(commands: str) -> list[str]:
    """What commands print, by the comments between them."""
    lines = commands.splitlines()
    return [line.removeprefix(EXPECTED) for line in lines if line.startswith(EXPECTED)]


def compare(printed: list[str], wanted: list[str]) -> None:
    """Fail unless the commands printed what the page shows, where it shows anything."""
    if wanted:
        form = "".join(ANY_LINES if line == ANYTHING else f"{pattern(line)}\n" for line in wanted)
        assert re.fullmatch(form, "".join(f"{line}\n" for line in printed)), printed


def pattern(form: str) -> str:
    """What a line must look like."""
    return ".*".join(re.escape(part) for part in form.split(ANYTHING))


def matches(given: Any, wanted: Any) -> bool:
    """Whether JSON is what a page shows."""
    match wanted:
        case dict():
            return (
                isinstance(given, dict)
                and given.keys() == wanted.keys()
                and all(matches(given[key], form) for key, form in wanted.items())
            )
        case list():
            return (
                isinstance(given, list)
                and len(given) == len(wanted)
                and all(map(matches, given, wanted))
            )
        case str() if ANYTHING in wanted:
            return re.fullmatch(pattern(wanted), str(given)) is not None
        case _:
            return bool(given == wanted)


def clone_like(folder: Path) -> Path:
    """The folder with what a clone has after `make setup`: the command, and the Makefile."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "kaskad").symlink_to(KASKAD)
    (folder / "Makefile").write_text((markdown.ROOT / "Makefile").read_text())
    (folder / "scripts").mkdir()
    setup = folder / "scripts" / "setup.sh"
    setup.write_text("#!/bin/sh\n")
    setup.chmod(0o755)
    return folder
