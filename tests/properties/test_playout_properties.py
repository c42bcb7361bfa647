"""The ledger against a telephone: what it believes was heard is what was heard, delays or not.

The ledger never learns the delays. With constant ones it must be exact; with jitter it may be wrong by what
the jitter hides, and no more; when the phone stalls it may not claim what no echo can confirm.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.call.limits import Limits
from callbridge.call.playout import CutItem, Playout
from phones import Link, Phone

DELAYS_MS = (0, 60, 120)
ITEMS = ("a", "b", "c")


@dataclass(frozen=True)
class Delta:
    """Agent audio, some time after what was before."""

    item: int
    byte_count: int
    after_s: float
    jitter: float


@dataclass(frozen=True)
class Cut:
    """The caller speaks."""

    after_s: float
    jitter: float


@dataclass(frozen=True)
class ItemEnds:
    """The end of an item is marked, however short it was."""

    jitter: float


PAUSES_S = st.one_of(st.just(0.0), st.floats(0, 0.3), st.floats(0, 5))
JITTER = st.floats(0, 1)
DELTAS = st.builds(Delta, st.integers(0, 2), st.integers(1, 4000), PAUSES_S, JITTER)
STEPS = st.lists(
    st.one_of(DELTAS, DELTAS, DELTAS, st.builds(ItemEnds, JITTER), st.builds(Cut, PAUSES_S, JITTER)),
    min_size=1,
    max_size=30,
)


class Played:
    """A ledger and the phone that it judges, side by side."""

    def __init__(self, down_ms: float, up_ms: float, jitter_ms: float = 0) -> None:
        self.ledger = Playout()
        self.phone = Phone(Link(down_ms / 1000), Link(up_ms / 1000))
        self.jitter_s = jitter_ms / 1000
        self.now = 100.0
        self.generation = 0
        """Items of different generations share no name: an item that was cut does not go on."""

    def play(self, step: Delta | Cut | ItemEnds) -> None:
        match step:
            case Delta(item, byte_count, after_s, jitter):
                self.wait(after_s, jitter)
                self.audio(f"{ITEMS[item]}{self.generation}", byte_count, jitter)
            case ItemEnds(jitter):
                self.mark(self.ledger.mark(), jitter)
            case Cut():
                self.cut(step)

    def wait(self, duration_s: float, jitter: float = 0) -> None:
        """Time passes; echoes arrive, each in its time."""
        end = self.now + duration_s
        for at, name in self.phone.echoes(end, jitter * self.jitter_s):
            self.ledger.echoed(name, at)
            self.check(at)
        self.now = end

    def audio(self, item_id: str, byte_count: int, jitter: float = 0) -> None:
        self.phone.audio(item_id, byte_count, self.now, jitter * self.jitter_s)
        self.mark(self.ledger.sent(item_id, byte_count, self.now), jitter)
        self.check(self.now)

    def mark(self, name: str | None, jitter: float = 0) -> None:
        if name is not None:
            self.phone.mark(name, self.now, jitter * self.jitter_s)

    def cut(self, cut: Cut) -> None:
        self.wait(cut.after_s, cut.jitter)
        believed = self.ledger.cut(self.now)
        truth = self.phone.clear(self.now, cut.jitter * self.jitter_s)
        self.compare(believed, truth)
        self.generation += 1
        assert self.ledger.unheard_ms(self.now) == 0
        assert self.ledger.is_drained

    def compare(self, believed: tuple[CutItem, ...], truth: dict[str, float]) -> None:
        allowed_ms = 1 + 3 * self.jitter_s * 1000
        for item in believed:
            assert 0 <= item.heard_ms <= item.sent_ms
            assert abs(item.heard_ms - truth[item.item_id] / 8) <= allowed_ms, item

    def check(self, now: float) -> None:
        """Proven ≤ heard ≤ sent, at every moment."""
        ledger = self.ledger
        heard = ledger._position(now)  # The invariant is about what is inside.
        assert ledger._proven_bytes <= heard <= ledger._run_bytes  # The same.
        assert len(ledger._marks) <= Limits().marks_outstanding_max  # The same.


@pytest.mark.parametrize("up_ms", DELAYS_MS)
@pytest.mark.parametrize("down_ms", DELAYS_MS)
@given(steps=STEPS, last=st.builds(Cut, PAUSES_S, JITTER))
def test_with_constant_delays_a_cut_is_exact(
    down_ms: int, up_ms: int, steps: list[Delta | Cut | ItemEnds], last: Cut
) -> None:
    """Within the millisecond that rounding costs: underruns, several items, gaps, cuts between two marks."""
    played = Played(down_ms, up_ms)
    for step in [*steps, last]:
        played.play(step)


BURSTS = st.lists(
    st.tuples(
        st.lists(st.integers(800, 4000), min_size=1, max_size=15),
        st.floats(1.5, 10),
        st.sampled_from((0.0, 1.0, 4.0)),
    ),
    min_size=1,
    max_size=4,
)
"""Answers as a model makes them: faster than real time, with pauses in which the phone runs dry."""


@pytest.mark.parametrize("jitter_ms", [10, 30, 50])
@given(
    bursts=BURSTS,
    jitters=st.lists(JITTER, min_size=80, max_size=80),
    last=st.builds(Cut, st.floats(0, 3), JITTER),
)
def test_with_jitter_a_cut_is_wrong_by_the_jitter_at_most(
    jitter_ms: int, bursts: list[tuple[list[int], float, float]], jitters: list[float], last: Cut
) -> None:
    """Audio, clear and echo may each be late by it: three times the jitter is all that it can hide."""
    played = Played(60, 60, jitter_ms)
    for number, (sizes, pace, pause_s) in enumerate(bursts):
        for byte_count in sizes:
            jitter = jitters.pop()
            played.audio(f"item_{number}", byte_count, jitter)
            played.wait(byte_count / 8000 / pace, jitter)
        played.mark(played.ledger.mark())
        played.wait(pause_s)
    played.cut(last)


@given(
    before=st.integers(0, 10),
    stall_s=st.floats(0.05, 8),
    after=st.integers(3, 20),
    delay_ms=st.sampled_from(DELAYS_MS),
)
def test_after_a_stall_three_echoes_set_the_ledger_right(
    before: int, stall_s: float, after: int, delay_ms: int
) -> None:
    """The phone lost its network for a while and plays on later: the position moves by the stall."""
    played = Played(delay_ms, delay_ms)
    played.audio("measures", 1600)
    played.wait(2)
    for _ in range(before):
        played.audio("it", 1600)
    played.phone.stall(stall_s)
    for _ in range(after):
        played.audio("it", 1600)
    played.wait(before * 0.2 + stall_s + 3 * 0.2 + 2 * delay_ms / 1000 + 0.001)
    played.cut(Cut(0.01, 0))


@given(delay_ms=st.sampled_from(DELAYS_MS), waited_s=st.floats(0, 30), heard=st.integers(0, 9))
def test_a_phone_that_falls_silent_is_not_believed_beyond_its_next_mark(
    delay_ms: int, waited_s: float, heard: int
) -> None:
    """An echo that is overdue stops the position: at the mark, and what the round trip hides."""
    played = Played(delay_ms, delay_ms)
    played.audio("measures", 1600)
    played.wait(2)
    for _ in range(heard):
        played.audio("it", 1600)
    played.phone.stall(1000)
    for _ in range(10):
        played.audio("it", 1600)
    played.wait(heard * 0.2 + 2 * delay_ms / 1000 + waited_s)
    (item,) = played.ledger.cut(played.now)
    assert heard * 200 - 1 <= item.heard_ms <= (heard + 1) * 200 + 2 * delay_ms + 1


@given(steps=STEPS)
def test_the_echoes_of_an_epoch_that_is_over_change_nothing(steps: list[Delta | Cut | ItemEnds]) -> None:
    """A ledger that gets them and one that does not stay the same."""
    told, untold = Played(60, 60), Played(60, 60)
    for step in steps:
        for played in (told, untold):
            played.play(step)
    old = [mark.name for mark in told.ledger._marks]  # Which marks the cut makes void.
    told.ledger.cut(told.now)
    untold.ledger.cut(untold.now)
    for name in old:
        assert not told.ledger.echoed(name, told.now + 0.1)
    assert told.ledger == untold.ledger
