"""A whole call over real sockets: greeting, a turn with a tool, goodbye, and all that must hold of it."""

from __future__ import annotations

import itertools
import json
import random
from typing import TYPE_CHECKING

import pytest

from callbridge.agents.agent import Agent
from callbridge.call.facts import AgentReady, EndReason, Interrupted, StreamStarted, ToolUsed, TurnEnded
from callbridge.call.limits import Limits
from callbridge.server.config.clip import load_clip
from callbridge.server.process.measuring.measuring import DeskSeen
from callbridge.simulators.phone import (
    Background,
    CallerScript,
    ComfortNoise,
    Echo,
    Incoming,
    Pause,
    Place,
    Say,
    StreamSettings,
    Surrounded,
    Surroundings,
    WaitForAgent,
    WaitForEnd,
)
from callbridge.simulators.sounds import SoundKind
from callbridge.simulators.voice_model import Answer, Call, Script, session_reports
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import CONNECTED_AND_ENDED, CONNECTED_AND_LEFT, FinishedCall, Log, stack, together
from random_calls import noise

if TYPE_CHECKING:
    from callbridge.server.process.desk import Desk
    from lanes import PhoneLane

pytestmark = pytest.mark.usefixtures("nothing_left")


def conversation(rng: random.Random) -> Script:
    """Greeting, a question that needs a tool, goodbye."""
    return Script(
        answers=(
            Answer(say=(_speech(rng, 500, "Welcome."),)),
            Answer(
                say=(_speech(rng, 250, "Let me see."),),
                calls=(Call(name="look_up", arguments={"word": "bread"}),),
                caller="Do you have bread?",
            ),
            Answer(say=(_speech(rng, 350, "We do."), _speech(rng, 300, "Two kinds.")), after_call=True),
            Answer(say=(_speech(rng, 400, "Goodbye."),), calls=(Call(name="end_call"),), caller="Bye."),
        ),
        after_ms=50,
        delta_bytes=(80, 400),
    )


def visitor(rng: random.Random) -> CallerScript:
    return CallerScript(
        [
            WaitForAgent(quiet_ms=200),
            Say(noise(rng, 300)),
            WaitForAgent(quiet_ms=1000),  # The tool runs in between, on a machine that may be busy.
            Say(noise(rng, 300)),
            WaitForEnd(),
        ]
    )


async def place(seed: int, method: str, lane: PhoneLane) -> FinishedCall:
    rng = random.Random(seed)

    async def look_up(word: str) -> dict[str, str]:
        """Looks a word up."""
        return {word: "rye and wheat"}

    agent = Agent(greeting="Welcome.", tools=[look_up])
    async with stack(conversation(rng), agent=agent, lane=lane) as running:
        call = await running.call(visitor(rng), method=method)
        assert_metrics_tell_the_call(running.desk)
        return call


@pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])
async def test_a_whole_call_keeps_every_promise(log: Log) -> None:
    """Greeting, tool and goodbye, by either method and lane: every byte arrives, and nobody complains."""
    for call in await together(place(1, "POST", "fast"), place(2, "GET", "slow")):
        assert call.report.is_clean, call.report
        assert call.report.status == "completed"
        assert call.journal.refusals == []
        assert call.verbs == CONNECTED_AND_ENDED
        assert (call.close_code, call.ended.reason) == (1000, EndReason.AGENT_HANGUP)
        assert_caller_audio_is_whole(call)
        assert_agent_audio_is_whole(call)
        assert_agent_waited_for_its_last_words(call)
        assert_facts_tell_the_call(call)
        assert_log_tells_the_call(call, log)
        assert_model_report_tells_the_call(call)


def assert_metrics_tell_the_call(desk: Desk) -> None:
    """One call, a tool, its dials and the way of its frames; nothing of it is left in a gauge."""
    found = {
        (sample.name.removeprefix("callbridge_"), *sample.labels.values()): sample.value
        for family in desk.metrics.collect(DeskSeen(desk))
        for sample in family.samples
    }
    assert (found["calls_offered_total",], found["first_audio_seconds_count",]) == (1, 1)
    assert found["streams_ended_total", "agent_hangup"] == 1
    assert found["tool_calls_total", "look_up", "answered"] == 1
    assert found["turn_latency_seconds_count",] >= 1
    assert found["model_dial_seconds_count", "connected"] == 1
    assert found["relay_seconds_count", "uplink"] >= 1
    assert found["relay_seconds_count", "downlink"] >= 1
    assert 0 < found["silence_seconds_sum",] < 4
    assert abs(found["clock_ahead_seconds",]) < 2, "the simulated model says what time it has"


def assert_model_report_tells_the_call(call: FinishedCall) -> None:
    """Words of both sides, and the tool with what it was asked and answered."""
    (report,) = session_reports([call.journal])
    words = [(said.role, said.text) for said in report.words if said.role != "system"]
    assert words[:3] == [
        ("assistant", "Welcome."),
        ("user", "Do you have bread?"),
        ("assistant", "Let me see."),
    ]
    tool, goodbye = report.tools
    assert (tool.name, tool.arguments) == ("look_up", '{"word":"bread"}')
    assert json.loads(tool.output or "") == {"bread": "rye and wheat"}
    assert goodbye.name == "end_call"


def assert_caller_audio_is_whole(call: FinishedCall) -> None:
    """The model got what the caller said from the first byte on; only the silence of the end may lack."""
    said, got = bytes(call.stream.caller_audio), bytes(call.journal.appended or b"")
    assert got == said[: len(got)]
    assert not said[len(got) :].strip(b"\xff"), "words of the caller were lost"
    assert call.ended.frames_dropped == 0
    assert call.ended.frames_from_phone == call.ended.frames_to_model


def assert_agent_audio_is_whole(call: FinishedCall) -> None:
    """Every byte of every item reached the phone, in order, and was heard."""
    items = call.heard()
    assert len(items) == 5
    for item in items:
        assert item.received_ms == item.heard_ms == item.sent_ms, item
        assert (item.truncated_at_ms, item.is_deleted) == (None, False), item


def assert_agent_waited_for_its_last_words(call: FinishedCall) -> None:
    """The agent hangs up after the echo of its final mark, and not much later."""
    end, last = call.stream.end, call.stream.playback.marks[-1]
    assert end is not None
    assert last.echoed_at is not None
    assert (end.by_whom, end.unheard_bytes) == ("bridge", 0)
    assert last.echoed_at < end.at < last.echoed_at + 1


def assert_facts_tell_the_call(call: FinishedCall) -> None:
    (ready,) = call.of(AgentReady)
    assert ready.has_transcription
    (started,) = call.of(StreamStarted)
    assert started.source == call.stream.identity.stream_sid
    assert [tool.name for tool in call.of(ToolUsed)] == ["look_up", "end_call"]
    said = [(turn.caller, turn.agent) for turn in call.of(TurnEnded)]
    assert said == [
        (None, "Welcome."),
        ("Do you have bread?", "Let me see. We do. Two kinds."),
        ("Bye.", "Goodbye."),
    ]
    assert call.of(Interrupted) == []
    ended = call.ended
    assert (ended.turns, ended.interruptions, ended.tools_used, ended.errors) == (3, 0, 2, 0)
    assert ended.audio_to_phone_ms == 1800
    assert ended.first_audio_ms is not None
    assert ended.response_ms_max is not None
    assert ended.usage.output_audio_tokens > 0


def assert_log_tells_the_call(call: FinishedCall, log: Log) -> None:
    """Both SIDs on each line, one canonical line; no words, no numbers, no secrets."""
    (end,) = log.events("stream_ended", call.sid)
    assert end["reason"] == "agent_hangup"
    turns = log.events("turn_ended", call.sid)
    assert [turn["turn"] for turn in turns] == [1, 2, 3]
    assert all("agent" not in turn for turn in turns)
    stream_sid = call.stream.identity.stream_sid
    lines = [line for line in log.lines if line.get("call_sid") == call.sid and "stream_sid" in line]
    assert {line["stream_sid"] for line in lines} == {stream_sid}
    line = call.phone.line
    for secret in (line.from_number, line.to_number, line.auth_token, "sk-made-up"):
        assert secret not in log.text


def _speech(rng: random.Random, duration_ms: int, text: str) -> Speech:
    return Speech(text=text, audio=noise(rng, duration_ms))


ADD_ONS = json.dumps({"status": "successful", "results": {"spam": {"status": "successful", "score": 0.1}}})

CALLERS = {
    "+447700900123": Incoming(passports=1, stir_verstat=None),
    "+266696687": Incoming(),
    "Anonymous": Incoming(),
    "client:alice_ÄÖ": Incoming(more={"customer": "Ärger & Söhne=1", "empty": ""}),
    "sip:bob@10.0.0.1:5061;transport=tls": Incoming(sip_headers={"X-Tenant": " spaces kept "}),
    "+17735550100": Incoming(
        from_place=Place("US", "CHICAGO", "IL", "60712"),
        to_place=Place("FR", "SAINT-ÉTIENNE"),
        passports=1,
        forwarded_from="+15550100009",
        caller_name="ACME, INC.",
        add_ons=ADD_ONS,
    ),
    "+351911000000": Incoming(add_ons=ADD_ONS * 40),
}


async def test_whoever_calls_is_connected(log: Log) -> None:
    """Numbers of all countries, none, SIP and apps, with all that Twilio tells of them: signed, and taken."""
    greeting = Script(answers=(Answer(say=(_speech(random.Random(0), 300, "Welcome."),)),), after_ms=0)
    async with stack(greeting, agent=Agent(greeting="Welcome.")) as running:
        calls = await together(
            *(
                running.call(
                    [WaitForAgent(quiet_ms=200)], from_number=number, incoming=incoming, method=method
                )
                for (number, incoming), method in zip(
                    CALLERS.items(), itertools.cycle(("POST", "GET")), strict=False
                )
            )
        )
    for call in calls:
        number = call.phone.line.from_number
        assert call.report.is_clean, (number, call.report)
        assert call.verbs == CONNECTED_AND_LEFT, number
        assert call.of(StreamStarted)[0].caller == number
        assert call.report.greeting is not None
        assert call.report.greeting.heard_ms == call.report.greeting.sent_ms >= 300
    assert not log.events("webhook_refused")


@pytest.mark.heavy
async def test_the_caller_witnesses_what_was_heard_in_a_noisy_place() -> None:
    """Noise and an echo of the agent's voice are no turn of the caller's; the clip is not the agent."""
    rng = random.Random(3)
    slow = Script(
        answers=(
            Answer(say=(_speech(rng, 600, "Welcome."),)),
            Answer(say=(_speech(rng, 400, "We do."),), after_ms=2500, caller="Do you have bread?"),
        ),
        after_ms=0,
    )
    question = Say(noise(rng, 300))
    visitor = CallerScript([WaitForAgent(300), Pause(1300), question, WaitForAgent(2000)])
    place = Surroundings(Background(SoundKind.NOISE, -50), ComfortNoise(), Echo(loss_db=40))
    limits = Limits(connect_clip_after_s=1.0, clip_after_s=1.0)
    async with stack(slow, agent=Agent(greeting="Welcome."), limits=limits) as running:
        call = await running.call(Surrounded(visitor, place), stream=StreamSettings(clips=(load_clip(None),)))
    report = call.report
    assert report.is_clean, report
    assert report.greeting is not None
    assert report.greeting.heard_ms == report.greeting.sent_ms == 600
    # A busy machine may have needed a clip before the greeting, too.
    greeting, clip, answer = report.heard[-3:]
    assert [sound.what for sound in (greeting, clip, answer)] == ["agent", "clip", "agent"]
    assert report.heard_at(clip.from_ms + 10) == {"clip"}
    assert report.streams[0].interruptions == []
    pause, *_, end = (silence for silence in report.silences if silence.after != "answer")
    assert (pause.after, pause.before, pause.is_callers_turn) == ("agent", "caller", True)
    assert (end.after, end.before, end.is_callers_turn) == ("agent", "hang-up", True)
    assert not {pause, end} & set(report.dead_air())
