"""Commands about what is not there: one line that says what was looked for, where, and what is."""

import pytest

from packages.kaskad.tests.cli.shell import Shell, refused

ABOUT_A_TENANT = [
    ("token", "list"),
    ("token", "create", "backend"),
    ("token", "create", "--replaces", "backend"),
    ("token", "revoke", "backend"),
    ("send", "+79001234567", "--channel", "sms"),
    ("embed",),
]


@pytest.mark.parametrize("words", ABOUT_A_TENANT, ids=" ".join)
def test_a_tenant_that_nobody_declared(shell: Shell, words: tuple[str, ...]) -> None:
    result = shell.applied().on_file(*words, "--tenant", "nobody")
    refused(result, "kaskad.db", 'no tenant is called "nobody"; known: default')


@pytest.mark.parametrize("words", ABOUT_A_TENANT, ids=" ".join)
def test_before_anything_was_applied(shell: Shell, words: tuple[str, ...]) -> None:
    result = shell.on_file(*words)
    refused(result, 'no tenant is called "default"; known: none', "`kaskad apply FILE`")


@pytest.mark.parametrize("words", ABOUT_A_TENANT, ids=" ".join)
def test_a_tenant_that_cannot_be(shell: Shell, words: tuple[str, ...]) -> None:
    refused(shell.applied().on_file(*words, "--tenant", ""), "--tenant: expected an id", 'got ""')


def test_a_tenant_without_tokens(shell: Shell) -> None:
    listed = shell.applied().on_file("token", "list")
    assert listed.exit_code == 0
    assert listed.stdout.startswith("NAME")
    assert "`kaskad token create NAME`" in listed.stderr


def test_a_tenant_without_widgets(shell: Shell) -> None:
    shell.file.write_text(shell.file.read_text().partition("[[widgets]]")[0])
    refused(shell.applied().on_file("embed"), "--widget: there is none yet", "`kaskad apply FILE`")


def test_a_page_cannot_be_told_of_an_address_that_is_none(shell: Shell) -> None:
    shell.applied()
    refused(shell.on_file("embed", "--url", "otp.example"), "--url: expected an address", "otp.ex")
    refused(shell.on_file("embed", "--locale", ","), "--locale: expected a locale", 'got ","')


def test_a_test_message_without_a_text(shell: Shell) -> None:
    text = shell.file.read_text()
    begin = text.index("templates = ")
    shell.file.write_text(text[:begin] + text[text.index("\n", begin) :])
    sent = shell.applied().on_file("send", "+79001234567", "--channel", "sms")
    refused(sent, '--channel: "sms" has no template')


def test_a_file_that_declares_nothing_is_told_so(shell: Shell) -> None:
    shell.file.write_text(shell.file.read_text().partition("[[providers]]")[0])
    applied = shell.run("apply", str(shell.file))
    assert applied.exit_code == 0
    assert applied.stdout == "no differences\n"
    assert "declares no provider, channel, widget or token" in applied.stderr
