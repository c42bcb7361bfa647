"""Lists of calls, asked in each way, by pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.call import facts
from callbridge.records.call_list import CallSummary, Filter
from callbridge.records.projecting import project
from callbridge.records.reading import Records
from records.shipments import STARTED, T0, entry, store

if TYPE_CHECKING:
    from callbridge.records.database import Database

WORDS = ("I want a 100% refund_now", "Straße, Montag", "nothing of that")
AGENTS = ("reception", "clinic", "reception")


@pytest.fixture
def records(database: Database) -> Records:
    """Three calls, an hour apart; the second one is live."""
    for number in range(3):
        call_sid, at = f"CA{number}", T0 + 3600 * number
        started = facts.StreamStarted("1", "2", agent=AGENTS[number], caller_key=f"key-{number % 2}")
        turn = facts.TurnEnded(1, WORDS[number], f"You said: {WORDS[number]}", 500, interrupted=False)
        told = [entry(call_sid, 1, started, at=at), entry(call_sid, 2, turn, at=at + 10)]
        if number != 1:
            end = facts.StreamEnded(facts.EndReason.CALLER_HANGUP, is_admitted=True)
            told.append(entry(call_sid, 3 + 10 * number, end, at=at + 20))
        store(database, *told)
        with database.writing() as connection:
            project(connection, call_sid, T0)
    return Records(database)


def sids(found: list[CallSummary]) -> list[str]:
    return [call.call_sid for call in found]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), ["CA2", "CA1", "CA0"]),
        (Filter(since=T0 + 3600), ["CA2", "CA1"]),
        (Filter(until=T0 + 3600), ["CA0"]),
        (Filter(agent="reception"), ["CA2", "CA0"]),
        (Filter(caller_key="key-0", state="ended"), ["CA2", "CA0"]),
        (Filter(end_reason="caller_hangup", duration_ms_min=10_000), ["CA2"]),
        (Filter(state="live"), ["CA1"]),
        (Filter(words="REFUND want"), ["CA0"]),
        (Filter(words="100%"), ["CA0"]),
        (Filter(words="refund_now"), ["CA0"]),
        (Filter(words="nothin_"), []),
        (Filter(words="montag"), ["CA1"]),
        (Filter(words="want montag"), []),
        (Filter(words="' OR 1=1 --"), []),
    ],
)
def test_calls_are_found_by_what_is_asked(records: Records, wanted: Filter, found: list[str]) -> None:
    assert sids(records.calls(wanted)) == found


def test_pages_follow_each_other(records: Records) -> None:
    first = records.calls(Filter(limit=2))
    second = records.calls(Filter(limit=2, after=first[-1].cursor))
    assert (sids(first), sids(second)) == (["CA2", "CA1"], ["CA0"])
    assert records.calls(Filter(after=second[-1].cursor)) == []
    assert records.calls(Filter(after="nonsense")) == []


def test_facts_of_a_newer_callbridge_do_no_harm(database: Database, records: Records) -> None:
    """They are kept for who knows them, and left out of what is told."""
    unknown = entry("CA0", 9, STARTED, at=T0 + 500)
    body = unknown.body.replace(b"stream_started", b"telepathy_began")
    store(database, type(unknown)(T0 + 500, "p", "CA0", "MZ1", 9, 0, "telepathy_began", body))
    assert [row.fact is None for row in records.facts("CA0")] == [False, False, False, True]
    story = records.story("CA0")
    assert story is not None
    assert story.end_reason == "caller_hangup"
    assert records.story("CA9") is None
