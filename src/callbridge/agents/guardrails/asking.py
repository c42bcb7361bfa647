"""Asks a guardrail: it may block, hang or raise, and keeps neither the call nor another one waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.texts import NoAnswer, asked_with
from callbridge.agents.tools.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LOOKING: Final = Threads()
"""Apart from those of tools and texts: guardrails that hang stop nothing but guardrails."""


async def verdict_of(
    function: Callable[..., Any], given: Mapping[str, object], timeout_s: float
) -> str | bool:
    """What a guardrail answers: whether it trips, or the words that it has for that.

    Raises:
        NoAnswer: it was late, raised, answered with something else, or could not be run.
    """
    verdict = await asked_with(given, function, timeout_s, _LOOKING)
    if verdict is None or isinstance(verdict, bool | str):
        return verdict or False
    raise NoAnswer(f"it gave a {type(verdict).__name__}, and no text, True, False or None")
