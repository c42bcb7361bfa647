"""A form in a call without a call: the test says what the model calls and what the caller does."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from callbridge.agents.context import About, Call, Caller
from callbridge.agents.tools.tool import Tool, ToolResult
from callbridge.agents.wants import Wants
from callbridge.call import facts
from callbridge.call import wants as w
from callbridge.call.fact_base import BaseFact
from callbridge.call.outcomes import ToolOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.agents.capture import Form
    from callbridge.agents.tools.given import AnyTool
    from callbridge.call.facts import Fact

ABOUT = About("CA1", Caller("+14155550100"), "+14155550123", time_zone="Europe/Berlin")


@dataclass
class FormCall:
    """One stream of the call."""

    form: Form[Any]
    earlier: Iterable[Fact] = ()
    """What earlier streams have written."""
    facts: list[Fact] = field(default_factory=list)
    """All that has happened here, in order."""
    told: list[w.AgentTells] = field(default_factory=list)
    works: list[w.WorkAsked] = field(default_factory=list)
    """Asked for, and not run yet."""

    def __post_init__(self) -> None:
        self._wants = Wants(asyncio.get_running_loop())
        self.ability = self.form.in_call(self._wants, ABOUT)
        self.call: Call[Any] = Call(ABOUT, {})
        for fact in self.earlier:
            self.ability.restore(fact)
        assert self._wants.take() is None, "what is restored asks for nothing"
        self.tools = {tool.name: tool for tool in self.ability.tools}
        """Those of its beginning: a model may call what it has no more."""

    def last(self) -> object:
        """What has happened last."""
        return self.facts[-1]

    @property
    def keys(self) -> list[w.KeysWanted]:
        """How keys are wanted."""
        return [self.ability.keys] if self.ability.keys else []

    # --- The model ---

    async def calls(self, name: str, arguments: str = "", /, **named: object) -> dict[str, Any]:
        """What the model is told that calls a tool, with arguments by name or as it wrote them."""
        result = await self.result(name, arguments or json.dumps(named))
        told: dict[str, Any] = json.loads(result.output)
        return told

    async def result(self, name: str, arguments: str) -> ToolResult:
        """The same, whatever it is."""
        result = await _answer(self.tools[name], arguments, self.call)
        self.ability.answered(name, result, self.call)
        self._take()
        return result

    async def refused(self, name: str, arguments: str = "", /, **named: object) -> str:
        """Why the model is refused, while nothing changes."""
        before, facts_before = dict(self.ability.values), list(self.facts)
        result = await self.result(name, arguments or json.dumps(named))
        assert result.outcome is ToolOutcome.REFUSED, result
        assert (self.ability.values, self.facts, self.works) == (before, facts_before, [])
        return str(json.loads(result.output)["error"])

    # --- The caller ---

    def happens(self, *happened: Fact) -> None:
        """The call tells of these."""
        for fact in happened:
            self.facts.append(fact)
            self.ability.told(fact)

    def agrees(self) -> None:
        """An item of the agent is heard, and the caller says something."""
        self.happens(facts.ItemHeard("item"), facts.CallerSpoke(1, 500))

    def presses(self, keys: str) -> str | None:
        """What the model is told of it."""
        self.happens(facts.KeysPressed(keys, 1))
        told = self.ability.pressed(keys)
        self._take()
        return told

    # --- The core ---

    async def deliver(self) -> list[ToolOutcome]:
        """Runs what is asked for; how each of them ended."""
        outcomes = []
        while self.works:
            asked = self.works.pop(0)
            result = await _answer(self.ability.works[asked.name], asked.arguments, self.call)
            self.ability.answered(asked.name, result, self.call)
            self._take()
            outcomes.append(result.outcome)
        return outcomes

    def _take(self) -> None:
        """What was written comes back as a fact, as in a call."""
        while (wanted := self._wants.take_fact() or self._wants.take()) is not None:
            if isinstance(wanted, BaseFact):
                self.happens(wanted)
            elif isinstance(wanted, w.WorkAsked):
                self.works.append(wanted)
            else:
                assert isinstance(wanted, w.AgentTells), wanted
                self.told.append(wanted)


async def _answer(tool: AnyTool, arguments: str, call: Call[Any]) -> ToolResult:
    if isinstance(tool, Tool) and tool.is_plain:
        answered = tool.answer(arguments, call)
        assert isinstance(answered, ToolResult)
        return answered
    return await tool.answer_async(arguments, call)
