"""The backlog keeps order and its bound, whatever becomes of a batch; what waits is read as if written."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.call import agent_facts, facts, telephone_facts
from callbridge.state import writes
from callbridge.state.backlog import Backlog
from callbridge.state.state import ENDED, STARTED
from callbridge.state.writes import EventWrite, SpendNote, Write


def detail(name: str = "") -> EventWrite:
    return EventWrite("CA", "turn_ended", 1.0, name.encode())


def end() -> EventWrite:
    return EventWrite("CA", "stream_ended", 1.0, b"{}")


def bodies(backlog: Backlog) -> list[str]:
    return [write.body.decode() for write in backlog.writes if isinstance(write, EventWrite)]


def filled(backlog: Backlog, names: str) -> Backlog:
    for name in names:
        backlog.put(detail(name))
    return backlog


def test_starts_ends_and_notes_stay_beyond_the_bound() -> None:
    backlog = Backlog(waiting_max=2)
    backlog.put(detail())
    kept: list[Write] = [EventWrite("CA", "stream_started", 1.0, b"{}"), SpendNote(1.0, 1), end(), end()]
    for write in kept:
        backlog.put(write)
    backlog.put(detail())
    assert list(backlog.writes) == kept
    assert backlog.shed == 2


def test_a_batch_that_comes_back_stands_first_and_is_shed_first() -> None:
    backlog = filled(Backlog(waiting_max=3), "abc")
    backlog.take()
    filled(backlog, "de")
    backlog.put_back()
    assert bodies(backlog) == ["c", "d", "e"]
    assert backlog.shed == 2


def test_a_batch_under_way_is_not_shed() -> None:
    """It may be written already; counting it as lost would be wrong."""
    backlog = filled(Backlog(waiting_max=2), "ab")
    backlog.take()
    filled(backlog, "cd")
    assert bodies(backlog) == ["a", "b", "c", "d"]
    assert backlog.shed == 0


def test_written_through_a_number() -> None:
    assert Backlog().is_written_through(0)
    backlog = filled(Backlog(), "ab")
    through = backlog.told
    assert not backlog.is_written_through(through)
    backlog.take()
    with pytest.raises(AssertionError):
        backlog.take()  # One batch at a time.
    filled(backlog, "c")
    assert not backlog.is_written_through(through)
    backlog.done()
    assert backlog.is_written_through(through)
    assert not backlog.is_written_through(backlog.told)


@given(st.lists(st.sampled_from(["detail", "end", "take", "take_some", "done", "put_back"]), max_size=80))
def test_nothing_but_details_is_lost_and_order_is_kept(steps: list[str]) -> None:
    """Against the plainest model: all that was told, less what is written."""
    backlog = Backlog(waiting_max=4)
    told: list[EventWrite] = []
    written: list[Write] = []
    batch: tuple[Write, ...] | None = None
    for number, step in enumerate(steps):
        if step in ("detail", "end"):
            told.append(
                EventWrite("CA", "turn_ended" if step == "detail" else "stream_ended", float(number), b"")
            )
            backlog.put(told[-1])
        elif step == "take" and batch is None:
            batch = tuple(backlog.take().values())
        elif step == "take_some" and batch is None:
            batch = tuple(backlog.take(2).values())
        elif step == "done" and batch is not None:
            written.extend(batch)
            batch = None
            backlog.done()
        elif step == "put_back" and batch is not None:
            batch = None
            backlog.put_back()
        known = [*written, *backlog.writes]
        lost = [write for write in told if write not in known]
        assert known == [write for write in told if write in known]
        assert all(write.is_detail for write in lost)
        assert len(lost) == backlog.shed
        waiting = backlog.writes[len(batch or ()) :]
        is_all_needed = not any(isinstance(write, EventWrite) and write.is_detail for write in waiting)
        assert len(waiting) <= 4 or is_all_needed


def test_waiting_notes_are_sorted_in() -> None:
    calls = [writes.CallerNote("b", 2.0), writes.CallerNote("c", 0.5)]
    assert writes.with_calls((("a", 3.0),), calls, 1.0) == (("b", 2.0), ("a", 3.0))
    spent = [writes.SpendNote(2.0, 20), writes.SpendNote(0.5, 5)]
    assert writes.with_spend(((3.0, 30),), spent, 1.0) == ((2.0, 20), (3.0, 30))


def test_text_that_cannot_be_written_is_mended() -> None:
    assert writes.storable("grüß\x00") == "grüß\N{REPLACEMENT CHARACTER}"
    assert writes.storable("a\ud800b") == "a?b"


def test_only_what_was_said_is_detail() -> None:
    """The kinds are those of the facts: under other names nothing would be shed, and no call have an end."""
    kinds = {fact.__struct_config__.tag: fact for fact in get_args(facts.Fact)}
    assert {kinds[kind] for kind in kinds if writes.EventWrite("a", kind, 1.0, b"{}").is_detail} == {
        facts.TurnEnded,
        facts.CallerWordsCame,
        facts.Remembered,
        facts.CallDescribed,
        *(agent_facts.CalledBefore, agent_facts.CallerTexted, telephone_facts.TransferAsked),
        *agent_facts.OF_AGENTS,
    }
    assert (kinds[STARTED], kinds[ENDED]) == (facts.StreamStarted, facts.StreamEnded)
