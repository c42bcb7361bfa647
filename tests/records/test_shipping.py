"""From the journal to the database: everything once, and what follows an end once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest
from sqlalchemy import func, select

from callbridge.call import facts
from callbridge.records import shipping
from callbridge.records.errors import RecordsAway
from callbridge.records.reading import Records
from callbridge.records.schema import facts as facts_table
from callbridge.records.shipping import Behind, Shipping
from callbridge.state.journal import MemoryJournal
from records.shipments import HANGUP, STARTED, entry, store, until_true

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from callbridge.records.database import Database
    from callbridge.records.story import CallStory


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def grown() -> list[CallStory]:
    """The calls whose ends led to something."""
    return []


@pytest.fixture
def shipped(database: Database, journal: MemoryJournal, grown: list[CallStory]) -> Iterator[Shipping]:
    def grow(_: Connection, story: CallStory) -> None:
        grown.append(story)

    running = Shipping(database, journal, "process-1", outgrowths=[grow])
    running.start()
    yield running
    assert running.stop(5)


def count(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(facts_table)).scalar_one()


def test_a_call_is_on_record_while_it_is_live_and_when_it_is_over(
    database: Database, journal: MemoryJournal, shipped: Shipping, grown: list[CallStory]
) -> None:
    records = Records(database)
    journal.add(entry("CA1", 1, STARTED))
    until_true(lambda: [call.state for call in records.calls()] == ["live"])
    journal.add(entry("CA1", 2, HANGUP))
    until_true(lambda: [call.end_reason for call in records.calls()] == ["caller_hangup"])
    until_true(lambda: journal.read(0, 1) == ())
    story = records.story("CA1")
    assert story is not None
    assert (story.caller_key, story.agent, story.state) == ("key-1", "reception", "ended")
    assert [story.call_sid for story in grown] == ["CA1"]
    assert shipped.trouble is None


def test_what_comes_twice_is_there_once_and_its_end_leads_to_nothing_more(
    database: Database, journal: MemoryJournal, shipped: Shipping, grown: list[CallStory]
) -> None:
    whole = [entry("CA1", 1, STARTED), entry("CA1", 2, HANGUP)]
    for row in (*whole, *whole, entry("CA1", 1, facts.CallOver(), source="http-1", at=whole[-1].at)):
        journal.add(row)
    until_true(lambda: count(database) == 3)
    until_true(lambda: shipped.shipped == 3)
    assert len(grown) == 1


def test_what_waits_while_the_database_is_away_is_told(
    database: Database, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "PAUSE_FIRST_S", 0.01)
    running = Shipping(database, journal, "process-1")
    with monkeypatch.context() as away:
        away.setattr(database, "check", _away)
        for number in (1, 2, 3):
            journal.add(entry("CA1", number, STARTED, at=100.0 + number))
        running.start()
        until_true(lambda: running.trouble == "it is away")
        until_true(lambda: running.behind == Behind(3, 101.0))
    until_true(lambda: running.shipped == 3)
    until_true(lambda: running.behind == Behind())
    assert running.stop(5)


def _away() -> NoReturn:
    raise RecordsAway("it is away")


def test_what_was_shipped_by_a_killed_process_gets_its_rows(
    database: Database, journal: MemoryJournal
) -> None:
    """It had shipped the end of a live call's turn, and was gone before it told the call anew."""
    earlier = Shipping(database, journal, "process-1")
    journal.add(entry("CA1", 1, STARTED))
    earlier.start()
    until_true(lambda: earlier.shipped == 1)
    assert earlier.stop(5)
    store(database, entry("CA1", 2, HANGUP))
    later = Shipping(database, journal, "process-1")
    later.start()
    until_true(lambda: [call.state for call in Records(database).calls()] == ["ended"])
    assert later.stop(5)


def test_a_fault_with_one_call_holds_up_no_other(
    database: Database, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "FAULTY_AGAIN_S", 0.01)
    is_broken = True

    def grow(_: Connection, story: CallStory) -> None:
        if is_broken and story.call_sid == "CA1":
            raise ValueError(story.call_sid)

    running = Shipping(database, journal, "process-1", outgrowths=[grow])
    running.start()
    for call_sid in ("CA1", "CA2"):
        journal.add(entry(call_sid, 1, STARTED))
        journal.add(entry(call_sid, 2, HANGUP))
    records = Records(database)
    until_true(lambda: [call.call_sid for call in records.calls() if call.state == "ended"] == ["CA2"])
    assert count(database) == 4
    is_broken = False
    journal.add(entry("CA3", 1, STARTED))
    until_true(lambda: {call.call_sid for call in records.calls() if call.state == "ended"} == {"CA1", "CA2"})
    assert running.stop(5)
