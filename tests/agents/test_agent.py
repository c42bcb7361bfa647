"""The agent that users write."""

from __future__ import annotations

from typing import Any

import pytest

import callbridge
from callbridge.agents.agent import Agent, end_call
from callbridge.agents.fault import AgentFault
from callbridge.agents.tools.schema import ToolError
from callbridge.agents.tools.tool import EndCall
from callbridge.call.wishes import HangUp
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


async def test_an_agent_can_hang_up() -> None:
    """The model is told that the words must be heard first."""
    result = await run_tool(Agent().toolbox, "end_call")
    assert result.wish == HangUp()
    assert "heard" in result.output
    assert isinstance(await end_call(), EndCall)


def test_a_tool_of_ones_own_may_take_the_place_of_hanging_up() -> None:
    def end_call() -> EndCall:
        """Hang up in our own way."""
        return EndCall("bye")

    with pytest.raises(ToolError, match="two tools named end_call"):
        Agent(tools=[end_call])
    assert Agent(tools=[end_call], can_hang_up=False).toolbox.names == ("end_call",)
    assert repr(Agent(can_hang_up=False)) == "<Agent with tools: none>"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"name": "the clinic"}, "at most 48 letters"),
        ({"name": "x" * 49}, "at most 48 letters"),
        ({"time_zone": "Europe/Atlantis"}, "there is none of this name"),
        ({"time_zone": "../etc/passwd"}, "there is none of this name"),
        ({"time_zone": ""}, "there is none of this name"),
        ({"tool_timeout_s": 13}, "a tool has at most 12 s"),
        ({"tool_timeout_s": 0}, "a tool has at most 12 s"),
        ({"spend_max": 0}, "at least 0.01"),
        ({"person_key": "00"}, "a key is one of"),
    ],
)
def test_what_cannot_be_so_is_told_at_once(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AgentFault, match=complaint):
        Agent(**given)


def test_what_may_be_so() -> None:
    agent = Agent(
        name="clinic.1-b_2", time_zone="Asia/Tokyo", tool_timeout_s=12, spend_max=0.01, person_key="*"
    )
    assert (agent.name, agent.time_zone, agent.tool_timeout_s) == ("clinic.1-b_2", "Asia/Tokyo", 12)
