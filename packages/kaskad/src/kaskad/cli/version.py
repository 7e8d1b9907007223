"""``kaskad version``."""

from typing import Annotated

import typer

from kaskad import __version__
from kaskad.cli.commands import app


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"kaskad {__version__}")


def _show(value: bool) -> None:
    if value:
        version()
        raise typer.Exit


@app.callback()
def _options(
    show: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show, help="Print the version."),
    ] = False,
) -> None:
    """Options of the command itself."""
