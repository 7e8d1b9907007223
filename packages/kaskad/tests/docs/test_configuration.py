"""docs/reference/configuration.md, and every configuration that the docs show."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from kaskad.config import load_config
from kaskad.config.server import PREFIX, ServerSettings
from kaskad.config.tables import LimitsTable
from kaskad.drivers import check_settings
from packages.kaskad.tests.docs import markdown

TEXT = (markdown.REFERENCE / "configuration.md").read_text()
COMPLETE = "# kaskad.toml\n"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
SECRETS = {
    "KASKAD_SECRET_KEY": "ab" * 32,
    "KASKAD_DEMO_TOKEN": "a token of the docs".replace(" ", "-") + "-0",
}

SHOWN = [
    pytest.param(block.text, id=f"{path.relative_to(markdown.ROOT)}-{index}")
    for path in markdown.files()
    for index, block in enumerate(markdown.blocks(path.read_text(), "toml"))
]


def default(field: FieldInfo) -> str:
    """A default as the table writes it."""
    if field.default is None or field.default in ((), ""):
        return ""
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


def test_the_table_of_server_keys() -> None:
    written = [[cell.strip("`") for cell in row] for row in markdown.rows(TEXT, "key")]
    known = [
        [name, PREFIX + name.upper(), default(field)]
        for name, field in ServerSettings.model_fields.items()
    ]
    assert written == known


def test_the_table_of_limits() -> None:
    written = [
        (markdown.words(name)[0], value)
        for name, value, _ in markdown.rows(TEXT, "key of `limits`")
    ]
    known = [(name, str(field.default)) for name, field in LimitsTable.model_fields.items()]
    assert written == known


def test_some_configurations_are_complete() -> None:
    assert sum(str(param.values[0]).startswith(COMPLETE) for param in SHOWN) >= 4


@pytest.mark.parametrize("text", SHOWN)
def test_a_configuration_that_the_docs_show_can_be_used(text: str, tmp_path: Path) -> None:
    tomllib.loads(text)
    if not text.startswith(COMPLETE):
        return
    file = tmp_path / "kaskad.toml"
    file.write_text(text)
    usable(file)


def test_the_complete_file_can_be_used() -> None:
    usable(markdown.REFERENCE / "kaskad.toml")


def usable(file: Path) -> None:
    _, declared = load_config(file, now=NOW, environ=SECRETS)
    for provider in declared.providers:
        assert check_settings(provider.driver, provider.settings) == []
