"""Keys that mean something by themselves: a menu that does not need the model.

Each leads to a function of the user's. The model is not told of the key; what the function answers, it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callbridge.call import facts
from callbridge.call.wants import AgentTells, KeysWanted, WorkAsked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callbridge.agents.context import Call
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import Fact


def work_of(key: str) -> str:
    """The name of the work that a key leads to."""
    return f"key {key}"


class MenuInCall:
    """The keys of an agent in one call.

    Args:
        wants: where it writes.
        keys: what each leads to.
    """

    instructions = ""
    tools: Sequence[AnyTool] = ()
    keys: KeysWanted | None = None

    def __init__(self, wants: Wants, keys: Mapping[str, AnyTool]) -> None:
        self._wants, self._keys = wants, keys
        self.works: Mapping[str, AnyTool] = {work_of(key): tool for key, tool in keys.items()}

    def restore(self, fact: Fact) -> None:
        """Nothing of a key is left for a later stream."""

    def told(self, fact: Fact) -> None:
        """A key was pressed, perhaps one of these."""
        if isinstance(fact, facts.KeysPressed) and fact.is_menu and fact.keys in self._keys:
            self._wants.add(WorkAsked(self._wants.new_id("key"), work_of(fact.keys)))

    def answered(self, tool: str, result: ToolResult, _call: Call[Any]) -> None:
        """What a key has led to: the model is told, if there is anything to be told."""
        if tool in self.works and result.output not in {"", "null"}:
            text = f"[The caller pressed {tool[-1]}. {result.output}]"
            # The goodbye of a call that is to end speaks about it.
            self._wants.add(AgentTells(text, is_answered=result.wish is None and not result.is_quiet))

    def pressed(self, _keys: str) -> str | None:
        """Several keys are no menu."""
        return None
