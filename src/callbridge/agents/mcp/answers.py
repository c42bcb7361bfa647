"""What the model is told of a tool's result. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.tools.tool import failure, success

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcp_types import CallToolResult

    from callbridge.agents.tools.tool import ToolResult

BLOCKS_MAX: Final = 64
"""Parts of a result that are looked at."""

IN_DOUBT: Final = ". It may have been done all the same: do not say that it failed, and do not call it again"

NEEDS_A_PERSON: Final = (
    "the tool was not run to its end: it wants something that only a person at a screen could give it"
)


def told_of(result: CallToolResult) -> ToolResult:
    """What the model is told.

    What is structured is told as JSON, and what stands beside it says the same (specification, "Structured
    content"). Otherwise it is the texts, and what is no text is named.
    """
    if result.is_error:
        return failure(_words(result.content) or "the tool failed, and does not say why")
    if result.structured_content is not None:
        return success(result.structured_content)
    return success(_words(result.content))


def _words(content: Iterable[Any]) -> str:
    parts = list(content)
    words = [_part(part) for part in parts[:BLOCKS_MAX]]
    if len(parts) > BLOCKS_MAX:
        words.append(f"[{len(parts) - BLOCKS_MAX} more parts are left out]")
    return "\n".join(filter(None, words))


def _part(part: Any) -> str:
    """A text as it is; of anything else only what it is, for nobody can hear it."""
    match part.type:
        case "text":
            return str(part.text)
        case "image" | "audio":
            return f"[{'an image' if part.type == 'image' else 'a sound'} is left out]"
        case _:
            return "[a document is left out]"
