"""Structured logs, one line an event; phone numbers that slip in are masked."""

import contextlib
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO, cast

import structlog

from kaskad.core.recipients import mask

_NUMBER = re.compile(
    r"(?:\+|%2[Bb])\d(?:[ ()-]{0,2}\d){7,14}(?!\d)"  # with a plus, however it is written
    r"|(?<![\w+-])(?<!\d\.)\d{10,15}(?!\w|[.-]\w)"  # or bare, as providers quote them
)


def configure(*, level: str, form: str) -> None:
    """Set the logs of this process up; ``form`` is ``json``, ``console`` or ``auto``.

    ``auto`` is for people on a terminal and JSON elsewhere.
    """
    on_terminal = sys.stderr.isatty()
    stream = cast(TextIO, Lenient(sys.stderr))
    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    if form == "console" or (form == "auto" and on_terminal):
        renderer = structlog.dev.ConsoleRenderer(colors=on_terminal)
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_numbers,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


_TROUBLES = (OSError, ValueError)  # full or broken; closed


class Lenient:
    """A stream whose troubles are nobody's: a line that cannot be written is not worth a call.

    The log is often on the very disk whose being full it tells of.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write it if that is possible now."""
        with contextlib.suppress(*_TROUBLES):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Let it out if that is possible now."""
        with contextlib.suppress(*_TROUBLES):
            self._stream.flush()


def mask_numbers(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide the middle of every phone number in an event, however deep it is."""
    for key, value in event.items():
        if not key.startswith("_"):  # structlog's own
            event[key] = _masked(value)
    return event


def _masked(value: object) -> object:
    match value:
        case None | bool() | float():
            return value
        case int():
            text = _masked(str(value))
            return value if text == str(value) else text
        case str():
            return _NUMBER.sub(_hidden, value)
        case Mapping():
            return {_masked(key): _masked(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(inner) for inner in value]
        case _:
            return _masked(repr(value))


def _hidden(found: re.Match[str]) -> str:
    digits = "".join(
        c for c in found.group().removeprefix("%2B").removeprefix("%2b") if c.isdigit()
    )
    return mask(f"+{digits}")
