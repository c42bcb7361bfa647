"""Functions that the model may ask for: schema from the signature, arguments validated, errors as words.

A tool never raises into the call. Whatever goes wrong becomes text for the model, so that it can react.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import traceback
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from pydantic_core import PydanticSerializationError, to_json

from callbridge.agents.threads import run_in_own_thread
from callbridge.call.wishes import HangUp, Wish
from callbridge.wire.realtime_commands import FunctionTool

if TYPE_CHECKING:
    from collections.abc import Callable

OUTPUT_BYTES_MAX = 8 * 1024
"""A longer result is replaced by an error: the model reads it again with every later response."""


_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""Function names that OpenAI takes: another one would make it refuse the whole session."""


class ToolError(TypeError):
    """A function cannot be a tool as it is written. The text says what to change."""


class _ArgumentsError(ValueError):
    """What the model wrote is not what the function takes. The text is for the model."""


class EndCall(str):
    """A tool's result that ends the call once the agent's last words were heard. The model gets the text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the model is told, and what the agent wants done to the call once its words were heard."""

    output: str
    wish: Wish | None = None


class Tool:
    """One function of the agent."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.name = _name_of(function)
        self._function = function
        description, parameter_texts = _split_docstring(inspect.getdoc(function) or "")
        if not description:
            raise ToolError(
                f"tool {self.name}: write a docstring; the model reads it to know when to call it"
            )
        self._arguments, schema = _arguments_model(function, parameter_texts)
        self.definition = FunctionTool(self.name, description, schema)
        """The tool as the session announces it."""

    async def run(self, arguments: str, timeout_s: float) -> ToolResult:
        """Validates `arguments` (JSON text), calls the function and puts its result into words.

        A plain function runs in a thread, so that one that blocks does not stop the audio of every call.
        """
        try:
            async with asyncio.timeout(timeout_s) as bound:
                return _success(await self._call(self._read(arguments)))
        except _ArgumentsError as error:
            return _failure(str(error))
        except TimeoutError:
            why = f"took longer than {timeout_s:g} s" if bound.expired() else "timed out"
            return _failure(f"the tool {why}")
        except Exception as error:  # noqa: BLE001  # A user's code may raise anything; the call goes on.
            # Where it was raised, and not its text, which may hold the caller's words.
            where = "".join(traceback.format_tb(error.__traceback__))
            log = structlog.get_logger()
            log.warning("tool_raised", tool=self.name, error=type(error).__name__, where=where)
            return _failure(f"the tool failed: {type(error).__name__}")

    def _read(self, arguments: str) -> dict[str, Any]:
        try:
            parsed = self._arguments.model_validate_json(arguments)
        except ValidationError as error:
            raise _ArgumentsError(f"invalid arguments: {_in_words(error)}") from error
        return {str(field.alias): getattr(parsed, key) for key, field in type(parsed).model_fields.items()}

    async def _call(self, values: dict[str, Any]) -> object:
        if inspect.iscoroutinefunction(self._function):
            return await self._function(**values)
        result = await run_in_own_thread(partial(self._function, **values), f"tool {self.name}")
        # A plain function around an async one, as decorators make it, answers with a coroutine.
        return await result if inspect.isawaitable(result) else result


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


def _name_of(function: Callable[..., object]) -> str:
    name = getattr(function, "__name__", None)
    if name is None:
        raise ToolError(f"{function!r} has no name; write a function with def")
    if not _NAME.fullmatch(name):
        raise ToolError(f"tool {name}: the model takes names of at most 64 letters a to z, digits, _ and -")
    return str(name)


def _arguments_model(
    function: Callable[..., object], texts: dict[str, str]
) -> tuple[type[BaseModel], dict[str, object]]:
    """The model that reads the arguments, and its JSON Schema."""
    fields: dict[str, Any] = {}
    hints = _hints_of(function)
    for parameter in inspect.signature(function).parameters.values():
        where = f"tool {function.__name__}, parameter {parameter.name}"
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY}:
            raise ToolError(f"{where}: the model passes arguments by name; use plain parameters")
        if parameter.name not in hints:
            raise ToolError(f"{where}: add a type hint; it becomes the schema that the model sees")
        hint = hints[parameter.name]
        # By alias: a parameter may be named like something of pydantic's own, or begin with `_`.
        hint = Annotated[hint, Field(alias=parameter.name)]
        if text := texts.get(parameter.name):
            hint = Annotated[hint, Field(description=text)]
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[f"argument_{len(fields)}"] = (hint, default)
    try:
        model: type[BaseModel] = create_model(
            function.__name__, __config__=ConfigDict(extra="forbid"), **fields
        )
        schema = model.model_json_schema()
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema) as error:
        raise ToolError(f"tool {function.__name__}: a type hint has no JSON form: {error}") from error
    schema.pop("title", None)
    return model, schema


def _hints_of(function: Callable[..., object]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise ToolError(f"tool {function.__name__}: a type hint cannot be resolved: {error}") from error


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
    return ToolResult(str(output), HangUp() if isinstance(result, EndCall) else None)
