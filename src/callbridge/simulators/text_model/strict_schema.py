"""Which JSON Schemas structured outputs take, and the least answer that fits one. Pure.

https://developers.openai.com/api/docs/guides/structured-outputs, "Supported schemas".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

DEPTH_MAX: Final = 10
PROPERTIES_MAX: Final = 5000

_KEYWORDS: Final = frozenset(
    {"type", "description", "title", "enum", "const", "anyOf", "$ref", "$defs", "definitions"}
    | {"properties", "required", "additionalProperties", "items"}
    | {"minItems", "maxItems", "pattern", "format"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
)
_TYPES: Final = frozenset({"string", "number", "boolean", "integer", "object", "array", "null"})


def faults_of(schema: object) -> Iterator[str]:
    """Why the endpoint refuses this schema, in its own words where they are known."""
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        yield "In context=(), schema must be a JSON Schema of 'type: \"object\"'."
        return
    if "anyOf" in schema:
        yield "In context=(), 'anyOf' is not permitted on top."
    if sum(1 for _ in _properties(schema)) > PROPERTIES_MAX:
        yield f"Expected at most {PROPERTIES_MAX} properties in the schema."
    yield from _faults_at(schema, (), 0)
    for ref in _refs(schema):
        try:
            _resolved(ref, schema)
        except (LookupError, TypeError, ValueError):
            yield f"In context=(), reference to '{ref}' can't be resolved."


def _faults_at(node: object, where: tuple[str, ...], depth: int) -> Iterator[str]:
    context = f"In context={where}"
    if not isinstance(node, Mapping):
        yield f"{context}, {node!r} is not a schema."
        return
    if depth > DEPTH_MAX:
        yield f"{context}, the schema exceeds the maximum nesting of {DEPTH_MAX}."
        return
    for keyword in sorted(node.keys() - _KEYWORDS):
        yield f"{context}, '{keyword}' is not permitted."
    types = node.get("type", ())
    for each in (types,) if isinstance(types, str) else types:
        if each not in _TYPES:
            yield f"{context}, {each!r} is not valid under any of the given schemas."
    if not node.keys() & {"type", "anyOf", "$ref", "enum", "const"}:
        yield f"{context}, schema must have a 'type' key."
    if "object" in types if not isinstance(types, str) else types == "object":
        yield from _object_faults(node, context)
    if (types == "array" or (not isinstance(types, str) and "array" in types)) and "items" not in node:
        yield f"{context}, array schema missing items."
    for name, part in _parts(node):
        yield from _faults_at(part, (*where, *name), depth + 1)


def _object_faults(node: Mapping[str, Any], context: str) -> Iterator[str]:
    if node.get("additionalProperties") is not False:
        yield f"{context}, 'additionalProperties' is required to be supplied and to be false."
    missing = [name for name in node.get("properties", {}) if name not in node.get("required", ())]
    if missing:
        yield (
            f"{context}, 'required' is required to be supplied and to be an array including every key in "
            f"properties. Missing '{missing[0]}'."
        )


def _parts(node: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], object]]:
    for key in ("properties", "$defs", "definitions"):
        for name, part in node.get(key, {}).items():
            yield (key, name), part
    if "items" in node:
        yield ("items",), node["items"]
    for number, part in enumerate(node.get("anyOf", ())):
        yield ("anyOf", str(number)), part


def _properties(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        yield from node.get("properties", {})
        for _, part in _parts(node):
            yield from _properties(part)


def _refs(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        if "$ref" in node:
            yield node["$ref"]
        for _, part in _parts(node):
            yield from _refs(part)


def least_answer(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> object:
    """The shortest value that fits: what a model says that has found nothing."""
    root = schema if root is None else root
    match schema:
        case {"$ref": str(ref)}:
            return least_answer(_resolved(ref, root), root)
        case {"const": value} | {"enum": [value, *_]}:
            return value
        case {"anyOf": [first, *_] as options}:
            # Nothing, where that will do: what refers to itself would have no end otherwise.
            return None if {"type": "null"} in options else least_answer(first, root)
        case {"type": [first, *_]}:
            return least_answer({**schema, "type": first}, root)
        case {"type": "object"}:
            parts = schema.get("properties", {}).items()
            return {name: least_answer(part, root) for name, part in parts}
        case {"type": "array"}:
            return [least_answer(schema["items"], root)] * int(schema.get("minItems", 0))
        case {"type": "integer" | "number"}:
            return max(0, schema.get("minimum", 0))
        case {"type": "boolean"}:
            return False
        case {"type": "null"}:
            return None
        case _:
            return ""


def _resolved(ref: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = root
    for name in ref.removeprefix("#").split("/")[1:]:
        found = found[name]
    return dict(found)
