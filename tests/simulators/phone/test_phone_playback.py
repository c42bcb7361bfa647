"""The play-out buffer: what was heard, when marks come back, what a clear does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.simulators.phone.playback import Playback


def audio(ms: float, fill: int = 0) -> bytes:
    return bytes((fill,)) * round(ms * 8)


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


@given(
    sent=st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 4000)), min_size=1, max_size=20),
    clear_after=st.integers(0, 20),
)
def test_whatever_arrives_when_nothing_is_lost_invented_or_reordered(
    sent: list[tuple[float, int]], clear_after: int
) -> None:
    """Windows of 20 ms miss nothing and count nothing twice; every mark comes back once, in order."""
    playback, now, tick, windows = Playback(buffer_bytes_max=6000), 100.0, 100.0, b""
    for number, (gap, size) in enumerate(sent):
        now += gap
        while tick + 0.02 <= now:
            windows += playback.heard_between(tick, tick + 0.02)
            tick += 0.02
        playback.add(bytes((number,)) * size, now)
        playback.add_mark(str(number), now)
        if number == clear_after:
            playback.clear(now)
            assert playback.pending_bytes(now) == 0
        heard, pending = playback.heard_bytes(now), playback.pending_bytes(now)
        assert heard == sum(item.heard_bytes(now) for item in playback.payloads)
        assert heard + pending + playback.discarded_bytes + playback.dropped_bytes == playback.received_bytes
        assert 0 <= pending <= 6000
    while tick < playback.ends_at + 0.02:
        windows += playback.heard_between(tick, tick + 0.02)
        tick += 0.02
    assert windows == b"".join(item.audio[: item.heard_bytes(tick)] for item in playback.payloads)
    assert [mark.name for mark in playback.due_marks(tick)] == [str(number) for number in range(len(sent))]
