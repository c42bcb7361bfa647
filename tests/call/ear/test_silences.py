"""The longest silence that a caller waited in, by the times of sounds alone."""

from __future__ import annotations

from callbridge.call.ear.playout import Playout
from callbridge.call.ear.silences import HeardSilence


def test_a_silence_lasts_until_the_next_sound_and_not_until_somebody_looks() -> None:
    silence, playout = HeardSilence(), Playout()
    silence.look(10.0, playout, 10.0)
    playout.sent("item_1", 8000, 12.5)  # One second, until 13.5.
    silence.look(10.0, playout, 13.0)
    assert silence.longest_s == 2.5
    silence.look(None, playout, 20.0)
    assert silence.longest_s == 6.5, "it waited on: for the rest, which did not come before 20"


def test_who_does_not_wait_hears_no_silence() -> None:
    silence, playout = HeardSilence(), Playout()
    for now in (0.0, 5.0, 9.0):
        silence.look(None, playout, now)
    assert silence.longest_s == 0.0


def test_a_clip_breaks_a_silence_as_the_agent_does() -> None:
    silence, playout = HeardSilence(), Playout()
    silence.look(10.0, playout, 10.0)
    playout.clip_sent(8000, 13.0)
    silence.look(10.0, playout, 13.0)
    silence.look(10.0, playout, 16.0)
    playout.sent("item_1", 800, 16.2)
    silence.look(None, playout, 16.3)
    assert silence.longest_s == 3.0, "the second one lasted from 14.0 to 16.2"


def test_what_was_cleared_is_no_sound() -> None:
    silence, playout = HeardSilence(), Playout()
    playout.sent("item_1", 80_000, 10.0)
    silence.look(10.0, playout, 10.0)
    playout.cut(11.0, 0)
    silence.look(11.0, playout, 11.0)
    silence.look(11.0, playout, 15.0)
    assert silence.longest_s == 4.0


def test_what_was_heard_before_it_was_cut_has_broken_the_silence() -> None:
    """Nothing may have happened between its first sound and the cut."""
    silence, playout = HeardSilence(), Playout()
    silence.look(10.0, playout, 10.0)
    playout.sent("item_1", 80_000, 11.0)
    playout.cut(15.0, 0)
    silence.look(None, playout, 15.0)
    assert silence.longest_s == 1.0


def test_a_silence_ends_when_the_caller_speaks_into_it() -> None:
    """Though it is looked at when they have stopped."""
    silence, playout = HeardSilence(), Playout()
    silence.look(10.0, playout, 10.0)
    silence.spoken_into_at = 14.0
    silence.look(19.0, playout, 19.0)
    assert silence.longest_s == 4.0
    silence.look(19.0, playout, 21.0)
    silence.look(19.0, playout, 26.0)
    assert silence.longest_s == 7.0
