"""The core imports data types, hashing and two libraries, and nothing that could do I/O."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import kaskad

CORE = Path(kaskad.__file__).parent / "core"
ALLOWED = {
    "__future__",
    "base64",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "hmac",
    "itertools",
    "kaskad",
    "math",
    "msgspec",
    "operator",
    "phonenumbers",
    "re",
    "types",
    "typing",
}


def imported_by(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case _:
                pass


@pytest.mark.parametrize("path", sorted(CORE.glob("**/*.py")), ids=lambda path: path.name)
def test_a_core_module_imports_only_what_is_allowed(path: Path) -> None:
    assert set(imported_by(ast.parse(path.read_text()))) <= ALLOWED


def test_the_check_sees_every_form_of_import() -> None:
    source = "import os.path\nfrom asyncio import sleep\ndef f():\n    import time as t\n"
    assert set(imported_by(ast.parse(source))) == {"os", "asyncio", "time"}
