"""Drive flows of the SDK's core: over HTTP, or with answers made up by a test."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import httpx2

from kaskad_sdk._steps import Asking, NoAnswer, Request, Response

T = TypeVar("T")

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def run(flow: Asking[T], answer: Callable[[Request], Response] | None = None) -> T:
    """The result of a flow; ``answer`` may raise :class:`NoAnswer`; without it nobody may ask."""
    try:
        request = next(flow)
        while True:
            assert answer is not None, f"asked {request.url}"
            try:
                response = answer(request)
            except NoAnswer as lost:
                request = flow.throw(lost)
            else:
                request = flow.send(response)
    except StopIteration as end:
        result: T = end.value
        return result


def over_http(request: Request) -> Response:
    """Make a request for real, with little patience."""
    try:
        found = httpx2.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            content=request.body,
            timeout=2.0,
        )
    except httpx2.TransportError as lost:
        raise NoAnswer(repr(lost), sent=True) from lost
    return Response(status=found.status_code, headers=dict(found.headers), body=found.content)
