"""``kaskad jobs``."""

from typing import TYPE_CHECKING

import typer

from kaskad.cli.commands import ConfigOption, app, columns
from kaskad.cli.serve import operator_lines

if TYPE_CHECKING:
    from kaskad.app.ports import DeadLetter
    from kaskad.stores.beside import Queue

QUEUE_HEAD = ("PROVIDER", "WAITING", "OLDEST", "OVERDUE", "BY")
LETTER_HEAD = ("AT", "PROVIDER", "TYPE", "KIND", "REASON", "TRIES", "LAUNCH", "SESSION")


@app.command()
def jobs(config: ConfigOption = None) -> None:
    """Print the messages that wait for each provider, and those that could not be sent."""
    from kaskad.config import load_server
    from kaskad.running import find_jobs

    with operator_lines():
        queues, letters = find_jobs(load_server(config))
    for line in [*_queues(queues), "", *_letters(letters)]:
        typer.echo(line)
    if any(queue.overdue for queue in queues):
        hint = "What is overdue nobody sees to: is a service running on this file?"
        typer.echo(hint, err=True)
    if letters:
        hint = "`kaskad session ID` tells the rest, until an hour after the session's end."
        typer.echo(hint, err=True)


def _queues(queues: "list[Queue]") -> list[str]:
    if not queues:
        return ["No message waits for a provider."]
    return columns([QUEUE_HEAD, *(_queue(queue) for queue in queues)])


def _queue(queue: "Queue") -> tuple[str, ...]:
    oldest = f"{queue.oldest.total_seconds():.1f} s"
    late = f"{queue.late.total_seconds():.1f} s" if queue.overdue else "-"
    return queue.lane, str(queue.waiting), oldest, str(queue.overdue), late


def _letters(letters: "list[DeadLetter]") -> list[str]:
    if not letters:
        return ["No dead letters: no message of the last 7 days failed through a fault of ours."]
    return columns([LETTER_HEAD, *(_letter(letter) for letter in letters)])


def _letter(letter: "DeadLetter") -> tuple[str, ...]:
    return (
        f"{letter.at:%Y-%m-%dT%H:%M:%SZ}",
        letter.lane,
        letter.type or "-",
        letter.kind,
        letter.reason,
        str(letter.tries + 1),
        str(letter.launch),
        letter.session,
    )
