"""The story of a call beside what both simulators know of it: what is told is what the caller lived."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from callbridge.agents.agent import Agent
from callbridge.records.telling import StoredFact, tell
from callbridge.simulators.phone import CallerScript, Interrupt, Network, Pause, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.phone.silence import CALLER
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import FinishedCall, stack, together
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.records.story import CallStory, Span
    from callbridge.simulators.phone import Step
    from callbridge.simulators.truth import HeardItem
    from machine import Machine

pytestmark = [pytest.mark.usefixtures("nothing_left", "without_debugging"), pytest.mark.heavy]

BOUND_MS = 60
ATTEMPTS = 3
"""A loop that both ends share is late once, by a module that is imported or by another process; a
fault of ours spoils all."""

SILENCE_MS = 300
DELAYS_MS = (0, 60)
AT = 1_790_000_000.0


def look_up(word: str) -> str:
    """Looks a word up."""
    return f"{word}: yes"


async def place(delay_ms: int) -> FinishedCall:
    """A greeting, a question that needs a tool, an answer that is cut in its second item, a goodbye."""
    rng = random.Random(delay_ms)
    script = Script(
        answers=(
            Answer(say=(_speech(rng, 600),), after_ms=80),
            Answer(calls=(Call(name="look_up", arguments={"word": "bread"}),), caller="Bread?", after_ms=120),
            Answer(say=(_speech(rng, 500), _speech(rng, 1500)), after_call=True, after_ms=150, pace=4),
            Answer(say=(_speech(rng, 300),), calls=(Call(name="end_call"),), caller="Wait.", after_ms=60),
        )
    )
    steps: list[Step] = [
        WaitForAgent(quiet_ms=300),
        Say(noise(rng, 400)),
        Interrupt(1100, noise(rng, 300)),
        Pause(600),
        WaitForEnd(),
    ]
    patience = {"CALLBRIDGE_VAD_SILENCE_DURATION_MS": str(SILENCE_MS)}
    agent = Agent(tools=[look_up], greeting_interruptible=True)
    async with stack(script, agent=agent, environment=patience) as running:
        return await running.call(CallerScript(steps), network=Network(delay_ms=delay_ms))


def told(call: FinishedCall) -> CallStory:
    """Its story, as records tell it."""
    rows = [StoredFact(fact.source, fact.number, AT + fact.at_ms / 1000, fact) for fact in call.facts]
    return tell(call.sid, rows)


async def test_a_story_is_what_the_caller_lived(figures: Callable[[str], None], machine: Machine) -> None:
    """When each side was heard, how much of what, and how long they waited: to 60 ms."""
    for _ in range(ATTEMPTS):
        calls = await together(*map(place, DELAYS_MS))
        faults = [
            fault for call, delay_ms in zip(calls, DELAYS_MS, strict=True) for fault in judged(call, delay_ms)
        ]
        for fault in faults:
            figures(fault)
        if not faults:
            break
    machine.judge(faults, BOUND_MS / 3)


def judged(call: FinishedCall, delay_ms: int) -> list[str]:
    """Where the story and the truth lie apart."""
    assert call.report.is_clean, call.report
    story, (greeting, first, second, goodbye) = told(call), call.heard()
    spoken = [sound for sound in call.stream.sounds.all if sound.source == CALLER]
    assert [turn.number for turn in story.turns] == [1, 2, 3]
    assert [[item.item_id for item in turn.agent] for turn in story.turns] == [
        [greeting.item_id],
        [first.item_id, second.item_id],
        [goodbye.item_id],
    ]
    hello, asked, waited = story.turns
    assert [tool.name for turn in story.turns for tool in turn.tools] == ["look_up", "end_call"]
    assert (hello.was_interrupted, asked.was_interrupted, waited.was_interrupted) == (False, True, False)
    assert (story.end_reason, story.interruptions) == ("agent_hangup", 1)
    # One clock is shifted against the other by a constant: by the greeting it is found.
    zero = greeting.heard_from - _span(hello.agent[0].span).began_ms / 1000
    truth: list[tuple[str, float, float]] = []
    for item, of_story in zip((first, second, goodbye), (*asked.agent, *waited.agent), strict=True):
        truth.append((f"{item.item_id} heard", of_story.heard_ms, item.heard_ms))
        truth += _bar("agent", _span(of_story.span), _lived(item), zero)
    for turn, sound in zip((asked, waited), spoken, strict=True):
        truth += _bar("caller", turn.spans[0], (sound.start, sound.end), zero)
    for turn, sound, item in ((asked, spoken[0], first), (waited, spoken[1], goodbye)):
        assert turn.latency is not None
        assert sum(part.ms for part in turn.latency.parts) == turn.latency.whole_ms
        truth.append(("wait", turn.latency.whole_ms, (item.heard_from - sound.end) * 1000))
        parts = {part.name: part.ms for part in turn.latency.parts}
        truth.append(("turn detection", parts["turn detection"], SILENCE_MS))
        truth.append(("telephone", parts["first audio heard"], 2 * delay_ms))
    assert asked.latency is not None
    assert {part.owner for part in asked.latency.parts} == {"setting", "model", "tools", "ours", "phone"}
    (clear,) = call.stream.playback.clears
    assert asked.barge_in_ms is not None
    truth.append(("barge-in", asked.barge_in_ms + 2 * delay_ms, (clear.at - spoken[1].start) * 1000))
    apart = [(what, ms, true_ms) for what, ms, true_ms in truth if abs(ms - true_ms) > BOUND_MS]
    return [f"{what}: told {ms:.0f} ms, true {true_ms:.0f} ms" for what, ms, true_ms in apart]


def _lived(item: HeardItem) -> tuple[float, float]:
    return item.heard_from, item.heard_until


def _bar(who: str, span: Span, lived: tuple[float, float], zero: float) -> list[tuple[str, float, float]]:
    began, ended = ((at - zero) * 1000 for at in lived)
    return [(f"{who} began", span.began_ms, began), (f"{who} ended", span.ended_ms, ended)]


def _span(span: Span | None) -> Span:
    assert span is not None
    return span


def _speech(rng: random.Random, duration_ms: int) -> Speech:
    return Speech(text="Words of the agent.", audio=noise(rng, duration_ms))
