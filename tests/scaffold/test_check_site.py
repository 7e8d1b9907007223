"""`scripts/check_site.py` finds what the built manual must not have."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "check_site.py"
GOOD = """<html><head><link rel="stylesheet" href="../style.css">
<script src="/script.js"></script><script>start("here")</script></head>
<body><h1 id="top">A page</h1><p id="другое" style="color: red">Text
<a href="#top">up</a> <a href="other.html#%D0%B4%D1%80%D1%83%D0%B3%D0%BE%D0%B5">other</a>
<a href="https://elsewhere.example/">a link to follow</a> <a href="mailto:a@b.example">mail</a>
<img src="data:image/png;base64,AA=="></p></body></html>"""

BAD = {
    '<script src="https://cdn.example/x.js"></script>': "loads https://cdn.example/x.js",
    '<script src="//cdn.example/x.js"></script>': "loads //cdn.example/x.js",
    '<link rel="preconnect" href="https://fonts.example">': "loads https://fonts.example",
    '<img src="picture.png" srcset="https://img.example/a.png 2x">': "loads https://img.example/a.png",
    "<style>@import 'https://css.example/a.css';</style>": "loads https://css.example/a.css",
    '<p style="background: url(//img.example/b.png)">': "loads //img.example/b.png",
    '<script>fetch("https://api.example/x")</script>': "loads https://api.example/x",
    '<form action="https://form.example/"></form>': "loads https://form.example/",
    '<pre class="mermaid">graph TD</pre>': "loads //whatever-the-theme-needs-for/mermaid",
    '<img src="missing.png">': "missing.png leads nowhere",
    '<a href="missing.html">': "missing.html leads nowhere",
    '<a href="other.html#missing">': "other.html#missing leads nowhere",
    '<a href="#missing">': "#missing leads nowhere",
    '<a href="/missing/">': "/missing/ leads nowhere",
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site that keeps its promises."""
    (tmp_path / "style.css").write_text("p { background: url(picture.png); }")
    (tmp_path / "script.js").write_text("")
    (tmp_path / "pages").mkdir()
    for name in ("page", "other"):
        (tmp_path / "pages" / f"{name}.html").write_text(GOOD)
    return tmp_path


def check(site: Path) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, SCRIPT, site], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_a_site_that_keeps_its_promises_passes(site: Path) -> None:
    assert check(site) == (0, [])


def test_every_broken_promise_is_a_line(site: Path) -> None:
    """All at once: each is reported, and nothing else is."""
    page = site / "pages" / "page.html"
    page.write_text(GOOD.replace("</body>", "\n".join([*BAD, "</body>"])))
    (site / "pages" / "picture.png").write_bytes(b"")
    status, lines = check(site)
    assert status == 1
    assert len(lines) == len(BAD)
    for wanted in BAD.values():
        assert sum(line == f"manual: pages/page.html: {wanted}" for line in lines) == 1, wanted


def test_a_style_sheet_may_load_nothing_from_elsewhere(site: Path) -> None:
    (site / "style.css").write_text("@font-face { src: url(https://fonts.example/a.woff2); }")
    assert check(site) == (1, ["manual: style.css: loads https://fonts.example/a.woff2"])


def test_an_empty_site_is_no_site(tmp_path: Path) -> None:
    assert check(tmp_path)[0] == 1
