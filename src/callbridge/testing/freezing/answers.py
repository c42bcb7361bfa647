"""What the agent's own tools did in a call, as doubles that do it again. Pure.

A tool whose result had the service do something, such as end the call, runs itself: what it wanted stands in
no record of words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from callbridge.call.events import ToolFinished
from callbridge.call.tapes.entries import Handled
from callbridge.testing.doubles import Hangs, Raises, Refuses, Returns
from callbridge.testing.freezing.expected import uses_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from callbridge.call.tapes.entries import Entry
    from callbridge.records.story import CallStory, ToolUse
    from callbridge.testing.doubles import AnyDouble

SLOW_MS: Final = 100
"""A tool that took longer takes as long again."""

_BY_A_TOOL: Final = frozenset({"agent_hangup", "transferred"})
"""Ends that a tool has asked for."""


def doubles_of(
    story: CallStory, own_tools: Collection[str], tapes: Sequence[Sequence[Entry]]
) -> dict[str, list[AnyDouble]]:
    """By the names of the tools, one for each time that it ran."""
    uses = uses_of(story)
    doing = wishing_on(tapes) if tapes else _wishing_in(story, uses)
    found: dict[str, list[AnyDouble]] = {}
    for use in uses:
        if use.name in own_tools and use.name not in doing and (double := _double_of(use)) is not None:
            found.setdefault(use.name, []).append(double)
    return found


def wishing_on(tapes: Iterable[Iterable[Entry]]) -> set[str]:
    """Tools whose result wanted something done to the call."""
    events = (entry.event for tape in tapes for entry in tape if isinstance(entry, Handled))
    finished = (event for event in events if isinstance(event, ToolFinished))
    return {event.name for event in finished if event.wish is not None}


def _wishing_in(story: CallStory, uses: Sequence[ToolUse]) -> set[str]:
    """The same without a tape, as far as it is known: what was called last, where the agent ended it."""
    return {use.name for use in uses[-1:]} if story.end_reason in _BY_A_TOOL else set()


def _double_of(use: ToolUse) -> AnyDouble | None:
    """What it did; None for one that was not run: that is up to the agent again."""
    took_ms = use.duration_ms or 0
    after_s = took_ms / 1000 if took_ms >= SLOW_MS else 0.0
    match use.outcome:
        case "answered":
            return Returns(_parsed(use.result), after_s)
        case "refused":
            return Refuses(str(_error_in(use.result)), after_s)
        case "failed":
            return Raises(str(_error_in(use.result)), after_s)
        case "timed_out":
            return Hangs()
        case _:
            return None


def _parsed(text: str) -> Any:
    """A table of JSON as its value, and everything else as the text that it is."""
    try:
        value = msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return text
    # TOML has no null, and a list or a number says the same as a text.
    return value if isinstance(value, dict) and "null" not in text else text


def _error_in(result: str) -> object:
    value = _parsed(result)
    return value.get("error", result) if isinstance(value, dict) else value
