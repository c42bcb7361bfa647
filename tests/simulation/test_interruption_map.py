"""The caller interrupts at every 100 ms of an answer: what the model remembers is what they heard.

The ear is the simulated phone's, the memory the simulated model's: its conversation as the call has left it.
"""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest

from callbridge.simulators import phone
from callbridge.simulators.voice_model import Answer, Script
from callbridge.simulators.voice_model import Say as Speech
from random_calls import noise, words
from simulation.promises import complaints
from simulation.waiting import TAIL_MS, given
from worlds import Conditions, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simulation.waiting import Given

FRAME_MS: Final = 20

NETWORKS: Final = {"near": Conditions(), "far": Conditions(phone_delay_ms=120, model_delay_ms=80)}


def interrupted_at(at_ms: int, lengths_ms: Sequence[int], conditions: Conditions) -> World:
    """A call in which the caller speaks into the answer when they have heard so much of it."""
    rng = random.Random(f"map {at_ms} {lengths_ms}")
    answers = (
        Answer(say=(Speech(text="Hello.", audio=noise(rng, 600)),)),
        Answer(
            say=tuple(
                Speech(text=f"part {number}", audio=noise(rng, length_ms))
                for number, length_ms in enumerate(lengths_ms)
            ),
            caller="question",
            pace=5.0,
        ),
        Answer(say=(Speech(text="Go on, please.", audio=noise(rng, 600)),), caller="wait"),
    )
    steps: list[phone.Step] = [
        phone.WaitForAgent(),
        phone.Say(words(rng, 700)),
        phone.Interrupt(at_ms, words(rng, 600)),
        phone.WaitForAgent(),
        phone.Pause(300),
        phone.HangUp(),
    ]
    return World(Script(answers=answers), phone.CallerScript(steps), 1, conditions).run()


def fates_of(answer: Given) -> Iterator[str]:
    """What became of each item: whole, cut where the caller stopped hearing it, or gone."""
    for item, heard in answer.spoken:
        whole_ms = len(item.audio) / 8
        if item.deleted:
            assert heard.heard_ms <= FRAME_MS, heard
            yield "gone"
        elif item.truncated_at_ms is None:
            # A tail that counts as heard, and the frame in which the caller began to speak.
            assert whole_ms - heard.heard_ms <= TAIL_MS + FRAME_MS, heard
            yield "whole"
        else:
            assert abs(item.truncated_at_ms - heard.heard_ms) <= FRAME_MS, heard
            assert item.content == [{"type": "output_audio"}], "its words are forgotten"
            yield "cut"


@pytest.mark.parametrize("network", [pytest.param("near", marks=pytest.mark.heavy), "far"])
@pytest.mark.parametrize("lengths_ms", [(5000,), (2000, 3000)], ids=["one_item", "two_items"])
def test_an_interruption_at_every_tenth_of_a_second(lengths_ms: tuple[int, ...], network: str) -> None:
    """Nothing that was not heard is remembered, and nothing that was is lost or said again.

    Two items of one response overlap: the second is made, and waits in the phone, while the first is heard.
    """
    heard_ms: list[float] = []
    fates: set[str] = set()
    for at_ms in range(100, sum(lengths_ms) + 100, 100):
        world = interrupted_at(at_ms, lengths_ms, NETWORKS[network])
        assert complaints(world) == [], at_ms
        greeting, answer, after = given(world)
        fates.update(fates_of(answer))
        assert greeting.is_whole, at_ms
        assert after.is_whole, at_ms
        # The three answers are all that was ever made: nothing is said again.
        assert [wire.number for wire in world.wires] == [1]
        heard_ms.append(sum(heard.heard_ms for _, heard in answer.spoken))
    whole_ms = sum(lengths_ms)
    assert all(earlier < later or later == whole_ms for earlier, later in pairwise(heard_ms))
    assert heard_ms[0] < 700, "the map begins at the beginning"
    assert heard_ms[-1] == whole_ms, "and goes on to the end"
    assert fates == ({"whole", "cut", "gone"} if len(lengths_ms) > 1 else {"whole", "cut"})
