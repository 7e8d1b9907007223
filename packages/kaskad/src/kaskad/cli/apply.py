"""``kaskad apply``."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaskad.cli.commands import app

if TYPE_CHECKING:
    from kaskad.config import Declared, ServerSettings
    from kaskad.stores.catalog import Difference
    from kaskad.system import SystemClock


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file that declares it.")],
    prune: Annotated[
        bool, typer.Option("--prune", help="Also remove what the file does not name.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the differences; write nothing.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="Take [server] from this file instead of FILE."
        ),
    ] = None,
) -> None:
    """Make the catalogue what FILE declares: providers, channels, widgets and tokens.

    Adds and updates within the file's tenant, and prints a line for each
    difference: + added, ~ changed, - removed. A second run finds none.
    Running servers follow within a second.
    """
    from kaskad.config import lapsed
    from kaskad.system import SystemClock

    clock = SystemClock()
    settings, declared = _load(file, config, clock)
    check_drivers(declared)
    differences = asyncio.run(_apply(settings, declared, clock, prune=prune, dry_run=dry_run))
    for difference in differences:
        typer.echo(str(difference))
    for line in lapsed(declared, clock.now()):
        typer.echo(f"warning: {line}", err=True)
    typer.echo(_summary(differences, dry_run=dry_run))
    if not (declared.providers or declared.channels or declared.widgets or declared.tokens):
        typer.echo(f"{file} declares no provider, channel, widget or token", err=True)


def _load(
    file: Path, config: Path | None, clock: "SystemClock"
) -> "tuple[ServerSettings, Declared]":
    from kaskad.config import load_config, load_declared, load_server

    now = clock.now()
    if config is None:
        return load_config(file, now=now)
    settings = load_server(config)
    return settings, load_declared(file, now=now, default_region=settings.default_region)


def check_drivers(declared: "Declared") -> None:
    """Raise :class:`~kaskad.config.ConfigError` for settings that a driver does not take."""
    from kaskad.config import ConfigError, provider_place
    from kaskad.drivers import check_settings

    problems = [
        f"{provider_place(declared, index)}: {problem}"
        for index, provider in enumerate(declared.providers)
        for problem in check_settings(provider.driver, dict(provider.settings))
    ]
    if problems:
        raise ConfigError(problems)


async def _apply(
    settings: "ServerSettings",
    declared: "Declared",
    clock: "SystemClock",
    *,
    prune: bool,
    dry_run: bool,
) -> "list[Difference]":
    from kaskad.cli.catalogue import opened

    async with opened(settings, clock) as catalog:
        return await catalog.apply(declared, prune=prune, dry_run=dry_run)


def _summary(differences: "Sequence[Difference]", *, dry_run: bool) -> str:
    if not differences:
        return "no differences"
    things = {(d.kind, d.what, d.name) for d in differences}
    counts = [sum(kind == mark for kind, _, _ in things) for mark in "+~-"]
    text = "{} added, {} changed, {} removed".format(*counts)
    return f"{text} (dry run: nothing was written)" if dry_run else text
