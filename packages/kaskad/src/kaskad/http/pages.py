"""Pages that the service carries: files from this package, under a strict policy."""

from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.responses import Response

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; "
        "object-src 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}


class Pages:
    """The files of one folder, read once."""

    def __init__(self, package: str) -> None:
        folder = files(package) / "static"
        self._files = {
            entry.name: entry.read_bytes()
            for entry in folder.iterdir()
            if entry.name.rpartition(".")[2] in _TYPES
        }

    def serve(self, name: str) -> Response:
        """A file, or 404."""
        body = self._files.get(name)
        if body is None:
            raise HTTPException(status_code=404)
        kind = _TYPES[name.rpartition(".")[2]]
        return Response(body, headers={**_HEADERS, "content-type": kind})
