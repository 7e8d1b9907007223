"""A folder with a configuration, and the command that is run there."""

from pathlib import Path

from typer.testing import CliRunner, Result

from kaskad.cli import app

CONFIG = """
[server]
secret_key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
database_url = "sqlite:///kaskad.db"
{server}

[[providers]]
id = "handset"
driver = "simulator"
delay = 0

[[providers]]
id = "rejecting"
driver = "simulator"
outcome = "reject"
delay = 0

[[providers]]
id = "hanging"
driver = "simulator"
outcome = "hang"

[[channels]]
id = "sms"
type = "sms"
label = "SMS"
provider = "handset"
templates = [{{ locale = "en", text = "{{{{ code }}}} for {{{{ widget }}}}" }}]

[[channels]]
id = "push"
type = "sim_push"
label = "Push"
provider = "handset"

[[channels]]
id = "rejected"
type = "flashcall"
label = "Call"
provider = "rejecting"

[[channels]]
id = "hung"
type = "flashcall"
label = "Call"
provider = "hanging"
send_timeout = 1

[[widgets]]
id = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
name = "Demo"
channels = ["sms"]
{widget}
"""


class Shell:
    """A folder with a configuration, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "kaskad.toml"
        self.write()

    def write(self, *, server: str = "", widget: str = "") -> None:
        self.file.write_text(CONFIG.format(server=server, widget=widget))

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    def on_file(self, *words: str) -> Result:
        return self.run(*words, "--config", str(self.file))

    def applied(self) -> "Shell":
        assert self.run("apply", str(self.file)).exit_code == 0
        return self


def refused(result: Result, *says: str) -> None:
    """One clear line on stderr, exit 2, nothing else."""
    assert result.exit_code == 2, result.output
    [line] = result.stderr.strip().splitlines()
    for words in says:
        assert words in line
    assert "Traceback" not in result.output
    assert result.stdout == ""
