"""What every test of the command line starts from."""

from pathlib import Path

import pytest

from packages.kaskad.tests.cli.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)
