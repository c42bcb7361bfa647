"""The agent that users write."""

from __future__ import annotations

import pytest

import callbridge
from callbridge.agents.agent import Agent
from callbridge.agents.tools.schema import ToolError
from callbridge.agents.tools.tool import EndCall
from tool_runs import run_tool


def opening_hours(day: str) -> str:
    """When the shop is open on a day of the week."""
    return f"{day}: 7 to 18"


def test_users_import_it_from_the_package() -> None:
    assert callbridge.Agent is Agent
    assert callbridge.EndCall is EndCall


def test_what_is_left_out_is_left_to_the_settings() -> None:
    """`None` is not the empty text: an agent may want no greeting at all."""
    agent = Agent()
    assert (agent.instructions, agent.greeting, agent.voice) == (None, None, None)
    agent = Agent(instructions="Be brief.", greeting="", voice="cedar")
    assert (agent.instructions, agent.greeting, agent.voice) == ("Be brief.", "", "cedar")


async def test_functions_become_tools() -> None:
    """The decorator gives the function back, so that the user's own tests can still call it."""
    decorated = Agent()
    assert decorated.tool(opening_hours) is opening_hours
    for agent in (decorated, Agent(tools=[opening_hours])):
        assert agent.toolbox.names == ("end_call", "opening_hours")
        assert repr(agent) == "<Agent with tools: end_call, opening_hours>"
        told = await run_tool(agent.toolbox, "opening_hours", '{"day":"Monday"}')
        assert told.output == "Monday: 7 to 18"
    assert Agent().toolbox.names == ("end_call",), "agents share no tools"


def test_a_tool_of_ones_own_may_take_the_place_of_hanging_up() -> None:
    def end_call() -> EndCall:
        """Hang up in our own way."""
        return EndCall("bye")

    with pytest.raises(ToolError, match="two tools named end_call"):
        Agent(tools=[end_call])
    assert Agent(tools=[end_call], can_hang_up=False).toolbox.names == ("end_call",)
    assert repr(Agent(can_hang_up=False)) == "<Agent with tools: none>"
