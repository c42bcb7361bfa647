"""While a tool takes its time the caller is heard, and stops the agent, as fast as ever."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from callbridge.agents import in_call
from callbridge.agents.agent import Agent
from callbridge.call.facts import Remembered
from callbridge.call.memory import ToolStarted
from callbridge.simulators.phone import CallerScript, Interrupt, Pause
from callbridge.simulators.phone.voice_activity import HANGOVER_S
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from callbridge.simulators.voice_model.listening import Listening
from e2e.stack import FinishedCall, stack, together
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.simulators.phone import Step
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


@pytest.mark.parametrize(
    ("tool_s", "cuts"), [(1.5, 2), pytest.param(5.0, 6, marks=pytest.mark.heavy)], ids=["1.5 s", "5 s"]
)
async def test_a_tool_that_takes_its_time_slows_nobody_down(
    tool_s: float,
    cuts: int,
    monkeypatch: pytest.MonkeyPatch,
    figures: Callable[[str], None],
    machine: Machine,
) -> None:
    """Its words are said and its sound is wanted meanwhile; the caller speaks into all of it."""
    monkeypatch.setattr(in_call, "MOMENT_S", 0.1)
    appended = noting_appends(monkeypatch)
    with_tool, without = Latencies(), Latencies()
    calls = await together(
        *(place(cuts, seed, tool_s) for seed in range(CALLS)),
        *(place(cuts, seed, 0) for seed in range(CALLS)),
    )
    for number, call in enumerate(calls):
        measured = with_tool if number < CALLS else without
        measured.stops += stops_ms(call)
        measured.uplinks += uplinks_ms(call, appended[id(call.journal)])
        assert call.ended.interruptions >= cuts - 1, "a busy machine puts a caller out of step, once"
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
            f"a tool of {tool_s:g} s runs: {what} {slow_ms:.2f} ms, without {usual_ms:.2f} ms, "
            f"ratio {slow_ms / usual_ms:.2f}"
        )
        if slow_ms > RATIO_MAX * usual_ms + MARGIN_MS:
            faults.append(f"{what}: {slow_ms:.1f} ms with a tool, {usual_ms:.1f} ms without")
    machine.judge(faults, LATE_MS_MAX)


async def place(cuts: int, seed: int, tool_s: float) -> FinishedCall:
    """One call; its tool, if any, runs from the greeting to behind the caller's last word."""
    rng = random.Random(f"{cuts}/{seed}")
    agent = Agent(greeting_interruptible=True)

    @agent.tool(while_running="I am looking.", waiting_sound=True)
    async def look_up() -> str:
        """Looks it up."""
        await asyncio.sleep(tool_s)
        return "found"

    def says(length_ms: int, *calls: Call) -> Answer:
        return Answer(say=(Speech(text="So.", audio=noise(rng, length_ms)),), calls=calls, pace=8.0)

    greeting = [says(60, Call(name="look_up"))] if tool_s else []
    script = Script(answers=(*greeting, *(says(900) for _ in range(cuts))), default=says(900), after_ms=10)
    # Until the cut has come back, and what follows is an utterance of its own.
    word: list[Step] = [Interrupt(120, noise(rng, 120)), Pause(HANGOVER_S * 1000 - 70)]
    async with stack(script, agent=agent) as running:
        return await running.call(CallerScript(word * cuts))


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
