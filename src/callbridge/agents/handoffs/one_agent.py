"""One of the agents of a call: it is on, or rests until the caller is handed over to it.

Each has abilities of its own, made when the call is. What belongs to all of them, the call itself, its
values, its texts and its recording, stands in `AgentInCall`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from callbridge.agents.all_abilities import AllAbilities
from callbridge.agents.handoffs.graph import handoffs_of
from callbridge.agents.mcp.approvals import McpApprovals
from callbridge.agents.mcp.in_call import McpInCall
from callbridge.agents.texts import text_of
from callbridge.agents.transfers.in_call import TransfersInCall
from callbridge.agents.wants import OwnWants

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from callbridge.agents.abilities import Ability
    from callbridge.agents.agent import Agent
    from callbridge.agents.context import About, Call
    from callbridge.agents.outside import Outside
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.wants import Wants
    from callbridge.wire.realtime_events import ServerEvent

    Hear: TypeAlias = Callable[[Literal["agent", "caller"], str, str], None]
    Watch: TypeAlias = Callable[[ServerEvent], None]


def _abilities(agent: Agent, about: About, outside: Outside, wants: Wants) -> Iterator[Ability]:
    yield from (make(wants, about) for make in agent.abilities)
    if agent.guest is not None:
        others = {*agent.toolbox.names, *agent.toolbox.reserved}.difference(agent.guest.tool_names)
        yield agent.guest.in_call(wants, outside.mcp, others)
    if agent.models_servers:
        yield McpApprovals(agent.models_servers, wants)
    if agent.our_servers:
        theirs = (server.name for server in agent.models_servers)
        handoffs = (handoff.tool_name for handoff, _ in handoffs_of(agent))
        taken = (*agent.toolbox.names, *agent.toolbox.reserved, *handoffs, *theirs)
        yield McpInCall(agent.our_servers, outside.mcp, taken, wants)


class OneAgent:
    """One agent in one call.

    Args:
        name: by which it is known in the call.
        agent: as the user wrote it.
        about: what is known of the call.
        outside: what the process does for it beyond the call.
        wants: those of the call.
    """

    def __init__(self, name: str, agent: Agent, about: About, outside: Outside, wants: Wants) -> None:
        self.name, self.agent = name, agent
        self.wants = OwnWants(wants)
        self.abilities = AllAbilities(_abilities(agent, about, outside, self.wants))
        self.hearer: Hear | None = self.abilities.hearer
        """Who is told both sides' words as they come."""
        self.watcher: Watch | None = self.abilities.watcher
        """Who is told what the model says."""
        self.transfers = self.abilities.first(TransfersInCall)
        self.own_instructions = ""
        """What the user has written for it, whatever its abilities say beside."""
        self._is_ready = self._has_started = False

    @property
    def tools(self) -> dict[str, AnyTool]:
        """What its model has because of it and its abilities, by name."""
        return {tool.name: tool for tool in self.agent.toolbox.tools} | self.abilities.tools

    def tool_for_call(self, tool: AnyTool) -> AnyTool:
        """The tool as it is run: in a test something else may stand in its place."""
        double = self.agent.doubles.get(tool.name)
        return tool if double is None else double(tool)

    async def prepare(self, call: Call[Any], instructions: str, speak: str) -> None:
        """It is about to come on: its instructions are found, a function of the call's each time anew.

        Args:
            call: which it serves.
            instructions: for an agent that has none of its own.
            speak: which language it speaks; follows its instructions, whoever wrote them.
        """
        if not self._is_ready:
            self._is_ready = True
            await self.abilities.prepare(call)
        own = await text_of(self.agent.instructions, call, instructions, "instructions")
        self.own_instructions = "\n\n".join(filter(None, (own, speak)))

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """It is on. What it has running goes on while it rests."""
        if not self._has_started:
            self._has_started = True
            self.abilities.start(tasks)

    def hang_up(self) -> None:
        """The stream has ended."""
        if self._has_started:
            self.abilities.hang_up()
