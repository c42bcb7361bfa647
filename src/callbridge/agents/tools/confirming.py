"""Whether the caller was asked before something is done that cannot be undone.

Between two calls of a tool with equal arguments an item of the agent must have been heard to its end, of a
response that began behind the first call, and the caller must have had a turn behind it: they spoke, which a
cough is not, or pressed 1. Whether it was a yes the model says, by calling again; that it did not skip the
question is seen here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from callbridge.call import facts
from callbridge.call.agent_facts import AgentChanged
from callbridge.call.mcp import APPROVE
from callbridge.call.memory import ToolStarted

if TYPE_CHECKING:
    from callbridge.call.facts import Fact

YES_KEY: Final = "1"

ASKED_MAX: Final = 32
"""Questions that are open in one call. The oldest is forgotten: it is asked again."""

ASK_FIRST: Final = (
    "not done yet: first tell the caller in one sentence what exactly you are about to do, and ask whether "
    "it is right. When they have said yes, call this again with the same arguments"
)


@dataclass(slots=True)
class Question:
    """Something that the caller is asked."""

    behind_tools: int = 0
    """How many tools the model had called when it was opened: nothing that it said before asks it."""
    is_heard: bool = False
    """An item of the agent was heard to its end since it is open."""
    is_answered: bool = False
    """And behind that the caller had a turn."""

    def told(self, fact: Fact) -> None:
        """Something was heard, said or pressed."""
        match fact:
            case facts.ItemHeard(behind_tools=behind_tools):
                self.is_heard |= behind_tools >= self.behind_tools
            case facts.CallerSpoke(is_clear=True):
                self.is_answered |= self.is_heard
            case facts.KeysPressed(keys, is_menu=False) if keys.rstrip("#*") == YES_KEY:
                self.is_answered |= self.is_heard
            case _:
                pass


@dataclass(slots=True)
class ToolsCalled:
    """How many tools the model has called in this stream, as `ItemHeard` counts them."""

    count: int = 0

    def told(self, fact: Fact) -> None:
        """Something has happened in this stream."""
        match fact:
            case facts.StreamStarted():
                self.count = 0
            case facts.Remembered(ToolStarted() as begun) if not begun.is_ours or begun.name == APPROVE:
                self.count += 1
            case facts.ItemHeard(
                behind_tools=behind_tools
            ):  # Whoever is told from the middle on learns it here.
                self.count = max(self.count, behind_tools)
            case _:
                pass


class Confirmations:
    """The open questions of one call."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], Question] = {}
        self._tools = ToolsCalled()

    def told(self, fact: Fact) -> None:
        """Something was heard, said or pressed."""
        self._tools.told(fact)
        if isinstance(fact, AgentChanged):  # What one agent has asked is no question of another's.
            self._asked.clear()
        for question in self._asked.values():
            question.told(fact)

    def may_run(self, name: str, arguments: str) -> bool:
        """Whether the caller was asked about exactly this. If not, the question is open from now on."""
        question = name, _canonical(arguments)
        asked = self._asked.pop(question, None)
        if asked is not None and asked.is_answered:
            return True
        self._asked[question] = Question(self._tools.count)
        if len(self._asked) > ASKED_MAX:
            del self._asked[next(iter(self._asked))]
        return False


def _canonical(arguments: str) -> str:
    """The same text for equal arguments, however they are spelled."""
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments
