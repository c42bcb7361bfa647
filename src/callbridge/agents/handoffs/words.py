"""What models are told of handoffs."""

from __future__ import annotations

import json
from typing import Final

from callbridge.agents.tools.tool import ToolResult

_ON: Final = (
    "The caller is with you now: you are {name}. Your instructions and tools are those of this moment. Go on "
    "where the conversation stands; do not greet them, and do not ask again for what they have said."
)
_SAID: Final = 'You say now: "{say}" Say nothing more, and wait for their answer.'

_WISHES_NOTHING: Final = (
    "the call was not ended, and the caller not put through or handed over: they are with you since"
)


def handed_over(name: str, say: str, told: str) -> ToolResult:
    """What the agent is told that the caller is with now.

    Args:
        name: of that agent.
        say: what it says first, exactly; empty where it finds its words.
        told: what the user's function says to it.
    """
    what_next = " ".join(filter(None, (_ON.format(name=name), say and _SAID.format(say=say))))
    answer = {"assistant": name, "told": told, "what_next": what_next}
    output = json.dumps({name: text for name, text in answer.items() if text})
    return ToolResult(output, is_quiet=bool(say), is_momentary=True)


def not_run(tool: str) -> str:
    """What is told of a tool that has not begun when its agent is left."""
    return f"{tool} was not run: the caller was handed over"


def of_who_was_left(result: ToolResult) -> ToolResult:
    """What a tool has ended with whose agent was left meanwhile: what was done is told, no wish counts."""
    if result.wish is None and result.transfer is None and result.hand_to is None:
        return result
    told = {"answered": result.output, "not_done": _WISHES_NOTHING}
    output = json.dumps({name: text for name, text in told.items() if text})
    return ToolResult(output, result.outcome, is_momentary=result.is_momentary)


def did_not_lead(to: str, why: str) -> ToolResult:
    """What is told of a tool that was to hand the caller over, and has not."""
    return ToolResult(f"It did not lead to {to[:40]}: {why}")


def error_in(result: ToolResult) -> str:
    """Why something was not done, in words; empty where it was."""
    return "" if result.outcome.is_answer else str(json.loads(result.output)["error"])
