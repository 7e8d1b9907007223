"""As much of Markdown as the tests need to read the docs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[4]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"

_FENCE = re.compile(
    r"^(?:<!-- not run: ([^>]+?) -->\n+)?```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


class Block(NamedTuple):
    """A fenced block, with the reason why it cannot be run if there is one."""

    language: str
    text: str
    reason: str = ""


def files() -> list[Path]:
    """Every Markdown file of the repository that people read."""
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def blocks(text: str, language: str | None = None) -> list[Block]:
    """The fenced blocks, of one language if given."""
    found = (Block(match[2], match[3], match[1] or "") for match in _FENCE.finditer(text))
    return [block for block in found if language in {None, block.language}]


def prose(text: str) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", text)


def sections(text: str, level: int) -> dict[str, str]:
    """The bodies below the headings of a level, by heading; a higher heading ends one."""
    bare = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    starts = [
        (bare[: match.start()].count("\n"), len(match[1]), match[2])
        for match in _HEADING.finditer(bare)
    ]
    lines = text.split("\n")
    found = {}
    for index, (line, depth, title) in enumerate(starts):
        if depth == level:
            ends = (start for start, other, _ in starts[index + 1 :] if other <= level)
            found[title] = "\n".join(lines[line + 1 : next(ends, len(lines))])
    return found


def rows(text: str, heading: str) -> list[list[str]]:
    """The rows of the table whose first column has that heading; none if there is no such table."""
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if line.startswith(f"| {heading} |"):
            return [_cells(row) for row in _table(lines[index + 2 :])]
    return []


def _table(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("|"):
            return
        yield line


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def words(text: str) -> list[str]:
    """What stands in backticks, in order."""
    return re.findall(r"`([^`\n]+)`", text)


def paragraph(text: str, opening: str) -> str:
    """The paragraph that begins so; empty if there is none."""
    return next((part for part in text.split("\n\n") if part.strip().startswith(opening)), "")


def links(text: str) -> list[str]:
    """Where links and images lead."""
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """The anchors that headings make, as code hosts make them."""
    found: set[str] = set()
    for _, title in _HEADING.findall(prose(text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = _NOT_IN_ANCHORS.sub("", plain.lower()).replace(" ", "-")
        number = 0
        while (name := slug + (f"-{number}" if number else "")) in found:
            number += 1
        found.add(name)
    return found
