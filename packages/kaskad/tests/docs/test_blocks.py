"""Every block of code in the docs is held by a test, or says why it cannot be."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from packages.kaskad.tests.docs import markdown, test_walk
from packages.kaskad.tests.docs.walking import Walk, as_file, compare, matches, pattern

WALKED = {*test_walk.READMES, *test_walk.PAGES}
EXAMPLE_PAGES = ["aiohttp", "django", "fastapi", "flask", "litestar", "starlette"]
TESTED = {
    **{f"docs/howto/{name}.md": "tests/acceptance/test_examples.py" for name in EXAMPLE_PAGES},
    **{
        f"docs/howto/{name}.md": "tests/acceptance/test_embedding.py"
        for name in ("embed", "embed-csp", "embed-react", "theming")
    },
    "docs/howto/backup.md": "tests/acceptance/test_backup.py",
    "docs/howto/captcha.md": "packages/kaskad-sdk/tests/captcha/test_howto.py",
    "docs/howto/sdk.md": "tests/sdk/test_manual.py",
    "docs/howto/nginx.md": "tests/acceptance/test_nginx.py",
    "docs/howto/systemd.md": "tests/acceptance/test_systemd.py",
}
"""Pages that need more than a shell, and their tests."""

EXAMPLES = {"docs/reference/api.md", "docs/reference/errors.md"}
"""Their JSON is compared with what the service's own types say."""

WIDEST = 84

BLOCKS = [
    pytest.param(path, block, id=f"{path.relative_to(markdown.ROOT)}-{index}")
    for path in markdown.files()
    for index, block in enumerate(markdown.blocks(path.read_text()))
]


@pytest.mark.parametrize(("path", "block"), BLOCKS)
def test_a_block_is_held_by_a_test(path: Path, block: markdown.Block) -> None:
    name = str(path.relative_to(markdown.ROOT))
    match block.language:
        case _ if block.reason:
            assert len(block.reason.split()) > 2, "a reason is a sentence"
        case "text":
            pass
        case "toml":
            pass  # in test_configuration.py, all of them
        case "json":
            assert name in WALKED | EXAMPLES | TESTED.keys()
        case _:
            assert name in WALKED | TESTED.keys()
            assert block.language == "bash" or as_file(block)


@pytest.mark.parametrize(("path", "block"), BLOCKS)
def test_a_command_fits_the_page(path: Path, block: markdown.Block) -> None:
    """On a screen of 1280 points; the READMEs are read elsewhere."""
    if block.language == "bash" and path.is_relative_to(markdown.DOCS):
        assert [line for line in block.text.splitlines() if len(line) > WIDEST] == []


@pytest.mark.parametrize("page", TESTED)
def test_a_page_with_tests_of_its_own_has_them(page: str) -> None:
    text = (markdown.ROOT / TESTED[page]).read_text()
    assert f'"{Path(page).name}"' in text


def test_the_blocks_are_found() -> None:
    """A fence that is never closed would swallow what follows."""
    for path in markdown.files():
        text = path.read_text()
        assert len(markdown.blocks(text)) * 2 == sum(
            line.startswith("```") for line in text.splitlines()
        ), path


@pytest.mark.parametrize(
    ("given", "wanted", "same"),
    [
        ({"a": [1, {"b": "x y"}]}, {"a": [1, {"b": "x…"}]}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"a": 1}, {"a": 2}, False),
        ([1], [1, 2], False),
        ({"a": None}, {"a": "…"}, True),
        ({"a": "xy"}, {"a": "z…"}, False),
    ],
)
def test_what_a_page_shows_is_compared(given: object, wanted: object, same: bool) -> None:
    assert matches(given, wanted) == same


def test_an_ellipsis_is_the_only_thing_with_a_meaning() -> None:
    assert pattern("a.b … [c]") == r"a\.b\ .*\ \[c\]"


@pytest.mark.parametrize(
    ("printed", "wanted", "same"),
    [
        (["a 1", "b"], ["a …", "b"], True),
        (["a", "x", "y", "b"], ["a", "…", "b"], True),
        (["a", "b"], ["a", "…", "b"], True),
        (["a"], ["b"], False),
        (["a", "b"], ["a"], False),
        ([], ["a"], False),
        (["whatever"], [], True),
    ],
)
def test_what_is_printed_is_compared(printed: list[str], wanted: list[str], same: bool) -> None:
    with nullcontext() if same else pytest.raises(AssertionError):
        compare(printed, wanted)


def test_a_walk_ends_at_the_first_command_that_fails(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        walk.follow("```bash\nHERE=1\n```\n\n```bash\necho $HERE\n# → 1\n```\n")
        with pytest.raises(AssertionError, match="no-such-file"):
            walk.follow("```bash\ncat no-such-file\necho on\n```\n")


def test_a_piece_needs_the_line_that_it_goes_below(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        walk.follow("```toml\n# a.toml\n[x]\n```\n\n```toml\n# a.toml, below [x]\ny = 1\n```\n")
        assert (tmp_path / "a.toml").read_text() == "# a.toml\n[x]\ny = 1\n"
        with pytest.raises(AssertionError, match="has no line"):
            walk.follow("```toml\n# a.toml, below [z]\ny = 1\n```\n")
