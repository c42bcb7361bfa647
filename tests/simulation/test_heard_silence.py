"""What a call says of its longest silence, against the caller's ear."""

from __future__ import annotations

from statistics import median

from random_calls import random_world
from simulation.waiting import long_waits

SEEDS = (0, 2, 6, 10)
ROUND_TRIP_S = 0.36
"""Of the slowest line that there is. The call knows of both ends of a silence when they are here."""


def test_no_silence_is_hidden_from_who_looks_at_the_record() -> None:
    """The ear hears a silence for as long as the call says, and for the way there and back."""
    differences = []
    for seed in SEEDS:
        world = random_world(seed).run()
        heard_s = max((wait.end - wait.start for wait in long_waits(world, at_least_s=0.3)), default=0.0)
        told_ms = world.ended.silence_ms_max
        assert told_ms is not None
        assert told_ms / 1000 >= heard_s - ROUND_TRIP_S, f"seed {seed}"
        differences.append(abs(told_ms / 1000 - heard_s))
    assert median(differences) < 0.25
