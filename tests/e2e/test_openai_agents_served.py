"""An example of the OpenAI Agents SDK, unmodified, served by `callbridge serve` in a process of its own."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("agents.realtime", reason="the OpenAI Agents SDK is an extra: callbridge[openai-agents]")

import sdk_examples
from callbridge.simulators.phone import HangUp, Say, WaitForAgent
from callbridge.simulators.voice_model import Answer, Call, Script, serve_model
from callbridge.simulators.voice_model import Say as Speech
from e2e.processes import services
from e2e.stack import CONNECTED_AND_LEFT, variables
from random_calls import noise

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.simulators.phone import Step

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("nothing_left", "without_debugging")]

WORD = noise(random.Random(1), 500)


def says(text: str) -> Speech:
    return Speech(text=text, audio=noise(random.Random(text), 400))


async def test_the_airline_answers_calls_of_a_service(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Its tool runs, another agent of its own takes over, and the audio stays that of a telephone."""
    assert pytestconfig.cache is not None
    examples = sdk_examples.unpacked(pytestconfig.cache.mkdir("openai-agents"))
    shutil.copy(examples / "app" / "agent.py", tmp_path / "agent.py")
    script = Script(
        answers=(
            Answer(say=(says("Hello, this is the airline."),)),
            Answer(calls=(Call(name="get_weather", arguments={"city": "Oslo"}),), caller="Weather in Oslo?"),
            Answer(say=(says("Sunny."),), after_call=True),
            Answer(calls=(Call(name="transfer_to_faq_agent"),), caller="May I bring a bag?"),
            Answer(say=(says("You may ask me."),), after_call=True),
        ),
        after_ms=20,
    )
    async with serve_model(script) as model:
        given = variables("", model.url, CALLBRIDGE_AGENT="agent:triage_agent")
        async with services(tmp_path, given) as (service,):
            asked: list[Step] = [WaitForAgent(quiet_ms=200), Say(WORD)]
            call = await service.line(model).call([*asked, *asked, WaitForAgent(quiet_ms=200), HangUp()])
            (journal,) = model.sessions
            assert (call.verbs, call.report.is_clean) == (CONNECTED_AND_LEFT, True)
            assert 'tool get_weather({"city":"Oslo"}): The weather in Oslo is sunny.' in journal.memory
            assert [item.was_heard_to_its_end for item in call.heard(journal)] == [True, True, True]
            assert "You are an FAQ agent." in str(journal.session["instructions"])
            audio = journal.session["audio"]
            assert audio["input"]["format"] == audio["output"]["format"] == {"type": "audio/pcmu"}
            assert [line["agent"] for line in service.events("guest_changed")] == ["FAQ Agent"]
            assert service.faults == []
