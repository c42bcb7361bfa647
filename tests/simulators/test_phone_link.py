"""The delay line."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.simulators.link import Link


def test_delivers_after_the_delay_and_not_before() -> None:
    link: Link[str] = Link(delay_ms=60)
    link.send("a", 1.0)
    assert len(link) == 1
    assert link.deadline == pytest.approx(1.06)
    assert link.due(1.059) == []
    assert link.due(1.0601) == ["a"]
    assert link.deadline is None


@given(
    sends=st.lists(st.floats(0, 0.05), min_size=1, max_size=50),
    delay_ms=st.floats(0, 200),
    jitter_ms=st.floats(0, 200),
    seed=st.integers(0, 1000),
)
def test_nothing_is_lost_or_overtaken_and_every_delay_is_within_bounds(
    sends: list[float], delay_ms: float, jitter_ms: float, seed: int
) -> None:
    link: Link[tuple[int, float]] = Link(delay_ms, jitter_ms, random.Random(seed))
    now = 0.0
    for number, gap in enumerate(sends):
        now += gap
        link.send((number, now), now)
    arrived = []
    while (deadline := link.deadline) is not None:
        for number, sent_at in link.due(deadline):
            arrived.append(number)
            assert deadline - sent_at >= delay_ms / 1000 - 1e-9
            # Held up by at most the largest jitter of one that was sent before it.
            assert deadline - sent_at <= (delay_ms + jitter_ms) / 1000 + 1e-9
    assert arrived == list(range(len(sends)))


def test_the_same_seed_gives_the_same_delays() -> None:
    def arrivals(seed: int) -> list[float | None]:
        link: Link[int] = Link(10, 50, random.Random(seed))
        found = []
        for number in range(20):
            link.send(number, number * 1.0)
            found.append(link.deadline)
            link.due(number + 0.9)
        return found

    assert arrivals(7) == arrivals(7)
    assert arrivals(7) != arrivals(8)


def test_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="negative"):
        Link(delay_ms=-1)
    with pytest.raises(ValueError, match=r"seeded random\.Random"):
        Link(jitter_ms=5)
