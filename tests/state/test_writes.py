"""What waits is read as if it were written."""

from __future__ import annotations

from typing import get_args

from callbridge.call import facts
from callbridge.state.state import ENDED, STARTED
from callbridge.state.writes import (
    CallerNote,
    EventWrite,
    SpendNote,
    storable,
    with_calls,
    with_spend,
)


def event(call_sid: str, kind: str, at: float = 1.0) -> EventWrite:
    return EventWrite(call_sid, kind, at, b"{}")


def test_waiting_notes_are_sorted_in() -> None:
    assert with_calls((("a", 3.0),), [CallerNote("b", 2.0), CallerNote("c", 0.5)], 1.0) == (
        ("b", 2.0), ("a", 3.0),
    )  # fmt: skip
    assert with_spend(((3.0, 30),), [SpendNote(2.0, 20), SpendNote(0.5, 5)], 1.0) == ((2.0, 20), (3.0, 30))


def test_text_that_cannot_be_written_is_mended() -> None:
    assert storable("grüß\x00") == "grüß\x00"
    assert storable("a\ud800b") == "a?b"


def test_only_what_was_said_is_detail() -> None:
    """The kinds are those of the facts: under other names nothing would be shed, and no call have an end."""
    kinds = {fact.__struct_config__.tag: fact for fact in get_args(facts.Fact)}
    assert {kinds[kind] for kind in kinds if event("a", kind).is_detail} == {
        facts.TurnEnded,
        facts.Remembered,
    }
    assert (kinds[STARTED], kinds[ENDED]) == (facts.StreamStarted, facts.StreamEnded)
