"""``kaskad serve`` and ``kaskad demo``."""

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaskad.cli.apply import check_drivers
from kaskad.cli.commands import ConfigOption, app, read

if TYPE_CHECKING:
    from collections.abc import Iterator

HostOption = Annotated[
    str | None, typer.Option("--host", metavar="ADDRESS", help="Listen there.", show_default=False)
]
PortOption = Annotated[
    str | None, typer.Option("--port", metavar="N", help="Listen there.", show_default=False)
]


@app.command()
def serve(
    config: ConfigOption = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="First apply what the file declares, as `apply` does.")
    ] = False,
    host: HostOption = None,
    port: PortOption = None,
    workers: Annotated[
        str,
        typer.Option("--workers", metavar="N", help="Processes; the embedded stores allow one."),
    ] = "1",
) -> None:
    """Serve the API until SIGTERM or SIGINT.

    Reads [server] only; with --apply the rest of the file as well.
    """
    from kaskad.config import ConfigError, forms, load_config, load_server
    from kaskad.running import Program
    from kaskad.system import SystemClock

    if read(int, forms.TRIES, "--workers", workers) > 1:
        problem = "expected 1: the embedded stores belong to one process"
        raise ConfigError([f"--workers: {problem}"])
    flags = {"host": host, "port": port}
    declared = None
    if apply:
        settings, declared = load_config(config, flags, now=SystemClock().now())
        check_drivers(declared)
    else:
        settings = load_server(config, flags)
    _run(Program(settings=settings, declared=declared))


@app.command()
def demo(
    port: PortOption = None,
    host: HostOption = None,
    folder: Annotated[
        Path,
        typer.Option("--dir", metavar="DIR", help="Where its keys, configuration and data are."),
    ] = Path("var/demo"),
) -> None:
    """Try kaskad on this machine: no account, a page with a phone beside it.

    Makes its own keys and a configuration with a widget for every type of
    channel, and keeps them for the next time.
    """
    from kaskad.bootstrap import is_loopback
    from kaskad.config import OperatorError, load_config
    from kaskad.running import Program, prepare_demo
    from kaskad.system import SystemClock

    try:
        configuration = prepare_demo(folder)
        token = (folder / "token").read_text().strip()
    except OSError as trouble:
        raise OperatorError([f"--dir: {trouble.filename}: {trouble.strerror}"]) from None
    flags = {"host": host, "port": port}
    now, environ = SystemClock().now(), _without_keys()
    settings, declared = load_config(configuration, flags, now=now, environ=environ)
    check_drivers(declared)

    def ready(address: str) -> None:
        typer.echo(f"\n  kaskad is running:  {address}/\n")
        typer.echo(f"  the handset alone:  {address}/handset")
        typer.echo(f"  the API:            {address}/api/n/otp-handler")
        typer.echo(f"  its token:          {folder / 'token'}")
        typer.echo(f"  its configuration:  {configuration}\n")
        if not is_loopback(settings.host):
            typer.echo(f"  WARNING: whoever reaches {settings.host} can read every code.\n")
        typer.echo("  Ctrl+C stops it.")

    _run(Program(settings=settings, declared=declared, demo_token=token, ready=ready))


_ITS_OWN = ("KASKAD_SECRET_KEY", "KASKAD_OLD_SECRET_KEYS", "KASKAD_DATABASE_URL")


def _without_keys() -> dict[str, str]:
    """The environment, less what belongs to another installation than the demo's."""
    return {k: v for k, v in os.environ.items() if not k.startswith((*_ITS_OWN, "KASKAD_SESSIONS"))}


def _run(program: object) -> None:
    from kaskad import running

    assert isinstance(program, running.Program)  # noqa: S101  # the import is late for speed
    with operator_lines(demo=program.demo_token is not None):
        running.serve(program)


@contextmanager
def operator_lines(*, demo: bool = False) -> "Iterator[None]":
    """Turn what an operator can put right into lines; a demo's also say how `make run` is told."""
    from kaskad.config import OperatorError
    from kaskad.http.server import PortInUseError
    from kaskad.stores.sqlite import ForeignFileError, StoreInUseError

    try:
        yield
    except PortInUseError as trouble:
        option = trouble.option + (f' (make run ARGS="{trouble.option}")' if demo else "")
        expected = f"{trouble.expected}: {option} or {trouble.key}"
        raise OperatorError([f"{trouble}; expected {expected}"]) from None
    except StoreInUseError as trouble:
        raise OperatorError([f"{trouble}; {_beside(demo=demo)}"]) from None
    except ForeignFileError as trouble:
        raise OperatorError([str(trouble)]) from None
    except OSError as trouble:
        where = f"{trouble.filename}: " if trouble.filename else ""
        raise OperatorError([f"{where}{trouble.strerror or trouble}"]) from None


def _beside(*, demo: bool) -> str:
    """How to start where another process serves already."""
    if demo:
        again = "--dir DIR --port N"
        return f'stop that one, or start a second one with {again} (make run ARGS="{again}")'
    return "stop that one, or give this one a server.database_url of its own"
