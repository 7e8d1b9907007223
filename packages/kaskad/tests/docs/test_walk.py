"""The pages that a reader follows from top to bottom, followed as they are printed."""

import time
from pathlib import Path

import httpx2
import pytest

from packages.kaskad.tests.docs import markdown
from packages.kaskad.tests.docs.walking import Walk

pytestmark = [pytest.mark.acceptance, pytest.mark.untraced]

WIDGET = "7a1c54de-90f2-4d0b-8a53-1be2f3c4d5a6"
READMES = ["README.md", "README.ru.md"]
PAGES = [
    "docs/tutorial/first-verification.md",
    "docs/howto/cascade.md",
    "docs/howto/pages.md",
]


@pytest.mark.parametrize("page", [*READMES, *PAGES])
def test_a_page_can_be_followed_from_top_to_bottom(page: str, tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        walk.follow((markdown.ROOT / page).read_text())
        assert serves_the_widget(walk)


def serves_the_widget(walk: Walk) -> bool:
    """Whether the configuration at the end of each of these pages is what is being served."""
    create = "KASKAD_SECRET_KEY=$(cat kaskad.key) .venv/bin/kaskad token create another"
    headers = {"Authorization": f"Bearer {walk.terminal.run(create)[-1]}"}
    ends = time.monotonic() + 5  # a running service follows within a second
    while time.monotonic() < ends:
        url = f"{walk.url}/api/n/otp-handler/widget/{WIDGET}"
        if httpx2.get(url, headers=headers, timeout=10).json().get("isActive"):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("readme", READMES)
def test_a_readme_shows_a_verdict_that_is_given_once(readme: str) -> None:
    text = (markdown.ROOT / readme).read_text()
    shown = [line for line in text.splitlines() if line.startswith('# → {"success"')]
    assert shown[-2:] == ['# → {"success":true}', '# → {"success":false}']
