"""``kaskad token create|list|revoke``."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from kaskad.cli.commands import (
    Commands,
    ConfigOption,
    TenantOption,
    app,
    columns,
    read,
    tenant_of,
)

if TYPE_CHECKING:
    from kaskad.app.ports import ApiToken
    from kaskad.stores.catalog import SqlCatalog
    from kaskad.system import SystemClock

T = TypeVar("T")

tokens = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode=None)
app.add_typer(tokens, name="token", help="Make, list and revoke API tokens.")


@tokens.command()
def create(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="What to call it.", show_default=False)
    ] = None,
    widget: Annotated[
        list[str] | None,
        typer.Option(
            "--widget",
            metavar="ID",
            help="A widget that it may use; repeat for more. Without: all of the tenant's.",
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="When it ends: 2027-01-31 or 2027-01-31T12:00:00Z."),
    ] = None,
    replaces: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The token that it takes over from, with its name and widgets if none are given.",
        ),
    ] = None,
    overlap: Annotated[
        str,
        typer.Option(metavar="SECONDS", help="How long the replaced token still works."),
    ] = "0",
    tenant: TenantOption = None,
    config: ConfigOption = None,
) -> None:
    """Make an API token and print it.

    It is printed this once: only a hash of it is kept.
    """
    name = name or replaces
    if name is None:
        raise _problem("NAME: missing; expected a name, or --replaces")
    from kaskad.config import forms

    overlap_s = read(int, forms.OVERLAP, "--overlap", overlap)
    if overlap_s and replaces is None:
        raise _problem("--overlap: expected --replaces with it")
    named = read(str, forms.TEXT, "NAME", name)
    widgets = [read(str, forms.WIDGET_ID, "--widget", item) for item in widget or ()] or None

    async def run(catalog: "SqlCatalog", owner: str, clock: "SystemClock") -> str:
        return await catalog.create_token(
            owner,
            named,
            widgets=widgets,
            expires_at=_moment(expires, clock.now()),
            replaces=replaces,
            overlap_s=overlap_s,
        )

    typer.echo(_with_catalog(run, tenant, config))
    typer.echo("Keep it now: it is not shown again.", err=True)


@tokens.command("list")
def list_(tenant: TenantOption = None, config: ConfigOption = None) -> None:
    """List the tokens: name, state, widgets, times and id, never the token itself."""

    async def run(
        catalog: "SqlCatalog", owner: str, clock: "SystemClock"
    ) -> "tuple[list[ApiToken], datetime]":
        return await catalog.list_tokens(owner), clock.now()

    found, now = _with_catalog(run, tenant, config)
    rows = [_row(token, now) for token in found]
    for line in columns([("NAME", "STATE", "CREATED", "LAST USED", "WIDGETS", "ID"), *rows]):
        typer.echo(line)
    if not rows:
        typer.echo("There is none yet: `kaskad token create NAME` makes one.", err=True)


@tokens.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name or id.")],
    tenant: TenantOption = None,
    config: ConfigOption = None,
) -> None:
    """End a token at once. Running servers refuse it within a second."""

    async def run(catalog: "SqlCatalog", owner: str, clock: "SystemClock") -> None:
        await catalog.revoke_token(owner, name)

    _with_catalog(run, tenant, config)
    typer.echo(f"revoked {name}")


# --- parts -----------------------------------------------------------------------


def _with_catalog(
    run: "Callable[[SqlCatalog, str, SystemClock], Awaitable[T]]",
    tenant: str | None,
    config: Path | None,
) -> T:
    """Run something on the catalogue that the configuration names."""
    from kaskad.cli.catalogue import opened
    from kaskad.config import load_server
    from kaskad.system import SystemClock

    settings = load_server(config)
    owner = tenant_of(tenant, config)
    clock = SystemClock()

    async def work() -> T:
        async with opened(settings, clock) as catalog:
            return await run(catalog, owner, clock)

    return asyncio.run(work())


def _moment(text: str | None, now: datetime) -> datetime | None:
    from kaskad.config import forms

    if text is None:
        return None
    moment = read(datetime, forms.INSTANT, "--expires", text)
    if moment <= now:
        raise _problem("--expires: has passed; expected a time to come")
    return moment


def _problem(line: str) -> Exception:
    from kaskad.config import OperatorError

    return OperatorError([line])


def _row(token: "ApiToken", now: datetime) -> tuple[str, ...]:
    return (
        token.name,
        _state(token, now),
        _day(token.created_at),
        _day(token.last_used_at),
        ",".join(token.widgets) or "all",
        token.id,
    )


def _state(token: "ApiToken", now: datetime) -> str:
    ends = [at for at in (token.revoked_at, token.expires_at) if at is not None]
    if token.valid_at(now):
        return f"until {_day(min(ends))}" if ends else "in force"
    revoked = token.revoked_at is not None and token.revoked_at <= now
    return "revoked" if revoked else "expired"


def _day(at: datetime | None) -> str:
    return "-" if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"
