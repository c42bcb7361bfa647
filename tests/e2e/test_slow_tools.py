"""While a tool takes its time the caller is heard, and stops the agent, as fast as ever."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.tools import in_call
from callbridge.call.facts import Remembered
from callbridge.call.memory import ToolStarted
from callbridge.simulators.phone import Act, Departure
from callbridge.simulators.phone.voice_activity import is_audible
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from callbridge.simulators.voice_model.listening import Listening
from callbridge.wire.audio import FRAME_BYTES
from e2e.stack import FinishedCall, stack, together
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callbridge.simulators.phone import Ear, PhoneStream, SimulatedCall
    from machine import Machine

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

RATIO_MAX = 1.5
MARGIN_MS = 3.0
"""For the noise of a machine on which both take less than a millisecond."""

LATE_MS_MAX = 15
CALLS = 3
"""Of each kind, all at once."""


@dataclass
class Latencies:
    """Of the calls of one kind, in ms."""

    stops: list[float] = field(default_factory=list)
    """From the model's `speech_started` to `clear` at the phone."""
    uplinks: list[float] = field(default_factory=list)
    """From the phone's frame to the model's append."""


class Cutter:
    """A caller who stops the agent's answers until so many were cut, and leaves.

    No clock puts this caller out of step: they speak when they hear an answer, and an answer that was over
    before the word arrived is followed by another.
    """

    HEARD_FRAMES = 6
    """Of an answer, one behind the other: the sound of a tool that works is shorter."""

    QUIET_FRAMES = 20
    """Of the caller's own, between two words: each is a turn of its own then."""

    def __init__(self, cuts: int, word: bytes) -> None:
        self.complaints: Sequence[str] = ()
        self.phone: SimulatedCall | None = None
        self._cuts = cuts
        self._word = [Act(word[at : at + FRAME_BYTES]) for at in range(0, len(word), FRAME_BYTES)]
        self._frames: list[Act] = []
        self._heard_frames = self._quiet_frames = 0

    @property
    def is_done(self) -> bool:
        """Whether that many answers were cut."""
        return len(self._stream.playback.clears) >= self._cuts

    def next_frame(self, ear: Ear) -> Act:
        """The next 20 ms."""
        self._heard_frames = self._heard_frames + 1 if is_audible(ear.heard) else 0
        if self._frames:
            return self._frames.pop(0)
        self._quiet_frames += 1
        if self.is_done:
            return Act(departure=Departure.HANG_UP)
        if self._heard_frames >= self.HEARD_FRAMES and self._quiet_frames >= self.QUIET_FRAMES:
            self._frames, self._quiet_frames = self._word[1:], 0
            return self._word[0]
        return Act()

    @property
    def _stream(self) -> PhoneStream:
        assert self.phone is not None
        return self.phone.streams[0]


@pytest.mark.parametrize(
    "cuts", [2, pytest.param(6, marks=pytest.mark.heavy)], ids=["stopped twice", "stopped 6 times"]
)
async def test_a_tool_that_takes_its_time_slows_nobody_down(
    cuts: int, monkeypatch: pytest.MonkeyPatch, figures: Callable[[str], None], machine: Machine
) -> None:
    """Its words are said and its sound is wanted meanwhile; the caller speaks into all of it."""
    monkeypatch.setattr(in_call, "MOMENT_S", 0.1)
    appended = noting_appends(monkeypatch)
    with_tool, without = Latencies(), Latencies()
    calls = await together(
        *(place(cuts, seed, has_tool=True) for seed in range(CALLS)),
        *(place(cuts, seed, has_tool=False) for seed in range(CALLS)),
    )
    for number, call in enumerate(calls):
        measured = with_tool if number < CALLS else without
        measured.stops += stops_ms(call)
        measured.uplinks += uplinks_ms(call, appended[id(call.journal)])
        assert call.ended.interruptions >= cuts
        has_begun = any(isinstance(fact.entry, ToolStarted) for fact in call.of(Remembered))
        assert has_begun == (number < CALLS)
        assert call.ended.tools_used == 0, "it ran all the while"
    faults = []
    for what, slow, usual in (
        ("stop", with_tool.stops, without.stops),
        ("uplink", with_tool.uplinks, without.uplinks),
    ):
        slow_ms, usual_ms = statistics.median(slow), statistics.median(usual)
        figures(
            f"a tool runs, the agent is stopped {cuts} times: {what} {slow_ms:.2f} ms, "
            f"without {usual_ms:.2f} ms, ratio {slow_ms / usual_ms:.2f}"
        )
        if slow_ms > RATIO_MAX * usual_ms + MARGIN_MS:
            faults.append(f"{what}: {slow_ms:.1f} ms with a tool, {usual_ms:.1f} ms without")
    machine.judge(faults, LATE_MS_MAX)


async def place(cuts: int, seed: int, *, has_tool: bool) -> FinishedCall:
    """One call; its tool, if any, runs from the greeting to behind the caller's last word."""
    rng = random.Random(f"{cuts}/{seed}")
    agent = Agent(greeting_interruptible=True)

    @agent.tool(
        while_running="I am looking.", waiting_sound=True, timeout_s=12, when_caller_hangs_up="cancel"
    )
    async def look_up() -> str:
        """Looks it up."""
        await asyncio.Event().wait()
        return "found"

    def says(length_ms: int, *calls: Call) -> Answer:
        return Answer(say=(Speech(text="So.", audio=noise(rng, length_ms)),), calls=calls, pace=8.0)

    greeting = [says(60, Call(name="look_up"))] if has_tool else []
    script = Script(answers=(*greeting, *(says(900) for _ in range(cuts))), default=says(900), after_ms=10)
    caller = Cutter(cuts, noise(rng, 120))
    async with stack(script, agent=agent) as running:
        caller.phone = running.phone(caller)
        return await running.finish(caller.phone)


def noting_appends(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[float]]:
    """When each append reached the model, by the session's journal."""
    appended: dict[int, list[float]] = defaultdict(list)
    take = Listening._take  # The one place that all audio passes.

    def noting(listening: Listening, audio: bytes) -> bool:
        appended[id(listening._shared.journal)].append(asyncio.get_running_loop().time())  # As above.
        return take(listening, audio)

    monkeypatch.setattr(Listening, "_take", noting)
    return appended


def stops_ms(call: FinishedCall) -> list[float]:
    began = [speech.at for speech in call.journal.speech_started]
    clears = [clear.at for clear in call.stream.playback.clears]
    return [(at - max(one for one in began if one <= at)) * 1000 for at in clears]


def uplinks_ms(call: FinishedCall, appended: list[float]) -> list[float]:
    """Of each frame that was sent once the session stood: what was held before has waited for that."""
    sent = call.stream.frames_sent_at
    first = next(place for place, at in enumerate(sent) if at > appended[0])
    return [(there - at) * 1000 for at, there in zip(sent[first:], appended[first:], strict=False)]
