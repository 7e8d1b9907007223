"""The OpenAPI 3.1 description of the public API, made from its table of calls."""

from functools import lru_cache
from typing import Any

import msgspec

from kaskad import __version__
from kaskad.core.errors import KaskadError
from kaskad.http.handler import wire
from kaskad.http.handler.routes import BASE, ROUTES, Route

Document = dict[str, Any]

_COMPONENT = "#/components/schemas/{name}"


@lru_cache(maxsize=1)
def document() -> bytes:
    """The document, encoded."""
    return msgspec.json.encode(build())


def build() -> Document:
    """The document as plain data."""
    bodies: set[type[msgspec.Struct]] = {wire.ErrorResponse}
    bodies |= {kind for r in ROUTES for kind in (r.body, r.answer) if kind is not None}
    ordered = sorted(bodies, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_COMPONENT)
    paths: dict[str, Document] = {}
    for route in ROUTES:
        paths.setdefault(BASE + route.path, {})[route.method.lower()] = _operation(route)
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


def _operation(route: Route) -> Document:
    operation: Document = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": {str(route.status): _success(route), **_refusals(route)},
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": route.body_required,
            "content": {"application/json": {"schema": _ref(route.body)}},
        }
    return operation


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


def _success(route: Route) -> Document:
    content: Document = {"text/event-stream": {"schema": {"type": "string"}}}
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
    if route.name == "send":
        response["links"] = {other.name: _link(other) for other in ROUTES if _follows(other)}
    return response


def _follows(route: Route) -> bool:
    return "{requestId}" in route.path


def _link(route: Route) -> Document:
    parameters = {"requestId": "$response.body#/requestId"}
    if any(p.name == "recipient" for p in route.query):
        parameters["recipient"] = "$response.body#/recipient"
    return {"operationId": route.name, "parameters": parameters}


def _refusals(route: Route) -> Document:
    by_status: dict[int, list[type[KaskadError]]] = {}
    for error in route.all_errors:
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
