"""The OpenAPI 3.1 description of the public API, made from its table of calls."""

from functools import lru_cache
from typing import Any

import msgspec

from kaskad import __version__
from kaskad.core.errors import KaskadError
from kaskad.http.handler import wire
from kaskad.http.handler.routes import BASE, PAGE_BASE, ROUTES, Route

Document = dict[str, Any]

_EVENTS = "Events `channel` with the body of getChannel and `error` with that of its error"
_COMPONENT = "#/components/schemas/{name}"

_NEXT = {
    "getChannel": ("getChannelLongPolling", "checkCode", "resend", "cancel"),
    "getChannelLongPolling": ("getChannelLongPolling", "checkCode", "resend", "cancel"),
    "getStatus": ("getChannel", "getStatusLongPolling", "checkStatusAndComplete"),
    "getStatusLongPolling": ("getStatus", "checkStatusAndComplete"),
    "checkCode": ("getChannel", "complete"),
    "resend": ("getChannel", "getChannelLongPolling"),
    "checkStatusAndComplete": ("getStatus", "complete"),
}
"""What a caller may do next, by the same id; after a send, everything."""


@lru_cache(maxsize=1)
def document() -> bytes:
    """The document, encoded."""
    return msgspec.json.encode(build())


def build() -> Document:
    """The document as plain data."""
    bodies: set[type[msgspec.Struct]] = {wire.ErrorResponse}
    bodies |= {kind for r in ROUTES for kind in (r.body, r.page_body, r.answer) if kind is not None}
    ordered = sorted(bodies, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_COMPONENT)
    paths: dict[str, Document] = {}
    for route in ROUTES:
        paths.setdefault(BASE + route.path, {})[route.method.lower()] = _operation(route)
    for route in ROUTES:
        if route.for_pages:
            operation = _operation(route, for_pages=True)
            paths.setdefault(PAGE_BASE + route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kaskad",
            "version": __version__,
            "summary": "Proves that a person holds a phone number",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, *, for_pages: bool = False) -> Document:
    operation: Document = {
        "operationId": operation_id(route, for_pages=for_pages),
        "summary": route.summary,
        "tags": ["pages" if for_pages else "back ends"],
        "parameters": _parameters(route),
        "responses": {
            str(route.status): _success(route, for_pages=for_pages),
            **_refusals(route, for_pages=for_pages),
        },
    }
    if for_pages:
        operation["security"] = []
    body = route.page_body if for_pages else route.body
    if body is not None:
        operation["requestBody"] = {
            "required": route.body_required,
            "content": {"application/json": {"schema": _ref(body)}},
        }
    return operation


def operation_id(route: Route, *, for_pages: bool) -> str:
    """The call's name, or that of the same call for pages."""
    return "page" + route.name[0].upper() + route.name[1:] if for_pages else route.name


def _parameters(route: Route) -> list[Document]:
    in_path = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    found: list[Document] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "format": "uuid"},
        }
        for name in in_path
    ]
    for name, required, what in route.query:
        schema: Document = {"type": "string"}
        if name == "since":
            schema = {"type": "integer", "minimum": 0}
        elif name == "widgetId":
            schema = {"type": "string", "format": "uuid"}
        found.append(
            {
                "name": name,
                "in": "query",
                "required": required,
                "description": what,
                "schema": schema,
            }
        )
    if route.idempotent:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The same key and body give the same answer for a day",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        )
    return found


def _success(route: Route, *, for_pages: bool) -> Document:
    content: Document = {"text/event-stream": {"schema": {"description": _EVENTS}}}
    if route.answer is not None:
        content = {"application/json": {"schema": _ref(route.answer)}}
    response: Document = {"description": route.summary, "content": content}
    headers: Document = {"X-Request-Id": {"schema": {"type": "string"}}}
    if route.etag:
        headers["ETag"] = {
            "description": "The view version, in quotes",
            "schema": {"type": "string"},
        }
    response["headers"] = headers
    links = {
        other.name: _link(route, other, for_pages=for_pages)
        for other in ROUTES
        if _follows(other, route) and (other.for_pages or not for_pages)
    }
    if route.name == "send":
        [other] = [r for r in ROUTES if r.name == "getWidget"]
        links["getWidget"] = {
            "operationId": operation_id(other, for_pages=for_pages),
            "parameters": {"widgetId": "$request.body#/widgetId"},
        }
    if links:
        response["links"] = links
    return response


def _follows(other: Route, route: Route) -> bool:
    if route.name == "send":
        return "{requestId}" in other.path
    return other.name in _NEXT.get(route.name, ())


def _link(route: Route, other: Route, *, for_pages: bool) -> Document:
    """Where the other call's parameters stand in this one's request, or a send's answer."""
    begun = route.name == "send"
    place = "$response.body#/{}" if begun else "$request.path.{}"
    parameters = {"requestId": place.format("requestId")}
    place = "$response.body#/{}" if begun else "$request.query.{}"
    if _asks_recipient(other) and (begun or _asks_recipient(route)):
        parameters["recipient"] = place.format("recipient")
    return {"operationId": operation_id(other, for_pages=for_pages), "parameters": parameters}


def _asks_recipient(route: Route) -> bool:
    return any(p.name == "recipient" for p in route.query)


def _refusals(route: Route, *, for_pages: bool) -> Document:
    by_status: dict[int, list[type[KaskadError]]] = {}
    for error in route.page_errors if for_pages else route.all_errors:
        by_status.setdefault(error.http_status, []).append(error)
    if any(error.type == "ValidateError" for error in route.all_errors) and route.body:
        by_status[413] = [e for e in route.all_errors if e.type == "ValidateError"]
    return {
        str(status): {
            "description": ", ".join(error.type for error in found),
            "content": {
                "application/json": {
                    "schema": _ref(wire.ErrorResponse),
                    "examples": {e.type: {"value": _example(e, status)} for e in found},
                }
            },
        }
        for status, found in sorted(by_status.items())
    }


def _example(error: type[KaskadError], status: int) -> Document:
    return {"type": error.type, "message": error.ru, "httpStatus": status}


def _ref(kind: type[msgspec.Struct]) -> Document:
    return {"$ref": _COMPONENT.format(name=kind.__name__)}
