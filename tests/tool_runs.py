"""Agents in calls that are nobody's, and tools that are run as a call runs them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from callbridge.agents.agent import Agent
from callbridge.agents.context import About, Caller
from callbridge.agents.in_call import AgentInCall
from callbridge.call.actions import RunTool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.agents.tools.tool import ToolResult
    from callbridge.agents.tools.toolbox import Toolbox
    from callbridge.call.facts import Fact

TIMEOUT_S = 5.0
"""Long enough that no tool runs into it by accident."""

ABOUT = About("CA1", Caller("+14155550100"), "+14155550199", {"shop": "harbour"}, agent="bakery")


def in_call(agent: Agent, earlier: Iterable[Fact] = (), about: About = ABOUT) -> AgentInCall:
    """The agent in a call of its own."""
    return AgentInCall(agent, about, earlier)


async def run_tool(
    toolbox: Toolbox, name: str, arguments: str = "{}", timeout_s: float = TIMEOUT_S
) -> ToolResult:
    """What the tool `name` answers, in a call of its own."""
    agent = Agent(can_hang_up=False)
    agent.toolbox = toolbox
    called = in_call(agent)
    async with asyncio.TaskGroup() as tasks:
        called.begin(tasks)
        return await called.run(RunTool("call_1", name, arguments, timeout_s), is_kept=True)
