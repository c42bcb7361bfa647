"""The agent ends the call by itself."""

from __future__ import annotations

from callbridge.agents.agent import Agent
from callbridge.agents.hanging_up import end_call
from callbridge.agents.tools.tool import EndCall
from callbridge.call.wishes import HangUp
from tool_runs import run_tool


async def test_an_agent_can_hang_up() -> None:
    """The model is told that the words must be heard first."""
    result = await run_tool(Agent().toolbox, "end_call")
    assert result.wish == HangUp()
    assert "heard" in result.output
    assert isinstance(await end_call(), EndCall)
