"""The agents of one call: what the one that is on has, and the tools by which its model hands over.

The others rest: they are told what happens in the call as they would be told of an earlier stream, and want
nothing. What an agent was in the middle of, a form or a step of its flow, is there again when it is back.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from callbridge.agents.handoffs.by_code import HandoffsByCode
from callbridge.agents.handoffs.graph import agents_from
from callbridge.agents.handoffs.handoff import WORK
from callbridge.agents.handoffs.one_agent import OneAgent
from callbridge.agents.handoffs.who_is_on import WhoIsOn, ways_among
from callbridge.agents.handoffs.words import not_run
from callbridge.agents.tools.tool import ToolRefused
from callbridge.call import agent_facts, facts

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from callbridge.agents.agent import Agent
    from callbridge.agents.context import About, Call
    from callbridge.agents.handoffs.one_agent import Hear, Watch
    from callbridge.agents.handoffs.who_is_on import Way
    from callbridge.agents.outside import Outside
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.agents.transfers.result import TransferResult
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import Fact
    from callbridge.wire.realtime_events import ServerEvent

ITEMS_MAX: Final = 8
"""Items of which it is known whose they are, the latest ones. A response has one or two."""


class HandoffsInCall:
    """The agents of one call.

    Args:
        first: who takes the call.
        about: what is known of it.
        outside: what the process does for them beyond the call.
        wants: those of the call.

    Raises:
        AgentFault: the agents that it can come to cannot be so.
    """

    def __init__(self, first: Agent, about: About, outside: Outside, wants: Wants) -> None:
        agents = agents_from(first, about.agent or first.name)
        self.all = tuple(OneAgent(name, agent, about, outside, wants) for name, agent in agents.items())
        """The one that takes the call is the first."""
        self._who = WhoIsOn(self.all, wants)
        self._ways = ways_among(self.all)
        self.by_code = HandoffsByCode(self._who, self._ways, wants)
        """Those for which no model has asked."""
        self._tools = {
            way: way.handoff.tool.doing(partial(self._asked, way))
            for ways in self._ways.values()
            for way in ways.values()
        }
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def on(self) -> OneAgent:
        """Who talks with the caller."""
        return self._who.on

    @property
    def reads_keys(self) -> bool:
        """Whether anybody but the model may have a use for keys, at any moment of the call."""
        return len(self.all) > 1 or bool(self.on.abilities)

    @property
    def hearer(self) -> Hear | None:
        """Who is told both sides' words as they come: whose they are. None where no agent listens."""
        if all(one.hearer is None for one in self.all):
            return None
        whose: dict[str, OneAgent] = {}
        """Who was on when an item began: it is theirs to its end, also behind a handoff."""

        def hear(by: Literal["agent", "caller"], item_id: str, words: str) -> None:
            one = whose.setdefault(item_id, self.on)
            if len(whose) > ITEMS_MAX:
                del whose[next(iter(whose))]
            if one.hearer is not None:
                one.hearer(by, item_id, words)

        return hear

    @property
    def watcher(self) -> Watch | None:
        """Who is told what the model says, but for audio and pieces of words; as `hearer`."""
        if all(one.watcher is None for one in self.all):
            return None

        def watch(event: ServerEvent) -> None:
            if (watches := self.on.watcher) is not None:
                watches(event)

        return watch

    def transfers(self) -> Sequence[TransferResult]:
        """What became of the transfers of the call, whoever wanted them."""
        known = (one.transfers.results for one in self.all if one.transfers is not None)
        return tuple(next(known, ()))

    def tools(self, call: Call[Any]) -> dict[str, AnyTool]:
        """What the model of the agent that is on has because of its handoffs, by name."""
        ways = (way for way in self._ways[self.on.name].values() if way.handoff.is_open(call))
        return {way.handoff.tool_name: self._tools[way] for way in ways}

    def owner(self, work_id: str) -> OneAgent:
        """Who has asked for a work; who is on, where nobody of these has."""
        return next((one for one in self.all if one.wants.has_asked(work_id)), self.on)

    def has_left(self, one: OneAgent) -> bool:
        """Whether an agent does not talk with the caller any more, or not from the next fact on."""
        return self._who.has_left(one)

    def work(self, owner: OneAgent, name: str) -> AnyTool | None:
        """Code that an agent has asked for, or one of its abilities."""
        return self.by_code.work(owner) if name == WORK else owner.abilities.work(name)

    def of_one(self, one: OneAgent, tool: AnyTool) -> AnyTool:
        """A tool as the model of one agent has it: once that is left, it does not begin any more.

        So what a form or a flow notes stands before the fact that ends the agent's time, and is its own.
        """
        return tool.behind(partial(self._refuse_left, one, tool.name)) if len(self.all) > 1 else tool

    def _refuse_left(self, one: OneAgent, tool: str) -> None:
        if self.has_left(one):
            raise ToolRefused(not_run(tool))

    # --- What happens ---

    async def prepare(self, call: Call[Any], instructions: str, speak: str) -> None:
        """The call is about to begin, or to go on. See `OneAgent.prepare`."""
        await self._who.prepare(call, instructions, speak)

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """The stream is admitted."""
        self._tasks = tasks
        self.on.start(tasks)

    def restore(self, fact: Fact) -> None:
        """Something happened on an earlier stream."""
        self._who.restore(fact)
        if not isinstance(fact, agent_facts.OF_ONE_AGENT):
            for one in self.all:
                one.abilities.restore(fact)
        elif not self._who.is_unknown:
            self.on.abilities.restore(fact)

    def told(self, fact: Fact) -> None:
        """Something has happened."""
        self._who.told(fact)
        if isinstance(fact, agent_facts.AgentChanged):
            assert self._tasks is not None, "it has begun"
            self.on.start(self._tasks)
        if not isinstance(fact, agent_facts.OF_ONE_AGENT):
            for one in self.all:
                if one is not self.on:
                    one.abilities.restore(fact)
        self.on.abilities.told(fact)

    def heard_by(self, fact: Fact) -> Fact:
        """The fact as it is for the agent that is on: what is a key of the menu for another one is none."""
        if isinstance(fact, facts.KeysPressed) and fact.is_menu and fact.keys not in self.on.agent.keys:
            return msgspec.structs.replace(fact, is_menu=False)
        return fact

    def hang_up(self) -> None:
        """The stream has ended."""
        self._who.hang_up()
        for one in self.all:
            one.hang_up()

    # --- What the model of an agent asks for ---

    async def _asked(self, way: Way, arguments: dict[str, Any], call: Call[Any]) -> ToolResult:
        if not way.handoff.is_open(call):
            raise ToolRefused(f"{way.handoff.tool_name} cannot be used at the moment")
        return await self._who.hand_over(way, way.handoff.read(arguments), "", way.handoff.tool_name, call)
