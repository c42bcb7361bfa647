"""Agents of the OpenAI Agents SDK over real sockets, as they are: tools, handoffs, guardrails, approvals."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("agents.realtime", reason="the OpenAI Agents SDK is an extra: callbridge[openai-agents]")

from agents import function_tool
from agents.realtime import RealtimeAgent

from callbridge.call.facts import EndReason, TurnEnded
from callbridge.simulators.phone import CallerScript, HangUp, Say, WaitForAgent
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import CONNECTED_AND_LEFT, stack
from random_calls import noise

if TYPE_CHECKING:
    from callbridge.simulators.voice_model import Journal

pytestmark = pytest.mark.usefixtures("nothing_left")


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
    caller = CallerScript([WaitForAgent(), Say(noise(random.Random(1), 600)), WaitForAgent(), HangUp()])
    async with stack(script, agent=agent) as running:
        call = await running.call(caller)
    assert call.journal.refusals == []
    assert call.journal.session["instructions"] == "You tell the weather."
    assert [tool["name"] for tool in call.journal.session["tools"]] == ["get_weather"]
    assert outputs(call.journal) == ["The weather in Paris is sunny."]
    assert [turn.agent for turn in call.of(TurnEnded)] == ["Hello!", "Sunny."]
    assert (call.ended.reason, call.verbs) == (EndReason.CALLER_HANGUP, CONNECTED_AND_LEFT)
