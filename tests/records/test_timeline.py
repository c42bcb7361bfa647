"""Bars of speech, and the time in which nobody spoke."""

from __future__ import annotations

from callbridge.records.story import CallStory, Span, Spoken, StreamPart, Turn
from callbridge.records.timeline import joined, timeline


def test_both_sides_have_their_bars() -> None:
    """What touches is one, what overlaps counts once; outside of streams nobody knows who speaks."""
    story = CallStory(
        "CA1",
        "ended",
        0.0,
        duration_ms=20_000,
        streams=(StreamPart("MZ1", 1000, ended_ms=9000),),
        turns=(
            Turn(1, 1500, agent=(_said(1500, 2500), _said(2500, 3000))),
            Turn(2, 3200, spans=(Span(3200, 4000),), agent=(_said(5000, 6500), Spoken("c", "", ""))),
            Turn(3, 6200, spans=(Span(6200, 7000),)),
        ),
    )
    found = timeline(story)
    assert found.agent == (Span(1500, 3000), Span(5000, 6500))
    assert found.caller == (Span(3200, 4000), Span(6200, 7000))
    assert (found.both_ms, found.silent_ms) == (300, 8000 - 1500 - 800 - 2000)


def test_a_live_stream_goes_on() -> None:
    """Up to what is known of the call."""
    story = CallStory("CA1", "live", 0.0, duration_ms=5000, streams=(StreamPart("MZ1", 1000),))
    assert timeline(story).silent_ms == 4000


def test_stretches_are_joined_in_any_order() -> None:
    """One that lies within another adds nothing."""
    assert joined([Span(5, 6), Span(0, 4), Span(1, 2), Span(4, 5)]) == (Span(0, 6),)


def _said(began_ms: int, ended_ms: int) -> Spoken:
    return Spoken(f"at {began_ms}", "", "", span=Span(began_ms, ended_ms))
