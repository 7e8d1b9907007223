"""No key is only declared: something that decides or does looks at each."""

import ast
from pathlib import Path

import msgspec
import pytest

import kaskad
from kaskad.config.server import ServerSettings
from kaskad.core import model

SOURCE = Path(kaskad.__file__).parent
CARRIERS = {"config", "stores"}  # they hand values on without minding what they mean

# Keys that only stand in `keys`, which checks and orders them.
TOGETHER = {"secret_key": "keys", "old_secret_keys": "keys"}


def looked_at() -> set[str]:
    names = set()
    for path in SOURCE.rglob("*.py"):
        if path.relative_to(SOURCE).parts[0] not in CARRIERS:
            tree = ast.parse(path.read_text())
            names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return names


@pytest.mark.parametrize("key", ServerSettings.model_fields)
def test_a_key_of_the_server_is_read(key: str) -> None:
    assert TOGETHER.get(key, key) in looked_at()


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (kind.__name__, field.name)
        for kind in (
            model.Widget,
            model.Channel,
            model.LaunchSettings,
            model.WidgetLimits,
            model.Rules,
            model.Captcha,
        )
        for field in msgspec.structs.fields(kind)
    ],
)
def test_a_setting_of_the_catalogue_is_read(kind: str, field: str) -> None:
    assert field in looked_at(), f"{kind}.{field}"
