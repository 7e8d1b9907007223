"""Secrets that stand elsewhere: ``env:NAME`` and ``file:PATH``."""

import base64
import binascii
import string
from collections.abc import Mapping
from pathlib import Path

from kaskad.config.forms import Reason

SHORTEST_KEY = 32
KEY_COMMAND = "python3 -c 'import secrets; print(secrets.token_hex(32))'"
KEY_FORM = f"at least {SHORTEST_KEY} bytes as hex or base64; make one with: {KEY_COMMAND}"
_LARGEST_FILE = 64 * 1024


class Place:
    """Where a value was written: what its references and relative paths start from."""

    __slots__ = ("environ", "folder")

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = environ

    def resolve(self, value: str) -> str:
        """The value itself, or what it refers to; :class:`Reason` when that is not there."""
        kind, _, name = value.partition(":")
        match kind:
            case "env":
                return self._variable(name)
            case "file":
                return self.read(name)
            case _:
                return value

    def _variable(self, name: str) -> str:
        if not self.environ.get(name):
            raise Reason(f"the environment variable {name} is not set")
        return self.environ[name]

    def read(self, name: str) -> str:
        """A file's text without the line break at its end."""
        path = self.folder / name
        try:
            with path.open("rb") as file:
                return file.read(_LARGEST_FILE).decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise Reason(f"{path} is not text in UTF-8") from None
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "not a path"
            raise Reason(f"cannot read {path}: {why}") from None

    def locate(self, path: str) -> Path:
        """The path, absolute."""
        return self.folder.absolute() / path


def parse_key(text: str) -> bytes:
    """A secret key from hex, if it is all hex digits, else from base64."""
    text = "".join(text.split())
    try:
        key = _decode(text)
    except (binascii.Error, ValueError):
        raise Reason(f"neither hex nor base64; expected {KEY_FORM}") from None
    if len(key) < SHORTEST_KEY:
        raise Reason(f"only {len(key)} bytes long; expected {KEY_FORM}")
    return key


def _decode(text: str) -> bytes:
    if set(text) <= set(string.hexdigits):
        return bytes.fromhex(text)
    standard = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
