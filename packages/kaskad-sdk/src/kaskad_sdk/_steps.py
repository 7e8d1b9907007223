"""What the core of the SDK asks of the shells around it.

The core does no I/O: a flow is a generator that yields requests, is sent the answers to them, and
returns its result. One driver runs flows on a synchronous HTTP client, one on an asynchronous one.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request to be made; the address is whole, with its query.

    Its ``repr``, which error reports print, has neither the token nor numbers nor codes.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hold_s: float = 0.0
    """How long the peer may hold the call before it answers; not 0 for long polls."""
    within_s: float | None = None
    """After how many seconds the call is given up, whatever the peer does; ``None``: the shell's
    time-out, and ``hold_s`` on top of it."""

    @property
    def origin(self) -> str:
        """Who is asked: scheme, host and port, and nothing else of the address; may be empty."""
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return ""
        if not host:
            return ""
        host = f"[{host}]" if ":" in host else host
        return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.partition('?')[0]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The answer to a request; the names of headers are in lower case.

    Its ``repr`` has neither headers nor body: a body names the person's number.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


class NoAnswer(Exception):
    """Thrown into a flow whose request got no answer: no connection, broken off, or too late."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent
        """Whether the peer may have got the request."""


Asking: TypeAlias = Generator[Request, Response, T]
"""A flow that makes requests and returns a ``T``."""
