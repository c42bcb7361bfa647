"""Keys that an agent presses: by the user's code, and by the model where it may."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.context import About, Call, Caller
from callbridge.call import wants as w
from callbridge.call.actions import RunTool
from callbridge.call.outcomes import ToolOutcome
from tool_runs import in_call


async def run(agent: Agent, name: str, arguments: str) -> tuple[Any, list[Any]]:
    """What a tool of the agent answers, and what is wanted then."""
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        called = in_call(agent)
        called.begin(tasks)
        result = await called.run(RunTool("call_1", name, arguments, 5.0), is_kept=True)
    wanted = []
    while (want := called.take()) is not None:
        wanted.append(want)
    return result, wanted


async def test_the_model_presses_keys_where_it_may_and_says_nothing_about_it() -> None:
    agent = Agent(can_press_keys=True)
    result, wanted = await run(agent, "press_keys", '{"keys": "12#"}')
    assert (result.is_quiet, result.outcome) == (True, ToolOutcome.ANSWERED)
    assert wanted == [w.KeysOut("12#")]
    assert "press_keys" not in Agent().toolbox.names


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            '{"keys": ""}',
            '{"keys": "1w2"}',
            '{"keys": "A"}',
            '{"keys": 1}',
            '{"keys": "1", "to": "2"}',
            "{}",
        ),
        json.dumps({"keys": "1" * 33}),
    ],
)
async def test_what_the_model_cannot_press_it_is_told(arguments: str) -> None:
    result, wanted = await run(Agent(can_press_keys=True), "press_keys", arguments)
    assert (result.outcome, result.is_quiet, wanted) == (ToolOutcome.REFUSED, False, [])
    assert "invalid arguments" in result.output


async def test_the_users_code_presses_what_a_telephone_has() -> None:
    agent = Agent()

    @agent.tool
    async def open_the_door(call: Call) -> str:
        """Opens the door."""
        with pytest.raises(ValueError, match="1 to 32 of 0-9"):
            call.press("12 34")
        call.press("w9D")
        return "open"

    result, wanted = await run(agent, "open_the_door", "{}")
    assert (result.output, wanted) == ("open", [w.KeysOut("w9D")])
    with pytest.raises(RuntimeError, match="has not begun"):
        Call(About("CA1", Caller("+14155550100"), "+14155550101"), {}).press("1")
