"""Handoffs in one call: which agent is on, and the tools by which its model hands the caller over.

Who is on is folded from facts alone (`AgentChanged`), so that it is the same on another stream and in another
process. The others rest: they are told what happens in the call as they would be told of an earlier stream,
and want nothing. What an agent was in the middle of, a form or a step of its flow, is there again when it is
back.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import structlog

from callbridge.agents.handoffs.graph import agents_from, handoffs_of
from callbridge.agents.handoffs.one_agent import OneAgent
from callbridge.agents.tools.tool import ToolRefused, ToolResult
from callbridge.call import agent_facts, facts
from callbridge.call import wants as w

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Sequence

    from callbridge.agents.agent import Agent
    from callbridge.agents.context import About, Call
    from callbridge.agents.handoffs.handoff import Handoff
    from callbridge.agents.handoffs.one_agent import Hear, Watch
    from callbridge.agents.outside import Outside
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.transfers.result import TransferResult
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import Fact
    from callbridge.wire.realtime_events import ServerEvent

HANDOFFS_MAX: Final = 30
"""In one call. A caller with three errands comes by a front desk six times."""

UNSPOKEN_MAX: Final = 3
"""So many may follow each other without a word or a key of the caller. A front desk that is mistaken needs
two; agents that send the caller to each other would go on for ever."""

_ON: Final = (
    "The caller is with you now: you are {name}. Your instructions and tools are those of this moment. Go on "
    "where the conversation stands; do not greet them, and do not ask again for what they have said."
)
_SAID: Final = 'You say now: "{say}" Say nothing more, and wait for their answer.'

_WISHES_NOTHING: Final = (
    "the call was not ended, and nobody was rung: the caller was handed over to you meanwhile"
)


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
        self._wants = wants
        self.all = tuple(OneAgent(name, agent, about, outside, wants) for name, agent in agents.items())
        """The one that takes the call is the first."""
        self._tools = {one.name: tuple(self._tools_of(one)) for one in self.all}
        self._given = "", ""
        """Instructions and language, for agents that have none of their own."""
        self._tasks: asyncio.TaskGroup | None = None
        self._is_wanted = self._is_made = self._is_over = False
        """One is on its way; it is a fact that is not told yet; the stream has ended."""
        # All that follows is folded from facts.
        self.on = self.all[0]
        """Who talks with the caller."""
        self._is_unknown = False
        """That one is none of these: what happens to it is lost."""
        self._count = self._unspoken = 0

    @property
    def reads_keys(self) -> bool:
        """Whether anybody but the model may have a use for keys, at any moment of the call."""
        return len(self.all) > 1 or bool(self.on.abilities)

    @property
    def hearer(self) -> Hear | None:
        """Who is told both sides' words as they come: whoever is on then. None where no agent listens."""
        if all(one.hearer is None for one in self.all):
            return None

        def hear(by: Literal["agent", "caller"], item_id: str, words: str) -> None:
            if (hears := self.on.hearer) is not None:
                hears(by, item_id, words)

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
        return {tool.name: tool for handoff, tool in self._tools[self.on.name] if handoff.is_open(call)}

    def owner(self, work_id: str) -> OneAgent:
        """Who has asked for a work; who is on, where nobody of these has."""
        return next((one for one in self.all if one.wants.has_asked(work_id)), self.on)

    def has_left(self, one: OneAgent) -> bool:
        """Whether an agent does not talk with the caller any more, or not from the next fact on."""
        return one is not self.on or self._is_made

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
        self._given = instructions, speak
        await self.on.prepare(call, *self._given)

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """The stream is admitted."""
        self._tasks = tasks
        self.on.start(tasks)

    def restore(self, fact: Fact) -> None:
        """Something happened on an earlier stream."""
        self._apply(fact)
        if isinstance(fact, facts.TurnEnded) and fact.caller:
            self._unspoken = 0  # The state keeps no `CallerSpoke`.
        if not isinstance(fact, agent_facts.OF_ONE_AGENT):
            for one in self.all:
                one.abilities.restore(fact)
        elif not self._is_unknown:
            self.on.abilities.restore(fact)

    def told(self, fact: Fact) -> None:
        """Something has happened."""
        self._apply(fact)
        if isinstance(fact, agent_facts.AgentChanged):
            assert self._tasks is not None, "it has begun"
            self.on.start(self._tasks)
        if not isinstance(fact, agent_facts.OF_ONE_AGENT):
            for one in self.all:
                if one is not self.on:
                    one.abilities.restore(fact)
        self.on.abilities.told(fact)

    def _apply(self, fact: Fact) -> None:
        match fact:
            case agent_facts.AgentChanged(agent=name):
                found = next((one for one in self.all if one.name == name), None)
                self._is_wanted = self._is_made = False
                self._is_unknown = found is None
                self._count, self._unspoken = self._count + 1, self._unspoken + 1
                if found is None:  # A deploy came in between.
                    structlog.get_logger().warning("agent_not_known", name=name, agent=self.on.name)
                self.on = found or self.on
            case facts.CallerSpoke() | facts.KeysPressed():
                self._unspoken = 0
            case _:
                pass

    def heard_by(self, fact: Fact) -> Fact:
        """The fact as it is for the agent that is on: what is a key of the menu for another one is none."""
        if isinstance(fact, facts.KeysPressed) and fact.is_menu and fact.keys not in self.on.agent.keys:
            return msgspec.structs.replace(fact, is_menu=False)
        return fact

    def hang_up(self) -> None:
        """The stream has ended."""
        self._is_over = True
        for one in self.all:
            one.hang_up()

    # --- The tools ---

    def _tools_of(self, one: OneAgent) -> Iterator[tuple[Handoff, AnyTool]]:
        for handoff, agent in handoffs_of(one.agent):
            other = next(other for other in self.all if other.agent is agent)
            yield handoff, handoff.tool.doing(partial(self._asked, handoff, one, other))

    async def _asked(
        self, handoff: Handoff, one: OneAgent, other: OneAgent, arguments: dict[str, Any], call: Call[Any]
    ) -> ToolResult:
        """The model of one agent wants to hand over to another one."""
        self._refuse(handoff, one, call)
        given, is_done = handoff.read(arguments), False
        self._is_wanted = True
        try:
            told = await handoff.call_back(call, given)
            await other.prepare(call, *self._given)
            self._refuse_over()
            is_done = True
        finally:
            self._is_wanted = is_done
        self._is_made = True
        self._wants.add(agent_facts.AgentChanged(other.name, one.name, handoff.tool_name))
        self._wants.add(w.WishWithdrawn())  # What the agent that is left wished for, like the end.
        if handoff.say:
            self._wants.add(w.AgentSays(self._wants.new_id("say"), handoff.say, is_answer=True))
        what_next = _ON.format(name=other.name) + (f" {_SAID.format(say=handoff.say)}" if handoff.say else "")
        answer = {"assistant": other.name, "told": told, "what_next": what_next}
        output = json.dumps({name: text for name, text in answer.items() if text})
        return ToolResult(output, is_quiet=bool(handoff.say))

    def _refuse_over(self) -> None:
        if self._is_over:  # Another stream may go on with the call already, and with the agent that was on.
            raise ToolRefused("the call has ended")

    def _refuse(self, handoff: Handoff, one: OneAgent, call: Call[Any]) -> None:
        if self._is_wanted or one is not self.on:
            raise ToolRefused("the caller is being handed over already; say nothing more")
        if not handoff.is_open(call):
            raise ToolRefused(f"{handoff.tool_name} cannot be used at the moment")
        if self._count >= HANDOFFS_MAX:
            raise ToolRefused(
                f"the caller was handed over {HANDOFFS_MAX} times in this call, and is not any more; do what "
                "you can for them"
            )
        if self._unspoken >= UNSPOKEN_MAX:
            raise ToolRefused(
                f"the caller was handed over {UNSPOKEN_MAX} times and has said nothing in between; speak "
                "with them first"
            )


def not_run(tool: str) -> str:
    """What is told of a tool that has not begun when its agent is left."""
    return f"{tool} was not run: the caller was handed over"


def of_who_was_left(result: ToolResult) -> ToolResult:
    """What a tool has ended with whose agent was left meanwhile: what was done is told, no wish counts."""
    if result.wish is None and result.transfer is None:
        return result
    told = {"answered": result.output, "not_done": _WISHES_NOTHING}
    output = json.dumps({name: text for name, text in told.items() if text})
    return ToolResult(output, result.outcome, is_momentary=result.is_momentary)
