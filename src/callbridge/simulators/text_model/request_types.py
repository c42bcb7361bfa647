"""Of what type each field of a request is. Pure. What its values may be is said by who reads them.

https://developers.openai.com/api/docs/api-reference/chat/create.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec


class _Schema(
    msgspec.Struct, rename={"any_of": "anyOf", "min_items": "minItems", "ref": "$ref", "defs": "$defs"}
):
    type: str | list[str] = ""
    properties: dict[str, _Schema] = {}
    required: list[str] = []
    items: _Schema | msgspec.UnsetType = msgspec.UNSET
    any_of: list[_Schema] = []
    ref: str = ""
    defs: dict[str, _Schema] = {}
    definitions: dict[str, _Schema] = {}
    enum: list[Any] = []
    min_items: int = 0
    minimum: int | float = 0


class _JsonSchema(msgspec.Struct, frozen=True):
    schema: _Schema | msgspec.UnsetType = msgspec.UNSET


class _Format(msgspec.Struct, frozen=True):
    json_schema: _JsonSchema = _JsonSchema()


class _Call(msgspec.Struct, frozen=True):
    id: str


class _Message(msgspec.Struct, frozen=True):
    role: str = ""
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None


class _Request(msgspec.Struct, frozen=True):
    model: str = ""
    messages: list[_Message] = []
    response_format: _Format = _Format()


def type_faults(request: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is of another type: in words, and where."""
    try:
        msgspec.convert(request, _Request)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        at = where.strip("`").removeprefix("$.")
        yield f"Invalid type for '{at}': {what[0].lower()}{what[1:]}.", at
