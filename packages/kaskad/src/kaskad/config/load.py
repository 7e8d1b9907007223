"""From a path to settings and declarations."""

import os
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kaskad.config import checks
from kaskad.config.declared import Declared, declare
from kaskad.config.forms import Reason
from kaskad.config.problems import ConfigError, Loc, describe, path, unknown
from kaskad.config.references import Place
from kaskad.config.server import (
    ServerSettings,
    environment_layer,
    file_layer,
    flag_layer,
    settle,
)
from kaskad.config.tables import FileTable

DEFAULT_FILE = Path("kaskad.toml")


class _File:
    """A file's tables as they were written, and how to name it in a message."""

    def __init__(self, shown: str, data: dict[str, Any], place: Place) -> None:
        self.shown = shown
        self.data = data
        self.place = place

    @property
    def server(self) -> dict[str, Any]:
        table = self.data.get("server", {})
        if not isinstance(table, dict):
            raise ConfigError([f"{self.shown}: server: expected a table: [server]"])
        return table


def load_server(
    file: Path | None,
    flags: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> ServerSettings:
    """The ``[server]`` settings: flag over environment over file over default.

    Without a path: ``./kaskad.toml`` if there is one. Flags go by the names of
    the keys; ``None`` is not given. Raises :class:`ConfigError`.
    """
    environ = os.environ if environ is None else environ
    return _server(_read(file, environ), flags or {}, environ)


def load_declared(
    file: Path | None,
    *,
    now: datetime,
    default_region: str = "RU",
    environ: Mapping[str, str] | None = None,
) -> Declared:
    """What a file declares, checked; ``now`` bounds how long test recipients last.

    Drivers' settings are not checked here: drivers know them. Raises
    :class:`ConfigError`.
    """
    read = _read(file, os.environ if environ is None else environ)
    return _declared(read, now, default_region)


def load_config(
    file: Path | None,
    flags: Mapping[str, object] | None = None,
    *,
    now: datetime,
    environ: Mapping[str, str] | None = None,
) -> tuple[ServerSettings, Declared]:
    """Both of the above from one file, with all problems in one :class:`ConfigError`."""
    environ = os.environ if environ is None else environ
    read = _read(file, environ)
    problems: list[str] = []
    try:
        server = _server(read, flags or {}, environ)
    except ConfigError as error:
        problems += error.problems
    try:
        declared = _declared(read, now, "RU" if problems else server.default_region)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    return server, declared


def declared_tenant(file: Path | None) -> str:
    """The tenant that a file is about."""
    read = _read(file, {})
    only = {key: value for key, value in read.data.items() if key == "tenant"}
    return _tables(_File(read.shown, only, read.place)).tenant


def provider_place(declared: Declared, index: int) -> str:
    """How a message names one of the declared providers."""
    provider = declared.providers[index]
    return f"{declared.origin}: {checks.place('providers', index, provider.id)}"


def _read(file: Path | None, environ: Mapping[str, str]) -> _File:
    if file is None and not DEFAULT_FILE.exists():
        return _File("", {}, Place(Path(), environ))
    file = file or DEFAULT_FILE
    data = _parse(file)
    known = list(FileTable.model_fields)
    strangers = [key for key in data if key not in known]
    if strangers:
        raise ConfigError(f"{file}: {key}: {unknown(key, known)}" for key in strangers)
    return _File(str(file), data, Place(file.parent, environ))


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        problem = f"cannot read it: {error.strerror}"
    except UnicodeDecodeError:
        problem = "not text in UTF-8"
    except tomllib.TOMLDecodeError as error:
        problem = f"not valid TOML: {error}"
    except RecursionError:
        problem = "not valid TOML: nested too deeply"
    raise ConfigError([f"{file}: {problem}"])


def _server(read: _File, flags: Mapping[str, object], environ: Mapping[str, str]) -> ServerSettings:
    here = Place(Path(), environ)
    layers = (
        flag_layer(flags, here),
        environment_layer(environ, here),
        file_layer(read.server, read.shown, read.place),
    )
    return settle(layers, read.shown)


def _declared(read: _File, now: datetime, default_region: str) -> Declared:
    file = _tables(read)
    problems = [f"{read.shown}: {problem}" for problem in checks.check(file, default_region, now)]
    if problems:
        raise ConfigError(problems)
    return declare(file, read.shown, default_region)


def _tables(read: _File) -> FileTable:
    def where(loc: Loc) -> str:
        return f"{read.shown}: {path(loc)}"

    data = {key: value for key, value in read.data.items() if key != "server"}
    for kind, secrets in (("providers", None), ("widgets", {"captcha"}), ("tokens", {"token"})):
        data[kind] = _with_secrets(data.get(kind, []), secrets, read.place)
    try:
        return FileTable.model_validate(data)
    except ValidationError as error:
        raise ConfigError(describe(error.errors(), FileTable, where)) from None


def _with_secrets(tables: Any, keys: set[str] | None, place: Place) -> Any:
    """The tables with their references resolved: in some keys, or in all of them."""
    if not isinstance(tables, list):
        return tables
    return [
        {k: _resolved(v, place) if keys is None or k in keys else v for k, v in table.items()}
        if isinstance(table, dict)
        else table
        for table in tables
    ]


def _resolved(value: Any, place: Place) -> Any:
    match value:
        case str():
            try:
                return place.resolve(value)
            except Reason as reason:
                return reason
        case dict():
            return {key: _resolved(item, place) for key, item in value.items()}
        case list():
            return [_resolved(item, place) for item in value]
        case _:
            return value
