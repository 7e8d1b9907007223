"""docs/howto/backup.md, followed on a machine that has something to lose."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from packages.kaskad.tests.docs import markdown
from packages.kaskad.tests.docs.walking import KASKAD, files_of
from tests.acceptance.installed import WIDGET, Machine, machine, until_known

pytestmark = [pytest.mark.acceptance, pytest.mark.untraced]

PAGE = markdown.sections((markdown.DOCS / "howto" / "backup.md").read_text(), 2)
INSTALLED = dict(files_of(markdown.DOCS / "howto" / "systemd.md"))
CONFIG = "/etc/kaskad/kaskad.toml"
UNIT = "/etc/systemd/system/kaskad.service"
BEHIND_A_PROXY = ("public_url", "trusted_proxies")
"""Settings that would hide the handset, from which the test reads codes."""

AS_KASKAD = 'as_kaskad() {{ KASKAD_SECRET_KEY_FILE={key} {kaskad} "$@" --config {config}; }}'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Machine]:
    """The service of the page about systemd, running; its command is this tree's."""
    with machine(tmp_path) as somebody:
        root = somebody.root
        shown = INSTALLED[CONFIG].splitlines(keepends=True)
        direct = "".join(line for line in shown if not line.startswith(BEHIND_A_PROXY))
        for name, text in {
            CONFIG: direct,
            UNIT: INSTALLED[UNIT],
            "/etc/kaskad/secret-key": "ab" * 32,
        }.items():
            path = Path(somebody.here(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(somebody.here(text))
        command = root / "opt/kaskad/bin/kaskad"
        command.parent.mkdir(parents=True)
        command.symlink_to(KASKAD)
        commands = AS_KASKAD.format(
            key=root / "etc/kaskad/secret-key", kaskad=KASKAD, config=f"{root}{CONFIG}"
        )
        somebody.terminal.run(f"{commands}\nsystemctl start kaskad")
        somebody.wait_until_ready()
        yield somebody


def token(server: Machine, name: str) -> str:
    """A new token that the service knows."""
    made = server.terminal.run(f"as_kaskad token create {name}")[-1]
    with server.calls(made) as client:
        until_known(client)
    return made


def begin(server: Machine, client: httpx2.Client, number: str) -> tuple[str, str]:
    """A verification and its code."""
    answer = client.post("/", json={"widgetId": WIDGET, "recipient": number})
    assert answer.status_code == 201, answer.text
    request_id: str = answer.json()["requestId"]
    client.get(f"/longPolling/{request_id}/channel")
    messages = httpx2.get(f"{server.url}/handset/messages", timeout=5).json()
    return request_id, next(m["code"] for m in messages if m["requestId"] == request_id)


def check(client: httpx2.Client, request_id: str, code: str) -> httpx2.Response:
    return client.post(f"/{request_id}/checkCode", json={"code": code})


def test_a_restore_brings_the_catalogue_back_and_no_session(server: Machine) -> None:
    kept = token(server, "kept")
    revoked = token(server, "revoked")
    with server.calls(kept) as client:
        used, used_code = begin(server, client, "+79001234567")
        assert check(client, used, used_code).status_code == 201
        completed = client.post(
            f"/{used}/checkStatusAndComplete", params={"recipient": "+79001234567"}
        )
        assert completed.json() == {"success": True}
        proven, proven_code = begin(server, client, "+79001234568")
        assert check(client, proven, proven_code).status_code == 201
        pending, pending_code = begin(server, client, "+79001234569")

        server.follow(PAGE["Back up"])
        server.terminal.run("as_kaskad token revoke revoked")
        later = token(server, "later")
        server.follow(PAGE["Restore"])

        for request_id, code in (
            (used, used_code),
            (proven, proven_code),
            (pending, pending_code),
        ):
            assert check(client, request_id, code).status_code == 404
            verdict = client.post(
                f"/{request_id}/checkStatusAndComplete", params={"recipient": "+79001234568"}
            )
            assert verdict.status_code == 404
        again, code = begin(server, client, "+79001234569")
        assert check(client, again, code).json() == {"success": True}
    for given, status in ((later, 401), (revoked, 200)):
        with server.calls(given) as client:
            assert client.get(f"/widget/{WIDGET}").status_code == status


def test_the_backup_has_no_session_in_it(server: Machine) -> None:
    """Nor anything else than what the page lists."""
    server.follow(PAGE["Back up"])
    backup = server.root / "var/backups/kaskad"
    assert {path.name for path in backup.iterdir()} == {"kaskad.db", "kaskad.toml"}
    assert backup.stat().st_mode & 0o777 == 0o700
