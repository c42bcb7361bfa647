"""What waits is read as if it were written."""

from __future__ import annotations

from typing import get_args

from callbridge.call import facts
from callbridge.records.reply import Reply
from callbridge.records.state import ENDED, STARTED, CallEvent
from callbridge.records.writes import (
    CallerNote,
    EventWrite,
    SpendNote,
    TokenClaim,
    Write,
    is_first,
    storable,
    with_calls,
    with_events,
    with_spend,
)


def event(call_sid: str, kind: str, at: float = 1.0) -> EventWrite:
    return EventWrite(call_sid, kind, at, b"{}")


def test_waiting_events_are_numbered_after_the_stored_ones() -> None:
    stored = (CallEvent(1, 0.5, "stream_started", b"{}"), CallEvent(2, 0.6, "turn_ended", b"{}"))
    writes: list[Write] = [event("a", "turn_ended"), event("b", "stream_started"), SpendNote(1.0, 1)]
    writes.append(event("a", "stream_ended", 2.0))
    assert with_events(stored, writes, "a") == (
        *stored,
        CallEvent(3, 1.0, "turn_ended", b"{}"),
        CallEvent(4, 2.0, "stream_ended", b"{}"),
    )


def test_waiting_notes_are_sorted_in() -> None:
    assert with_calls((("a", 3.0),), [CallerNote("b", 2.0), CallerNote("c", 0.5)], 1.0) == (
        ("b", 2.0), ("a", 3.0),
    )  # fmt: skip
    assert with_spend(((3.0, 30),), [SpendNote(2.0, 20), SpendNote(0.5, 5)], 1.0) == ((2.0, 20), (3.0, 30))


async def test_the_first_of_equal_claims_is_known() -> None:
    one, two = (TokenClaim(b"a", 1.0, Reply()) for _ in range(2))
    other = TokenClaim(b"b", 1.0, Reply())
    assert is_first(one, [other, one, two]) is True
    assert is_first(two, [other, one, two]) is False
    assert is_first(two, [other, one]) is None


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
