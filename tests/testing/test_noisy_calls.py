"""Whole calls amid noise, coughs and lost frames: what goes well all the same, and what is found."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from callbridge import Agent
from callbridge.simulators.phone.silence import AGENT, CALLER
from callbridge.testing import (
    Babble,
    Backchannel,
    Backchannels,
    Coughs,
    Echo,
    ExpectationError,
    FastSpeech,
    HangUp,
    Interrupt,
    Jitter,
    Line,
    Loss,
    Noise,
    Pause,
    PhoneBand,
    PlayedCall,
    SoftSpeech,
    WaitForAgent,
)
from callbridge.testing.expecting.ear import heard_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.testing import CallerStep
    from callbridge.testing.effects import AnyEffect

pytestmark = pytest.mark.heavy

AGENT_OF_A_BAKERY = Agent(instructions="You answer the telephone.", greeting="Hello, this is the bakery.")
QUESTION = "Are you open on Sunday? I would like to come by with my daughter."
HOURS = "On Sunday we are open from eight until two, and we have fresh rolls all the time."


def played(effects: Sequence[AnyEffect], *steps: CallerStep, seed: int = 0) -> PlayedCall:
    return Line(seed=seed).play(
        AGENT_OF_A_BAKERY, caller=[QUESTION, *steps], model=[HOURS, "Yes."], effects=effects
    )


@pytest.mark.parametrize(
    "effects",
    [
        (Noise(20),),
        (Babble(20),),
        (SoftSpeech(8), Noise(25)),
        (FastSpeech(1.8), PhoneBand()),
        (Loss(10), Jitter(150)),
        (Loss(20, "silent"),),
        (Loss(20, "missing"),),
    ],
    ids=str,
)
def test_a_bad_line_is_no_bad_call(effects: Sequence[AnyEffect]) -> None:
    call = played(effects, WaitForAgent(), "Have you got rye bread?")
    with call.expect.all() as expect:
        expect.heard(HOURS)
        expect.caller_said("with my daughter", turn=2)
        expect.no_false_barge_ins()
        expect.no_spurious_answers()
        expect.no_complaints()


@pytest.mark.parametrize(
    ("effects", "steps"),
    [
        ([Coughs(every_ms=1400)], []),
        ([Backchannels(every_ms=1400)], []),
        ([Echo(120, -10)], [WaitForAgent(), HangUp()]),
        ([], [Backchannel(after_ms=1500), Pause(4000)]),
    ],
    ids=["coughs", "backchannels", "echo", "a step"],
)
def test_an_agent_that_is_cut_by_no_word_is_found(
    effects: Sequence[AnyEffect], steps: Sequence[CallerStep]
) -> None:
    call = played(effects, *steps)
    with pytest.raises(ExpectationError, match="cut by other sounds"):
        call.expect.no_false_barge_ins()
    with pytest.raises(ExpectationError, match="answered other sounds"):
        call.expect.no_spurious_answers()


def test_a_noise_that_no_detection_hears_through_is_found() -> None:
    call = played([Noise(6)])
    with pytest.raises(ExpectationError, match="the longest was"):
        call.expect.silence(max_ms=4000)


@pytest.mark.parametrize("delay_ms", [0, 120])
def test_what_the_service_says_of_times_is_what_the_ear_heard(delay_ms: int) -> None:
    call = played([Jitter(delay_ms)], Interrupt(2000, "And on Monday?"), seed=3)
    waits = [turn.latency.whole_ms for turn in call.story.turns if turn.latency is not None]
    stretches = sorted(
        [(one, CALLER) for one in heard_of(call, CALLER)] + [(one, AGENT) for one in heard_of(call, AGENT)],
        key=lambda known: known[0].from_ms,
    )
    answers = [
        round(after.from_ms - before.to_ms)
        for (before, who), (after, answers) in pairwise(stretches)
        if (who, answers) == (CALLER, AGENT)
    ]
    assert waits == pytest.approx(answers, abs=60 + delay_ms)
    call.expect.truncation(within_ms=30 + delay_ms)


def test_a_seed_is_a_call_to_the_millisecond() -> None:
    def timeline(seed: int) -> str:
        effects = (Noise(25), Loss(15), Jitter(60))
        return played(effects, Interrupt(2000, "And on Monday?"), seed=seed).timeline().partition("\n")[2]

    assert timeline(4) == timeline(4)
    assert timeline(4) != timeline(5)
