"""What a tool is asked with: typed parameters, those of the model judged strictly, and where each is sent."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from callbridge.agents.tools.tool import ToolRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from callbridge.agents.context import Call

Kind: TypeAlias = Literal["string", "integer", "number", "boolean"]
Place: TypeAlias = Literal["path", "query", "body", "header"]
OfCall: TypeAlias = Literal["caller_number", "caller_name", "called_number", "call_sid", "agent", "language"]
Value: TypeAlias = str | int | float | bool

_OF_CALL: Final[Mapping[OfCall, tuple[str, Callable[[Call[Any]], str]]]] = {
    "caller_number": ("the caller's number", lambda call: call.caller.number),
    "caller_name": ("the caller's name in the carrier's books", lambda call: call.caller.name),
    "called_number": ("the called number", lambda call: call.called),
    "call_sid": ("the call's name", lambda call: call.sid),
    "agent": ("the agent's name", lambda call: call.agent),
    "language": ("the caller's language", lambda call: call.language),
}

_HEADER: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One of them."""

    name: str
    """What the model calls it."""
    place: Place
    kind: Kind = "string"
    description: str = ""
    is_required: bool = True
    choices: tuple[Value, ...] = ()
    sent_as: str = ""
    """What the service calls it, where that is something else. In a body `customer.phone` is two objects."""
    of_call: OfCall | None = None
    """What of the call it is; the model does not see it."""
    value: Value | None = field(default=None, repr=False)
    """What it always is; the model does not see it. It may be a secret."""

    @property
    def is_models(self) -> bool:
        """Whether the model gives it."""
        return self.of_call is None and self.value is None

    @property
    def sent_name(self) -> str:
        """What the service calls it."""
        return self.sent_as or self.name

    @property
    def schema(self) -> dict[str, Any]:
        """What the model is told of it."""
        schema: dict[str, Any] = {"type": self.kind}
        if self.description:
            schema["description"] = self.description
        if self.choices:
            schema["enum"] = list(self.choices)
        return schema

    def fault_in(self, value: object) -> str:
        """Why the model cannot mean `value`; empty when it can."""
        if not is_of_kind(self.kind, value):
            return f"{self.name} must be of type {self.kind}"
        if isinstance(value, str) and not is_text(value):
            return f"{self.name} has characters that do not exist"
        if self.choices and value not in self.choices:
            return f"{self.name} must be one of {', '.join(map(str, self.choices))}"
        return ""

    def of(self, call: Call[Any]) -> Value | None:
        """What it is without the model; None where that is not known.

        Raises:
            ToolRefused: it is needed, and not known.
        """
        if self.of_call is None:
            return self.value
        what, find = _OF_CALL[self.of_call]
        if not (found := find(call)) and self.is_required:
            raise ToolRefused(f"this needs {what}, which is not known in this call")
        return found or None


def schema_of(parameters: Iterable[Parameter]) -> dict[str, Any]:
    """JSON Schema of what the model gives."""
    of_model = [parameter for parameter in parameters if parameter.is_models]
    return {
        "type": "object",
        "properties": {parameter.name: parameter.schema for parameter in of_model},
        "required": [parameter.name for parameter in of_model if parameter.is_required],
        "additionalProperties": False,
    }


def judged(
    parameters: Iterable[Parameter], arguments: Mapping[str, object], call: Call[Any]
) -> list[tuple[Parameter, Value]]:
    """Every parameter that has a value. Nothing is converted, added, guessed or passed over.

    Raises:
        ToolRefused: an argument is missing, unknown or not what it should be.
    """
    parameters = tuple(parameters)
    of_model = {parameter.name: parameter for parameter in parameters if parameter.is_models}
    faults = [f"there is no {name}" for name in arguments if name not in of_model]
    faults += [
        f"{name} is missing"
        for name, parameter in of_model.items()
        if parameter.is_required and name not in arguments
    ]
    faults += [
        fault
        for name, value in arguments.items()
        if (parameter := of_model.get(name)) and (fault := parameter.fault_in(value))
    ]
    if faults:
        raise ToolRefused(f"invalid arguments: {'; '.join(faults)}")
    found: list[tuple[Parameter, Any]] = [
        (parameter, arguments.get(parameter.name) if parameter.is_models else parameter.of(call))
        for parameter in parameters
    ]
    return [(parameter, value) for parameter, value in found if value is not None]


def is_of_kind(kind: Kind, value: object) -> bool:
    """Whether `value` is of that type, as JSON has it."""
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return _is_number(value)


def _is_number(value: object) -> bool:
    """Not what is none, nor what no service can read."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def text_of(value: Value) -> str:
    """How a value stands in a URL or a header."""
    return value if isinstance(value, str) else json.dumps(value)


def header_of(parameter: Parameter, value: Value) -> str:
    """How a value stands in a header.

    Raises:
        ToolRefused: it has characters that no header takes.
    """
    text = text_of(value)
    if not is_header(text):
        raise ToolRefused(f"{parameter.name} may have letters, digits and signs of ASCII alone")
    return text


def is_text(text: str) -> bool:
    """Whether it can be sent: JSON can write halves of characters, which nothing else can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_header(text: str) -> bool:
    """Whether a header can have this value."""
    return _HEADER.fullmatch(text) is not None
