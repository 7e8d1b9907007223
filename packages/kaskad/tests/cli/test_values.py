"""Options of the wrong form: one line that names the option, what it expects and what it got."""

import pytest

from packages.kaskad.tests.cli.shell import Shell, refused

PORT = "expected a port number from 0 to 65535"
OVERLAP = "expected a whole number of seconds, 0 or more"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("serve", "--port", "abc"), f'--port: {PORT}, got "abc"'),
        (("serve", "--port", "99999"), f"--port: {PORT}, got 99999"),
        (("serve", "--port", "-1"), f'--port: {PORT}, got "-1"'),
        (("serve", "--port", ""), f'--port: {PORT}, got ""'),
        (("serve", "--host", "a b"), '--host: expected a host name or an IP address, got "a b"'),
        (("serve", "--workers", "x"), '--workers: expected a whole number, 1 or more, got "x"'),
        (("serve", "--workers", "0"), "--workers: expected a whole number, 1 or more, got 0"),
        (("token", "create", "x", "--overlap", "1h"), f'--overlap: {OVERLAP}, got "1h"'),
        (("token", "create", "x", "--overlap", "-1"), f'--overlap: {OVERLAP}, got "-1"'),
    ],
)
def test_an_option_of_the_wrong_form(shell: Shell, words: tuple[str, ...], line: str) -> None:
    result = shell.on_file(*words)
    refused(result)
    assert result.stderr.strip() == line


def test_a_demos_port_of_the_wrong_form(shell: Shell) -> None:
    folder = str(shell.folder / "demo")
    refused(shell.run("demo", "--dir", folder, "--port", "abc"), f'--port: {PORT}, got "abc"')
