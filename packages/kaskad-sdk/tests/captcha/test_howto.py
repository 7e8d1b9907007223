"""The how-to about captchas, followed as it is printed."""

import sys
from pathlib import Path

import pytest

from packages.kaskad.tests.docs import markdown
from packages.kaskad.tests.docs.walking import Walk

PAGE = markdown.ROOT / "docs" / "howto" / "captcha.md"


@pytest.mark.acceptance
def test_the_page_can_be_followed_from_top_to_bottom(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        python = walk.folder / ".venv" / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        walk.follow(PAGE.read_text())
