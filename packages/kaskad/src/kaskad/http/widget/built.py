"""The widget's built files, read once: their bytes, their encodings, their names in caches."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

DROP_IN = "otp-widget.umd.js"
ELEMENT = "kaskad-otp.js"

STARTS = {DROP_IN, ELEMENT, "react.js", "custom-elements.json"}
"""What pages and programs name themselves; the rest is loaded by these when it is needed."""

BUILD = "make setup"
"""What makes the files in a clone; a wheel has them."""

TYPES = {"js": "text/javascript; charset=utf-8", "json": "application/json; charset=utf-8"}
ENCODINGS = {"br": "br", "gzip": "gz"}
"""Content codings, the better first, and the suffixes of the files that have them."""

HASH_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of the widget."""

    body: bytes
    media_type: str
    encoded: Mapping[str, bytes]

    @property
    def etag(self) -> str:
        """Weak: the same for every encoding of this file."""
        return f'W/"{_digest(self.body)}"'

    @property
    def integrity(self) -> str:
        """What a page's ``integrity`` attribute holds the file to."""
        return "sha384-" + base64.b64encode(hashlib.sha384(self.body).digest()).decode()


def is_loaded_later(name: str) -> bool:
    """Whether the scripts load this file, of which no page holds the integrity hash."""
    return name not in STARTS


class Built:
    """The files by their names, such as ``locales/ru.js``, and the hash of them all.

    One hash for all, so that files which name each other stay together. Empty when
    the widget has not been built: that is no reason not to serve the API.
    """

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self.files = {
            name: File(
                body=body,
                media_type=TYPES[name.rpartition(".")[2]],
                encoded={
                    coding: contents[f"{name}.{suffix}"]
                    for coding, suffix in ENCODINGS.items()
                    if f"{name}.{suffix}" in contents
                },
            )
            for name, body in sorted(contents.items())
            if name.rpartition(".")[2] in TYPES
        }
        self.hash = _digest(
            b"".join(name.encode() + b"\0" + f.body + b"\0" for name, f in self.files.items())
        )

    @classmethod
    def carried(cls) -> "Built":
        """What this package carries; blocks."""
        return cls(dict(_contents(files("kaskad.http.widget") / "static", "")))

    def __bool__(self) -> bool:
        return bool(self.files)


def _contents(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _contents(entry, f"{prefix}{entry.name}/")
        elif not entry.name.startswith("."):
            yield prefix + entry.name, entry.read_bytes()


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:HASH_DIGITS]
