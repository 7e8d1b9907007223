"""Which call a path means. Segments are split while encoded, then decoded."""

from typing import Final
from urllib.parse import unquote_to_bytes

from kaskad.http.handler.routes import BASE, ROUTES, Route

_BASE: Final = BASE.encode()
_ID: Final = "{}"


def _shape(route: Route) -> tuple[str, ...]:
    parts = route.path.strip("/").split("/")
    return tuple(_ID if part.startswith("{") else part for part in parts if part)


_BY_SHAPE: Final[dict[tuple[str, ...], dict[str, Route]]] = {}
for _route in ROUTES:
    _BY_SHAPE.setdefault(_shape(_route), {})[_route.method] = _route

Match = tuple[dict[str, Route], str]


def is_ours(raw_path: bytes) -> bool:
    """Whether a path belongs to the public API."""
    return raw_path.startswith(_BASE) and raw_path[len(_BASE) :][:1] in {b"", b"/"}


def match(raw_path: bytes) -> Match | None:
    """The calls by method, and the id in the path; ``None`` when there is no such path."""
    rest = raw_path[len(_BASE) :]
    if rest in {b"", b"/"}:
        return _BY_SHAPE[()], ""
    try:
        segments = [unquote_to_bytes(part).decode() for part in rest.split(b"/")[1:]]
    except UnicodeDecodeError:
        return None
    for shape, routes in _BY_SHAPE.items():
        if len(shape) == len(segments) and _fits(shape, segments):
            return routes, segments[shape.index(_ID)]
    return None


def _fits(shape: tuple[str, ...], segments: list[str]) -> bool:
    return all(part in (_ID, given) for part, given in zip(shape, segments, strict=True))
