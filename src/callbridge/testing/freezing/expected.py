"""What is expected of a frozen call: its tools, what was heard, how it ended. Pure; as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callbridge.testing.freezing import toml
from callbridge.testing.freezing.replies import arguments_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.records.story import CallStory, ToolUse

_ENDED_BY: Final = {"agent_hangup": "agent", "caller_hangup": "caller"}


def uses_of(story: CallStory) -> list[ToolUse]:
    """The calls of the model, in their order."""
    used = [tool for turn in story.turns for tool in turn.tools if not tool.is_ours]
    return sorted(used, key=lambda tool: tool.began_ms)


def tables(story: CallStory) -> Iterator[str]:
    """`[expect]`, and each call of a tool with its arguments."""
    uses = uses_of(story)
    yield toml.table("expect", dict(_whole(story, uses)))
    for expected in _each_tool(uses):
        yield "[" + toml.table("expect.tool", expected).replace("]", "]]", 1)


def _whole(story: CallStory, uses: list[ToolUse]) -> Iterator[tuple[str, Any]]:
    yield "tools", [use.name for use in uses]
    heard = [
        spoken.heard for turn in story.turns for spoken in turn.agent if spoken.heard and not spoken.was_cut
    ]
    if heard:
        yield "heard", heard
    if story.interruptions:
        yield "interruptions", story.interruptions
    if story.end_reason in _ENDED_BY:
        yield "ended_by", _ENDED_BY[story.end_reason]
    elif story.end_reason:
        yield "ended", story.end_reason


def _each_tool(uses: list[ToolUse]) -> Iterator[dict[str, Any]]:
    """Each call with its arguments, and how often it was made."""
    counts: dict[str, int] = {}
    for use in uses:
        counts[f"{use.name} {use.arguments}"] = counts.get(f"{use.name} {use.arguments}", 0) + 1
    told: set[str] = set()
    for use in uses:
        key = f"{use.name} {use.arguments}"
        arguments = arguments_of(use.arguments)
        if key not in told and arguments:
            told.add(key)
            yield {"name": use.name, "arguments": arguments, "times": counts[key]}
