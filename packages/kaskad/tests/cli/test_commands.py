"""The command line: what it prints, and one clear line with exit 2 for what cannot be."""

import fcntl
import re
import resource
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kaskad import __version__
from kaskad.app import tokens
from kaskad.cli import app
from kaskad.core.inputs import CheckCode
from kaskad.core.model import Session
from kaskad.core.session import advance
from kaskad.running import Program, prepare_demo
from kaskad.stores.sqlite import SqliteStore
from kaskad.system import SystemClock
from packages.kaskad.tests.builders import begin, context
from packages.kaskad.tests.cli.shell import Shell, refused
from packages.kaskad.tests.contract.test_store import put
from tests.peers.ports import free_port

# --- embed -------------------------------------------------------------------------


def test_embed_wants_to_know_which_widget(shell: Shell) -> None:
    shell.applied()
    second = '[[widgets]]\nid = "7a1c54de-90f2-4d0b-8a53-1be2f3c4d5a6"\nname = "Shop"\n'
    shell.write(widget=second + 'channels = ["sms"]')
    shell.applied()
    refused(shell.on_file("embed"), "which one?", "7a1c54de-90f2-4d0b-8a53-1be2f3c4d5a6 (Shop)")
    refused(shell.on_file("embed", "--widget", "other"), '"other"', "(Demo)", "(Shop)")


def test_embed_warns_of_a_widget_that_no_page_may_use(shell: Shell) -> None:
    found = shell.applied().on_file("embed")
    assert (found.exit_code, found.stdout[:4]) == (0, "<!--")
    [line] = found.stderr.splitlines()
    assert line.startswith("warning: widget 123634df-ddfe-4dda-b31d-f3b4e75fc5dc (Demo)")
    assert 'allowed_origins = ["https://shop.example"]' in line
    assert "`kaskad apply`" in line
    shell.write(widget='allowed_origins = ["https://shop.example"]')
    assert shell.applied().on_file("embed").stderr == ""


# --- apply -------------------------------------------------------------------------


def test_apply_adds_changes_and_removes(shell: Shell) -> None:
    first = shell.run("apply", str(shell.file))
    assert first.exit_code == 0
    assert "+ channel sms" in first.stdout
    assert "8 added, 0 changed, 0 removed" in first.stdout
    assert shell.run("apply", str(shell.file)).stdout == "no differences\n"

    shell.file.write_text(shell.file.read_text().replace('label = "SMS"', 'label = "Text"'))
    dry = shell.run("apply", str(shell.file), "--dry-run")
    assert "~ channel sms" in dry.stdout
    assert "nothing was written" in dry.stdout
    assert "~ channel sms" in shell.run("apply", str(shell.file)).stdout

    text = shell.file.read_text()
    shell.file.write_text(text.replace('id = "push"', 'id = "pushed"'))
    assert "- channel push" not in shell.run("apply", str(shell.file)).stdout
    assert "- channel push" in shell.run("apply", str(shell.file), "--prune").stdout


def test_apply_takes_the_server_from_another_file(shell: Shell) -> None:
    other = shell.folder / "server.toml"
    other.write_text(shell.file.read_text().partition("[[providers]]")[0])
    assert shell.run("apply", str(shell.file), "--config", str(other)).exit_code == 0


def test_a_drivers_settings_are_checked_before_anything_is_written(shell: Shell) -> None:
    shell.file.write_text(shell.file.read_text().replace("delay = 0", "delay = -1", 1))
    refused(shell.run("apply", str(shell.file)), "delay", "seconds")
    assert not (shell.folder / "kaskad.db").exists()


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ('label = "SMS"', 'lable = "SMS"', ("channels[0]", "lable", "label")),
        ('driver = "simulator"', 'driver = "carrier pigeon"', ("providers[0]", "driver")),
        ('outcome = "reject"', 'outcome = "explode"', ("outcome", "deliver")),
        ('outcome = "reject"', 'outcom = "reject"', ("outcom", "outcome")),
        ('provider = "handset"', 'provider = "nobody"', ("provider", "nobody", "handset")),
        ('name = "Demo"', "name = 7", ("name", "7")),
    ],
)
def test_a_mistake_in_the_file_is_one_line(
    shell: Shell, was: str, becomes: str, says: tuple[str, ...]
) -> None:
    shell.file.write_text(shell.file.read_text().replace(was, becomes, 1))
    result = shell.run("apply", str(shell.file))
    assert result.exit_code == 2
    assert any(all(word in line for word in says) for line in result.stderr.splitlines())
    assert "Traceback" not in result.output


def test_a_day_that_has_passed_is_told_and_nothing_is_refused(shell: Shell) -> None:
    test = '{ number = "+79990000001", code = "123456", until = 2020-01-31 }'
    shell.write(server=f"port = {free_port()}", widget=f"test_recipients = [{test}]")
    for words in (("--dry-run",), (), ()):
        applied = shell.run("apply", str(shell.file), *words)
        assert applied.exit_code == 0
        [warning] = applied.stderr.splitlines()
        assert warning.startswith(f"warning: {shell.file}: widgets[0]")
        assert "test_recipients[0].until: over since 2020-02-01 00:00 UTC" in warning
    found = shell.on_file("doctor")
    assert found.exit_code == 0
    [note] = [line for line in found.stdout.splitlines() if line.startswith("note ")]
    assert "test_recipients[0].until: over since 2020-02-01" in note


# --- tokens ------------------------------------------------------------------------


def test_a_token_is_made_listed_replaced_and_revoked(shell: Shell) -> None:
    shell.applied()
    made = shell.on_file("token", "create", "backend")
    token = made.stdout.strip()
    assert made.exit_code == 0
    assert tokens.looks_valid(token)
    assert token.startswith(tokens.PREFIX)
    assert "not shown again" in made.stderr

    listed = shell.on_file("token", "list").stdout
    assert "backend" in listed
    assert token not in listed

    newer = shell.on_file("token", "create", "--replaces", "backend", "--overlap", "60")
    assert newer.exit_code == 0
    assert newer.stdout.strip() != token
    scoped = shell.on_file(
        "token",
        "create",
        "scoped",
        "--widget",
        "123634df-ddfe-4dda-b31d-f3b4e75fc5dc",
        "--expires",
        "2099-01-31",
    )
    assert scoped.exit_code == 0
    assert "123634df" in shell.on_file("token", "list").stdout

    revoked = shell.on_file("token", "revoke", "scoped")
    assert revoked.stdout == "revoked scoped\n"
    assert re.search(r"scoped\s+revoked", shell.on_file("token", "list").stdout)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("create",), ("NAME", "missing")),
        (("create", "x", "--overlap", "5"), ("--overlap", "--replaces")),
        (("create", "x", "--widget", "nope"), ("--widget", "UUID")),
        (("create", "x", "--expires", "someday"), ("--expires", "date")),
        (("create", "x", "--expires", "2001-01-01"), ("--expires",)),
        (("create", "--replaces", "nobody"), ("nobody",)),
        (("revoke", "nobody"), ("nobody",)),
    ],
)
def test_a_token_command_that_cannot_be(
    shell: Shell, words: tuple[str, ...], says: tuple[str, ...]
) -> None:
    shell.applied()
    refused(shell.on_file("token", *words), *says)


# --- send --------------------------------------------------------------------------


def test_a_test_message_and_its_answer(shell: Shell) -> None:
    sent = shell.applied().on_file("send", "8 900 123-45-67", "--channel", "sms")
    assert sent.exit_code == 0
    assert re.search(r"sms to \+7900\*\*\*4567 by handset: '\d{6} for kaskad'", sent.stdout)
    assert "accepted after" in sent.stdout
    assert "nothing was sent" in sent.stdout
    push = shell.on_file("send", "+79001234567", "--channel", "push")
    assert "accepted" in push.stdout


def test_a_test_message_that_is_not_taken(shell: Shell) -> None:
    refusal = shell.applied().on_file("send", "+79001234567", "--channel", "rejected")
    assert refusal.exit_code == 1
    assert "refused" in refusal.stdout
    silence = shell.on_file("send", "+79001234567", "--channel", "hung")
    assert silence.exit_code == 1
    assert "no answer within 1 s" in silence.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("123", "--channel", "sms"), ("NUMBER", "123", "+79001234567")),
        (("+79001234567", "--channel", "pigeon"), ("--channel", "pigeon", "sms")),
    ],
)
def test_a_test_message_that_cannot_be(
    shell: Shell, words: tuple[str, ...], says: tuple[str, ...]
) -> None:
    refused(shell.applied().on_file("send", *words), *says)


# --- session -----------------------------------------------------------------------


async def stored_session(folder: Path) -> Session:
    clock = SystemClock()
    store = await SqliteStore.open(folder / "kaskad-sessions.db", clock.now)
    session = await put(store)
    step = advance(session, CheckCode(code="000000"), begin().session.created_at, context())
    from kaskad.app.ports import Change

    await store.commit(Change(session=step.session, expected=session.version))
    await store.close()
    return step.session


async def test_a_sessions_story(shell: Shell) -> None:
    session = await stored_session(shell.folder)
    story = shell.on_file("session", session.id.upper())
    assert story.exit_code == 0
    lines = story.stdout.splitlines()
    assert lines[0].endswith(session.id)
    assert "+7900***4567" in story.stdout
    assert "+79001234567" not in story.stdout
    assert "0 of 3 used on sms, 0 of 5 in the whole session" in story.stdout
    assert any("launch 1" in line and line.endswith("sms") for line in lines)
    assert lines[-1].split()[-2:] == ["check_code", "InvalidCodeException"]


async def test_a_session_that_is_not_there(shell: Shell) -> None:
    refused(shell.on_file("session", "nope"), 'ID: expected a requestId like "', 'got "nope"')
    unknown = "d1f4c9a2-4b0e-4c7d-9e55-0a6f1b2c3d4e"
    refused(shell.on_file("session", unknown), "kaskad-sessions.db: not there", "has run")
    await stored_session(shell.folder)
    refused(shell.on_file("session", unknown), f"no session {unknown}")


def test_a_session_in_a_foreign_file(shell: Shell) -> None:
    (shell.folder / "kaskad-sessions.db").write_bytes(b"no database " * 400)
    foreign = shell.on_file("session", "d1f4c9a2-4b0e-4c7d-9e55-0a6f1b2c3d4e")
    refused(foreign, "kaskad-sessions.db")


# --- doctor ------------------------------------------------------------------------


def test_a_healthy_installation(shell: Shell) -> None:
    shell.write(server=f"port = {free_port()}")
    found = shell.applied().on_file("doctor")
    assert found.exit_code == 0, found.output
    for line in ("secret keys: 1 in use", "1 widgets, 4 channels", "takes writes", "is free"):
        assert line in found.stdout
    assert "PROBLEM" not in found.stdout


def test_what_is_wrong_is_found(shell: Shell) -> None:
    shell.applied()
    with sqlite3.connect(shell.folder / "kaskad.db") as db:
        db.execute("UPDATE channels SET enabled = 0")
        db.execute("UPDATE meta SET value = value + 1")
    db.close()
    (shell.folder / "kaskad-sessions.db").write_bytes(b"no database " * 400)
    found = shell.on_file("doctor")
    assert found.exit_code == 1
    assert (
        "PROBLEM  widget 123634df-ddfe-4dda-b31d-f3b4e75fc5dc: no enabled channel" in found.stdout
    )
    assert "PROBLEM  session store" in found.stdout


def test_a_channel_without_a_text_to_send_is_found(shell: Shell) -> None:
    shell.applied()
    with sqlite3.connect(shell.folder / "kaskad.db") as db:
        db.execute("DELETE FROM templates WHERE channel = 'sms'")
        db.execute("UPDATE meta SET value = value + 1")
    db.close()
    found = shell.on_file("doctor")
    assert found.exit_code == 1
    assert "PROBLEM  channel sms: no template" in found.stdout


def test_a_variable_that_is_mistyped_is_noted(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASKAD_LOGLEVEL", "debug")
    found = shell.applied().on_file("doctor")
    line = "note     environment: KASKAD_LOGLEVEL: not a setting; did you mean KASKAD_LOG_LEVEL?"
    assert line in found.stdout.splitlines()


def test_an_empty_folder_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KASKAD_SECRET_KEY", raising=False)
    found = CliRunner().invoke(app, ["serve"])
    assert found.exit_code == 2
    assert "no ./kaskad.toml in this folder, --config FILE names another" in found.stderr
    monkeypatch.setenv("KASKAD_SECRET_KEY", "00" * 32)
    assert "`kaskad apply` fills it" in CliRunner().invoke(app, ["doctor"]).stdout


def test_a_check_up_without_a_key_has_nothing_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KASKAD_SECRET_KEY", raising=False)
    found = CliRunner().invoke(app, ["doctor"])
    assert found.exit_code == 2
    assert found.stderr.startswith("KASKAD_SECRET_KEY: missing")
    assert "PROBLEM" not in found.stdout


def test_a_check_up_without_a_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KASKAD_SECRET_KEY", "00" * 32)
    found = CliRunner().invoke(app, ["doctor"])
    assert found.stdout.startswith("note     there is no ./kaskad.toml")


def test_the_demo_keeps_to_its_own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Program] = []
    monkeypatch.setattr("kaskad.running.serve", seen.append)
    for key in ("00" * 32, "11" * 32):
        monkeypatch.setenv("KASKAD_SECRET_KEY", key)
        monkeypatch.setenv("KASKAD_DATABASE_URL", "sqlite:///elsewhere.db")
        assert CliRunner().invoke(app, ["demo", "--dir", str(tmp_path)]).exit_code == 0
    first, second = (program.settings for program in seen)
    assert first == second
    assert first.database_url.endswith(f"{tmp_path}/kaskad.db")
    assert first.keys == (bytes.fromhex((tmp_path / "secret-key").read_text()),)


def test_a_demo_whose_disk_is_full_leaves_no_half_of_a_key(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            prepare_demo(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (folder / "secret-key").exists()
    configuration = prepare_demo(folder)
    kept = {file.name: file.read_text() for file in folder.iterdir()}
    assert set(kept) == {"secret-key", "token", "kaskad.toml"}
    assert len(bytes.fromhex(kept["secret-key"])) == 32
    assert (folder / "secret-key").stat().st_mode & 0o077 == 0
    assert prepare_demo(folder) == configuration
    assert {file.name: file.read_text() for file in folder.iterdir()} == kept


def test_a_taken_port_is_told(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        shell.write(server=f"port = {taken.getsockname()[1]}")
        found = shell.applied().on_file("doctor")
        assert "a server is running there" in found.stdout
        serve = shell.on_file("serve")
        refused(serve, "Address already in use; expected a free port: --port N or server.port")
        refused(shell.on_file("serve", "--host", "192.0.2.1"), "192.0.2.1", "--host ADDRESS")
        port, folder = str(taken.getsockname()[1]), str(shell.folder / "demo")
        demo = shell.run("demo", "--dir", folder, "--port", port)
        refused(demo, 'expected a free port: --port N (make run ARGS="--port N") or server.port')
        demo = shell.run("demo", "--dir", folder, "--host", "192.0.2.1")
        refused(demo, '--host ADDRESS (make run ARGS="--host ADDRESS") or server.host')


@pytest.mark.parametrize("host", ["nope.invalid", "300.1.1.1", "2001:db8::1", "fe80::1"])
def test_a_host_that_is_none_is_told(shell: Shell, host: str) -> None:
    if ":" in host and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    advice = "expected an address of this machine: --host ADDRESS"
    refused(shell.on_file("serve", "--host", host), host, f"{advice} or server.host")
    demo = shell.run("demo", "--dir", str(shell.folder / "demo"), "--host", host)
    refused(demo, host, f'{advice} (make run ARGS="--host ADDRESS") or server.host')


# --- serve and demo ------------------------------------------------------------------


def test_several_workers_are_refused(shell: Shell) -> None:
    refused(shell.on_file("serve", "--workers", "2"), "--workers", "1")


def test_a_missing_key_names_the_command_that_makes_one(tmp_path: Path) -> None:
    file = tmp_path / "kaskad.toml"
    file.write_text('[server]\ndatabase_url = "sqlite:///kaskad.db"\n')
    refused(
        CliRunner().invoke(app, ["serve", "--config", str(file)]), "secret_key", "token_hex(32)"
    )


def test_a_foreign_session_file_is_refused(shell: Shell) -> None:
    shell.write(server=f"port = {free_port()}")
    (shell.folder / "kaskad-sessions.db").write_bytes(b"no database " * 400)
    refused(shell.on_file("serve"), "kaskad-sessions.db", "not a session store")


def test_a_folder_in_the_way_of_the_session_file(shell: Shell) -> None:
    shell.write(server=f"port = {free_port()}")
    (shell.folder / "kaskad-sessions.db").mkdir()
    refused(shell.on_file("serve"), "kaskad-sessions.db")


def test_a_session_file_in_use_says_the_way_out(shell: Shell) -> None:
    shell.write(server=f"port = {free_port()}")
    demo = shell.folder / "demo"
    with held(shell.folder), held(demo):
        found = shell.on_file("serve")
        refused(found, "in use by another kaskad process", "stop that one", "server.database_url")
        found = shell.run("demo", "--dir", str(demo), "--port", str(free_port()))
        refused(found, "stop that one", "--dir DIR", 'make run ARGS="--dir DIR --port N"')


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """What a process that serves from there does to everybody else."""
    folder.mkdir(exist_ok=True)
    with (folder / "kaskad-sessions.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_demo_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused(CliRunner().invoke(app, ["demo", "--dir", str(tmp_path / "file" / "demo")]), "--dir")


def test_a_database_that_is_none(shell: Shell) -> None:
    (shell.folder / "kaskad.db").write_bytes(b"no database " * 400)
    refused(shell.on_file("token", "list"), "kaskad.db")


def test_a_database_in_a_folder_that_cannot_be_made(shell: Shell) -> None:
    (shell.folder / "file").write_text("in the way")
    text = shell.file.read_text().replace("sqlite:///kaskad.db", "sqlite:///file/kaskad.db")
    shell.file.write_text(text)
    refused(shell.on_file("token", "list"), "file")


# --- the rest ------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("version",), ("--version",)])
def test_version(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0
    assert __version__ in result.stdout


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    for name in ("apply", "serve", "demo", "send", "session", "jobs", "doctor", "version", "token"):
        assert re.search(rf"^  {name}\b", result.stdout, re.MULTILINE)


def test_a_bug_is_not_hidden(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("kaskad.config.load_server", broken)
    result = shell.on_file("token", "list")
    assert isinstance(result.exception, RuntimeError)
