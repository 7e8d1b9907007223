"""Configuration files for tests: a good one, and ways to spoil it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from kaskad.config import ConfigError, Declared, ServerSettings, load_config

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
KEY = "0f" * 32
TOKEN = "a-token-that-is-long-enough"
ENVIRON = {"KASKAD_SECRET_KEY": KEY, "DEMO_TOKEN": TOKEN}

GOOD = f"""
tenant = "default"

[server]
port = 8480

[[providers]]
id = "handset"
driver = "simulator"
outcome = "deliver"

[[channels]]
id = "sms"
type = "sms"
label = "SMS"
provider = "handset"
code = {{ length = 6 }}
rules = {{ countries = ["RU"], hours = {{ from = "08:00", to = "22:00" }} }}
templates = [ {{ locale = "ru", text = "{{{{ code }}}}" }} ]

[[channels]]
id = "voice"
type = "voice"
label = "Call"
provider = "handset"

[[widgets]]
id = "{WIDGET}"
name = "Demo"
channels = ["sms", "voice"]
allowed_origins = ["https://example.com"]
test_recipients = [ {{ number = "+79990000001", code = "123456", until = 2027-01-31 }} ]
limits = {{ per_recipient_per_minute = 3 }}

[[tokens]]
name = "demo"
token = "env:DEMO_TOKEN"
widgets = ["{WIDGET}"]
"""


def write(folder: Path, text: str = GOOD) -> Path:
    path = folder / "kaskad.toml"
    path.write_text(text)
    return path


def spoiled(old: str, new: str, text: str = GOOD) -> str:
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


def load(
    path: Path, environ: Mapping[str, str] = ENVIRON, **flags: object
) -> tuple[ServerSettings, Declared]:
    return load_config(path, flags, now=NOW, environ=environ)


def problems(path: Path, environ: Mapping[str, str] = ENVIRON, **flags: object) -> list[str]:
    """The lines about a file, with its folder left out of them."""
    try:
        load(path, environ, **flags)
    except ConfigError as error:
        return [line.replace(f"{path.parent}/", "") for line in error.problems]
    return []
