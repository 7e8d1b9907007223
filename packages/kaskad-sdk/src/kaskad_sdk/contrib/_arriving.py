"""What the adapters do alike: whose request it is, and which part of its path is theirs."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from inspect import iscoroutinefunction
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote

from kaskad_sdk.addresses import client_address, plain_address, trusted_networks

log = logging.getLogger("kaskad_sdk.contrib")

R = TypeVar("R")

LARGEST_BODY: Final = 16 * 1024
"""Bytes of the largest body that is taken. No adapter reads much more than this of any."""

UNIX: Final = "unix"
"""Among trusted proxies: whoever may connect to the Unix socket that the server listens on."""

METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
"""For frameworks that want each method named: which of them is allowed, the gateway says."""


def address_reader(
    seen: Callable[[R], tuple[str, Sequence[str]]],
    *,
    trusted_proxies: Iterable[str],
    get_client_ip: Callable[[R], str] | None,
) -> Callable[[R], str]:
    """How an application learns the address of whoever made a request.

    ``seen`` gives the socket's peer, empty on a Unix socket, and the values of
    ``X-Forwarded-For``. Raises :class:`ValueError` for proxies that are no addresses, or that are
    named in vain, and for a function that has to be awaited.
    """
    networks, unix = proxies_of(trusted_proxies)
    if get_client_ip is not None:
        if networks or unix:
            raise ValueError("give trusted_proxies or get_client_ip, not both")
        if iscoroutinefunction(get_client_ip):
            raise ValueError("get_client_ip returns the address: it cannot be asynchronous")
        return _as_text(get_client_ip)

    def read(request: R) -> str:
        peer, forwarded_for = seen(request)
        if not peer:
            _on_unix_socket(told=unix)
            rest, _, peer = ",".join(forwarded_for).rpartition(",") if unix else ("", "", "")
            forwarded_for = [rest]
        return client_address(peer, forwarded_for, networks)

    return read


def _as_text(get_client_ip: Callable[[R], object]) -> Callable[[R], str]:
    """The application's function, which may find a header missing, or parse what it finds."""

    def read(request: R) -> str:
        given = get_client_ip(request)
        address = "" if given is None else str(given)
        if plain_address(address) is None:
            _nothing_found()
        return address

    return read


def proxies_of(trusted_proxies: Iterable[str]) -> tuple[tuple[str, ...], bool]:
    """The networks among trusted proxies, and whether ``"unix"`` is one of them.

    Raises :class:`ValueError` for what is neither.
    """
    if isinstance(trusted_proxies, str):
        trusted_networks(trusted_proxies)  # says what is wrong with that
    given = tuple(trusted_proxies)
    networks = tuple(proxy for proxy in given if proxy != UNIX)
    trusted_networks(networks)
    return networks, len(networks) < len(given)


@cache
def _nothing_found() -> None:
    """Once for all requests, as below."""
    log.warning(
        "get_client_ip found no address for a request: no limit per address holds for such ones"
    )


@cache
def _on_unix_socket(*, told: bool) -> None:
    """Once for all requests: a limit that does not hold must not be missed in silence."""
    if not told:
        log.warning(
            "requests come over a Unix socket, so nobody's address is known and no limit per "
            'address holds: give trusted_proxies=["unix"] when a proxy of yours is behind it'
        )


def below(raw_path: str, segments: int) -> str:
    """The end of a percent-encoded path: what stands below the prefix.

    ``segments`` is how many the decoded path has there; ``""`` when there are none.
    """
    for _ in range(_segments(unquote(raw_path)) - segments):
        raw_path = raw_path.lstrip("/").partition("/")[2]
    return f"/{raw_path.removeprefix('/')}" if raw_path.strip("/") else ""


def below_any(raw_path: str, rest: str) -> str:
    """The same for a route that takes whatever is below the prefix, given decoded."""
    return below(raw_path, _segments(rest))


def wsgi_path(environ: Mapping[str, Any], path: str) -> str:
    """The path as it was sent, of WSGI servers that tell; else the decoded one, encoded again.

    WSGI itself has it decoded, so that ``%2F`` is a slash like any other: gunicorn, uWSGI, mod_wsgi
    and Werkzeug tell more than they must.
    """
    raw: str = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
    return raw.partition("?")[0] if raw.startswith("/") else quote(path)


def _segments(path: str) -> int:
    return sum(1 for segment in path.split("/") if segment)
