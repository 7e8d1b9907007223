"""Pages that show codes are for whoever sits at this service, and nobody else."""

from collections.abc import Callable
from ipaddress import ip_address

from starlette.requests import Request
from starlette.responses import Response

from kaskad.core.errors import ForbiddenException, KaskadError
from kaskad.http.exchange import error_reply, prefers_english

Guard = Callable[[Request], Response | None]
"""Looks at a request and answers it if it must not go further."""

_OWN = frozenset({"same-origin", "none"})
_READING = frozenset({"GET", "HEAD"})


def guard(*, local_only: bool) -> Guard:
    """Refuse what came through a proxy, from another site, or to a name bent to this host."""

    def look(request: Request) -> Response | None:
        if _is_strange(request, local_only=local_only):
            return refused(request, ForbiddenException())
        return None

    return look


def _is_strange(request: Request, *, local_only: bool) -> bool:
    forwarded = any(
        name in {"forwarded", "x-real-ip"} or name.startswith("x-forwarded-")
        for name in request.headers
    )
    if forwarded or (local_only and not is_local(request.headers.get("host", ""))):
        return True
    return request.method not in _READING and _is_from_elsewhere(request)


def _is_from_elsewhere(request: Request) -> bool:
    """Whether another site's page sends this; browsers that do not say so name its origin."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site not in _OWN
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")


def is_local(host: str) -> bool:
    """Whether a Host header names the loopback itself."""
    name = host.rpartition(":")[0] if host.count(":") == 1 or "]:" in host else host
    if name.lower() == "localhost":
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def refused(request: Request, refusal: KaskadError) -> Response:
    """A refusal in the shape of the public API's."""
    english = prefers_english(request.headers.get("accept-language", ""))
    reply = error_reply(refusal, english=english)
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    return Response(reply.body, reply.status, headers | {"cache-control": "no-store"})
