"""A machine for the pages about servers: folders of its own, and stand-ins for what needs root."""

import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from packages.kaskad.tests.docs import markdown
from packages.kaskad.tests.docs.walking import Walk
from tests.acceptance.harness import BASE

LOCK = """sudo /opt/kaskad/bin/python -m pip install --quiet \\
    --require-hashes --requirement requirements/runtime.txt"""
LINK = (
    "find {site} -mindepth 1 -maxdepth 1 ! -name '*kaskad*' ! -name '*.pth' ! -name 'pip*' "
    "! -name 'setuptools*' ! -name pkg_resources ! -name _distutils_hack "
    "-exec ln -s -t /opt/kaskad/lib/python3*/site-packages {{}} +"
)
"""What the lock would install is here already: linked instead of fetched, kaskad itself apart."""

WIDGET = "7a1c54de-90f2-4d0b-8a53-1be2f3c4d5a6"


class Machine(Walk):
    """Somebody at a server, with root's rights over a folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        places = {
            LOCK: LINK.format(site=sysconfig.get_path("purelib")),
            **{
                place: f"{self.root}{place}"
                for place in (
                    "/opt/kaskad",
                    "/etc/kaskad",
                    "/etc/systemd/system",
                    "/var/lib/kaskad",
                    "/var/backups/kaskad",
                )
            },
        }
        super().__init__(folder, places)
        self._stand_ins()

    def _stand_ins(self) -> None:
        units, state = f"{self.root}/etc/systemd/system", f"{self.root}/var/lib"
        systemctl = markdown.ROOT / "tests" / "acceptance" / "systemctl.py"
        commands = {
            "sudo": 'exec env "$@"',
            "useradd": "exit 0",
            "chown": "exit 0",
            "systemctl": f"STAND_IN_UNITS={units} STAND_IN_STATE={state} "
            f'exec {sys.executable} {systemctl} "$@"',
        }
        for name, command in commands.items():
            self._program(self.folder / "bin" / name, command)
        self._program(self.folder / ".venv" / "bin" / "python", f'exec {sys.executable} "$@"')
        (self.folder / "packages").symlink_to(markdown.ROOT / "packages")
        (self.root / "etc/systemd/system").mkdir(parents=True)

    def _program(self, path: Path, command: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{command}\n")
        path.chmod(0o755)

    def calls(self, token: str) -> httpx2.Client:
        """A client of the service's API."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(base_url=self.url + BASE, headers=headers, timeout=15)

    def close(self) -> None:
        """Stop the service, should it still run."""
        for run in (self.root / "etc/systemd/system").glob("*.run"):
            if Path(f"/proc/{(run / 'pid').read_text()}").exists():
                self.terminal.run(f"systemctl stop {run.stem} || true")


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """A machine that ends with the test."""
    with Machine(folder) as somebody:
        try:
            yield somebody
        finally:
            if somebody.terminal.open:
                somebody.close()


def readable_by_others(path: Path) -> bool:
    """Whether anybody but the owner may read a file."""
    return bool(path.stat().st_mode & 0o077)


def until_known(client: httpx2.Client) -> None:
    """Wait until a running service has followed what was done to its tokens."""
    ends = time.monotonic() + 10
    while client.get(f"/widget/{WIDGET}").status_code != 200:
        assert time.monotonic() < ends, "the token is not known"
        time.sleep(0.05)
