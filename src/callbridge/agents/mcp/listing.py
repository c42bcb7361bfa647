"""What of a server's list becomes tools of the model. Pure; what a server says is never trusted.

The model reads every definition again with every response, and one that it does not take costs the whole
session: so each has bounds, and what does not fit is left out, with the reason.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.schema import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from callbridge.agents.mcp.servers import Handling
    from callbridge.agents.tools.given import Answer

TOOLS_MAX: Final = 64
"""Of one server. OpenAI takes 128 in a session, and no model chooses well among so many."""

DEFINITION_BYTES_MAX: Final = 8 * 1024
ALL_BYTES_MAX: Final = 64 * 1024
"""Of all definitions of a server, as JSON: some 16,000 tokens, which is half of what an older model reads."""

DESCRIPTION_MAX: Final = 1024
"""Characters; the rest is cut off."""

DEPTH_MAX: Final = 32
"""Of a schema. Nobody writes one that is as deep, and code that walks it shall not run out of stack."""

REASON_MAX: Final = 160
"""Characters of why a tool is left out: some of them are the server's own."""

NAMED_MAX: Final = 10
"""Tools that one line of the log names; of the rest it has the number."""

_NAME_MAX: Final = 64
_UNFIT: Final = re.compile(r"[^a-zA-Z0-9_-]")
_TOO_MUCH: Final = (
    f"there are more than {TOOLS_MAX}, or they have more than {ALL_BYTES_MAX // 1024} KiB; "
    "choose some with tools="
)
_UNKNOWN: Final = "the agent names it, and the server lists no such tool"
_TWICE: Final = "it is listed more than once; the first one counts"


@dataclass(frozen=True, slots=True)
class Listed:
    """A tool as the server lists it."""

    name: str
    """Empty where the entry has none."""
    description: str
    schema: dict[str, Any]
    fault: str = ""
    """Why it cannot be read; empty where it can."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a list has come to."""

    tools: tuple[GivenTool, ...]
    left_out: tuple[str, ...]
    """Tools that the agent would have, or names, each with the reason why it has not."""


def tools_of(handling: Handling, listed: Iterable[Listed], doing: Callable[[str], Answer]) -> Found:
    """The tools that an agent has of what a server lists.

    Args:
        handling: what the agent makes of this server's tools.
        listed: in its order.
        doing: what a tool does, by the server's name for it.
    """
    offered = list(listed)
    tools: dict[str, GivenTool] = {}
    taken: set[str] = set()
    left_out = [_reason(name, _UNKNOWN) for name in sorted(handling.named - {one.name for one in offered})]
    size = 0
    for place, one in enumerate(offered, 1):
        if one.name and not handling.has(one.name):
            continue
        name, shown = _fit_name(handling.prefix + one.name, tools), one.name or f"entry {place}"
        try:
            tool, bytes_ = _tool(handling, name, one, doing(one.name))
        except ToolError as error:
            left_out.append(_reason(shown, str(error).removeprefix(f"tool {name}: ")))
            continue
        if one.name in taken:
            left_out.append(_reason(shown, _TWICE))
        elif len(tools) >= TOOLS_MAX or size + bytes_ > ALL_BYTES_MAX:
            left_out.append(_reason(shown, _TOO_MUCH))
        else:
            tools[name], size = tool, size + bytes_
            taken.add(one.name)
    return Found(tuple(tools.values()), tuple(left_out))


def _reason(name: str, why: str) -> str:
    """Why a tool is left out, with the server's name for it."""
    return f"{name[:_NAME_MAX]}: {why if len(why) <= REASON_MAX else why[:REASON_MAX] + '…'}"


def _tool(handling: Handling, name: str, listed: Listed, answer: Answer) -> tuple[GivenTool, int]:
    """The tool, with the size of its definition.

    Raises:
        ToolError: it cannot be read, or the model would refuse it.
    """
    if listed.fault:
        raise ToolError(listed.fault)
    if _depth(listed.schema) > DEPTH_MAX:
        raise ToolError(f"its schema is more than {DEPTH_MAX} deep")
    schema = {"type": "object", "properties": {}, **listed.schema}
    schema.pop("$schema", None)
    description = listed.description.strip()
    if len(description) > DESCRIPTION_MAX:
        description = f"{description[:DESCRIPTION_MAX]} …"
    try:
        size = len(json.dumps([name, description, schema]).encode())
        if size > DEFINITION_BYTES_MAX:
            raise ToolError(f"its definition has more than {DEFINITION_BYTES_MAX} bytes")
        return GivenTool(name, description, schema, answer, handling.manner_of(listed.name)), size
    except (AttributeError, TypeError, ValueError) as error:
        if isinstance(error, ToolError):
            raise
        raise ToolError("its schema is no JSON Schema") from error


def _fit_name(name: str, taken: dict[str, GivenTool]) -> str:
    """One that the model takes and no other tool of the server has; the same for the same name every time."""
    fit = _UNFIT.sub("_", name)
    if not fit or len(fit) > _NAME_MAX or fit in taken:
        sign = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
        fit = f"{fit[: _NAME_MAX - 9]}_{sign}"
    return fit


def _depth(schema: object) -> int:
    """How deep it is; counted without recursion."""
    deepest, waiting = 0, [(schema, 1)]
    while waiting and deepest <= DEPTH_MAX:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        parts = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        waiting.extend((part, depth + 1) for part in parts)
    return deepest
