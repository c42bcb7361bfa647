"""The play-out buffer: what was heard, when marks come back, what a clear does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from callbridge.simulators.phone.playback import BYTES_PER_S, Playback


def audio(ms: float, fill: int = 0) -> bytes:
    return bytes((fill,)) * round(ms * 8)


@pytest.mark.parametrize(
    ("arrivals", "at_ms", "heard_ms"),
    [
        # (arrival, length) in ms; then what was heard of each at a moment.
        ([(0, 100)], 0, [0]),
        ([(0, 100)], 40, [40]),
        ([(0, 100)], 100, [100]),
        ([(0, 100)], 500, [100]),
        # Queued behind: plays at the end of what is there.
        ([(0, 100), (10, 50)], 120, [100, 20]),
        ([(0, 100), (10, 50)], 99, [99, 0]),
        # Arrives as the buffer runs dry: no gap.
        ([(0, 100), (100, 50)], 110, [100, 10]),
        # Ran dry: resumes when audio arrives.
        ([(0, 100), (300, 50)], 320, [100, 20]),
        ([(0, 100), (300, 50), (310, 50)], 355, [100, 50, 5]),
    ],
)
def test_audio_plays_in_order_at_8_khz(
    arrivals: list[tuple[int, int]], at_ms: int, heard_ms: list[int]
) -> None:
    playback = Playback()
    for arrival_ms, length_ms in arrivals:
        playback.add(audio(length_ms), arrival_ms / 1000)
    assert [payload.heard_ms(at_ms / 1000) for payload in playback.payloads] == heard_ms


def test_a_payload_tells_when_it_plays() -> None:
    playback = Playback()
    playback.add(audio(100), 1.0)
    playback.add(audio(50), 1.01)
    assert [item.plays_from for item in playback.payloads] == pytest.approx([1.0, 1.1])
    assert [item.ends_at for item in playback.payloads] == pytest.approx([1.1, 1.15])
    assert playback.ends_at == pytest.approx(1.15)
    assert playback.is_playing(1.1499)
    assert not playback.is_playing(1.15)


def test_audio_beyond_ten_minutes_is_dropped() -> None:
    playback = Playback()
    playback.add(audio(599_000), 0.0)
    last = playback.add(audio(2000), 0.0)
    assert (len(last.audio), last.dropped_bytes) == (8000, 8000)
    assert playback.add(audio(20), 0.0).dropped_bytes == 160
    assert playback.add(audio(20), 1.0).dropped_bytes == 0
    assert playback.dropped_bytes == 8160


@pytest.mark.parametrize(
    ("arrivals", "marked_at", "due_at"),
    [
        ([(0, 100)], 0, 100),
        ([(0, 100), (0, 0.125)], 0, 100.125),
        # Ran dry and resumed: it waits for the second run.
        ([(0, 20), (1000, 20)], 1001, 1020),
        ([(0, 20)], 5000, 5000),
    ],
)
def test_a_mark_is_due_when_the_byte_before_it_was_played(
    arrivals: list[tuple[float, float]], marked_at: float, due_at: float
) -> None:
    playback = Playback()
    for arrival_ms, length_ms in arrivals:
        playback.add(audio(length_ms), arrival_ms / 1000)
    playback.add_mark("a", marked_at / 1000)
    assert playback.deadline == pytest.approx(due_at / 1000)
    assert playback.due_marks(due_at / 1000 - 0.0001) == []
    (mark,) = playback.due_marks(due_at / 1000)
    assert (mark.echoed_at, mark.was_cleared) == (due_at / 1000, False)


def test_a_clear_leaves_what_was_heard_and_what_comes_later() -> None:
    playback = Playback()
    playback.add(audio(100), 0.0)
    playback.add_mark("late, not cleared", 0.0)
    playback.add(audio(1000), 0.0)
    playback.clear(0.2)
    assert [mark.was_cleared for mark in playback.due_marks(0.2)] == [False]
    assert playback.add(audio(100), 0.23).plays_from == pytest.approx(0.23)
    assert playback.heard_bytes(1.0) == 300 * 8


def test_a_clear_cuts_what_plays_and_drops_what_waits() -> None:
    playback = Playback()
    playback.add(audio(100), 0.0)
    playback.add_mark("a", 0.0)
    playback.add(audio(100), 0.0)
    playback.add_mark("b", 0.0)
    playback.add(audio(100), 0.0)
    playback.add_mark("c", 0.0)
    assert [mark.name for mark in playback.due_marks(0.12)] == ["a"]
    clear = playback.clear(0.15)
    assert clear.discarded_bytes == 150 * 8
    assert clear.marks == ("b", "c")
    assert [mark.name for mark in playback.due_marks(0.15)] == ["b", "c"]
    assert [mark.was_cleared for mark in playback.marks] == [False, True, True]
    assert [item.heard_ms(9.0) for item in playback.payloads] == [100, 50, 0]
    assert not playback.is_playing(0.15)


def test_the_window_of_a_frame_holds_what_was_heard_in_it() -> None:
    playback = Playback()
    playback.add(audio(10, 1), 0.0)
    playback.add(audio(30, 2), 0.0)
    playback.add(audio(10, 3), 0.05)
    assert playback.heard_between(0.0, 0.02) == audio(10, 1) + audio(10, 2)
    assert playback.heard_between(0.02, 0.04) == audio(20, 2)
    assert playback.heard_between(0.04, 0.06) == audio(10, 3)
    assert playback.heard_between(0.06, 0.08) == b""


def test_what_is_still_to_be_played() -> None:
    playback = Playback()
    playback.add(audio(10, 1), 0.0)
    playback.add(audio(10, 2), 0.0)
    assert playback.unheard(0.0125) == audio(7.5, 2)
    playback.clear(0.0125)
    assert playback.unheard(0.0125) == b""


def test_the_window_of_a_frame_ends_at_a_clear() -> None:
    playback = Playback()
    playback.add(audio(100, 1), 0.0)
    playback.add(audio(100, 2), 0.0)
    playback.heard_between(0.0, 0.02)
    playback.clear(0.03)
    playback.add(audio(5, 3), 0.032)
    assert playback.heard_between(0.02, 0.04) == audio(10, 1) + audio(5, 3)


@given(
    sizes=st.lists(st.integers(1, 4000), min_size=1, max_size=20),
    gaps=st.lists(st.floats(0, 0.5), min_size=20, max_size=20),
    clear_after=st.integers(0, 20),
)
def test_windows_of_20_ms_add_up_to_what_was_heard(
    sizes: list[int], gaps: list[float], clear_after: int
) -> None:
    """Whatever arrives when, the windows miss nothing and count nothing twice."""
    playback = Playback()
    arrivals, now = [], 0.0
    for size, gap in zip(sizes, gaps, strict=False):
        arrivals.append((now, size))
        now += gap
    windows = b""
    tick = 0.0
    for number, (at, size) in enumerate(arrivals):
        while tick + 0.02 <= at:
            windows += playback.heard_between(tick, tick + 0.02)
            tick += 0.02
        playback.add(bytes((number,)) * size, at)
        if number == clear_after:
            playback.clear(at)
    while tick < playback.ends_at + 0.02:
        windows += playback.heard_between(tick, tick + 0.02)
        tick += 0.02
    heard = b"".join(item.audio[: item.heard_bytes(tick)] for item in playback.payloads)
    assert windows == heard


class PlaybackMachine(RuleBasedStateMachine):
    """Audio, marks and clears at any time; nothing is lost, invented or reordered."""

    def __init__(self) -> None:
        super().__init__()
        self.playback = Playback(buffer_bytes_max=40_000)
        self.now = 100.0
        self.sent = 0
        self.marks_sent: list[tuple[str, int]] = []
        self.echoes: list[str] = []
        self.heard_before = 0

    @initialize(bytes_max=st.integers(1000, 80_000))
    def choose_size(self, bytes_max: int) -> None:
        self.playback.buffer_bytes_max = bytes_max

    @rule(size=st.integers(0, 20_000))
    def send(self, size: int) -> None:
        self.sent += size
        self.playback.add(bytes(size), self.now)

    @rule()
    def send_mark(self) -> None:
        name = str(len(self.marks_sent))
        accepted = self.playback.received_bytes - self.playback.dropped_bytes
        self.marks_sent.append((name, accepted))
        self.playback.add_mark(name, self.now)
        self.collect()

    @rule()
    def clear(self) -> None:
        before = self.playback.heard_bytes(self.now)
        self.playback.clear(self.now)
        assert self.playback.pending_bytes(self.now) == 0
        assert self.playback.heard_bytes(self.now) == before
        self.collect()
        assert len(self.echoes) == len(self.marks_sent)

    @rule(seconds=st.floats(0, 3))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.collect()

    @rule()
    def wait_for_the_next_mark(self) -> None:
        if self.playback.deadline is not None:
            self.now = max(self.now, self.playback.deadline)
            before = len(self.echoes)
            self.collect()
            assert len(self.echoes) > before

    def collect(self) -> None:
        for mark in self.playback.due_marks(self.now):
            self.echoes.append(mark.name)
            if not mark.was_cleared:
                # The byte before the mark was heard, or thrown away by an earlier clear.
                _, position = self.marks_sent[int(mark.name)]
                passed = self.playback.heard_bytes(self.now) + self.playback.discarded_bytes
                assert passed >= position

    @invariant()
    def bytes_are_conserved(self) -> None:
        playback = self.playback
        heard = playback.heard_bytes(self.now)
        pending = playback.pending_bytes(self.now)
        assert playback.received_bytes == self.sent
        assert heard + pending + playback.discarded_bytes + playback.dropped_bytes == playback.received_bytes
        assert 0 <= pending <= playback.buffer_bytes_max

    @invariant()
    def payloads_agree_with_the_sum(self) -> None:
        by_payload = sum(item.heard_bytes(self.now) for item in self.playback.payloads)
        assert by_payload == self.playback.heard_bytes(self.now)

    @invariant()
    def what_was_heard_stays_heard(self) -> None:
        heard = self.playback.heard_bytes(self.now)
        assert heard >= self.heard_before
        self.heard_before = heard

    @invariant()
    def the_buffer_is_dry_when_nothing_is_pending(self) -> None:
        if self.playback.pending_bytes(self.now) == 0:
            assert self.playback.ends_at <= self.now + 1 / BYTES_PER_S

    @invariant()
    def marks_come_back_in_order(self) -> None:
        assert self.echoes == [name for name, _ in self.marks_sent[: len(self.echoes)]]


TestPlaybackMachine = PlaybackMachine.TestCase
