"""``kaskad send``, ``kaskad session`` and ``kaskad doctor``."""

from typing import TYPE_CHECKING, Annotated

import typer

from kaskad.cli.commands import ConfigOption, TenantOption, app, read, tenant_of
from kaskad.cli.serve import operator_lines

if TYPE_CHECKING:
    from kaskad.core.model import Session
    from kaskad.running import Trial

UNHEALTHY = 1


@app.command()
def send(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="To whom, in any usual form.")],
    channel: Annotated[str, typer.Option("--channel", metavar="ID", help="Over which channel.")],
    tenant: TenantOption = None,
    config: ConfigOption = None,
) -> None:
    """Send a test message over one channel and print the provider's answer.

    It goes past widgets and limits, belongs to no session, and its code is of no use.
    """
    from kaskad.config import load_server
    from kaskad.running import try_channel

    settings = load_server(config)
    trial = try_channel(settings, tenant_of(tenant, config), channel, number)
    lines, accepted = _answer(trial)
    for line in lines:
        typer.echo(line)
    if not accepted:
        raise typer.Exit(UNHEALTHY)


def _answer(trial: "Trial") -> tuple[list[str], bool]:
    from kaskad.app.ports import Busy, Refusal, Taken, Unknown
    from kaskad.core.recipients import mask

    to = mask(trial.message.recipient)
    lines = [f"{trial.channel.type} to {to} by {trial.channel.provider}: {trial.message.text!r}"]
    after = f"after {trial.seconds:.2f} s"
    match trial.result:
        case Taken(provider_id=known):
            lines.append(f"accepted {after}" + (f", id {known}" if known else ""))
            if trial.simulated:
                lines.append("a simulator took it: nothing was sent, and no handset shows it")
            return lines, True
        case Refusal(reason=reason, ours=ours):
            blame = "our account" if ours else "this message"
            return [*lines, f"refused {after}, because of {blame}: {reason}"], False
        case Busy(reason=reason):
            return [*lines, f"busy {after}: {reason}"], False
        case Unknown(reason=reason):
            return [*lines, f"unclear {after}, it may have been sent: {reason}"], False
        case None:
            return [*lines, f"no answer within {trial.channel.settings.send_timeout_s} s"], False


@app.command()
def session(
    session_id: Annotated[str, typer.Argument(metavar="ID", help="Its requestId.")],
    config: ConfigOption = None,
) -> None:
    """Print what happened to a session: every input with its time and reason."""
    from kaskad.config import forms, load_server
    from kaskad.running import find_session

    name = read(str, forms.SESSION_ID, "ID", session_id)
    with operator_lines():
        found = find_session(load_server(config), name)
    for line in _story(found):
        typer.echo(line)


def _story(found: "Session") -> list[str]:
    from kaskad.core.recipients import mask

    heads = [
        ("session", found.id),
        ("widget", f"{found.widget} of tenant {found.tenant}"),
        ("recipient", f"{mask(found.recipient.number)} ({found.recipient.country})"),
        ("state", found.state.value),
        ("attempts", _attempts(found)),
        ("begun", f"{found.created_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("ends", f"{found.expires_at:%Y-%m-%d %H:%M:%S} UTC"),
    ]
    lines = [f"{name:<10} {value}" for name, value in heads]
    for entry in found.timeline:
        after = (entry.at - found.created_at).total_seconds()
        launch = f"launch {entry.launch}" if entry.launch is not None else ""
        line = f"{entry.at:%H:%M:%S} +{after:8.3f} s  {entry.input:<26} {launch:<10} {entry.reason}"
        lines.append(line.rstrip())
    return lines


def _attempts(found: "Session") -> str:
    launch, missed = found.launch, dict(found.channel_misses)
    here = f"{missed.get(launch.channel, 0)} of {launch.settings.number_of_tries}"
    in_all = f"{found.misses} of {found.code_attempts}"
    return f"{here} used on {launch.channel}, {in_all} in the whole session"


@app.command()
def doctor(config: ConfigOption = None) -> None:
    """Check keys, stores, providers and the port; exits with 1 when something is wrong."""
    from kaskad.checkup import Verdict, examine
    from kaskad.config import DEFAULT_FILE, load_server

    if config is None and not DEFAULT_FILE.exists():
        typer.echo(f"note     there is no ./{DEFAULT_FILE}: these are the defaults")
    with operator_lines():
        findings = examine(load_server(config))
    for finding in findings:
        typer.echo(f"{finding.verdict:<8} {finding.what}: {finding.detail}")
    if any(finding.verdict is Verdict.PROBLEM for finding in findings):
        raise typer.Exit(UNHEALTHY)
