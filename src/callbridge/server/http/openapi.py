"""What the control listener answers, as an OpenAPI document: made of the types that its answers are made of.

https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

import http
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import msgspec
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastapi import Request
    from fastapi.responses import Response

OPENAPI_PATH: Final = "/openapi.json"

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that can be asked."""

    method: str
    path: str
    summary: str
    answer: Any
    """The type of what is answered with `status`; a union for a stream of events, None for no body."""
    media_type: str = JSON
    status: int = 200
    query: type[msgspec.Struct] | None = None
    refusals: Mapping[int, Any] = field(default_factory=dict)
    """Other statuses, and the types of their bodies; None for those without."""


@dataclass(frozen=True, slots=True)
class ApiDocument:
    """The endpoint that answers it."""

    operations: tuple[Operation, ...]

    async def answer(self, _request: Request) -> Response:
        """The document."""
        return JSONResponse(document(self.operations))


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """All that can be asked."""
    told = tuple(operations)
    types = [
        kind for one in told for kind in (one.answer, *one.refusals.values(), one.query) if kind is not None
    ]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for one in told:
        paths.setdefault(one.path, {})[one.method.lower()] = _told(one, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "callbridge control", "version": version("callbridge")},
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _told(one: Operation, schema_of: Mapping[int, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    in_path = [name.strip("{}") for name in one.path.split("/") if name.startswith("{")]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in in_path
    ]
    if one.query is not None:
        for name, schema in components[one.query.__name__]["properties"].items():
            parameters.append({"name": name, "in": "query", "schema": schema})
    answers = {one.status: one.answer, 401: None, **one.refusals}
    return {
        "summary": one.summary,
        "parameters": parameters,
        "responses": {
            str(status): _answer(status, kind, schema_of, one.media_type if status == one.status else JSON)
            for status, kind in answers.items()
        },
    }


def _answer(status: int, kind: Any, schema_of: Mapping[int, Any], media_type: str) -> dict[str, Any]:
    told: dict[str, Any] = {"description": http.HTTPStatus(status).phrase}
    if kind is not None:
        told["content"] = {media_type: {"schema": schema_of[id(kind)]}}
    return told
