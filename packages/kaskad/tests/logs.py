"""What the code under test logs, and not what the machine does to it."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from kaskad.telemetry.lag import BLOCKED

Logged = list[MutableMapping[str, Any]]


@contextmanager
def captured() -> Iterator[Logged]:
    """What is logged meanwhile, as it was given."""
    with structlog.testing.capture_logs([_not_of_the_machine]) as entries:
        yield entries


def _not_of_the_machine(
    _logger: object, _method: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A running service watches its event loop, which is late where the machine stands still."""
    if entry["event"] == BLOCKED:
        raise structlog.DropEvent
    return entry
