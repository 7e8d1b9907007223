"""For operators and their machines: health, figures, and the API's description."""

import asyncio
from collections.abc import Callable

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kaskad.app.ports import Store, StoreUnavailableError

log = structlog.get_logger()

READY_WITHIN_S = 2.0


class Ops:
    """``/healthz``, ``/readyz``, ``/metrics`` and ``/openapi.json``."""

    def __init__(
        self,
        *,
        store: Store,
        metrics: Callable[[], bytes],
        openapi: Callable[[], bytes],
        draining: Callable[[], bool],
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._openapi = openapi
        self._draining = draining

    def routes(self) -> list[Route]:
        """The routes, for the outer application."""
        return [
            Route("/healthz", self._healthz, methods=["GET"]),
            Route("/readyz", self._readyz, methods=["GET"]),
            Route("/metrics", self._figures, methods=["GET"]),
            Route("/openapi.json", self._description, methods=["GET"]),
        ]

    async def _healthz(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _readyz(self, _: Request) -> Response:
        """Ready means that a send would be accepted now."""
        if self._draining():
            return JSONResponse({"status": "draining"}, status_code=503)
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self._store.check()
        except (StoreUnavailableError, TimeoutError):
            log.warning("not ready: the session store does not take writes")
            return _unavailable()
        except Exception:  # whatever it is, nobody should be sent here
            log.exception("not ready: the session store is broken")
            return _unavailable()
        return JSONResponse({"status": "ok"})

    async def _figures(self, _: Request) -> Response:
        return Response(self._metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _description(self, _: Request) -> Response:
        return Response(self._openapi(), media_type="application/json")


def _unavailable() -> Response:
    return JSONResponse({"status": "unavailable", "store": "failing"}, status_code=503)
