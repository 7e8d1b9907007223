"""Holds the built manual to two promises: it loads nothing from another host, its links resolve.

    .venv/bin/python scripts/check_site.py build/manual

A link that a reader may click can lead anywhere and is not followed; what a page fetches by itself
has to be part of the site. One line is printed for each violation.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

CLICKED = {("a", "href"), ("area", "href")}
ADDRESSES = {"href", "src", "data", "action", "poster"}
STYLE_ADDRESS = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")
SCRIPT_ADDRESS = re.compile(r"https?://[^\"'\s)]+")
LOADED_BY_THE_THEME = {"mermaid"}
"""Classes that make the theme's script fetch something."""


class Page(HTMLParser):
    """What a page loads, where its links lead, and which anchors it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        for name, value in attrs:
            if value is None:
                continue
            if name in {"id", "name"}:
                self.anchors.add(value)
            elif (tag, name) in CLICKED:
                self.links.append(value)
            elif name in ADDRESSES:
                self.loads.append(value)
            elif name == "srcset":
                self.loads += [part.split()[0] for part in value.split(",") if part.strip()]
            elif name == "style":
                self.loads += STYLE_ADDRESS.findall(value)
            elif name == "class" and LOADED_BY_THE_THEME & set(value.split()):
                self.loads.append(f"//whatever-the-theme-needs-for/{value}")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.loads += STYLE_ADDRESS.findall(data)
        elif self._inside == "script":
            self.loads += SCRIPT_ADDRESS.findall(data)


def violations(site: Path) -> Iterator[str]:
    """Yield one line for each broken promise of the site in a folder."""
    pages = {path: Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site}: no page"
    for path, page in pages.items():
        shown = path.relative_to(site)
        yield from (f"{shown}: loads {load}" for load in page.loads if is_elsewhere(load))
        local = [each for each in page.links + page.loads if not is_elsewhere(each)]
        found = Addresses(site, path, pages)
        yield from (f"{shown}: {each} leads nowhere" for each in local if not found.exists(each))
    for sheet in sorted(site.rglob("*.css")):
        shown = sheet.relative_to(site)
        yield from (f"{shown}: loads {it}" for it in STYLE_ADDRESS.findall(sheet.read_text()))


def is_elsewhere(address: str) -> bool:
    """Whether an address names a host, or a scheme that has none."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in {"mailto", "tel"}


class Addresses(NamedTuple):
    """What addresses mean on one page of a site."""

    site: Path
    page: Path
    pages: dict[Path, Page]

    def exists(self, address: str) -> bool:
        """Whether an address within the site has a file, and its anchor a place in it."""
        parts = urlsplit(address)
        if parts.scheme in {"data", "javascript"}:
            return True
        target = self._file(unquote(parts.path))
        anchor = unquote(parts.fragment)
        if target not in self.pages or not anchor:
            return target.is_file()
        return anchor in self.pages[target].anchors

    def _file(self, path: str) -> Path:
        if path.startswith("/"):
            return self.site / path[1:]
        return (self.page.parent / path).resolve() if path else self.page


def main(site: Path) -> int:
    """Print the violations; return the exit status."""
    lines = list(violations(site.resolve()))
    for line in lines:
        print(f"manual: {line}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
