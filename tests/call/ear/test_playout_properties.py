"""What a call believes was heard, against a telephone: it is what was heard, delays or not.

The call never learns the delays. With constant ones it must be exact; with jitter it may be wrong by what
the jitter hides, and no more; when the phone stalls it may not claim what no echo can confirm. The caller's
speech shows it, in what is truncated, deleted and left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import Interrupted
from callbridge.call.limits import Limits
from callbridge.wire import media_streams as ms
from callbridge.wire import realtime_events as rt
from phones import Link, Phone
from rigs import BEGINS_AT_S, Input, Rig

DELAYS_MS = (0, 60, 120)
ITEMS = ("a", "b", "c")
TAIL_MS = Limits().heard_tail_ms


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
    """The end of an item is marked, however short it was, perhaps long after it was played."""

    after_s: float
    jitter: float


PAUSES_S = st.one_of(st.just(0.0), st.floats(0, 0.3), st.floats(0, 5))
JITTER = st.floats(0, 1)
DELTAS = st.builds(Delta, st.integers(0, 2), st.integers(1, 4000), PAUSES_S, JITTER)
STEPS = st.lists(
    st.one_of(
        DELTAS, DELTAS, DELTAS, st.builds(ItemEnds, PAUSES_S, JITTER), st.builds(Cut, PAUSES_S, JITTER)
    ),
    min_size=1,
    max_size=30,
)


class Played:
    """A call and the phone that it judges, side by side."""

    def __init__(self, down_ms: float, up_ms: float, jitter_ms: float = 0) -> None:
        self.rig = Rig(has_line=False)
        self.phone = Phone(Link(down_ms / 1000), Link(up_ms / 1000))
        self.jitter_s = jitter_ms / 1000
        self.now = BEGINS_AT_S
        self.generation = 0
        """Items of different generations share no name: an item that was cut does not go on."""
        self.sent: dict[str, int] = {}
        self.old_marks: list[str] = []
        way_in = (v.start(), v.admitted("", ""), e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED)
        self.rig.feed(*way_in, v.created("r0"))

    def play(self, step: Delta | Cut | ItemEnds) -> None:
        match step:
            case Delta(item_number, byte_count, after_s, jitter):
                self.wait(after_s, jitter)
                self.audio(f"{ITEMS[item_number]}{self.generation}", byte_count, jitter)
            case ItemEnds(after_s, jitter):
                self.wait(after_s, jitter)
                self.feed(v.audio_done(f"r{self.generation}", "it"), jitter)
            case Cut():
                self.cut(step)

    def feed(self, event: Input, jitter: float = 0) -> list[Interrupted]:
        """Something happens now; marks go to the phone. Answers what was cut."""
        self.rig.now = max(self.rig.now, self.now)
        cuts = []
        for output in self.rig.feed(event):
            match output:
                case a.SendToPhone(ms.SendMark(mark=mark)):
                    self.phone.mark(mark.name, self.now, jitter * self.jitter_s)
                    self.old_marks.append(mark.name)
                case a.Note(Interrupted() as cut):
                    cuts.append(cut)
                case _:
                    pass
        return cuts

    def wait(self, duration_s: float, jitter: float = 0) -> None:
        """Time passes; echoes arrive, each in its time."""
        end = self.now + duration_s
        for at, name in self.phone.echoes(end, jitter * self.jitter_s):
            self.now = max(self.now, at)
            self.feed(v.echo(name))
        self.now = end

    def audio(self, item_id: str, byte_count: int, jitter: float = 0) -> None:
        response_id = f"r{self.generation}"
        if item_id not in self.sent:
            self.feed(v.item(response_id, item_id))
        self.sent[item_id] = self.sent.get(item_id, 0) + byte_count
        self.phone.audio(item_id, byte_count, self.now, jitter * self.jitter_s)
        self.feed(rt.AudioDelta(response_id, item_id, b"\xff" * byte_count), jitter)

    def cut(self, cut: Cut) -> dict[str, int]:
        """The caller speaks, and the next response begins. Answers what was heard of what was cut."""
        self.wait(cut.after_s, cut.jitter)
        cuts = self.feed(v.speech_started("wait"))
        heard = {k: v for one in cuts for k, v in (*one.truncated, *((gone, 0) for gone in one.deleted))}
        allowed_ms = 1.001 + 3 * self.jitter_s * 1000  # A byte that floats hide.
        if cuts:
            unheard_ms = self.phone.unheard_bytes(self.now, cut.jitter * self.jitter_s) / 8
            assert abs(cuts[0].unheard_ms - unheard_ms) <= allowed_ms
        played = (
            self.phone.clear(self.now, cut.jitter * self.jitter_s) if cuts else self.phone.heard(self.now)
        )
        for item_id, byte_count in self.sent.items():
            self.compare(heard.get(item_id), byte_count // 8, played[item_id] / 8, allowed_ms)
        response_id, self.generation = f"r{self.generation}", self.generation + 1
        self.sent = {}
        for event in (
            v.done(response_id, "cancelled"),
            v.speech_stopped("wait"),
            v.created(f"r{self.generation}"),
        ):
            self.feed(event)
        return heard

    def compare(self, heard_ms: int | None, sent_ms: int, played_ms: float, allowed_ms: float) -> None:
        """What is not named was left alone: it was heard to its end, or nearly so."""
        if heard_ms is None:
            assert sent_ms - played_ms <= TAIL_MS + allowed_ms
        else:
            assert 0 <= heard_ms <= sent_ms
            assert abs(heard_ms - played_ms) <= allowed_ms


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
        played.play(ItemEnds(0, 0))
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
    spacing_ms = Limits().mark_every_ms
    played.audio("measures", spacing_ms * 8)
    played.wait(2)
    for _ in range(before):
        played.audio("it", spacing_ms * 8)
    played.phone.stall(stall_s)
    for _ in range(after):
        played.audio("it", spacing_ms * 8)
    played.wait((before + 3) * spacing_ms / 1000 + stall_s + 2 * delay_ms / 1000 + 0.001)
    played.cut(Cut(0.01, 0))


@given(delay_ms=st.sampled_from(DELAYS_MS), waited_s=st.floats(0, 30), heard=st.integers(0, 9))
def test_a_phone_that_falls_silent_is_not_believed_beyond_its_next_mark(
    delay_ms: int, waited_s: float, heard: int
) -> None:
    """An echo that is overdue stops the position: at the mark, and what the round trip hides."""
    played = Played(delay_ms, delay_ms)
    spacing_ms = Limits().mark_every_ms
    played.audio("measures", spacing_ms * 8)
    played.wait(2)
    for _ in range(heard):
        played.audio("it", spacing_ms * 8)
    played.phone.stall(1000)
    for _ in range(10):
        played.audio("it", spacing_ms * 8)
    played.wait(heard * spacing_ms / 1000 + 2 * delay_ms / 1000 + waited_s)
    (cut,) = played.feed(v.speech_started("wait"))
    heard_ms = dict(cut.truncated).get("it", 0)
    assert heard * spacing_ms - 1 <= heard_ms <= (heard + 1) * spacing_ms + 2 * delay_ms + 1


@given(steps=STEPS)
def test_the_echoes_of_an_epoch_that_is_over_change_nothing(steps: list[Delta | Cut | ItemEnds]) -> None:
    """A call that gets them and one that does not go on in the same way."""
    told, untold = Played(60, 60), Played(60, 60)
    for played in (told, untold):
        for step in steps:
            played.play(step)
        played.audio("cut off", 8000)
        played.cut(Cut(0, 0))
    for name in told.old_marks:
        assert told.feed(v.echo(name)) == []
    told.old_marks.clear()
    heard = []
    for played in (told, untold):
        for size in (1600, 800, 1600):
            played.audio("next", size)
        heard.append(played.feed(v.speech_started("again")))
    assert heard[0] == heard[1]
