"""Whose event loop is taken for hung: what counts is what was looked at."""

from __future__ import annotations

from callbridge.switchboard.heartbeats import LOOKS_MAX, Heartbeats


def looks(hearts: Heartbeats, times: int) -> list[int]:
    """All that so many looks have found, in order."""
    return [worker for _ in range(times) for worker in hearts.look()]


def test_one_that_does_not_beat_is_found_once_and_one_that_does_is_not() -> None:
    hearts = Heartbeats()
    hearts.beat(1)
    hearts.beat(2)
    assert looks(hearts, LOOKS_MAX - 1) == []
    hearts.beat(1)
    assert looks(hearts, LOOKS_MAX - 1) == [2]
    assert looks(hearts, 1) == [1]
    assert looks(hearts, 99) == []


def test_who_never_beat_or_ends_as_it_should_is_not_looked_at() -> None:
    """A worker of an older version, and one whose last threads take their time, which has another bound."""
    hearts = Heartbeats()
    hearts.ends(3)
    hearts.beat(1)
    hearts.ends(1)
    assert looks(hearts, 99) == []
