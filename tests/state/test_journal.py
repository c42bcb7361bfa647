"""The journal: in order, bounded, and never in the way of what calls need to go on."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from callbridge.state import writer
from callbridge.state.backlog import Backlog
from callbridge.state.journal import JournalEntry, MemoryJournal
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.writes import EventWrite, Journaled

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.state.state import State


def entry(number: int, *, is_essential: bool = True, process: str = "one") -> JournalEntry:
    return JournalEntry(
        float(number), process, "CA1", "MZ1", number, number * 10, "turn_ended", b"{}", is_essential
    )


def numbers(state: State, after: int = 0, limit: int = 100) -> list[int]:
    return [row.entry.number for row in state.journal.read(after, limit)]


async def test_rows_are_read_in_order_and_dropped_when_they_have_arrived(state: State) -> None:
    for number in range(1, 6):
        state.keep(entry(number))
    assert await state.flush()
    rows = await asyncio.to_thread(state.journal.read, 0, 3)
    assert [row.entry for row in rows] == [entry(1), entry(2), entry(3)]
    assert state.journal.wait(5)
    state.journal.drop(rows[-1].place)
    state.keep(entry(6))
    assert await state.flush()
    assert numbers(state) == [4, 5, 6]
    behind = rows[-1].place + 1
    assert numbers(state, behind) == [5, 6]
    assert [state.journal.count(after, 2) for after in (0, behind, behind + 2)] == [2, 2, 0]


async def test_a_place_is_never_used_again(state: State) -> None:
    """A reader that has read up to it would miss what stands there."""
    state.keep(entry(1))
    assert await state.flush()
    (row,) = state.journal.read(0, 10)
    state.journal.drop(row.place)
    assert await state.flush()
    state.keep(entry(2))
    assert await state.flush()
    assert numbers(state, row.place) == [2]


async def test_another_process_finds_what_one_has_left(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    one, other = SqliteState(path), SqliteState(path)
    one.keep(entry(1))
    await one.close()
    assert [row.entry.process for row in other.journal.read(0, 10)] == ["one"]
    await other.close()


async def test_a_file_that_is_older_than_the_journal_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    older = SqliteState(path)
    older.append("CA1", "stream_started", b"{}")
    await older.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE journal")
    state = SqliteState(path)
    state.keep(entry(1))
    assert await state.flush()
    assert numbers(state) == [1]
    assert [event.kind for event in await state.events("CA1")] == ["stream_started"]
    await state.close()


async def test_facts_wait_for_others_unless_somebody_waits_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "GATHERED_S", 60.0)
    state = SqliteState(tmp_path / "state.db")
    assert await state.flush()
    state.keep(entry(1))
    assert numbers(state) == []
    assert await state.flush()
    assert numbers(state) == [1]
    assert state.journal.wait(0)
    state.keep(entry(2))
    state.append("CA1", "stream_started", b"{}")  # What another process needs is written at once.
    assert await asyncio.to_thread(state.journal.wait, 10)
    assert numbers(state) == [1, 2]
    await state.close()


# --- For want of room --------------------------------------------------------------------------------


def test_what_waits_is_shed_the_records_first_and_never_what_counts() -> None:
    backlog = Backlog(waiting_max=3)
    detail = EventWrite("CA1", "turn_ended", 1.0, b"")
    start = EventWrite("CA1", "stream_started", 1.0, b"")
    for write in (detail, Journaled(entry(1, is_essential=False)), Journaled(entry(2)), start, detail):
        backlog.put(write)
    assert [*backlog.writes] == [Journaled(entry(2)), start, detail]
    assert (backlog.records_shed, backlog.shed) == (1, 1)
    backlog.put(start)
    backlog.put(Journaled(entry(3)))
    assert [*backlog.writes] == [Journaled(entry(2)), start, start, Journaled(entry(3))]


def test_in_memory_the_oldest_go_that_may() -> None:
    journal = MemoryJournal(rows_max=10)
    for number in range(1, 15):
        journal.add(entry(number, is_essential=number % 2 == 0))
    kept = [row.entry.number for row in journal.read(0, 100)]
    assert kept == [2, 4, 6, 8, 9, 10, 11, 12, 13, 14]
    assert journal.shed == 4


async def test_in_a_file_the_oldest_go_that_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "JOURNAL_ROWS_MAX", 4)
    now = 1000.0
    state = SqliteState(tmp_path / "state.db", lambda: now)
    assert await state.flush()
    for number in range(1, 9):
        state.keep(entry(number, is_essential=number in {1, 2, 8}))
    assert await state.flush()
    now += 120  # It is looked once a minute.
    assert await state.flush()
    state.keep(entry(9))
    assert await state.flush()
    assert numbers(state) == [1, 2, 7, 8, 9]
    assert state.journal.shed == 4
    await state.close()
