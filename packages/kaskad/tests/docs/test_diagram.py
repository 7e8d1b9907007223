"""The diagram and the table of the session machine are what the machine does."""

import subprocess
import sys
import xml.etree.ElementTree as ET

from kaskad.core.model import State
from kaskad.core.session import TABLE
from packages.kaskad.tests.docs import markdown

SCRIPT = markdown.ROOT / "scripts" / "draw_states.py"
PICTURE = markdown.DOCS / "explanation" / "session-machine.svg"
PAGE = (markdown.DOCS / "explanation" / "session-machine.md").read_text()


def test_the_committed_files_are_what_the_script_draws() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check"], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_script_knows_no_other_argument() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--help"], capture_output=True, timeout=50, check=False
    )
    assert done.returncode == 2


def test_the_picture_is_well_formed_and_names_every_state() -> None:
    texts = {"".join(node.itertext()) for node in ET.parse(PICTURE).iter()}
    assert texts >= {state.value for state in State}


def test_the_page_explains_every_state_and_input() -> None:
    assert [row[0] for row in markdown.rows(PAGE, "state")] == [f"`{s.value}`" for s in State]
    explained = [
        name
        for row in markdown.rows(PAGE.partition("## Every input")[0], "input")
        for name in markdown.words(row[0])
    ]
    assert explained == [kind.__name__ for kind in TABLE]
