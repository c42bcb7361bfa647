"""An agent with the tools of an MCP server answers a call, over real sockets and a real program."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

pytest.importorskip("mcp.client", reason="the extra mcp is not installed")

import mcp_server
from callbridge import Agent, McpServer
from callbridge.call.agent_facts import McpToolsChanged
from callbridge.call.facts import EndReason, Remembered, ToolUsed
from callbridge.call.memory import ToolAnswered
from callbridge.call.outcomes import ToolOutcome
from callbridge.simulators.phone import CallerScript, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, McpCall, McpListing, Script, session_reports
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


async def test_a_call_uses_a_tool_of_a_server(log: Log) -> None:
    """What it answers the caller hears; what was shown to it stands nowhere."""
    script = conversation(
        Answer(calls=(Call(name="till_stock", arguments={"bread": "rye"}),)),
        Answer(say=(says("Twelve. Bye!"),), calls=(Call(name="end_call"),), after_call=True),
    )
    caller = CallerScript([WaitForAgent(quiet_ms=100), Say(noise(random.Random(9), 250)), WaitForEnd()])
    async with served("http", prefix="till_", tools=["stock", "hang"]) as server:
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
    async with served("stdio", timeout_s=0.8) as server:
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
    assert (first.server, first.tools) == ("shop", len(mcp_server.TOOLS) + 1)
    assert call.ended.silence_ms_max is not None
    assert call.ended.silence_ms_max < 4000


def theirs(approval: Any = "never") -> Agent:
    """An agent with a server that the model's side runs."""
    server = McpServer.of_the_model(
        "till", url="https://till.example/mcp", authorization=mcp_server.TOKEN, require_approval=approval
    )
    return Agent(greeting="Harbour Bakery, hello!", mcp_servers=[server])


def their_script(*answers: Answer, fails: bool = False) -> Script:
    listing = McpListing(label="till", tools=("stock",), fails=fails, after_ms=0)
    return structs.replace(conversation(*answers), mcp=(listing,))


def only_stock(tool: str, _arguments: dict[str, Any], _call: object) -> bool:
    """A policy of a user's."""
    return tool == "stock"


STOCK = McpCall(server="till", name="stock", arguments={"bread": "rye"}, output="12", takes_ms=600)


@pytest.mark.parametrize("approval", ["never", only_stock])
async def test_the_model_runs_a_tool_by_itself(approval: Any, log: Log) -> None:
    """We ask for the answer behind it; the record has it, and nobody sees what is shown to the server."""
    script = their_script(
        Answer(mcp=(STOCK,)),
        Answer(say=(says("Twelve. Bye!"),), calls=(Call(name="end_call"),)),
    )
    caller = CallerScript([WaitForAgent(quiet_ms=100), Say(noise(random.Random(9), 250)), WaitForEnd()])
    async with stack(script, agent=theirs(approval)) as running:
        call = await running.call(caller)
    assert call.report.is_clean, call.report
    assert call.ended.reason is EndReason.AGENT_HANGUP
    assert call.journal.refusals == []
    used = [(one.name, one.outcome) for one in call.of(ToolUsed) if one.name != "mcp_approval"]
    assert used == [("till_stock", ToolOutcome.ANSWERED), ("end_call", ToolOutcome.ANSWERED)]
    answers = [fact.entry for fact in call.of(Remembered) if isinstance(fact.entry, ToolAnswered)]
    (stock,) = (entry for entry in answers if entry.name == "till_stock")
    assert (stock.arguments, stock.output) == ('{"bread":"rye"}', "12")
    assert mcp_server.TOKEN in json.dumps(call.journal.session)
    assert mcp_server.TOKEN not in repr(call.facts) + log.text


async def test_the_model_runs_a_tool_once_the_caller_was_asked(log: Log) -> None:
    """What is refused until then has not run, and nobody waits for it."""
    quick = structs.replace(STOCK, takes_ms=50)
    script = their_script(
        Answer(mcp=(quick,)),
        Answer(say=(says("Shall I look?"),)),
        Answer(mcp=(quick,)),
        Answer(say=(says("Twelve. Bye!"),), calls=(Call(name="end_call"),)),
    )
    word, yes = noise(random.Random(9), 250), noise(random.Random(9), 700)
    caller = CallerScript(
        [WaitForAgent(quiet_ms=100), Say(word), WaitForAgent(quiet_ms=100), Say(yes), WaitForEnd()]
    )
    async with stack(script, agent=theirs("always")) as running:
        call = await running.call(caller)
    assert call.report.is_clean, call.report
    assert (call.ended.reason, call.journal.refusals) == (EndReason.AGENT_HANGUP, [])
    used = [(one.name, one.outcome) for one in call.of(ToolUsed) if one.name != "mcp_approval"]
    assert used == [
        ("till_stock", ToolOutcome.REFUSED),
        ("till_stock", ToolOutcome.ANSWERED),
        ("end_call", ToolOutcome.ANSWERED),
    ]
    assert not any("has not answered yet" in line for line in call.journal.memory)


async def test_a_call_goes_on_without_a_server_that_lists_nothing(log: Log) -> None:
    script = their_script(
        Answer(say=(says("I cannot look. Bye!"),), mcp=(STOCK,), calls=(Call(name="end_call"),)), fails=True
    )
    caller = CallerScript([WaitForAgent(quiet_ms=100), Say(noise(random.Random(9), 250)), WaitForEnd()])
    async with stack(script, agent=theirs()) as running:
        call = await running.call(caller)
    assert call.ended.reason is EndReason.AGENT_HANGUP
    (warned,) = log.events("mcp_tools_not_listed", call.sid)
    assert (warned["server"], warned["level"]) == ("till", "warning")


async def test_a_tool_of_the_model_that_never_ends_leaves_nobody_in_silence() -> None:
    """The model is told that it is late, and says so."""
    never = structs.replace(STOCK, takes_ms="for_ever")
    script = their_script(
        Answer(mcp=(never,)),
        Answer(say=(says("It takes a while. Bye!"),), calls=(Call(name="end_call"),)),
    )
    caller = CallerScript([WaitForAgent(quiet_ms=100), Say(noise(random.Random(9), 250)), WaitForEnd()])
    async with stack(script, agent=theirs(), environment={"CALLBRIDGE_TOOL_SECONDS": "2"}) as running:
        call = await running.call(caller)
    assert call.ended.reason is EndReason.AGENT_HANGUP
    assert [one.outcome for one in call.of(ToolUsed)] == [ToolOutcome.TIMED_OUT, ToolOutcome.ANSWERED]
    assert any("till_stock has not answered yet" in line for line in call.journal.memory)
