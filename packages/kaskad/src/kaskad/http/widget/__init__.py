"""The widget's scripts, for the pages of any site.

Each file has a stable address, ``/NAME``, which is looked up again after a few
minutes, and a hashed one, ``/widget/HASH/NAME``, which never changes: there a page
may hold it to an ``integrity`` hash. After an upgrade only the new hash answers;
under another one the parts that are loaded later lead to their stable addresses, so
that a page which was loaded before the upgrade still gets them.
"""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kaskad.http.widget.built import Built, File, is_loaded_later

LOOK_AGAIN_S = 300
A_YEAR_S = 31_536_000

STABLE = f"public, max-age={LOOK_AGAIN_S}"
IMMUTABLE = f"public, max-age={A_YEAR_S}, immutable"

_ALWAYS = {
    # Modules and scripts with an integrity hash are fetched with CORS, from every site.
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
    "vary": "accept-encoding",
}


class Widget:
    """The routes of the built files; none when there are none."""

    def __init__(self, built: Built) -> None:
        self._built = built

    def routes(self) -> list[Route]:
        """The routes, for the outer application."""
        stable = [
            Route(f"/{name}", _always(file), methods=["GET"])
            for name, file in self._built.files.items()
        ]
        return [*stable, Route("/widget/{hash}/{name:path}", self._hashed, methods=["GET"])]

    async def _hashed(self, request: Request) -> Response:
        name = request.path_params["name"]
        file = self._built.files.get(name)
        known = request.path_params["hash"] == self._built.hash
        if file is None or not (known or is_loaded_later(name)):
            raise HTTPException(status_code=404)
        return _answer(request, file, IMMUTABLE) if known else _moved(name)


def _always(file: File) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        return _answer(request, file, STABLE)

    return serve


def _moved(name: str) -> Response:
    """To the stable address, below whatever prefix a proxy has put before this one."""
    up = "../" * (name.count("/") + 2)
    headers = {**_ALWAYS, "cache-control": "no-store", "location": up + name}
    return Response(status_code=307, headers=headers)


def _answer(request: Request, file: File, cache: str) -> Response:
    headers = {**_ALWAYS, "cache-control": cache, "etag": file.etag}
    if _has_it(request.headers.get("if-none-match", ""), file.etag):
        return Response(status_code=304, headers=headers)
    accepted = _accepted(request.headers.get("accept-encoding", ""))
    for coding, body in file.encoded.items():
        if coding in accepted:
            headers["content-encoding"] = coding
            return Response(body, headers=headers, media_type=file.media_type)
    return Response(file.body, headers=headers, media_type=file.media_type)


def _has_it(given: str, etag: str) -> bool:
    """Whether ``If-None-Match`` names this file; weak tags are compared without their mark."""
    known = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return "*" in known or etag.removeprefix("W/") in known


def _accepted(given: str) -> set[str]:
    """The codings that ``Accept-Encoding`` names, less those that it refuses."""
    found = set()
    for part in given.lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";q=")
        if weight.strip("0.") or not weight:
            found.add(coding)
    return found
