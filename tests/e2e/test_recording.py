"""Recordings of calls over real sockets: both sides as the caller said and heard them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import pytest

import callbridge
from callbridge.agents.agent import Agent
from callbridge.agents.recording.recording import Recording
from callbridge.call import recording_facts as rf
from callbridge.call.facts import EndReason
from callbridge.records.recording import finishing
from callbridge.server.process.keeping.recordings import Recordings
from callbridge.simulators.phone import CallerScript, Interrupt, Network, Pause, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.line import Line
from e2e.recorded import audible_ms, laid, misaligned_ms, sides
from e2e.stack import stack
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from callbridge.simulators.phone import Step
    from e2e.line import Frame, Way
    from e2e.stack import FinishedCall
    from machine import Machine

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging", "stored_here")

AT_ONCE = Recording(consent="none")
ALIGNED_MS = 40


@pytest.fixture
def stored_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process does that stores, in this one, and without Opus: sound is compared byte by byte."""

    def run(_self: Recordings, task: bytes) -> tuple[list[bytes], str]:
        done = finishing.finish_all(msgspec.json.decode(task, type=finishing.Task))
        return [msgspec.json.encode(finished) for finished in done], ""

    monkeypatch.setattr(Recordings, "_run", run)
    monkeypatch.setattr(finishing, "encode", lambda _wav, _opus: False)


def speech(rng: random.Random, ms: int, text: str = "Words of the agent.") -> Speech:
    return Speech(text=text, audio=noise(rng, ms))


def talk(rng: random.Random) -> tuple[Script, list[Step]]:
    """Answers that are heard out, interrupted when they are all sent, and while they are being made."""
    answers = (
        Answer(say=(speech(rng, 900),), pace=5),
        Answer(say=(speech(rng, 1500),), pace=20),
        Answer(say=(speech(rng, 1500),), pace=1.3),
    )
    goodbye = Answer(say=(speech(rng, 300),), calls=(Call(name="end_call"),))
    steps: list[Step] = [WaitForAgent(quiet_ms=350), Say(noise(rng, 300))]
    for after_ms in (600, 500):
        steps += [Interrupt(after_ms, noise(rng, 250)), Pause(400)]
    return Script(answers=answers, default=goodbye, after_ms=20), [*steps, WaitForEnd()]


async def recorded(
    folder: Path, script: Script, steps: list[Step], agent: Agent | None = None, **line: object
) -> FinishedCall:
    """One call whose recording is in `folder` when this returns."""
    agent = agent or Agent(recording=AT_ONCE, greeting_interruptible=True)
    async with stack(script, agent=agent, environment={"CALLBRIDGE_RECORDINGS": str(folder)}) as running:
        return await running.call(CallerScript(steps), **line)


def only_wav(folder: Path) -> Path:
    (wav,) = folder.rglob("*.wav")
    assert wav.parent == folder, "it is stored"
    return wav


@pytest.mark.heavy  # Judged by milliseconds.
@pytest.mark.parametrize("delay_ms", [0, 60])
async def test_a_recording_is_what_was_said_and_heard(
    tmp_path: Path, delay_ms: int, machine: Machine, figures: Callable[[str], None]
) -> None:
    """With interruptions, near and far: nothing is missing, nothing unheard is in it, all is in its place."""
    script, steps = talk(random.Random(5))
    call = await recorded(tmp_path, script, steps, network=Network(delay_ms=delay_ms))
    assert call.ended.reason is EndReason.AGENT_HANGUP
    assert call.ended.interruptions == 2
    wav = only_wav(tmp_path)
    worst_ms, said, heard = misaligned_ms(call.stream, wav)
    figures(f"a recording at {delay_ms} ms each way: the sides are {worst_ms:.1f} ms apart at the most")
    assert worst_ms <= ALIGNED_MS + machine.loop_late_ms
    assert said.missing_ms == 0
    assert heard.missing_ms <= 3 * ALIGNED_MS  # Where a piece ends no window is whole.
    _, true_agent = laid(call.stream)
    assert audible_ms(sides(wav)[1]) <= audible_ms(true_agent) + 2 * ALIGNED_MS


@pytest.mark.heavy  # So here.
async def test_a_line_that_stalls_moves_nothing(
    tmp_path: Path, machine: Machine, figures: Callable[[str], None]
) -> None:
    """1.2 s of neither direction, twice, then all at once; and frames that are lost, which are silence."""
    rng = random.Random(6)
    script, steps = talk(rng)
    held: list[bytes] = []
    stalls, lost = ((60, 120), (200, 260)), (150, 160)

    def spoil(number: int, frame: Frame, way: Way) -> list[bytes]:
        if any(low <= number < high for low, high in stalls):
            way.stop_reading()
            held.append(frame.raw)
            return []
        way.may_read.set()
        released, held[:] = [*held], []
        return released if lost[0] <= number < lost[1] else [*released, frame.raw]

    async with Line(spoil, from_media=10).opened() as line:
        agent = Agent(recording=AT_ONCE, greeting_interruptible=True)
        environment = {"CALLBRIDGE_RECORDINGS": str(tmp_path), "PUBLIC_BASE_URL": line.url}
        async with stack(script, agent=agent, environment=environment) as running:
            line.target = running.port
            call = await running.call(CallerScript(steps))
    worst_ms, _, heard = misaligned_ms(call.stream, only_wav(tmp_path))
    figures(f"a recording over a line that stalls: the sides are {worst_ms:.1f} ms apart at the most")
    assert worst_ms <= ALIGNED_MS + machine.loop_late_ms
    assert heard.missing_ms <= 5 * ALIGNED_MS  # Where a piece ends no window is whole.


@pytest.mark.heavy  # Judged by milliseconds.
async def test_nothing_is_recorded_before_the_announcement_was_heard_nor_in_a_pause(tmp_path: Path) -> None:
    """The tool of the second answer pauses, that of the third goes on; the rest is in the recording."""
    rng = random.Random(7)
    agent = Agent(recording=Recording(announcement="This call is recorded."), greeting="Hello!")

    @agent.tool
    async def take_card(call: callbridge.Call) -> str:
        """Takes a card."""
        call.pause_recording()
        return "ask for it"

    @agent.tool
    async def card_taken(call: callbridge.Call) -> str:
        """The card is taken."""
        call.resume_recording()
        return "thank them"

    greeting = speech(rng, 800, "This call is recorded. Hello!")
    card, thanks, bye = (speech(rng, ms) for ms in (600, 500, 300))
    before, number, after = (noise(rng, ms) for ms in (300, 400, 350))
    script = Script(
        answers=(
            Answer(say=(greeting,), pace=5),
            Answer(calls=(Call(name="take_card"),)),
            Answer(say=(card,), pace=5),
            Answer(calls=(Call(name="card_taken"),)),
            Answer(say=(thanks,), pace=5),
        ),
        default=Answer(say=(bye,), calls=(Call(name="end_call"),)),
        after_ms=20,
    )
    steps: list[Step] = [
        *(WaitForAgent(quiet_ms=400), Say(before)),
        *(WaitForAgent(quiet_ms=400), Say(number)),
        *(WaitForAgent(quiet_ms=400), Say(after)),
        WaitForEnd(),
    ]
    call = await recorded(tmp_path, script, steps, agent)
    kinds = [type(fact) for fact in call.facts if isinstance(fact, rf.OF_RECORDINGS)]
    assert kinds == [rf.ConsentGiven, rf.RecordingBegan, rf.RecordingPaused, rf.RecordingResumed]
    assert "This call is recorded. Hello!" in call.journal.responses[0].instructions
    caller, agents = sides(only_wav(tmp_path))
    for sound, side, is_there in (
        *((before, caller, True), (number, caller, False), (after, caller, True)),
        *((card.audio, agents, False), (thanks.audio, agents, True), (bye.audio, agents, True)),
    ):
        assert sound is not None
        assert (side.find(sound[1600:1760]) >= 0) is is_there
    assert greeting.audio is not None
    assert agents.find(greeting.audio[:160]) < 0
