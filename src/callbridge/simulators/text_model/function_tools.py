"""Tools of a text model: which the endpoint takes, and how calls and their results follow each other. Pure.

https://developers.openai.com/api/docs/guides/function-calling, /docs/api-reference/chat/create.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

TOOLS_MAX: Final = 128

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_CHOICES: Final = frozenset({"none", "auto", "required"})


class ToolFault(NamedTuple):
    """Why a request is refused, as the endpoint words it where that is known."""

    code: str | None
    message: str
    param: str


def tool_faults(request: dict[str, Any]) -> Iterator[ToolFault]:
    """What is wrong with the tools of a request."""
    tools = request.get("tools")
    for name in ("tool_choice", "parallel_tool_calls"):
        if name in request and not tools:
            message = f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
            yield ToolFault(None, message, name)
    if tools is None:
        return
    if not isinstance(tools, list) or not tools:
        yield ToolFault("empty_array", "Invalid 'tools': empty array. Expected at least 1.", "tools")
        return
    if len(tools) > TOOLS_MAX:
        message = f"Invalid 'tools': array too long. Expected at most {TOOLS_MAX}, got {len(tools)}."
        yield ToolFault("array_above_max_length", message, "tools")
    for number, tool in enumerate(tools):
        yield from _one_tool(tool, f"tools[{number}]")
    if not _is_choice(request.get("tool_choice", "auto")):
        yield ToolFault("invalid_value", "Invalid value: 'tool_choice'.", "tool_choice")


def _is_choice(choice: object) -> bool:
    match choice:
        case {"type": "function", "function": {"name": str()}}:
            return True
        case _:
            return isinstance(choice, str) and choice in _CHOICES


def _one_tool(tool: object, where: str) -> Iterator[ToolFault]:
    match tool:
        case {"type": "function", "function": {"name": str(name), **rest}}:
            if not _NAME.fullmatch(name):
                at = f"{where}.function.name"
                message = f"Invalid '{at}': string does not match pattern. Expected '^[a-zA-Z0-9_-]+$'."
                yield ToolFault("invalid_value", message, at)
            parameters = rest.get("parameters", {"type": "object"})
            if not isinstance(parameters, dict) or parameters.get("type") != "object":
                message = f"Invalid schema for function '{name}': schema must be of 'type: \"object\"'."
                yield ToolFault("invalid_function_parameters", message, f"{where}.function.parameters")
        case _:
            yield ToolFault("invalid_value", f"Invalid value: '{where}'.", where)


def order_faults(messages: list[dict[str, Any]]) -> Iterator[ToolFault]:
    """What is wrong with the order of calls and results: each call is answered at once, nothing else is."""
    open_ids: set[str] = set()
    for number, message in enumerate(messages):
        if message["role"] == "tool":
            where = f"messages.[{number}].role"
            if message.get("tool_call_id") not in open_ids:
                text = (
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
                    "with 'tool_calls'."
                )
                yield ToolFault(None, text, where)
            open_ids.discard(str(message.get("tool_call_id")))
            continue
        yield from _unanswered(open_ids)
        open_ids = {call["id"] for call in message.get("tool_calls") or ()}
    yield from _unanswered(open_ids)


def _unanswered(ids: set[str]) -> Iterator[ToolFault]:
    if ids:
        message = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            "'tool_call_id'. The following tool_call_ids did not have response messages: "
            f"{', '.join(sorted(ids))}"
        )
        yield ToolFault(None, message, "messages")
