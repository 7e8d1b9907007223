"""docs/reference/configuration.md, and every configuration that the docs show."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from kaskad.config import load_config
from kaskad.config.server import PREFIX, ServerSettings
from kaskad.config.tables import CaptchaTable, LimitsTable
from kaskad.drivers import check_settings
from packages.kaskad.tests.docs import markdown
from packages.kaskad.tests.docs.walking import as_file, files_of

COMPLETE = markdown.REFERENCE / "kaskad.toml"
TEXT = (markdown.REFERENCE / "configuration.md").read_text()
NOW = datetime(2026, 6, 1, tzinfo=UTC)
SECRETS = {
    "KASKAD_SECRET_KEY": "ab" * 32,
    "KASKAD_DEMO_TOKEN": "a token of the docs".replace(" ", "-") + "-0",
    "KASKAD_CAPTCHA_KEY": "a-vendors-key",
}

SHOWN = [
    pytest.param(text, id=f"{path.relative_to(markdown.ROOT)}-{index}")
    for path in markdown.files()
    for index, (name, text) in enumerate(files_of(path))
    if name.endswith("kaskad.toml")
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


def test_the_table_of_captcha_keys() -> None:
    written = [
        (markdown.words(name)[0], value.strip("`"))
        for name, value, *_ in markdown.rows(TEXT, "key of `captcha`")
    ]
    fields = CaptchaTable.model_fields.items()
    assert written == [
        (name, "" if field.is_required() else default(field)) for name, field in fields
    ]


def test_the_page_shows_the_complete_file_as_it_is() -> None:
    shown = markdown.sections(TEXT, 2)["The complete file"]
    assert [block.text for block in markdown.blocks(shown)] == [COMPLETE.read_text()]


def test_every_configuration_that_the_docs_show_is_a_file_or_a_piece_of_one() -> None:
    for path in markdown.files():
        for block in markdown.blocks(path.read_text(), "toml"):
            if block.text == COMPLETE.read_text():
                continue
            file = as_file(block)
            assert file, (path, block.text)
            assert file.name.endswith("kaskad.toml")
    assert len(SHOWN) >= 7


@pytest.mark.parametrize("text", SHOWN)
def test_a_configuration_that_the_docs_show_can_be_used(text: str, tmp_path: Path) -> None:
    (tmp_path / "kaskad.toml").write_text(text)
    for name in ("kaskad.key", "secret-key"):
        (tmp_path / name).write_text("ab" * 32)
    usable(tmp_path / "kaskad.toml")


def test_the_complete_file_can_be_used() -> None:
    usable(COMPLETE)


def usable(file: Path) -> None:
    _, declared = load_config(file, now=NOW, environ=SECRETS)
    for provider in declared.providers:
        assert check_settings(provider.driver, provider.settings) == []
