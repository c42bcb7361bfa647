"""Handoffs by the user's code: what it answers or calls, and steps of a flow, hand the caller over.

It names the other agent. The model that waits for a tool is answered as if it had handed over itself; for all
else the handoff is a work, and the model is told of it when it has ended.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from callbridge.agents.handoffs.handoff import HANDOFF_S, WORK
from callbridge.agents.handoffs.words import did_not_lead, error_in
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import Manner, ToolRefused, ToolResult
from callbridge.call import wants as w

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.agents.context import Call
    from callbridge.agents.handoffs.one_agent import OneAgent
    from callbridge.agents.handoffs.who_is_on import Way, WhoIsOn
    from callbridge.agents.tools.tool import HandTo
    from callbridge.agents.wants import Wants

_BY_CODE: Final = GivenTool(
    WORK, WORK, {"type": "object", "properties": {}}, lambda _, __: None, Manner(timeout_s=HANDOFF_S)
)
"""No model sees it."""


class HandoffsByCode:
    """Those of one call.

    Args:
        who: who is on.
        ways: from each agent to others, all by their names.
        wants: those of the call.
    """

    def __init__(self, who: WhoIsOn, ways: Mapping[str, Mapping[str, Way]], wants: Wants) -> None:
        self._who, self._ways, self._wants = who, ways, wants

    def ask(self, wanted: HandTo) -> None:
        """Code of the user's wants the caller handed over, as soon as it is on disk that it begins.

        Raises:
            ValueError: that cannot be.
        """
        on = self._who.on
        try:
            self._way(on, wanted).handoff.read(_json_of(wanted))
        except ToolRefused as refused:
            raise ValueError(f"hand_to {str(wanted)!r}: {refused}") from refused
        on.wants.add(w.WorkAsked(on.wants.new_id("hand_to"), WORK, _arguments(wanted, WORK)))

    def work(self, one: OneAgent) -> GivenTool:
        """The work by which an agent hands over."""
        return _BY_CODE.doing(partial(self._asked, one))

    def answered(self, one: OneAgent, work: str, result: ToolResult) -> None:
        """A work of an agent has ended, perhaps this one: the model is told, whose it is by now."""
        if work != WORK:
            return
        if why := error_in(result):
            text = f"[The caller was not handed over: {why}]"
            self._wants.add(w.AgentTells(text, is_answered=not self._who.has_left(one)))
        else:
            self._wants.add(w.AgentTells(f"[{result.output}]", is_answered=not result.is_quiet))

    def held_back(self, one: OneAgent, result: ToolResult) -> ToolResult:
        """What a tool of an agent has ended with, while code of that one hands the caller over.

        The model does not speak about it: the other agent goes on, or it is told why that has not come about.
        """
        return replace(result, is_quiet=True) if self.is_coming(one) else result

    def is_coming(self, one: OneAgent) -> bool:
        """Whether code of an agent hands the caller over just now."""
        return one.wants.awaits(WORK) and not self._who.has_left(one)

    async def hand_to(
        self, one: OneAgent, wanted: HandTo, because: str, call: Call[Any], *, is_told: bool
    ) -> ToolResult:
        """A tool or a work of an agent has ended with this.

        Args:
            one: the agent.
            wanted: to whom.
            because: the tool or the work.
            call: which.
            is_told: whether its answer is told to the model by itself.
        """
        try:
            arguments = _arguments(wanted, because)
        except ToolRefused as refused:
            return did_not_lead(wanted, str(refused))
        result = await self.work(one).answer_async(arguments, call)
        if why := error_in(result):
            return did_not_lead(wanted, why)
        if is_told:
            return result
        self.answered(one, WORK, result)
        return ToolResult("null")

    async def _asked(self, one: OneAgent, arguments: dict[str, Any], call: Call[Any]) -> ToolResult:
        way = self._way(one, arguments["to"])
        given = way.handoff.read(arguments.get("given", {}))
        say, because = arguments.get("say", ""), arguments.get("because", WORK)
        return await self._who.hand_over(way, given, say, because, call)

    def _way(self, one: OneAgent, to: str) -> Way:
        ways = self._ways[one.name]
        if to not in ways:
            known = ", ".join(ways) or "nobody"
            raise ToolRefused(f"the agent {one.name} hands over to no {to[:40]}; it does to {known}")
        return ways[to]


def _json_of(wanted: HandTo) -> dict[str, Any]:
    """What is passed, as the model of a call would pass it.

    Raises:
        ToolRefused: it has no such form.
    """
    given: object = wanted.given  # A user may have written anything.
    if given is None:
        return {}
    if not isinstance(given, BaseModel):
        raise ToolRefused(f"given= is a {type(given).__name__}, and no pydantic model")
    try:
        return given.model_dump(mode="json", by_alias=True, round_trip=True)
    except ValueError as error:
        raise ToolRefused(f"the {type(given).__name__} in given= has no JSON form") from error


def _arguments(wanted: HandTo, because: str) -> str:
    """How it stands in the record.

    Raises:
        ToolRefused: what is passed has no JSON form.
    """
    what = {"to": str(wanted), "say": wanted.say, "because": because, "given": _json_of(wanted)}
    return json.dumps({name: value for name, value in what.items() if value})
