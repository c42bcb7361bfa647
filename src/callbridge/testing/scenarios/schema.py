"""The JSON Schema of a `*.call.toml`, made of the structs that are read; editors complete and check by it.

It is shipped as a file: `#:schema` in the first line of a scenario names it, or a copy of it.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from callbridge.testing.scenarios.file_model import Scenario
from callbridge.testing.scenarios.reading import CALLS

FILE: Final = "call.schema.json"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def shipped_schema() -> str:
    """The file of this version, as it is shipped."""
    return (files("callbridge.testing.scenarios") / FILE).read_text(encoding="utf-8")


def schema_text() -> str:
    """What the structs say now: what the file must be."""
    return msgspec.json.format(msgspec.json.encode(_schema()), indent=2).decode() + "\n"


def _schema() -> dict[str, Any]:
    (top,), parts = msgspec.json.schema_components([Scenario], ref_template="#/$defs/{name}")
    _describe(parts)
    one = parts.pop(Scenario.__name__)
    # What stands above the calls is for all of them, so nothing of it is required there, or in a call.
    properties = one["properties"]
    call = {"type": "object", "properties": properties, "required": ["name"], "additionalProperties": False}
    several = {"type": "array", "items": {"$ref": "#/$defs/Call"}, "minItems": 1}
    several["description"] = "Several calls in one file. What stands above them holds for all."
    assert top == {"$ref": f"#/$defs/{Scenario.__name__}"}
    return {
        "$schema": DIALECT,
        "title": "A call, or several, that callbridge plays as a test",
        "type": "object",
        "properties": {**properties, CALLS: several},
        "additionalProperties": False,
        "anyOf": [{"required": one["required"]}, {"required": [CALLS]}],
        "$defs": {**dict(sorted(parts.items())), "Call": call},
    }


def _describe(parts: dict[str, Any]) -> None:
    """Says of each key what the line below its field says: editors show it."""
    structs = _structs()
    for name, part in parts.items():
        if "description" in part:  # A docstring, which Python 3.13 has already freed of its indentation.
            part["description"] = inspect.cleandoc(part["description"])
        said = _said_of_fields(structs[name]) if name in structs else {}
        for field in part.get("properties", {}).keys() & said.keys():
            part["properties"][field].setdefault("description", said[field])


@cache
def _structs() -> dict[str, type[msgspec.Struct]]:
    """All that a scenario is made of, by name."""
    found: dict[str, type[msgspec.Struct]] = {}
    waiting: list[Any] = [msgspec.inspect.type_info(Scenario)]
    while waiting:
        one = waiting.pop()
        if isinstance(one, msgspec.inspect.StructType):
            if one.cls.__name__ in found:
                continue
            found[one.cls.__name__] = one.cls
            waiting += [field.type for field in one.fields]
        elif isinstance(one, msgspec.inspect.UnionType):
            waiting += one.types
        elif isinstance(one, msgspec.inspect.Metadata):
            waiting.append(one.type)
        elif isinstance(one, msgspec.inspect.DictType):
            waiting.append(one.value_type)
        elif isinstance(one, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
            waiting.append(one.item_type)
    return found


def _said_of_fields(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The texts below the fields of a class, and of the classes that it is made of, on one line each."""
    said: dict[str, str] = {}
    for cls in reversed(struct.__mro__):
        if cls is not msgspec.Struct and issubclass(cls, msgspec.Struct):
            said.update(_texts_in(cls.__module__).get(cls.__name__, {}))
    return said


@cache
def _texts_in(module: str) -> dict[str, dict[str, str]]:
    """Of each class of a module the texts below its fields."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {
        cls.name: {
            field.target.id: " ".join(text.value.value.split())
            for field, text in zip(cls.body, cls.body[1:], strict=False)
            if isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        }
        for cls in tree.body
        if isinstance(cls, ast.ClassDef)
    }


if __name__ == "__main__":
    (files("callbridge.testing.scenarios") / FILE).write_text(schema_text(), encoding="utf-8")  # type: ignore[attr-defined]  # In a checkout it is a path.
