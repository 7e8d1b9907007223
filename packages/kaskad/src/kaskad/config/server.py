"""The ``[server]`` table: what a node needs before it can read its catalogue."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import SecretBytes, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from kaskad.config.forms import (
    COUNT,
    FLAG,
    HOST,
    NETWORK,
    PORT,
    PUBLIC_URL,
    REGION,
    SECONDS,
    Form,
    Network,
    Reason,
    as_whole,
    one_of,
)
from kaskad.config.problems import ConfigError, Loc, describe, path
from kaskad.config.references import KEY_FORM, Place, parse_key

PREFIX, FILE_SUFFIX = "KASKAD_", "_FILE"
SQLITE = "sqlite:///"
_NO_FILE = "; there is no ./kaskad.toml in this folder, --config FILE names another"
DEFAULT_DATABASE = f"{SQLITE}var/kaskad.db"


def _key(value: str) -> SecretBytes:
    return SecretBytes(parse_key(value))


def _database(value: str) -> str:
    if not value.startswith(SQLITE) or value.endswith("/"):
        raise ValueError
    return value


KEY = Form(KEY_FORM, _key, secret=True)
DATABASE = Form("sqlite:///PATH", _database)
SESSIONS = Form("nothing (beside the database) or sqlite:///PATH", lambda v: v and _database(v))
LOG_LEVEL = one_of(("debug", "info", "warning", "error"))
LOG_FORMAT = one_of(("auto", "json", "console"))


class ServerSettings(BaseSettings):
    """How this node serves. Paths are absolute, durations are seconds."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, validate_default=False)

    host: Annotated[str, HOST] = "127.0.0.1"
    port: Annotated[int, PORT] = 8480
    database_url: Annotated[str, DATABASE] = DEFAULT_DATABASE
    sessions_url: Annotated[str, SESSIONS] = ""
    secret_key: Annotated[SecretBytes | None, KEY] = None
    old_secret_keys: tuple[Annotated[SecretBytes, KEY], ...] = ()
    public_url: Annotated[str, PUBLIC_URL] = ""
    trusted_proxies: tuple[Annotated[Network, NETWORK], ...] = ()
    demo: Annotated[bool, FLAG] = False
    session_lifetime: Annotated[int, SECONDS] = 900
    default_region: Annotated[str, REGION] = "RU"
    long_poll_timeout: Annotated[int, SECONDS] = 25
    request_timeout: Annotated[int, SECONDS] = 10
    max_connections: Annotated[int, COUNT] = 0
    log_level: Annotated[str, LOG_LEVEL] = "info"
    log_format: Annotated[str, LOG_FORMAT] = "auto"

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The secret keys, the current one first; :class:`ConfigError` without one."""
        if self.secret_key is None:
            raise ConfigError([f"secret_key: missing; expected {KEY_FORM}"])
        return tuple(key.get_secret_value() for key in (self.secret_key, *self.old_secret_keys))


class Layer(PydanticBaseSettingsSource):
    """Settings from one source, with the names they have there."""

    def __init__(self, values: Mapping[str, object], names: Mapping[str, str]) -> None:
        super().__init__(ServerSettings)
        self.values = dict(values)
        self.names = names

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Required by the base; values are handed over all at once."""
        return self.values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values that this source has."""
        return self.values


def file_layer(table: Mapping[str, object], shown: str, place: Place) -> Layer:
    """The ``[server]`` table of a file, or just the defaults that depend on a place."""
    values = {"database_url": DEFAULT_DATABASE, **table}
    names = {key: f"{shown}: server.{key}" for key in table} if shown else {}
    return Layer({key: _placed(key, value, place) for key, value in values.items()}, names)


def environment_layer(environ: Mapping[str, str], place: Place) -> Layer:
    """``KASKAD_<KEY>``, or the file that ``KASKAD_<KEY>_FILE`` names. Empty is unset."""
    values: dict[str, object] = {}
    names = {}
    for key in ServerSettings.model_fields:
        name = PREFIX + key.upper()
        if environ.get(name + FILE_SUFFIX):
            names[key] = name + FILE_SUFFIX
            values[key] = _from_file(key, name, environ, place)
        elif environ.get(name):
            names[key] = name
            values[key] = _placed(key, _typed(key, environ[name]), place)
    return Layer(values, names)


def _from_file(key: str, name: str, environ: Mapping[str, str], place: Place) -> object:
    if environ.get(name):
        return Reason(f"{name} is set as well; set one of the two")
    try:
        return _placed(key, _typed(key, place.read(environ[name + FILE_SUFFIX])), place)
    except Reason as reason:
        return reason


def mistyped(environ: Mapping[str, str]) -> list[str]:
    """A line for each variable that is no setting and looks like one.

    Others that begin with our prefix are left alone: a file may refer to them.
    """
    settings = [PREFIX + key.upper() for key in ServerSettings.model_fields]
    known = [*settings, *(name + FILE_SUFFIX for name in settings)]
    lines = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            close = get_close_matches(name, known, n=1, cutoff=0.85)
            lines += [f"{name}: not a setting; did you mean {other}?" for other in close]
    return lines


def flag_layer(flags: Mapping[str, object], place: Place) -> Layer:
    """What the command line gives, texts as they were typed; ``None`` is not given."""
    given = {
        key: _typed(key, value) if isinstance(value, str) else value
        for key, value in flags.items()
        if value is not None
    }
    names = {key: "--" + key.replace("_", "-") for key in given}
    return Layer({key: _placed(key, value, place) for key, value in given.items()}, names)


def _typed(key: str, text: str) -> object:
    """What a text outside the file means for its key; one that means nothing stays as it is."""
    default = ServerSettings.model_fields[key].default
    match default:
        case bool():
            return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
        case int():
            return as_whole(text)
        case tuple():
            return text.replace(",", " ").split()
        case _:
            return text


def _placed(key: str, value: object, place: Place) -> object:
    """With references resolved and paths made absolute; a :class:`Reason` where that fails."""
    match key, value:
        case "old_secret_keys", list():
            return [_placed("secret_key", item, place) for item in value]
        case (("secret_key" | "database_url" | "sessions_url"), str()):
            return _resolved(value, place)
        case _:
            return value


def _resolved(value: str, place: Place) -> object:
    try:
        text = place.resolve(value)
    except Reason as reason:
        return reason
    if text.startswith(SQLITE) and text != SQLITE:
        return f"{SQLITE}{place.locate(text.removeprefix(SQLITE))}"
    return text


def settle(layers: tuple[Layer, ...], shown: str) -> ServerSettings:
    """The settings from layers, the first of which wins; all problems at once."""

    def where(loc: Loc) -> str:
        key, *rest = loc
        names = (layer.names.get(str(key)) for layer in layers if key in layer.values)
        name = next(names, None) or _unset(str(key), shown)
        return f"{name}{path(rest)}"

    try:
        settings = ServerSettings(_build_sources=(cast("Any", layers), {}))
    except ValidationError as error:
        raise ConfigError(describe(error.errors(), ServerSettings, where)) from None
    if settings.secret_key is None and not settings.demo:
        nowhere = "" if shown else _NO_FILE
        raise ConfigError([f"{_unset('secret_key', shown)}: missing; expected {KEY_FORM}{nowhere}"])
    return settings


def _unset(key: str, shown: str) -> str:
    return f"{shown}: server.{key}" if shown else f"{PREFIX}{key.upper()}"


def database_path(url: str) -> Path:
    """The file of a ``sqlite:///`` address."""
    return Path(url.removeprefix(SQLITE))
