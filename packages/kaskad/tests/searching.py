"""Looks for codes and phone numbers in what a service leaves behind, however they are written."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_SEPARATOR = rb"(?:[\s().+/-]|%20|%2[Bb]|\\u00[aA]0){0,3}"
_ALIGNMENTS = 3


def national(number: str) -> str:
    """The digits that every way of writing a Russian number has: +7, 7, 8 and bare."""
    return number.removeprefix("+7")


def _spaced(digits: str) -> bytes:
    return _SEPARATOR.join(digit.encode() for digit in digits)


def _encoded(digits: str) -> Iterator[bytes]:
    """In base64, whatever stands before; in hex; in UTF-16."""
    for before in range(_ALIGNMENTS):
        text = base64.b64encode(b"\0" * before + digits.encode())
        first = (
            0 if before == 0 else before + 1
        )  # characters that also depend on what stands before
        last = len(text) - 4 if text.endswith(b"=") else len(text)
        yield re.escape(text[first:last])
    yield digits.encode().hex().encode()
    yield re.escape(digits.encode("utf-16-le"))


def spellings(digits: str) -> re.Pattern[bytes]:
    """Every way of writing these digits that we look for; not as a part of a longer number."""
    ways = [_spaced(digits), *_encoded(digits)]
    return re.compile(b"|".join(ways), re.IGNORECASE)


class Search:
    """Secrets by name, and where they are found."""

    def __init__(self, *, codes: Iterable[str], numbers: Iterable[str]) -> None:
        secrets = [*codes, *(national(number) for number in numbers)]
        self._patterns = {secret: spellings(secret) for secret in secrets}

    def of(self, where: str, data: bytes) -> list[str]:
        """Each secret that stands in the data, with what is around it."""
        found = []
        for secret, pattern in self._patterns.items():
            hit = pattern.search(data)
            if hit is not None:
                around = data[max(0, hit.start() - 30) : hit.end() + 30]
                found.append(f"{where}: {secret} in {around!r}")
        return found

    def of_folder(self, folder: Path, *, but: Mapping[str, str] | None = None) -> list[str]:
        """In every file below a folder, except those that ``but`` names with a reason."""
        found = []
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in (but or {}):
                found += self.of(path.name, path.read_bytes())
        return found
