"""docs/howto/systemd.md, followed on a machine with stand-ins for root and systemd."""

import re
import subprocess
from pathlib import Path

import httpx2
import pytest

from packages.kaskad.tests.docs import markdown
from packages.kaskad.tests.docs.walking import files_of
from tests.acceptance.installed import (
    LOCK,
    WIDGET,
    Machine,
    machine,
    readable_by_others,
    until_known,
)

pytestmark = [pytest.mark.acceptance, pytest.mark.untraced]

PAGE = markdown.DOCS / "howto" / "systemd.md"
UNIT = dict(files_of(PAGE))["/etc/systemd/system/kaskad.service"]


def test_the_page_can_be_followed_from_the_wheel_to_the_restart(tmp_path: Path) -> None:
    """One test, since the way there is long: the machine at its end is looked at from all sides."""
    text = PAGE.read_text()
    assert LOCK in text, "or the test would ask a package index"
    with machine(tmp_path) as server:
        server.follow(text)
        server.wait_until_ready()
        the_wheel_brought_all_that_a_service_needs(server)
        data_and_key_are_for_the_service_alone(server)
        what_root_does_reaches_the_service(server)
        a_mistake_ends_with_the_status_that_the_unit_names(server)


def the_wheel_brought_all_that_a_service_needs(server: Machine) -> None:
    """Migrations were found, or it would not be ready; the files of the pages are there."""
    installed = server.root / "opt/kaskad"
    where = server.terminal.run(
        f"{installed}/bin/python -c 'import kaskad; print(kaskad.__file__)'"
    )
    assert where[0].startswith(f"{installed}/lib/")
    package = Path(where[0]).parent
    for name in (
        "py.typed",
        "demo.toml",
        "http/handset/static/index.html",
        "http/widget/static/kaskad-otp.js",
    ):
        assert (package / name).is_file()
    rules = "import kaskad.captchas.sdk as rules; print(rules.sdk.__file__)"
    loaded = server.terminal.run(f"{installed}/bin/python -c '{rules}'")
    assert loaded[0].startswith(f"{installed}/lib/"), "or a captcha would find no rules"
    assert httpx2.get(f"{server.url}/otp-widget.umd.js", timeout=5).status_code == 200
    answer = httpx2.get(f"{server.url}/handset", timeout=5)
    assert answer.status_code == 404, "with a public address nobody sees the codes"


def data_and_key_are_for_the_service_alone(server: Machine) -> None:
    data = server.root / "var/lib/kaskad"
    assert data.stat().st_mode & 0o777 == 0o700
    for name in ("kaskad.db", "kaskad-sessions.db"):
        assert not readable_by_others(data / name)
    assert not readable_by_others(server.root / "etc/kaskad/secret-key")


def what_root_does_reaches_the_service(server: Machine) -> None:
    config = f"{server.root}/etc/kaskad/kaskad.toml"
    token = server.terminal.run(f"as_kaskad token create other --config {config}")[-1]
    with server.calls(token) as client:
        until_known(client)
        body = {"widgetId": WIDGET, "recipient": "+79001234567"}
        assert client.post("/", json=body).status_code == 201


def a_mistake_ends_with_the_status_that_the_unit_names(server: Machine) -> None:
    broken = server.root / "broken.toml"
    broken.write_text("[server]\nprot = 1\n")
    command = [f"{server.root}/opt/kaskad/bin/kaskad", "serve", "--config", str(broken)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert f"RestartPreventExitStatus={done.returncode}\n" in UNIT
    assert "prot" in done.stderr


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The page's unit, with a command that this machine has."""
    path = tmp_path / "kaskad.service"
    path.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT, flags=re.MULTILINE))
    return path


def analyze(*arguments: object) -> str:
    done = subprocess.run(
        ["systemd-analyze", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_systemd_understands_every_line_of_the_unit(unit: Path) -> None:
    assert "kaskad.service" not in analyze("verify", unit)


def test_systemd_finds_the_unit_well_confined(unit: Path) -> None:
    """The scale goes from 0 to 10; a service without any protection has more than 9."""
    said = analyze("security", "--offline=true", unit)
    match = re.search(r"Overall exposure level for kaskad.service: ([\d.]+)", said)
    assert match
    assert float(match[1]) < 2
