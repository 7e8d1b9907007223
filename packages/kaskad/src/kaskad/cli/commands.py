"""The group that all commands belong to, and what they share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from kaskad.config.forms import Form

T = TypeVar("T")

STATUS = 2
"""The exit status when the operator has something to put right."""


class Commands(TyperGroup):
    """Commands whose problems are lines on stderr, never tracebacks."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; an :class:`~kaskad.config.OperatorError` ends it with its lines."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            from kaskad.config import OperatorError

            if not isinstance(error, OperatorError):
                raise
            for problem in error.problems:
                typer.echo(problem, err=True)
            raise typer.Exit(STATUS) from None


app = typer.Typer(
    name="kaskad",
    cls=Commands,
    help="Self-hosted phone verification: one-time codes over SMS, messengers, calls and push.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration file; without it ./kaskad.toml, if there is one.",
    ),
]
TenantOption = Annotated[
    str | None,
    typer.Option("--tenant", metavar="ID", help="The tenant; without it the file's own."),
]


def tenant_of(option: str | None, config: Path | None) -> str:
    """The tenant that a command is about: the option's, else the file's own."""
    from kaskad.config import declared_tenant, forms

    return declared_tenant(config) if option is None else read(str, forms.ID, "--tenant", option)


def read(kind: type[T], form: "Form", what: str, text: str) -> T:
    """An option or argument in a form of the configuration; ``what`` names it.

    Options come as texts, so that a wrong one is told in the words that the
    file and the environment are told of in.
    """
    from kaskad.config import OperatorError
    from kaskad.config.forms import as_whole

    try:
        found = form(as_whole(text) if kind is int else text)
    except ValueError as error:
        raise OperatorError([f"{what}: {error}"]) from None
    assert isinstance(found, kind)  # noqa: S101  # the caller knows what its form returns
    return found


def columns(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows of cells as lines of a table."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
