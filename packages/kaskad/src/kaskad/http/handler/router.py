"""Which call a path means. Segments are split while encoded, then decoded."""

from typing import Final
from urllib.parse import unquote_to_bytes

from kaskad.http.handler.routes import BASE, ROUTES, Route

_BASE: Final = BASE.encode()
_BASE_ENDS: Final = len(_BASE)
_ENDS: Final = (b"/", b"")
_ID: Final = "{}"


def _shape(route: Route) -> tuple[str, ...]:
    parts = route.path.strip("/").split("/")
    return tuple(_ID if part.startswith("{") else part for part in parts if part)


_ROOT: Final[dict[str, Route]] = {}
_BY_ENDS: Final[dict[tuple[int, str], dict[str, Route]]] = {}
"""Calls by the number of segments and the one word that tells them apart."""

for _route in ROUTES:
    _parts = _shape(_route)
    _words = "/".join(part for part in _parts if part != _ID)
    _found = _BY_ENDS.setdefault((len(_parts), _words), {}) if _parts else _ROOT
    _found[_route.method] = _route

_WIDGET: Final = "widget"
_PAIR: Final = 2
_TRIPLE: Final = 3

Match = tuple[dict[str, Route], str]


def is_ours(raw_path: bytes) -> bool:
    """Whether a path belongs to the public API."""
    return raw_path.startswith(_BASE) and raw_path[_BASE_ENDS : _BASE_ENDS + 1] in _ENDS


def match(raw_path: bytes) -> Match | None:
    """The calls by method, and the id in the path; ``None`` when there is no such path."""
    rest = raw_path[_BASE_ENDS + 1 :]
    if not rest:
        return _ROOT, ""
    try:
        if b"%" in rest:
            parts = [unquote_to_bytes(part).decode() for part in rest.split(b"/")]
        else:
            parts = rest.decode().split("/")
    except UnicodeDecodeError:
        return None
    if len(parts) == _PAIR:
        first, last = parts
        if first == _WIDGET:
            return _BY_ENDS[_PAIR, _WIDGET], last
        routes = None if last == _WIDGET else _BY_ENDS.get((_PAIR, last))
        return (routes, first) if routes is not None else None
    if len(parts) == _TRIPLE:
        routes = _BY_ENDS.get((_TRIPLE, f"{parts[0]}/{parts[2]}"))
        return (routes, parts[1]) if routes is not None else None
    return None
