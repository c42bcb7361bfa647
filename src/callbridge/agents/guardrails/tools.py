"""Whether a tool that the model wants to use may run: its guardrails say so before it does.

One that cannot say is no leave to do it: the tool is not run.
"""

from __future__ import annotations

import asyncio
import copy
import json
from typing import TYPE_CHECKING, Any, Final

import structlog

from callbridge.agents.guardrails.asking import verdict_of
from callbridge.agents.texts import NoAnswer
from callbridge.agents.tools.tool import WORDS_MAX, ToolResult, failure
from callbridge.call.outcomes import ToolOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.agents.context import Call
    from callbridge.agents.guardrails.guardrail import ToolGuardrail

LOOK_S: Final = 1.0
"""What all of them together have. The caller waits meanwhile."""


async def refusal_of(
    guardrails: Iterable[ToolGuardrail], tool: str, arguments: str, call: Call[Any]
) -> ToolResult | None:
    """Why a tool does not run, as an answer to the model; None when it may.

    Args:
        guardrails: all are asked, side by side; the first that refuses has the word.
        tool: its name.
        arguments: as the model wrote them. What is no object is not looked at: no tool takes it.
        call: which.
    """
    given = _object(arguments)
    if given is None:
        return None
    looks = (_refusal(one, tool, given, call) for one in guardrails)
    why = next((words for words in await asyncio.gather(*looks) if words), None)
    return None if why is None else failure(why[:WORDS_MAX], ToolOutcome.REFUSED)


async def _refusal(guardrail: ToolGuardrail, tool: str, given: dict[str, Any], call: Call[Any]) -> str:
    try:
        # A copy for each: what one of them changes is no matter of the others.
        asked = guardrail.given(tool, copy.deepcopy(given), call)
        verdict = await verdict_of(guardrail.function, asked, LOOK_S)
    except (NoAnswer, RecursionError) as error:  # The model may write lists in lists in lists.
        why = error.why if isinstance(error, NoAnswer) else "its arguments are too deep"
        structlog.get_logger().warning("guardrail_failed", guardrail=guardrail.name, reason=why)
        return "not done: whether it is allowed could not be found out just now. Do not say that it was done"
    if verdict is True:
        return f"not done: it is not allowed ({guardrail.about or guardrail.name.replace('_', ' ')})"
    return verdict or ""


def _object(arguments: str) -> dict[str, Any] | None:
    try:
        given = json.loads(arguments)
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) else None
