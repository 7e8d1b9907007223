"""Every link of the docs leads somewhere, and no page is lost."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from packages.kaskad.tests.docs import markdown

FILES = markdown.files()
OUTSIDE = ("http://", "https://", "mailto:")


def name(path: Path) -> str:
    return str(path.relative_to(markdown.ROOT))


def inside(path: Path) -> list[tuple[str, Path, str]]:
    """The links of a file that stay in the repository: as written, the file, the anchor."""
    found = []
    for link in markdown.links(path.read_text()):
        if not link.startswith(OUTSIDE):
            target, _, anchor = unquote(link).partition("#")
            found.append((link, (path.parent / target).resolve() if target else path, anchor))
    return found


@pytest.mark.parametrize("path", FILES, ids=name)
def test_relative_links_and_anchors_resolve(path: Path) -> None:
    for link, target, anchor in inside(path):
        assert target.exists(), link
        assert target.is_relative_to(markdown.ROOT), link
        assert not anchor or anchor in markdown.anchors(target.read_text()), link


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [markdown.ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path not in reached and path.suffix == ".md":
            reached.add(path)
            waiting += [target for _, target, _ in inside(path) if target.is_file()]
    assert reached >= set(FILES)


def test_both_readmes_have_the_same_parts_commands_and_links() -> None:
    english, russian = ((markdown.ROOT / f).read_text() for f in ("README.md", "README.ru.md"))
    assert len(markdown.sections(english, 2)) == len(markdown.sections(russian, 2))
    assert [b.language for b in markdown.blocks(english)] == [
        b.language for b in markdown.blocks(russian)
    ]
    others = {"README.md", "README.ru.md"}
    assert set(markdown.links(english)) - others == set(markdown.links(russian)) - others
