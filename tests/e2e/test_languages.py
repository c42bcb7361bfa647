"""A line of another language over real sockets: one setting, and all that its callers hear is in it."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.languages.texts import clip_of, language_texts
from callbridge.call.limits import Limits
from callbridge.server.process.drain import Drain
from callbridge.server.process.live_calls import LiveCalls
from callbridge.simulators.phone import (
    DialOutcome,
    HangUp,
    LineSettings,
    Pause,
    Say,
    StreamSettings,
    WaitForAgent,
)
from callbridge.simulators.voice_model import Answer, Call, ConnectFault, Script, session_reports
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import CONNECTED_AND_LEFT, stack
from leftovers import leaves_nothing
from random_calls import noise

if TYPE_CHECKING:
    from types import ModuleType

    from callbridge.simulators.phone import Step

pytestmark = pytest.mark.usefixtures("nothing_left")

RNG = random.Random(17)
EXAMPLE = Path(__file__).parents[2] / "examples/japanese.py"
HEARD = WaitForAgent(quiet_ms=200)
SPOKEN_BY_TWILIO = {
    "CALLBRIDGE_APOLOGY": "",  # The usual one.
    "CALLBRIDGE_FALLBACK_VOICEMAIL": "true",
    "CALLBRIDGE_FALLBACK_DIAL": "+15550100077",
}
JAPANESE = SPOKEN_BY_TWILIO | {"CALLBRIDGE_LANGUAGE": "ja"}
GREETING = "お電話ありがとうございます。そば処、みなと庵でございます。"
OPEN = "日曜日は、午前十一時半から午後八時半まで営業しております。"


def example() -> ModuleType:
    """The agent of the examples, new."""
    spec = importlib.util.spec_from_file_location("japanese", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def said(text: str) -> tuple[Speech, ...]:
    return (Speech(text=text, audio=noise(RNG, 250)),)


async def test_a_caller_who_speaks_japanese_is_answered_in_japanese() -> None:
    """Greeting, a tool whose words are Japanese, and the answer that is made of them."""
    question = Call(name="opening_hours", arguments={"day": "日曜日"})
    script = Script(
        answers=(
            Answer(say=said(GREETING)),
            Answer(calls=(question,), caller="日曜日は何時まで開いていますか。"),
            Answer(say=said(OPEN), after_call=True),
        ),
        after_ms=20,
    )
    caller: list[Step] = [*(HEARD, Say(noise(RNG, 300))), *(HEARD, HangUp())]
    async with stack(script, agent=example().agent, environment=JAPANESE) as running, leaves_nothing():
        call = await running.call(caller)
    assert call.report.is_clean, call.report
    assert (call.verbs, call.journal.refusals) == (CONNECTED_AND_LEFT, [])
    assert [item.was_heard_to_its_end for item in call.heard()] == [True, True]
    (report,) = session_reports([call.journal])
    assert [tool.output for tool in report.tools] == ["午前十一時半から午後八時半まで"]
    assert [said.text for said in report.words if said.role == "assistant"] == [GREETING, OPEN]
    assert GREETING in call.journal.responses[0].instructions


async def test_who_waits_for_the_model_hears_the_clip_of_its_agent() -> None:
    clip = clip_of("ja")
    script = Script(connect=(ConnectFault(kind="hang"),))
    agent, limits = Agent(language="ja"), Limits(connect_clip_after_s=0.2)
    async with stack(script, agent=agent, limits=limits) as running, leaves_nothing():
        call = await running.call([Pause(600), HangUp()], stream=StreamSettings(clips=(clip,)))
    assert {sound.what for sound in call.report.heard} == {"clip"}
    assert {payload.audio for payload in call.stream.playback.payloads} == {clip}


@pytest.mark.parametrize(
    ("agent", "environment"), [(Agent(language="ja"), SPOKEN_BY_TWILIO), (Agent(), JAPANESE)]
)
async def test_a_caller_whom_nobody_answers_is_spoken_to_in_japanese(
    agent: Agent, environment: dict[str, str]
) -> None:
    """By the setting, or by the agent who was to have the call; also after a human was rung."""
    live_calls = LiveCalls()
    drain = Drain(live_calls, 60.0)
    drain.signalled()  # No call is taken any more.
    line = LineSettings(dial_outcome=DialOutcome.DECLINED, recording_s=0)
    async with (
        stack(Script(), agent=agent, environment=environment, drain=drain, live_calls=live_calls) as running,
        leaves_nothing(),
    ):
        call = await running.call([], line=line)
    texts = language_texts("ja")
    assert call.report.is_clean, call.report.warnings
    assert call.verbs == ["Dial", "Say", "Record", "Say", "Hangup"]
    spoken = [verb.detail for verb in call.report.verbs if verb.verb == "Say"]
    assert spoken == [texts.voicemail_prompt, texts.apology]
