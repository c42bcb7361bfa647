"""Which calls are still to be analysed, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from sqlalchemy import select

from callbridge.call import facts
from callbridge.call.record_facts import CallAnalysed
from callbridge.records.analysis.completion import AnalysisFault
from callbridge.records.analysis.pending import AGAIN_S, LEASE_S, Pending, Which, asks_for_analysis
from callbridge.records.projecting import project
from callbridge.records.reading import Records
from callbridge.records.schema import analyses
from callbridge.records.story import CallStory, Turn
from records.shipments import HANGUP, STARTED, T0, entry, store

if TYPE_CHECKING:
    from callbridge.records.database import Database

SAID = facts.TurnEnded(1, "Are you open?", "Until eight.", 900, interrupted=False)
FOUND = CallAnalysed('{"summary":"They asked."}', "gpt-5-mini-2026-06-01", 900, 80)


class Clock:
    def __init__(self) -> None:
        self.now = T0 + 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def end_call(
    database: Database, clock: Clock, call_sid: str = "CA1", which: Which | None = None
) -> CallStory:
    """A call with words, from its start to its end."""
    told: list[facts.Fact] = [STARTED, SAID, HANGUP]
    store(database, *(entry(call_sid, number, fact) for number, fact in enumerate(told, 1)))
    with database.writing() as connection:
        grown = [asks_for_analysis(which or Which(), clock)]
        story = project(connection, call_sid, clock(), grown)
        project(connection, call_sid, clock(), grown)  # Told again: it is asked for once.
    return story


def states(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.scalars(select(analyses.c.state)))


def test_what_was_found_is_a_part_of_the_call(database: Database, clock: Clock) -> None:
    told: list[CallStory] = []
    pending = Pending(database, clock, [lambda _connection, story: told.append(story)])
    end_call(database, clock)
    story = pending.claim()
    assert story is not None
    assert story.turns[0].caller == "Are you open?"
    pending.found("CA1", FOUND)
    pending.found("CA1", FOUND)
    assert [each.analysis for each in told] == [FOUND.result]
    found = Records(database).story("CA1")
    assert found is not None
    assert (found.analysis, found.duration_ms) == (FOUND.result, story.duration_ms)
    assert (states(database), pending.claim()) == (["done"], None)


def test_one_process_has_it_at_a_time_and_the_next_one_when_that_is_gone(
    database: Database, clock: Clock
) -> None:
    end_call(database, clock)
    first, second = Pending(database, clock), Pending(database, clock)
    assert first.claim() is not None
    assert second.claim() is None
    clock.now += LEASE_S + 1
    assert second.claim() is not None


def test_a_fault_that_may_pass_is_waited_for_and_others_are_not(database: Database, clock: Clock) -> None:
    pending = Pending(database, clock)
    end_call(database, clock)
    for after_s in AGAIN_S:
        assert pending.claim() is not None
        pending.failed("CA1", AnalysisFault("the endpoint answers 503"))
        clock.now += after_s - 1
        assert pending.claim() is None
        clock.now += 2
    assert pending.claim() is not None
    pending.failed("CA1", AnalysisFault("the endpoint answers 503"))
    end_call(database, clock, "CA2")
    assert pending.claim() is not None
    pending.failed("CA2", AnalysisFault("the endpoint answers 401", is_lasting=True))
    assert states(database) == ["failed", "failed"]


def test_an_endpoint_that_names_a_time_is_asked_then(database: Database, clock: Clock) -> None:
    pending = Pending(database, clock)
    end_call(database, clock)
    pending.claim()
    pending.failed("CA1", AnalysisFault("429", after_s=600.0))
    clock.now += 599
    assert pending.claim() is None
    clock.now += 2
    assert pending.claim() is not None


def test_a_share_of_the_calls_is_chosen_by_their_names(database: Database, clock: Clock) -> None:
    story = end_call(database, clock, which=Which(share=0.0))
    assert Pending(database, clock).claim() is None
    named = [msgspec.structs.replace(story, call_sid=f"CA{number}") for number in range(400)]
    chosen = sum(Which(share=0.25).has(each) for each in named)
    assert 60 < chosen < 140
    assert all(Which(share=1.0).has(each) for each in named)


@pytest.mark.parametrize(
    "changed",
    [{"state": "declined"}, {"turns": ()}, {"duration_ms": 4_999}],
    ids=["declined", "mute", "short"],
)
def test_where_nothing_can_be_found_nobody_is_asked(changed: dict[str, object]) -> None:
    story = CallStory("CA1", "ended", T0, duration_ms=5_000, turns=(Turn(1, 0, "Hello?"),))
    assert Which(duration_ms_min=5_000).has(story)
    assert not Which(duration_ms_min=5_000).has(msgspec.structs.replace(story, **changed))
