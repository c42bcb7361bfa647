"""The rows of a call: made of its facts, made again, and made by one at a time."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, select, update

from busy_calls import BusyCall
from callbridge.records.database import Database
from callbridge.records.projecting import project, rebuild
from callbridge.records.schema import calls, captures, tools, turns
from records.shipments import HANGUP, STARTED, T0, entry, store

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import Connection

    from callbridge.records.story import CallStory

PROJECTIONS = (calls, turns, tools, captures)


def rows(database: Database) -> dict[str, list[Any]]:
    """All that is made of facts."""
    with database.reading() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in PROJECTIONS
        }


def store_whole_call(database: Database, call_sid: str) -> None:
    """A busy one, with turns and tools."""
    busy = BusyCall(call_sid, f"MZ{call_sid}")
    told = [busy.next(is_last=number == 40) for number in range(41)]
    store(
        database,
        *(entry(call_sid, fact.number, fact, source=fact.source, at=T0 + fact.number) for fact in told),
    )


def test_all_rows_are_made_again_as_they_were_and_nothing_follows(database: Database) -> None:
    grown: list[str] = []

    def grow(_: Connection, story: CallStory) -> None:
        grown.append(story.call_sid)

    for call_sid in ("CA1", "CA2"):
        store_whole_call(database, call_sid)
        with database.writing() as connection:
            project(connection, call_sid, T0, [grow])
    before = rows(database)
    assert len(before["turns"]) > 4
    assert len(before["tools"]) > 4
    with database.writing() as connection:  # Somebody's mistake.
        connection.execute(delete(turns))
        connection.execute(update(tools).values(name="nonsense"))
        connection.execute(update(calls).values(state="live", agent="nobody"))
    told: list[tuple[int, int]] = []
    assert rebuild(database, T0, lambda done, of: told.append((done, of))) == 2
    assert rows(database) == before
    assert told == [(1, 2), (2, 2)]
    assert grown == ["CA1", "CA2"]


def test_an_end_that_was_first_seen_by_a_rebuild_still_leads_to_what_follows(database: Database) -> None:
    """The service was not there: it is told to others when it is."""
    grown: list[str] = []
    store(database, entry("CA1", 1, STARTED), entry("CA1", 2, HANGUP))
    rebuild(database, T0, lambda *_: None)
    with database.writing() as connection:
        project(connection, "CA1", T0, [lambda _, story: grown.append(story.call_sid)])
    assert grown == ["CA1"]


@pytest.mark.heavy
def test_processes_that_tell_the_same_calls_do_not_mix_them_up(postgres_database: str) -> None:
    """A call goes on in another process while the first one still ships what was left of it."""
    from callbridge.records.migrating import migrate  # noqa: PLC0415 - for this one alone

    grown, lock = list[str](), threading.Lock()

    def grow(_: Connection, story: CallStory) -> None:
        with lock:
            grown.append(story.call_sid)

    def tell_all(_: int) -> None:
        with contextlib.closing(Database(postgres_database)) as database:
            for _ in range(10):
                for call_sid in ("CA1", "CA2"):
                    with database.writing() as connection:
                        project(connection, call_sid, T0, [grow])

    with contextlib.closing(Database(postgres_database)) as database:
        migrate(database)
        for call_sid in ("CA1", "CA2"):
            store_whole_call(database, call_sid)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(tell_all, range(4)))
        after = rows(database)
        rebuild(database, T0, lambda *_: None)
        assert rows(database) == after
    assert sorted(grown) == ["CA1", "CA2"], "what follows an end follows once"
