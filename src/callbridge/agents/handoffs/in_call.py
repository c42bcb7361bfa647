"""Handoffs in one call: which agent is on, and the tools by which its model hands the caller over.

Who is on is folded from facts alone (`AgentChanged`), so that it is the same on another stream and in another
process. The others rest: they are told what happens in the call as they would be told of an earlier stream,
and want nothing. What an agent was in the middle of, a form or a step of its flow, is there again when it is
back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import structlog
from pydantic import BaseModel

from callbridge.agents.handoffs.graph import agents_from, handoffs_of
from callbridge.agents.handoffs.handoff import HANDOFF_S, WORK
from callbridge.agents.handoffs.one_agent import OneAgent
from callbridge.agents.handoffs.words import did_not_lead, error_in, handed_over, not_run
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import Manner, ToolRefused, ToolResult
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
    from callbridge.agents.tools.tool import HandTo
    from callbridge.agents.transfers.result import TransferResult
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import Fact
    from callbridge.wire.realtime_events import ServerEvent

HANDOFFS_MAX: Final = 30
"""In one call. A caller with three errands comes by a front desk six times."""

UNSPOKEN_MAX: Final = 3
"""So many may follow each other without a word or a key of the caller. A front desk that is mistaken needs
two; agents that send the caller to each other would go on for ever."""

ITEMS_MAX: Final = 8
"""Items of which it is known whose they are, the latest ones. A response has one or two."""

_BY_CODE: Final = GivenTool(
    WORK, WORK, {"type": "object", "properties": {}}, lambda _, __: None, Manner(timeout_s=HANDOFF_S)
)
"""No model sees it."""


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """From one agent of the call to another one."""

    handoff: Handoff
    one: OneAgent
    other: OneAgent


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
        self._ways = {one.name: {way.other.name: way for way in self._ways_of(one)} for one in self.all}
        """From each of them to others, all by their names."""
        self._tools = {
            way: way.handoff.tool.doing(partial(self._asked, way))
            for ways in self._ways.values()
            for way in ways.values()
        }
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

    # --- Handing over ---

    def _ways_of(self, one: OneAgent) -> Iterator[Way]:
        for handoff, agent in handoffs_of(one.agent):
            yield Way(handoff, one, next(other for other in self.all if other.agent is agent))

    async def _asked(self, way: Way, arguments: dict[str, Any], call: Call[Any]) -> ToolResult:
        """The model of one agent wants to hand over to another one."""
        if not way.handoff.is_open(call):
            raise ToolRefused(f"{way.handoff.tool_name} cannot be used at the moment")
        return await self._hand_over(way, way.handoff.read(arguments), "", way.handoff.tool_name, call)

    async def _hand_over(
        self, way: Way, given: BaseModel | None, say: str, because: str, call: Call[Any]
    ) -> ToolResult:
        """Makes a handoff, and says what the other agent is told of it.

        Args:
            way: from whom to whom.
            given: what is passed to the user's function.
            say: what is said first in place of the words of the `Handoff`.
            because: the tool or the work that has led to it.
            call: which.

        Raises:
            ToolRefused: it is not made.
        """
        self._refuse(way.one)
        is_made, self._is_wanted = False, True
        try:
            told = await way.handoff.call_back(call, given)
            await way.other.prepare(call, *self._given)
            self._refuse_over()
            is_made = True
        finally:
            self._is_wanted = is_made
        self._is_made = True
        self._wants.add(agent_facts.AgentChanged(way.other.name, way.one.name, because))
        self._wants.add(w.WishWithdrawn())  # What the agent that is left wished for, like the end.
        # Half a character cannot be sent.
        if say := say.strip().encode("utf-8", "replace").decode() or way.handoff.say:
            self._wants.add(w.AgentSays(self._wants.new_id("say"), say, is_answer=True))
        return handed_over(way.other.name, say, told)

    def _refuse_over(self) -> None:
        if self._is_over:  # Another stream may go on with the call already, and with the agent that was on.
            raise ToolRefused("the call has ended")

    def _refuse(self, one: OneAgent) -> None:
        if self._is_wanted or one is not self.on:
            raise ToolRefused("the caller is being handed over already; say nothing more")
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

    # --- By the user's code ---

    def ask(self, wanted: HandTo) -> None:
        """Code of the user's wants the caller handed over, as soon as it is on disk that it begins.

        Raises:
            ValueError: that cannot be.
        """
        on = self.on
        try:
            self._way(on, wanted).handoff.read(_json_of(wanted))
        except ToolRefused as refused:
            raise ValueError(f"hand_to {str(wanted)!r}: {refused}") from refused
        on.wants.add(w.WorkAsked(on.wants.new_id("hand_to"), WORK, _arguments(wanted, WORK)))

    def work(self, owner: OneAgent, name: str) -> AnyTool | None:
        """Code that an agent has asked for, or one of its abilities."""
        if name == WORK:
            return _BY_CODE.doing(partial(self._asked_by_code, owner))
        return owner.abilities.work(name)

    def answered(self, one: OneAgent, work: str, result: ToolResult) -> None:
        """A work of an agent has ended, perhaps this one: the model is told, whose it is by now."""
        if work != WORK:
            return
        if why := error_in(result):
            text = f"[The caller was not handed over: {why}]"
            self._wants.add(w.AgentTells(text, is_answered=not self.has_left(one)))
        else:
            self._wants.add(w.AgentTells(f"[{result.output}]", is_answered=not result.is_quiet))

    def held_back(self, one: OneAgent, result: ToolResult) -> ToolResult:
        """What a tool of an agent has ended with, while code of that one hands the caller over.

        The model does not speak about it: the other agent goes on, or it is told why that has not come about.
        """
        return replace(result, is_quiet=True) if self.is_coming(one) else result

    def is_coming(self, one: OneAgent) -> bool:
        """Whether code of an agent hands the caller over just now."""
        return one.wants.awaits(WORK) and not self.has_left(one)

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
        asked = _BY_CODE.doing(partial(self._asked_by_code, one))
        try:
            arguments = _arguments(wanted, because)
        except ToolRefused as refused:
            return did_not_lead(wanted, str(refused))
        result = await asked.answer_async(arguments, call)
        if why := error_in(result):
            return did_not_lead(wanted, why)
        if is_told:
            return result
        self.answered(one, WORK, result)
        return ToolResult("null")

    async def _asked_by_code(self, one: OneAgent, arguments: dict[str, Any], call: Call[Any]) -> ToolResult:
        way = self._way(one, arguments["to"])
        given = way.handoff.read(arguments.get("given", {}))
        say, because = arguments.get("say", ""), arguments.get("because", WORK)
        return await self._hand_over(way, given, say, because, call)

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
