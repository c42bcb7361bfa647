"""Who of the agents of a call is on, and how that changes: a handoff is made here, whoever wants it.

Who is on is folded from facts alone (`AgentChanged`), so that it is the same on another stream and in another
process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from callbridge.agents.handoffs.graph import handoffs_of
from callbridge.agents.handoffs.words import handed_over
from callbridge.agents.sendable import sendable
from callbridge.agents.tools.tool import ToolRefused, ToolResult
from callbridge.call import agent_facts, facts
from callbridge.call import wants as w

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from callbridge.agents.context import Call
    from callbridge.agents.handoffs.handoff import Handoff
    from callbridge.agents.handoffs.one_agent import OneAgent
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import Fact

HANDOFFS_MAX: Final = 30
"""In one call. A caller with three errands comes by a front desk six times."""

UNSPOKEN_MAX: Final = 3
"""So many may follow each other without a word or a key of the caller. A front desk that is mistaken needs
two; agents that send the caller to each other would go on for ever."""


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """From one agent of the call to another one."""

    handoff: Handoff
    one: OneAgent
    other: OneAgent


def ways_among(agents: Sequence[OneAgent]) -> Mapping[str, Mapping[str, Way]]:
    """From each of the agents of a call to others, all by their names."""
    return {one.name: {way.other.name: way for way in _ways_of(one, agents)} for one in agents}


def _ways_of(one: OneAgent, agents: Iterable[OneAgent]) -> Iterator[Way]:
    for handoff, agent in handoffs_of(one.agent):
        yield Way(handoff, one, next(other for other in agents if other.agent is agent))


class WhoIsOn:
    """Who talks with the caller.

    Args:
        agents: those of the call; the one that takes it is the first.
        wants: those of the call.
    """

    def __init__(self, agents: Sequence[OneAgent], wants: Wants) -> None:
        self._agents, self._wants = agents, wants
        self._given = "", ""
        """Instructions and language, for agents that have none of their own."""
        self._is_wanted = self._is_made = self._is_over = False
        """A handoff is on its way; it is a fact that is not told yet; the stream has ended."""
        # All that follows is folded from facts.
        self.on = agents[0]
        """The agent."""
        self.is_unknown = False
        """It is none of these: what happens to it is lost."""
        self._count = self._unspoken = 0

    def has_left(self, one: OneAgent) -> bool:
        """Whether an agent does not talk with the caller any more, or not from the next fact on."""
        return one is not self.on or self._is_made

    # --- What happens ---

    async def prepare(self, call: Call[Any], instructions: str, speak: str) -> None:
        """The call is about to begin, or to go on. See `OneAgent.prepare`."""
        self._given = instructions, speak
        await self.on.prepare(call, *self._given)

    def restore(self, fact: Fact) -> None:
        """Something happened on an earlier stream."""
        self.told(fact)
        if isinstance(fact, facts.TurnEnded) and fact.caller:
            self._unspoken = 0  # The state keeps no `CallerSpoke`.

    def told(self, fact: Fact) -> None:
        """Something has happened."""
        match fact:
            case agent_facts.AgentChanged(agent=name):
                found = next((one for one in self._agents if one.name == name), None)
                self._is_wanted = self._is_made = False
                self.is_unknown = found is None
                self._count, self._unspoken = self._count + 1, self._unspoken + 1
                if found is None:  # A deploy came in between.
                    structlog.get_logger().warning("agent_not_known", name=name, agent=self.on.name)
                self.on = found or self.on
            case facts.CallerSpoke() | facts.KeysPressed():
                self._unspoken = 0
            case _:
                pass

    def hang_up(self) -> None:
        """The stream has ended."""
        self._is_over = True

    # --- Handing over ---

    async def hand_over(
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
        if say := sendable(say.strip()) or way.handoff.say:
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
