"""Agents of the OpenAI Agents SDK over real sockets: one that answers, one that goes on on another stream."""

from __future__ import annotations

import random
import statistics
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("agents.realtime", reason="the OpenAI Agents SDK is an extra: callbridge[openai-agents]")

from agents import GuardrailFunctionOutput, OutputGuardrail, function_tool
from agents.mcp import MCPServerSse, MCPServerStdio, MCPServerStreamableHttp, create_static_tool_filter
from agents.realtime import RealtimeAgent, realtime_handoff

import mcp_server
from callbridge import Agent
from callbridge import Call as CallOf
from callbridge.agents.mcp import lasting
from callbridge.agents.openai_agents import mcp_servers
from callbridge.call.agent_facts import GuestChanged
from callbridge.call.facts import EndReason, StreamEnded, StreamStarted, TurnEnded
from callbridge.openai_agents import guest
from callbridge.simulators.phone import CallerScript, HangUp, Pause, Say, WaitForAgent
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from callbridge.testing import Interrupt
from callbridge.testing import Line as PlayedLine
from e2e.line import Line
from e2e.stack import CONNECTED_AND_LEFT, Log, stack
from leftovers import until
from mcp_rig import InNetwork
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.realtime import RealtimeSession

    from callbridge.simulators.phone import Step
    from callbridge.simulators.voice_model import Journal
    from e2e.line import Frame, Way
    from machine import Machine

pytestmark = pytest.mark.usefixtures("nothing_left")

WORD = noise(random.Random(1), 600)
HEARD = WaitForAgent(quiet_ms=200)


def speech(text: str, ms: int = 300) -> Speech:
    """Words with a sound of their own."""
    return Speech(text=text, audio=noise(random.Random(text), ms))


def outputs(journal: Journal) -> list[str]:
    """What tools have answered, in their order."""
    items = journal.items.values()
    return [str(item.fields["output"]) for item in items if item.type == "function_call_output"]


@function_tool
def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f"The weather in {city} is sunny."


async def test_an_agent_with_one_tool_answers_a_call() -> None:
    """It is served as it is."""
    agent = RealtimeAgent(name="Weather", instructions="You tell the weather.", tools=[get_weather])
    script = Script(
        answers=(
            Answer(say=(speech("Hello!"),)),
            Answer(calls=(Call(name="get_weather", arguments={"city": "Paris"}),), caller="In Paris?"),
            Answer(say=(speech("Sunny."),), after_call=True),
        ),
        after_ms=20,
    )
    caller = CallerScript([HEARD, Say(WORD), HEARD, HangUp()])
    async with stack(script, agent=agent) as running:
        call = await running.call(caller)
    assert call.journal.refusals == []
    assert call.journal.session["instructions"] == "You tell the weather."
    assert [tool["name"] for tool in call.journal.session["tools"]] == ["get_weather"]
    assert outputs(call.journal) == ["The weather in Paris is sunny."]
    assert [turn.agent for turn in call.of(TurnEnded)] == ["Hello!", "Sunny."]
    assert (call.ended.reason, call.verbs) == (EndReason.CALLER_HANGUP, CONNECTED_AND_LEFT)


@pytest.mark.heavy
async def test_who_had_the_call_has_it_on_another_stream() -> None:
    """Its stream breaks off behind a handoff. The next one is the new agent's, and knows what was said."""
    histories: list[list[Any]] = []

    async def events(session: RealtimeSession, _call: CallOf) -> None:
        histories.append([])
        async for event in session:
            if event.type == "history_added" and event.item.type == "message":
                histories[-1].append(event.item)

    billing = RealtimeAgent[Any](name="Billing", instructions="You do bills.", tools=[get_weather])
    front = RealtimeAgent[Any](name="Front", instructions="You greet.", handoffs=[realtime_handoff(billing)])
    script = Script(
        answers=(
            Answer(say=(speech("Hello!"),)),
            Answer(calls=(Call(name="transfer_to_billing"),), caller="A bill."),
            Answer(say=(speech("Bills here."),), after_call=True),
            Answer(calls=(Call(name="get_weather", arguments={"city": "Rome"}),), caller="In Rome?"),
            Answer(say=(speech("Sunny."),), after_call=True),
        ),
        after_ms=20,
    )

    waited: list[Step] = []

    def cut(_since: int, frame: Frame, way: Way) -> list[bytes]:
        """As soon as the caller has heard billing."""
        if sum(isinstance(step, WaitForAgent) for step in waited) < 2:
            return [frame.raw]
        way.cut()
        return []

    line = Line(cut, from_media=1)
    caller = CallerScript(
        [WaitForAgent(), Say(WORD), WaitForAgent(), Pause(1500), Say(WORD), WaitForAgent(), HangUp()],
        on_step=waited.append,
    )
    async with line.opened():
        environment = {"PUBLIC_BASE_URL": line.url}
        async with stack(script, agent=guest(front, events=events), environment=environment) as running:
            line.target = running.settings.port
            call = await running.call(caller)
    assert [ended.reason for ended in call.of(StreamEnded)] == [
        EndReason.MEDIA_LOST,
        EndReason.CALLER_HANGUP,
    ]
    assert [started.is_continued for started in call.of(StreamStarted)] == [False, True]
    assert [fact.agent for fact in call.of(GuestChanged)] == ["Billing"]
    assert call.journal.session["instructions"] == "You do bills."
    assert outputs(call.journal) == ['{"assistant": "Billing"}', "The weather in Rome is sunny."]
    parts = [item.content[0] for item in histories[1][:3]]
    said = [getattr(part, "text", None) or getattr(part, "transcript", None) for part in parts]
    assert said == ["Hello!", "A bill.", "Bills here."]


# --- MCP servers of its own ---------------------------------------------------------------------------


@pytest.mark.heavy
async def test_the_tools_of_a_program_are_those_of_a_call(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the SDK's documentation has it, but that nobody has connected it. It hangs, dies and comes back."""
    monkeypatch.setattr(mcp_servers, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(lasting, "REST_S", 0.05)
    program, *arguments = mcp_server.command()
    shop = MCPServerStdio(
        {"command": program, "args": arguments}, name="shop", client_session_timeout_seconds=0.5
    )
    agent = RealtimeAgent[Any](name="Shop", instructions="You sell bread.", mcp_servers=[shop])
    script = Script(
        answers=(
            Answer(say=(speech("Hello!"),)),
            Answer(calls=(Call(name="stock", arguments={"bread": "rye"}),)),
            Answer(calls=(Call(name="hang"),)),
            Answer(calls=(Call(name="die"),)),
            Answer(say=(speech("Twelve, I think."),)),
        ),
        after_ms=20,
    )
    # However long the tools take, the next that the caller hears is the answer.
    async with stack(script, agent=guest(agent, waiting_sound=False)) as running:
        call = await running.call(CallerScript([HEARD, Say(WORD), HEARD, HangUp()]))
        assert await until(lambda: len(log.events("mcp_server_answers")) == 2), "it is connected again"
    stock, hung, died = outputs(call.journal)
    assert ("12 loaves" in stock, "error" in hung, "error" in died) == (True, True, True)
    assert [turn.agent for turn in call.of(TurnEnded)][-1] == "Twelve, I think."
    events = [line["event"] for line in log.lines]
    assert events.index("mcp_server_answers") < events.index("call_offered"), "no call waits for it"
    assert log.tracebacks == []


@pytest.mark.heavy
async def test_the_tools_of_servers_in_the_network_are_those_of_a_call(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are away at the start, come, answer with too much, die in mid-call and come back."""
    monkeypatch.setattr(mcp_servers, "LOOK_AGAIN_S", 0.05)
    for name in ("REST_S", "REST_S_MAX"):
        monkeypatch.setattr(lasting, name, 0.5)
    script = Script(
        answers=(
            Answer(say=(speech("Hello!"),)),
            Answer(calls=(Call(name="stock", arguments={"bread": "rye"}),)),
            Answer(calls=(Call(name="endless"),)),
            Answer(calls=(Call(name="die"),)),
            Answer(calls=(Call(name="order", arguments={"bread": "rye"}),)),
            Answer(say=(speech("Twelve, I think."),)),
        ),
        after_ms=20,
    )
    async with InNetwork() as served:
        headers = {"Authorization": f"Bearer {mcp_server.TOKEN}"}
        streamable = MCPServerStreamableHttp(
            {"url": served.url("/mcp"), "headers": headers},
            tool_filter=create_static_tool_filter(allowed_tool_names=["stock", "die"]),
        )
        sse = MCPServerSse(
            {"url": served.url("/sse"), "headers": headers},
            tool_filter=create_static_tool_filter(allowed_tool_names=["endless", "order"]),
        )
        agent = RealtimeAgent[Any](name="Shop", tools=[get_weather], mcp_servers=[streamable, sse])
        async with stack(script, agent=agent) as running:
            await running.call(CallerScript([HEARD, HangUp()]))
            await served.start()
            assert await until(lambda: len(log.events("mcp_server_answers")) >= 2), "they have come"
            call = await running.call(CallerScript([HEARD, Say(WORD), HEARD, HangUp()]))
            await served.start()
            assert await until(lambda: len(log.events("mcp_server_answers")) >= 4), "they are connected again"
    without, journal = running.model.sessions
    assert [tool["name"] for tool in without.session["tools"]] == ["get_weather"]
    tools = [tool["name"] for tool in journal.session["tools"]]
    assert tools == ["stock", "die", "order", "endless", "get_weather"]
    stock, endless, died, gone = outputs(journal)
    assert ("12 loaves" in stock, "longer than 8192 bytes" in endless) == (True, True)
    assert ("error" in died, "error" in gone) == (True, True)
    assert [turn.agent for turn in call.of(TurnEnded)][-1] == "Twelve, I think."


# --- Beside one of ours -------------------------------------------------------------------------------

LONG = "It is sunny today, and it will be sunny tomorrow, and on all other days of this week and the next."

RATIO_MAX = 1.5
MARGIN_MS = 10.0
"""For the noise of a machine on which both take a few milliseconds."""


async def never(_context: Any, _agent: Any, _said: str) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)


@pytest.mark.long
async def test_latency_and_truncation_are_those_of_our_own(
    figures: Callable[[str], None], machine: Machine
) -> None:
    """Words are told to the session as they come, and a guardrail looks at them."""
    guarded = OutputGuardrail(never, name="never")
    theirs = RealtimeAgent[Any](name="Theirs", instructions="You tell.", output_guardrails=[guarded])
    ours = Agent(name="ours", instructions="You tell.", greeting="", can_hang_up=False)
    measured = {}
    for name, agent in (("ours", ours), ("theirs", theirs)):
        call = await PlayedLine(seed=3).call(
            agent,
            caller=["Today?", *(Interrupt(after_ms=900, say="And then?") for _ in range(3)), "Thank you."],
            model=["Hello.", *([LONG] * 4), "Goodbye."],
            real_sockets=True,
        )
        call.expect.no_complaints()
        call.expect.truncation(within_ms=60)
        call.expect.barge_in(within_ms=400)
        answers = [fact.answer for fact in call.facts if isinstance(fact, TurnEnded)]
        delays = [found.first_delta_ms for found in answers if found and found.first_delta_ms is not None]
        measured[name] = statistics.median(delays)
    said = ", ".join(f"{name} {ms} ms" for name, ms in measured.items())
    figures(f"from the end of the caller's turn to the first audio of the answer: {said}")
    is_slow = measured["theirs"] > RATIO_MAX * measured["ours"] + MARGIN_MS
    machine.judge([said] if is_slow else [], 15)
