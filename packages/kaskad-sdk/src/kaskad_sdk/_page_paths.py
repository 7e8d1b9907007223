"""The calls that a page may make, as data, and which of them a path means."""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

ID: Final = "{}"
CHALLENGE: Final = "altcha/challenge"


class PageCall(NamedTuple):
    """One call of the service's that a page may make, or of ours."""

    name: str
    method: str
    path: str
    """Below the prefix and below the API's base alike; ``{}`` is the id."""
    query: bool = False
    body: bool = False
    held: bool = False
    backend: bool = False
    """The back end's own: offered to pages only where the application says so."""
    unguarded: bool = False
    """Of the service's captcha: not offered where one of ours stands instead of it."""


SEND: Final = PageCall("send", "POST", "", body=True)
WIDGET: Final = PageCall("getWidget", "GET", "widget/{}")
SERVICES_CHALLENGE: Final = PageCall("getChallenge", "GET", "widget/{}/challenge", unguarded=True)
OF_WIDGETS: Final = frozenset({WIDGET, SERVICES_CHALLENGE})
ALTCHA: Final = PageCall("challenge", "GET", CHALLENGE)
CALLS: Final = (
    SEND,
    WIDGET,
    SERVICES_CHALLENGE,
    PageCall("getChannel", "GET", "{}/channel"),
    PageCall("getChannelLongPolling", "GET", "longPolling/{}/channel", query=True, held=True),
    PageCall("getStatus", "GET", "{}/status", query=True),
    PageCall("getStatusLongPolling", "GET", "longPolling/{}/status", query=True, held=True),
    PageCall("checkCode", "POST", "{}/checkCode", body=True),
    PageCall("resend", "POST", "{}/resend", body=True),
    PageCall("cancel", "POST", "{}/cancel"),
    PageCall(
        "checkStatusAndComplete", "POST", "{}/checkStatusAndComplete", query=True, backend=True
    ),
    PageCall("complete", "POST", "{}/complete", query=True, backend=True),
)

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch


class Offer:
    """What is offered below one prefix."""

    def __init__(self, *, completion: bool, guarded: bool, challenge: bool) -> None:
        offered = [
            call
            for call in CALLS
            if (completion or not call.backend) and not (guarded and call.unguarded)
        ]
        self._calls = [*offered, ALTCHA] if challenge else offered

    def match(self, path: str) -> tuple[PageCall, str] | None:
        """The call and the id that a raw path means; each path has one method.

        Segments are split while encoded and decoded then, so that an encoded slash never makes
        another path of it.
        """
        try:
            parts = [unquote_to_bytes(part).decode() for part in path.removeprefix("/").split("/")]
        except UnicodeError:
            return None
        for call in self._calls:
            found = _id_in(parts, call.path.split("/"))
            if found is not None:
                return call, found
        return None


def _id_in(parts: list[str], shape: list[str]) -> str | None:
    """The id where the shape has one, empty where it has none; ``None``: another path."""
    if len(parts) != len(shape):
        return None
    found = ""
    for part, wanted in zip(parts, shape, strict=True):
        if wanted == ID:
            found = part
        elif part != wanted:
            return None
    return found


def uuid_of(text: str) -> str | None:
    """The canonical form of a UUID; ``None`` when it is none."""
    return text.lower() if _UUID(text) else None
