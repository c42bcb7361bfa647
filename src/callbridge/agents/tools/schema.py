"""What the model sees of a function: name, description, and the JSON Schema of its arguments.

What OpenAI would refuse is found here, when the agent is made. One such tool would make it refuse the session
of every call.
"""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from pydantic.fields import FieldInfo

from callbridge.agents.texts import is_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""Function names that OpenAI takes."""

_TYPES: Final = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_NOT_ON_TOP: Final = ("anyOf", "oneOf", "allOf", "enum", "const", "not")
_ONE_SCHEMA: Final = ("items", "additionalProperties", "not")
_MANY_SCHEMAS: Final = ("prefixItems", "anyOf", "oneOf", "allOf")
_NAMED_SCHEMAS: Final = ("properties", "$defs")


class ToolError(TypeError):
    """A function cannot be a tool as it is written. The text says what to change."""


def name_of(function: Callable[..., object]) -> str:
    """The name under which the model calls `function`.

    Raises:
        ToolError: it has none, or one that the model does not take.
    """
    name = getattr(function, "__name__", None)
    if name is None:
        raise ToolError(f"{function!r} has no name; write a function with def")
    return checked_name(str(name))


def checked_name(name: str) -> str:
    """The name of a tool, as it was given.

    Raises:
        ToolError: the model does not take it.
    """
    if not _NAME.fullmatch(name):
        raise ToolError(f"tool {name}: the model takes names of at most 64 letters a to z, digits, _ and -")
    return name


def refuse_generator(function: Callable[..., object], name: str) -> None:
    """A generator's body would run while its result is written down, on the loop of every call.

    Raises:
        ToolError: `function` is one.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ToolError(f"tool {name}: it is a generator; return one value, a list for example, and no yield")


def description_of(function: Callable[..., object], name: str) -> tuple[str, dict[str, str]]:
    """What the docstring says of `function` and of its parameters.

    Raises:
        ToolError: there is none.
    """
    description, texts = _split_docstring(inspect.getdoc(function) or "")
    if not description:
        raise ToolError(f"tool {name}: write a docstring; the model reads it to know when to call it")
    return description, texts


def arguments_model(
    function: Callable[..., object], texts: dict[str, str]
) -> tuple[type[BaseModel], dict[str, object]]:
    """The model that reads the arguments, and its JSON Schema.

    Raises:
        ToolError: a parameter has no type hint, or one that the model cannot be told.
    """
    fields: dict[str, Any] = {}
    hints = _hints_of(function)
    for parameter in inspect.signature(function).parameters.values():
        where = f"tool {function.__name__}, parameter {parameter.name}"
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY}:
            raise ToolError(f"{where}: the model passes arguments by name; use plain parameters")
        if parameter.name not in hints:
            raise ToolError(f"{where}: add a type hint; it becomes the schema that the model sees")
        hint = hints[parameter.name]
        if is_call(hint):
            continue
        text = texts.get(parameter.name) or _text_in(hint)
        # By alias: a parameter may be named like something of pydantic's own, or begin with `_`.
        hint = Annotated[hint, Field(alias=parameter.name)]
        if text:
            hint = Annotated[hint, Field(description=text)]
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[f"argument_{len(fields)}"] = (hint, default)
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    try:
        model: type[BaseModel] = create_model(function.__name__, __config__=config, **fields)
        schema = model.model_json_schema()
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema) as error:
        raise ToolError(
            f"tool {function.__name__}: a type hint has no JSON form; use str, int, float, bool, a Literal, "
            f"a list of these or a pydantic model ({_first_sentence(error)})"
        ) from error
    schema.pop("title", None)
    if fault := next(faults_of(schema), None):
        raise ToolError(f"tool {function.__name__}: {fault}")
    return model, schema


def _first_sentence(error: Exception) -> str:
    """What pydantic says is wrong, without its advice: that is for the authors of models, not of agents."""
    return str(error).partition("\n")[0].partition(". ")[0]


def _hints_of(function: Callable[..., object]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise ToolError(f"tool {function.__name__}: a type hint cannot be resolved: {error}") from error


def _text_in(hint: Any) -> str:
    """The text of `Annotated[str, "text"]`, unless a `Field` beside it has one: pydantic reads only that."""
    notes = get_args(hint)[1:] if hasattr(hint, "__metadata__") else ()
    if any(isinstance(note, FieldInfo) and note.description for note in notes):
        return ""
    return next((note for note in notes if isinstance(note, str)), "")


_SECTION = re.compile(
    r"^(Args|Arguments|Returns|Raises|Yields|Example|Examples|Note|Notes):\s*$", re.MULTILINE
)
_ARGUMENT = re.compile(
    r"^\s+(\w+)(?:\s*\([^)]*\))?:\s*(.+(?:\n(?!\s+\w+(?:\s*\([^)]*\))?:).+)*)", re.MULTILINE
)


def _split_docstring(text: str) -> tuple[str, dict[str, str]]:
    """The description, and each parameter's text from a Google-style `Args:` section."""
    description, *sections = _SECTION.split(text)
    bodies = dict(zip(sections[::2], sections[1::2], strict=True))
    body = bodies.get("Args", "") or bodies.get("Arguments", "")
    return description.strip(), {name: " ".join(words.split()) for name, words in _ARGUMENT.findall(body)}


# --- What OpenAI refuses ------------------------------------------------------------------------------


def faults_of(schema: dict[str, Any]) -> Iterator[str]:
    """Why OpenAI would refuse a function with this schema (`invalid_function_parameters`), and what to do.

    Vendor page: https://developers.openai.com/api/docs/guides/function-calling
    """
    if schema.get("type") != "object" or any(key in schema for key in _NOT_ON_TOP):
        yield "its schema must be of type object, without anyOf, oneOf, allOf, enum, const or not on top"
    try:
        json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError) as error:
        yield f"its schema has no JSON form ({error}); change a default, or what a Field says"
        return
    for where, node in _nodes("", schema):
        yield from _faults_at(where, node)


def _faults_at(where: str, node: dict[str, Any]) -> Iterator[str]:
    types = node.get("type", [])
    for kind in types if isinstance(types, list) else [types]:
        if kind not in _TYPES:
            yield f"{where} has the type {kind!r}, which JSON Schema does not know"
    if types == "array" and "items" not in node:
        yield f"{where} is an array of parts that differ, which the model does not take; use list[...]"
    if node.get("enum") == []:
        yield f"{where} has an empty enum: nothing could be passed"


def _nodes(where: str, node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in `node`, with the parameter or type in which it stands."""
    if not isinstance(node, dict):
        return
    yield where, node
    for key in _NAMED_SCHEMAS:
        for name, part in node.get(key, {}).items():
            yield from _nodes(f"{where}.{name}".lstrip("."), part)
    for key in _ONE_SCHEMA:
        yield from _nodes(where, node.get(key))
    for key in _MANY_SCHEMAS:
        for part in node.get(key, ()):
            yield from _nodes(where, part)
