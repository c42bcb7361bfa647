"""Functions that the model may ask for: schema from the signature, arguments validated, errors as words.

A tool never raises into the call. Whatever goes wrong becomes text for the model, so that it can react.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import structlog
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PydanticSchemaGenerationError,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticSerializationError, to_json

from callbridge.wire.realtime_commands import FunctionTool

if TYPE_CHECKING:
    from collections.abc import Callable

OUTPUT_BYTES_MAX = 8 * 1024
"""A longer result is replaced by an error: the model reads it again with every later response."""


class ToolError(TypeError):
    """A function cannot be a tool as it is written. The text says what to change."""


class EndCall(str):
    """A tool's result that ends the call once the agent's last words were heard. The model gets the text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the model is told, and whether the agent hangs up."""

    output: str
    ends_call: bool = False


class Tool:
    """One function of the agent."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.name = function.__name__
        self._function = function
        documentation = inspect.getdoc(function)
        if not documentation:
            raise ToolError(
                f"tool {self.name}: write a docstring; the model reads it to know when to call it"
            )
        description, parameter_texts = _split_docstring(documentation)
        self._arguments = _arguments_model(function, parameter_texts)
        schema = self._arguments.model_json_schema()
        schema.pop("title", None)
        self.definition = FunctionTool(self.name, description, schema)
        """The tool as the session announces it."""

    async def run(self, arguments: str, timeout_s: float) -> ToolResult:
        """Validates `arguments` (JSON text), calls the function and puts its result into words.

        A plain function runs in a thread, so that one that blocks does not stop the audio of every call.
        """
        try:
            parsed = self._arguments.model_validate_json(arguments)
        except ValidationError as error:
            return _failure(f"invalid arguments: {_in_words(error)}")
        values = {name: getattr(parsed, name) for name in type(parsed).model_fields}
        try:
            async with asyncio.timeout(timeout_s) as bound:
                result = await self._call(values)
        except TimeoutError:
            why = f"took longer than {timeout_s:g} s" if bound.expired() else "timed out"
            return _failure(f"the tool {why}")
        except Exception as error:  # noqa: BLE001  # A user's code may raise anything; the call goes on.
            structlog.get_logger().warning("tool_raised", tool=self.name, exc_info=error)
            return _failure(f"the tool failed: {type(error).__name__}")
        return _success(result)

    async def _call(self, values: dict[str, Any]) -> object:
        if inspect.iscoroutinefunction(self._function):
            return await self._function(**values)
        return await asyncio.to_thread(self._function, **values)


class Toolbox:
    """The tools of one agent, by name."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}

    def add(self, tool: Tool) -> None:
        """Adds `tool`.

        Raises:
            ToolError: the name is taken.
        """
        if tool.name in self._tools:
            raise ToolError(f"there are two tools named {tool.name}; rename one")
        self._tools[tool.name] = tool

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of their adding."""
        return tuple(self._tools)

    @property
    def definitions(self) -> tuple[FunctionTool, ...]:
        """The tools as the session announces them."""
        return tuple(tool.definition for tool in self._tools.values())

    async def run(self, name: str, arguments: str, timeout_s: float) -> ToolResult:
        """Runs the tool `name`. An unknown one is told to the model."""
        tool = self._tools.get(name)
        if tool is None:
            return _failure(f"there is no tool {name[:64]}; the tools are: {', '.join(self._tools)}")
        return await tool.run(arguments, timeout_s)


def _arguments_model(function: Callable[..., object], texts: dict[str, str]) -> type[BaseModel]:
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ToolError(f"tool {function.__name__}: a type hint cannot be resolved: {error}") from error
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        where = f"tool {function.__name__}, parameter {parameter.name}"
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY}:
            raise ToolError(f"{where}: the model passes arguments by name; use plain parameters")
        if parameter.name not in hints:
            raise ToolError(f"{where}: add a type hint; it becomes the schema that the model sees")
        hint = hints[parameter.name]
        if text := texts.get(parameter.name):
            hint = Annotated[hint, Field(description=text)]
        fields[parameter.name] = (hint, ... if parameter.default is parameter.empty else parameter.default)
    try:
        model: type[BaseModel] = create_model(
            function.__name__, __config__=ConfigDict(extra="forbid"), **fields
        )
    except PydanticSchemaGenerationError as error:
        raise ToolError(f"tool {function.__name__}: a type hint has no JSON form: {error}") from error
    return model


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


def _in_words(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}" for fault in faults)


def _failure(why: str) -> ToolResult:
    return ToolResult(json.dumps({"error": why}))


def _success(result: object) -> ToolResult:
    try:
        output = result if isinstance(result, str) else to_json(result).decode()
    except PydanticSerializationError:
        return _failure(f"the tool answered with a {type(result).__name__}, which has no JSON form")
    if len(output.encode()) > OUTPUT_BYTES_MAX:
        return _failure(f"the tool's answer is longer than {OUTPUT_BYTES_MAX} bytes; ask for less")
    return ToolResult(str(output), ends_call=isinstance(result, EndCall))
