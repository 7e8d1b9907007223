"""docs/reference/cli.md has every command, argument and option."""

from typing import Any

import pytest
import typer

from kaskad.cli import app
from packages.kaskad.tests.docs import markdown

TEXT = (markdown.REFERENCE / "cli.md").read_text()
SECTIONS = markdown.sections(TEXT, 3)


def tree(name: str, command: Any) -> dict[str, Any]:
    """The commands by their full names; of a group that only holds others, the others."""
    below = getattr(command, "commands", {})
    found = {} if below and not options(command) else {name: command}
    for part, child in below.items():
        found |= tree(f"{name} {part}", child)
    return found


def options(command: Any) -> list[Any]:
    return [p for p in command.params if p.param_type_name == "option" and "--help" not in p.opts]


COMMANDS = tree("kaskad", typer.main.get_command(app))

each_command = pytest.mark.parametrize("name", sorted(COMMANDS))


def test_there_is_a_section_for_each_command_and_no_other() -> None:
    assert set(SECTIONS) == set(COMMANDS)


@each_command
def test_options(name: str) -> None:
    written = {
        tuple(markdown.words(option)[0].split())
        for option, _ in markdown.rows(SECTIONS[name], "option")
    }
    known = {
        (option.opts[0],) if option.is_flag else (option.opts[0], option.metavar)
        for option in options(COMMANDS[name])
    }
    assert written == known


@each_command
def test_arguments(name: str) -> None:
    written = [markdown.words(row[0])[0] for row in markdown.rows(SECTIONS[name], "argument")]
    arguments = [p for p in COMMANDS[name].params if p.param_type_name == "argument"]
    assert written == [argument.metavar.strip("[]") for argument in arguments]


@each_command
def test_what_is_required_is_said_to_be(name: str) -> None:
    for option, what in markdown.rows(SECTIONS[name], "option"):
        flag = markdown.words(option)[0].split()[0]
        real = next(o for o in options(COMMANDS[name]) if flag in o.opts)
        assert real.required == ("required" in what), flag
