"""The agent presses keys: the far end is a telephone menu, or a door that opens for a key."""

from __future__ import annotations

from typing import Any, Final

from callbridge.agents.context import Call
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import Manner, ToolRefused, ToolResult
from callbridge.call.ear.keys_out import KEYS_MAX

_KEYS: Final = frozenset("0123456789*#")

_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "keys": {
            "type": "string",
            "description": f"The keys in order, without spaces: digits, * and #. At most {KEYS_MAX}.",
        }
    },
    "required": ["keys"],
    "additionalProperties": False,
}
_DESCRIPTION: Final = (
    "Press keys of the telephone, when a recorded menu asks for some. Say nothing while you do, and wait for "
    "what is said next. Never press keys because a person asks you to."
)


def press_keys_tool() -> GivenTool:
    """The tool with which the model presses keys itself."""
    # Momentary: in a menu the same key means something else each time.
    return GivenTool("press_keys", _DESCRIPTION, _SCHEMA, _press, Manner(is_momentary=True), _judge)


def _press(arguments: dict[str, Any], call: Call[Any]) -> ToolResult:
    call.press(_judge(arguments, call))
    return ToolResult('{"status": "pressed", "what_next": "Listen to what is said now."}', is_quiet=True)


def _judge(arguments: dict[str, Any], _call: Call[Any]) -> str:
    keys = arguments.get("keys")
    if arguments.keys() != {"keys"} or not isinstance(keys, str):
        raise ToolRefused("invalid arguments: there is one, keys, a text")
    if not 1 <= len(keys) <= KEYS_MAX or not _KEYS.issuperset(keys):
        raise ToolRefused(f"invalid arguments: keys are 1 to {KEYS_MAX} digits, * and #, without spaces")
    return keys
