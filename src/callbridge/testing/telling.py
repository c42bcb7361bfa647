"""A call as text: line by line with its times, both voices in columns of their own. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.records.story import Spoken, ToolUse, Turn
    from callbridge.testing.call_data import CallData


@dataclass(frozen=True, slots=True, order=True)
class _Line:
    at_ms: int
    who: str
    text: str


def timeline_of(call: CallData) -> str:
    """Who was heard when, what was cut, tools, keys, what happened, and the complaints at their place."""
    lines = sorted(_lines(call))
    ended = f"ended after {call.phone.duration_ms / 1000:.1f} s: {call.story.end_reason or call.phone.status}"
    told = [f"{line.at_ms / 1000:8.2f}  {line.who:<9} {line.text}" for line in lines]
    return "\n".join([f"{call.title} ({call.phone.call_sid}), {ended}", *told])


def _lines(call: CallData) -> Iterator[_Line]:
    from_ms = call.story_from_ms
    for turn in call.story.turns:
        yield from _of_turn(turn, from_ms)
    for happening in call.story.happenings:
        detail = ", ".join(f"{name} {value}" for name, value in happening.detail.items())
        yield _Line(happening.at_ms + from_ms, "-", f"{happening.title}{f' ({detail})' if detail else ''}")
    for complaint in call.complaints:
        at_ms = call.phone.duration_ms if complaint.at_ms is None else complaint.at_ms
        yield _Line(at_ms, "COMPLAINT", f"{complaint.kind}: {complaint.text}")


def _of_turn(turn: Turn, from_ms: int) -> Iterator[_Line]:
    if turn.caller is not None or turn.spans:
        at_ms = turn.spans[0].began_ms if turn.spans else turn.began_ms
        yield _Line(at_ms + from_ms, "caller", turn.caller or "(no words)")
    if turn.keys:
        yield _Line(turn.began_ms + from_ms, "keys", turn.keys)
    for tool in turn.tools:
        yield _Line(tool.began_ms + from_ms, "tool", _of_tool(tool))
    for spoken in turn.agent:
        at_ms = turn.began_ms if spoken.span is None else spoken.span.began_ms
        yield _Line(at_ms + from_ms, "agent", _of_speech(spoken))


def _of_tool(tool: ToolUse) -> str:
    took = "still runs" if tool.duration_ms is None else f"{tool.outcome} after {tool.duration_ms} ms"
    return f"{tool.name}({tool.arguments}) {took}: {tool.result}"


def _of_speech(spoken: Spoken) -> str:
    if spoken.was_cut:
        return f"{spoken.heard} ✂ (cut after {spoken.heard_ms} ms of: {spoken.words})"
    if spoken.span is None:
        return f"(not heard: {spoken.words})"
    return spoken.words
