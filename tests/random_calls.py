"""Calls drawn from a seed: what the agent says, how the caller behaves, what the network does."""

from __future__ import annotations

import random
from typing import Literal

from callbridge.simulators.phone import (
    CallerScript,
    Interrupt,
    InterruptAt,
    Pause,
    Press,
    Say,
    Step,
    WaitForAgent,
    WaitForEnd,
)
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from worlds import Conditions, World

LOUD = bytes(range(0x30)) + bytes(range(0x80, 0xB0))
"""µ-law codes far above any threshold."""

Status = Literal["completed", "failed", "incomplete"]
STATUSES: tuple[Status, ...] = ("completed", "failed", "incomplete")

NETWORKS = ((0, 0), (60, 0), (120, 0), (40, 20), (90, 40))
"""Delay and jitter each way, in ms."""


def noise(rng: random.Random, duration_ms: int) -> bytes:
    """Loud audio that occurs nowhere else, so that every byte can be found again."""
    return bytes(rng.choices(LOUD, k=duration_ms * 8))


def random_script(rng: random.Random) -> Script:
    """A greeting and some answers; one or two items each, some with tools, some that fail."""
    answers = [Answer(say=(_speech(rng),))]
    for _ in range(rng.randint(2, 5)):
        items = tuple(_speech(rng) for _ in range(rng.choices((1, 2, 3), (6, 3, 1))[0]))
        status: Status = rng.choices(STATUSES, (12, 1, 1))[0]
        calls = tuple(Call(name="look_up") for _ in range(rng.choices((0, 1, 2), (8, 2, 1))[0]))
        answers.append(
            Answer(
                say=items,
                calls=calls if status == "completed" else (),
                status=status,
                stop_after_ms=rng.randint(0, 800) if status != "completed" else None,
                pace=rng.choice((1.3, 3.0, 6.0, 20.0)),
                delta_bytes=rng.choice(((80, 400), (300, 2000), (2000, 6000))),
                after_ms=rng.choice((0, 150, 400)),
                interrupt_lag_ms=rng.choice((0, 0, 80)),
                caller="something",
                transcript=rng.choice(("before", "during", "after")),
            )
        )
    goodbye = Answer(say=(_speech(rng, most_ms=1500),), calls=(Call(name="end_call"),))
    return Script(answers=tuple(answers), default=goodbye)


def random_caller(rng: random.Random, *, keys: bool) -> CallerScript:
    """Questions, interruptions at any moment, pauses; then waits for the agent to end the call."""
    steps: list[Step] = []
    if rng.random() < 0.2:
        steps.append(InterruptAt(rng.uniform(0.1, 1.5), noise(rng, rng.randint(200, 900))))
    for _ in range(rng.randint(2, 6)):
        audio = noise(rng, rng.randint(250, 1500))
        kinds: list[list[Step]] = [
            [WaitForAgent(), Say(audio)],
            [Interrupt(rng.choice((30, 200, 700, 1500, 3000)), audio)],
            [Pause(rng.uniform(0, 2500)), Say(audio)],
        ]
        if keys:
            kinds.append([Pause(rng.uniform(0, 2000)), Press(rng.choice(("1", "42#", "0")))])
        steps += rng.choice(kinds)
    # Whatever is left of the script, the caller talks on until the agent says goodbye.
    for _ in range(6):
        steps += [WaitForAgent(quiet_ms=1200), Say(noise(rng, 400))]
    return CallerScript([*steps, WaitForEnd()])


def random_world(seed: int, *, keys: bool = False) -> World:
    """One call in virtual time."""
    rng = random.Random(seed)
    delay_ms, jitter_ms = rng.choice(NETWORKS)
    conditions = Conditions(
        phone_delay_ms=delay_ms,
        phone_jitter_ms=jitter_ms,
        model_delay_ms=rng.choice((1, 20, 80)),
        dial_s=rng.choice((0.05, 0.4, 1.5)),
        tool_s=rng.choice((0.01, 0.5, 3.0)),
    )
    return World(random_script(rng), random_caller(rng, keys=keys), seed, conditions)


def _speech(rng: random.Random, *, most_ms: int = 5000) -> Speech:
    return Speech(text="Words of the agent.", audio=noise(rng, rng.randint(200, most_ms)))
