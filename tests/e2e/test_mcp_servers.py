"""An agent with the tools of an MCP server answers a call, over real sockets and a real program."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Literal

import pytest

pytest.importorskip("mcp", reason="the extra mcp is not installed")

import mcp_server
from callbridge import Agent
from callbridge.call.agent_facts import McpToolsChanged
from callbridge.call.facts import EndReason, ToolUsed
from callbridge.call.outcomes import ToolOutcome
from callbridge.simulators.phone import CallerScript, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, Script, session_reports
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import Log, Stack, stack
from leftovers import until
from mcp_rig import served
from random_calls import noise

if TYPE_CHECKING:
    from callbridge.agents.mcp.servers import OurServer

pytestmark = [pytest.mark.usefixtures("nothing_left"), pytest.mark.heavy]


def conversation(*answers: Answer) -> Script:
    """A greeting, and then these answers."""
    greeting = Speech(text="Harbour Bakery, hello!", audio=noise(random.Random(7), 200))
    return Script(answers=(Answer(say=(greeting,)), *answers), after_ms=20)


def says(text: str) -> Speech:
    return Speech(text=text, audio=noise(random.Random(8), 200))


async def there(running: Stack, server: OurServer) -> None:
    """The server has answered the service."""
    assert await until(lambda: bool(running.desk.mcp.tools_of(server)))


@pytest.mark.parametrize("way", ["stdio", "http"])
async def test_a_call_uses_a_tool_of_a_server(way: Literal["stdio", "http"], log: Log) -> None:
    """What it answers the caller hears; what was shown to it stands nowhere."""
    script = conversation(
        Answer(calls=(Call(name="till_stock", arguments={"bread": "rye"}),)),
        Answer(say=(says("Twelve. Bye!"),), calls=(Call(name="end_call"),), after_call=True),
    )
    caller = CallerScript([WaitForAgent(quiet_ms=100), Say(noise(random.Random(9), 250)), WaitForEnd()])
    async with served(way, prefix="till_", tools=["stock", "hang"]) as server:
        agent = Agent(greeting="Harbour Bakery, hello!", mcp_servers=[server])
        async with stack(script, agent=agent) as running:
            await there(running, server)
            call = await running.call(caller)
    assert call.report.is_clean, call.report
    assert call.ended.reason is EndReason.AGENT_HANGUP
    (report,) = session_reports([call.journal])
    assert json.loads(report.tools[0].output or "") == {"bread": "rye", "loaves": 12}
    used = [(one.name, one.outcome) for one in call.of(ToolUsed)]
    assert used == [("till_stock", ToolOutcome.ANSWERED), ("end_call", ToolOutcome.ANSWERED)]
    assert mcp_server.TOKEN not in repr([call.facts, report]) + log.text


async def test_a_call_goes_on_while_its_server_hangs_dies_and_changes() -> None:
    """What hangs has its time, what dies is in doubt, what came in mid-call is used."""
    script = conversation(
        Answer(calls=(Call(name="hang"),)),
        Answer(calls=(Call(name="change"),)),
        Answer(say=(says("I ask again."),)),
        Answer(calls=(Call(name="more_0"),)),
        Answer(calls=(Call(name="die"),)),
        Answer(say=(says("That is not certain. Bye!"),), calls=(Call(name="end_call"),), after_call=True),
    )
    word = noise(random.Random(9), 250)
    caller = CallerScript(
        [WaitForAgent(quiet_ms=100), Say(word), WaitForAgent(quiet_ms=100), Say(word), WaitForEnd()]
    )
    async with served("stdio", timeout_s=0.5) as server:
        agent = Agent(greeting="Harbour Bakery, hello!", mcp_servers=[server])
        async with stack(script, agent=agent) as running:
            await there(running, server)
            calling = asyncio.create_task(running.call(caller))
            call = await calling
    assert call.ended.reason is EndReason.AGENT_HANGUP
    assert [(one.name, one.outcome) for one in call.of(ToolUsed)] == [
        ("hang", ToolOutcome.TIMED_OUT),
        ("change", ToolOutcome.ANSWERED),
        ("more_0", ToolOutcome.ANSWERED),
        ("die", ToolOutcome.TIMED_OUT),
        ("end_call", ToolOutcome.ANSWERED),
    ]
    first = call.of(McpToolsChanged)[0]
    assert (first.server, first.tools) == ("shop", 14)
    assert call.ended.silence_ms_max is not None
    assert call.ended.silence_ms_max < 4000
