"""Writes docs/reference/sdk.md from docstrings; with --check, only says whether it is stale."""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from kaskad_sdk import AsyncOtpClient, OtpClient
from kaskad_sdk import errors as module_of_errors

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "sdk.md"
MODULES: Final = (
    "kaskad_sdk",
    "kaskad_sdk.errors",
    "kaskad_sdk.events",
    "kaskad_sdk.models",
    "kaskad_sdk.testing",
    "kaskad_sdk.pytest_plugin",
    "kaskad_sdk.webhooks",
)
INTRODUCTION: Final = """# The Python SDK

The package `kaskad-sdk` for back ends in Python 3.11 and newer; it brings one dependency, the HTTP
client `httpx2`. [Verify a number from Python](../howto/sdk.md) shows it at work. This page is
written from its docstrings by `scripts/describe_sdk.py`.
"""


# --- what there is ---------------------------------------------------------------------------


def names(module: ModuleType) -> list[str]:
    """What a module offers: its ``__all__``, else all that is its own."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    return [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__
    ]


def documented() -> Iterator[tuple[str, Any]]:
    """Every public module, class, function, method and property, by its whole name."""
    for where in MODULES:
        module = import_module(where)
        yield where, module
        for name in names(module):
            thing = getattr(module, name)
            if inspect.isclass(thing) and thing.__module__.startswith("kaskad_sdk"):
                yield f"{where}.{name}", thing
                yield from ((f"{where}.{name}.{n}", m) for n, m in members(thing))
            elif inspect.isfunction(thing):
                yield f"{where}.{name}", thing


def members(kind: type) -> list[tuple[str, Any]]:
    """The public methods and properties that a class defines itself."""
    return [
        (name, thing)
        for name, thing in vars(kind).items()
        if not name.startswith("_") and (inspect.isfunction(thing) or isinstance(thing, property))
    ]


# --- how it is written -----------------------------------------------------------------------


def markdown(text: str) -> str:
    """A docstring as Markdown."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return text.replace("``", "`")


def prose(thing: object) -> str:
    """The docstring of something."""
    return markdown(inspect.getdoc(thing) or "")


def signature(name: str, thing: Any) -> str:
    """How something is called, as one line of code."""
    if isinstance(thing, property):
        return f"`{name}`"
    text = str(inspect.signature(thing))
    text = re.sub(r"\((?:self|cls)(?:, )?", "(", text, count=1)
    text = re.sub(
        r"\b(?:kaskad_sdk|collections|datetime|typing|logging|httpx2)\.(?:\w+\.)*", "", text
    )
    return f"`{name}{text}`"


def fields(kind: type) -> list[str]:
    """A table of the attributes of a value, with what stands below each in the source."""
    (tree,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(tree, ast.ClassDef)
    rows = []
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        told = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            told = markdown(" ".join(str(after.value.value).split()))
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            kind_of = ast.unparse(node.annotation).replace("|", "\\|").replace("'", "")
            rows.append(f"| `{node.target.id}` | `{kind_of}` | {told} |")
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            rows.append(f"| `{ast.literal_eval(node.value)}` | `{node.targets[0].id}` | {told} |")
    head = "| value | name | meaning |" if issubclass(kind, Enum) else "| field | type | meaning |"
    return [head, "|---|---|---|", *rows, ""] if rows else []


def section(name: str, kind: Any, *, level: int = 3) -> list[str]:
    """A class or a function, with what belongs to it."""
    lines = [f"{'#' * level} {name}", ""]
    if not inspect.isclass(kind):
        return [*lines, signature(name, kind), "", prose(kind), ""]
    lines += [prose(kind), ""]
    if is_dataclass(kind) or issubclass(kind, Enum):
        lines += fields(kind)
    elif kind.__init__ is not Exception.__init__ and "__init__" in vars(kind):
        lines[1:1] = ["", signature(name, kind)]
    for member, thing in members(kind):
        lines += [f"{'#' * (level + 1)} {name}.{member}", "", signature(member, thing), ""]
        lines += [prose(thing), ""]
    return lines


def clients() -> list[str]:
    """Both clients at once: they differ in one word."""
    lines = [
        "## Clients",
        "",
        "### AsyncOtpClient",
        "",
        signature("AsyncOtpClient", AsyncOtpClient),
    ]
    lines += ["", prose(AsyncOtpClient), "", "### OtpClient", "", prose(OtpClient), ""]
    lines += ["Its methods are those below, without `await`.", "", "## Methods", ""]
    for name, method in members(AsyncOtpClient):
        lines += [f"### {name}", "", signature(name, method), "", prose(method), ""]
    return lines


def errors() -> list[str]:
    """A table of the exceptions."""
    base = module_of_errors.OtpException
    lines = ["## Exceptions", "", prose(module_of_errors), "", prose(base), ""]
    lines += ["| attribute | meaning |", "|---|---|"]
    source = inspect.getsource(base.__init__)
    for name, told in re.findall(r'self\.(\w+)[^\n]*\n\s+"""(.*?)"""', source, re.DOTALL):
        lines.append(f"| `{name}` | {markdown(' '.join(told.split()))} |")
    lines += ["", "| class | status | when |", "|---|---|---|"]
    kinds = list(dict.fromkeys(module_of_errors.BY_TYPE.values()))
    for kind in sorted(kinds, key=lambda k: (k.http_status, k.__name__)):
        told = " ".join(prose(kind).split())
        lines.append(f"| `{kind.__name__}` | {kind.http_status or ''} | {told} |")
    old = ", ".join(f"`{o}` is `{k.__name__}`" for o, k in module_of_errors.OLD_NAMES.items())
    return [*lines, "", f"Names of earlier versions stay: {old}.", ""]


def part(title: str, where: str) -> list[str]:
    """A module with everything that it offers."""
    module = import_module(where)
    lines = [f"## {title}", "", prose(module), ""]
    for name in names(module):
        thing = getattr(module, name)
        own = getattr(thing, "__module__", "").startswith("kaskad_sdk")
        if own and (inspect.isclass(thing) or inspect.isfunction(thing)):
            lines += section(name, thing)
    return lines


def fixtures() -> list[str]:
    """What the plugin for pytest offers."""
    module = import_module("kaskad_sdk.pytest_plugin")
    offered = ("otp_simulation", "otp_client", "async_otp_client")
    rows = [f"| `{name}` | {prose(getattr(module, name))} |" for name in offered]
    return ["### Fixtures", "", prose(module), "", "| fixture | what |", "|---|---|", *rows, ""]


def page() -> str:
    """The whole page."""
    lines = [INTRODUCTION, *clients(), *part("Events", "kaskad_sdk.events")]
    lines += [*part("Results", "kaskad_sdk.models"), *errors()]
    lines += [*part("For tests", "kaskad_sdk.testing"), *fixtures()]
    lines += part("Webhooks", "kaskad_sdk.webhooks")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or compare it."""
    if arguments not in ([], ["--check"]):
        print("usage: describe_sdk.py [--check]", file=sys.stderr)
        return 2
    if not arguments:
        PAGE.write_text(page())
    elif PAGE.read_text() != page():
        print("docs/reference/sdk.md is stale: run scripts/describe_sdk.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
