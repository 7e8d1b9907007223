"""docs/reference/kaskad.toml: it names every key that can be set, no other, and it applies."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

import kaskad
from kaskad.config import load_config
from kaskad.config.server import ServerSettings
from kaskad.config.tables import FileTable
from kaskad.drivers.registry import DRIVERS
from kaskad.stores.catalog import SqlCatalog
from kaskad.testing import FakeClock, FakeEntropy
from packages.kaskad.tests.config.files import KEY, NOW, TOKEN

FILE = Path(kaskad.__file__).parents[4] / "docs" / "reference" / "kaskad.toml"
ENVIRON = {
    "KASKAD_SECRET_KEY": KEY,
    "KASKAD_DEMO_TOKEN": TOKEN,
    "KASKAD_CAPTCHA_KEY": "a-vendors-key",
}


def known(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Every key that a model reads, with the path to it."""
    for name, field in model.model_fields.items():
        path = f"{above}{field.alias or name}"
        below = ServerSettings if path == "server" else inner(field.annotation)
        yield path
        if below is not None:
            yield from known(below, f"{path}.")


def inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Annotated, Union, UnionType, tuple}:
        found = (inner(argument) for argument in get_args(annotation))
        return next((model for model in found if model is not None), None)
    return None


def written(value: object, above: str = "") -> Iterator[str]:
    """Every key that a file gives, with the path to it."""
    match value:
        case dict():
            for key, below in value.items():
                yield f"{above}{key}"
                yield from written(below, f"{above}{key}.")
        case list():
            for item in value:
                yield from written(item, above)


def test_it_names_every_key_and_no_other() -> None:
    settings = {f"providers.{key}" for key in DRIVERS["simulator"].__struct_fields__}
    found = set(written(tomllib.loads(FILE.read_text())))
    assert found == set(known(FileTable)) | settings


def test_the_keys_that_are_compared_are_those_that_there_are() -> None:
    keys = set(known(FileTable))
    for key in ("server.port", "channels.code.weak", "channels.rules.hours.from", "tokens.expires"):
        assert key in keys


def test_the_defaults_it_gives_are_the_defaults() -> None:
    given = tomllib.loads(FILE.read_text())["server"]
    examples = {"secret_key", "public_url", "trusted_proxies"}
    for name, field in ServerSettings.model_fields.items():
        if name not in examples:
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            assert given[name] == default, name


async def test_it_applies_and_then_nothing_is_different(tmp_path: Path) -> None:
    _, declared = load_config(FILE, now=NOW, environ=ENVIRON)
    catalog = await SqlCatalog.open(
        f"sqlite:///{tmp_path}/kaskad.db",
        [bytes.fromhex(KEY)],
        clock=FakeClock(),
        entropy=FakeEntropy(),
        watch=False,
    )
    try:
        assert len(await catalog.apply(declared)) == 5
        assert await catalog.apply(declared, prune=True) == []
        snapshot = catalog.snapshot
    finally:
        await catalog.close()
    assert snapshot.channels["default", "sms"] == declared.channels[0]
    assert snapshot.widgets == {widget.id: widget for widget in declared.widgets}
