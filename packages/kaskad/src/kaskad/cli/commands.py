"""The group that all commands belong to, and what they share."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

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
