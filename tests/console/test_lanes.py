"""Two lanes: how loud each side was, where, and what happened when."""

from __future__ import annotations

import random

import msgspec
import pytest

import stories
import watched
from callbridge.console.lanes import BARS, Sound, lanes_of, one_sound, peaks
from callbridge.records.story import CallStory, Span, Spoken, Turn
from callbridge.wire.audio import BYTES_PER_MS, encode, silence

LOUD = encode([12_000, -12_000])


def loud(ms: int) -> bytes:
    return LOUD * (ms * BYTES_PER_MS // 2)


def bars_of(path: str) -> set[int]:
    return {int(move.partition(".")[0]) for move in path.split("M")[1:]}


def test_a_peak_stands_where_it_was_loud() -> None:
    audio = silence(1000) + loud(500) + silence(500)
    heights = peaks(audio, 2000, 10_000, bars=100)
    assert [bar for bar, height in enumerate(heights) if height > 0.01] == list(range(30, 35))
    assert max(heights) == pytest.approx((12_000 / 32_124) ** 0.5, abs=0.02)
    assert peaks(b"", 0, 10_000, bars=3) == [0, 0, 0]


def test_of_sounds_that_last_longer_than_the_call_no_byte_falls_between_bars() -> None:
    rng = random.Random(7)
    for _ in range(50):
        at = rng.randrange(9000)
        audio = silence(at) + loud(1)
        heights = peaks(audio, 0, 9001, bars=rng.choice((7, 100, BARS)))
        assert sum(height > 0.01 for height in heights) in {1, 2}


def test_stereo_goes_there_and_back() -> None:
    sound = Sound(loud(20), silence(10) + loud(20), offset_ms=5)
    again = Sound.of_stereo(sound.stereo)
    assert again.caller == silence(5) + loud(20) + silence(10)
    assert again.agent == silence(15) + loud(20)


def test_recordings_of_two_streams_are_one_sound() -> None:
    whole = one_sound([Sound(loud(10), silence(10), 100), Sound(silence(10), loud(10), 300)])
    assert whole is not None
    assert whole.caller == silence(100) + loud(10) + silence(200)
    assert whole.agent == silence(300) + loud(10)
    assert one_sound([]) is None


def test_speech_and_what_was_beside_it_are_told_apart() -> None:
    story = CallStory("CA1", "ended", 0.0, duration_ms=36_000, turns=(Turn(1, 0, spans=(Span(0, 3600),)),))
    drawn = lanes_of(story, Sound(loud(7200), b""))
    caller, agent = drawn.lanes
    assert bars_of(caller.spoken) == set(range(37))
    assert bars_of(caller.quiet) == set(range(37, 72))
    assert (agent.spoken, agent.quiet) == ("", "")
    as_known = lanes_of(story)
    assert not as_known.has_sound
    assert bars_of(as_known.lanes[0].spoken) == set(range(37))


def test_what_was_cut_is_drawn_behind_what_was_heard() -> None:
    drawn = lanes_of(stories.RICH, watched.sound_of(stories.RICH))
    (cut,) = [placed.band for placed in drawn.unheard]
    # 2.8 s of the answer were left, but the agent was heard again after 1.6 s.
    assert (cut.began_ms, cut.ended_ms) == (11_300, 12_900)
    (interruption,) = [placed.band for placed in drawn.interruptions]
    assert (interruption.began_ms, interruption.ended_ms) == (11_120, 11_300)
    assert "silent after 180 ms" in interruption.label
    kinds = [placed.band.kind for placed in drawn.beside]
    assert kinds == ["step", "tool", "tool", "keys", "transfer"]
    assert drawn.has("keys")
    assert not drawn.has("beside")


def test_items_that_nobody_heard_at_all_follow_the_one_that_was_cut() -> None:
    cut = Spoken("a", "x", "x", 3000, 1000, Span(0, 1000), True)
    never = Spoken("b", "y", "", 500, 0, None, True)
    story = CallStory("CA1", "ended", 0.0, duration_ms=9000, turns=(Turn(1, 0, agent=(cut, never)),))
    bands = [placed.band for placed in lanes_of(story).unheard]
    assert [(band.began_ms, band.ended_ms) for band in bands] == [(1000, 3000), (3000, 3500)]


@pytest.mark.parametrize("duration_ms", [0, 900, 41_500, 240_000, 3_600_000])
def test_any_length_has_some_ticks_and_fits(duration_ms: int) -> None:
    drawn = lanes_of(CallStory("CA1", "ended", 0.0, duration_ms=duration_ms))
    assert 1 <= len(drawn.ticks) <= 9 * drawn.zoom
    assert drawn.ticks[0] == ("0.000%", "0:00")


def test_a_long_call_is_wider_than_the_page() -> None:
    drawn = lanes_of(watched.long_story())
    assert (drawn.zoom, drawn.bars) == (8, 8 * BARS)
    shorter = msgspec.structs.replace(watched.long_story(20))
    assert lanes_of(shorter).zoom == 1


def test_a_live_call_fills_its_line_and_does_not_shrink() -> None:
    """What was drawn stays where it was until the line is full: nothing has to be drawn anew."""
    live = msgspec.structs.replace(stories.RICH, state="live")
    a_moment_later = msgspec.structs.replace(live, duration_ms=live.duration_ms + 3000)
    assert lanes_of(live).whole_ms == 60_000
    before, after = (lanes_of(story) for story in (live, a_moment_later))
    assert (before.lanes, before.turns[:2], before.beside) == (after.lanes, after.turns[:2], after.beside)
