"""The journal: what happened in calls, on its way to the database of records.

A row is dropped when it has arrived there. Nothing here knows what a row says: whoever writes one says
whether it may be shed when the database is away for so long that room runs out.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

JOURNAL_ROWS_MAX: Final = 1_000_000
"""In a file: some 500 MB, or nine hours of sixty busy calls without a database. Beyond it the oldest rows are
shed that may be."""

JOURNAL_ROWS_IN_MEMORY_MAX: Final = 50_000
"""Without a file: some 50 MB."""

GATHERED_S: Final = 0.05
"""Rows for which nobody waits are written together, so late at most."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One fact of a call, as it is kept."""

    at: float
    """When it was noted, in seconds since 1970."""
    process: str
    """Who noted it: another name at every start of a process."""
    call_sid: str
    source: str
    number: int
    """1, 2, 3, … within its source."""
    at_ms: int
    kind: str
    body: bytes
    """JSON text."""
    is_essential: bool = True
    """Never shed."""


@dataclass(frozen=True, slots=True)
class JournalRow:
    """An entry in its place."""

    place: int
    """Ascending, with gaps. A place is never used again."""
    entry: JournalEntry


class Journal(Protocol):
    """What the shipper reads. Its methods may be called from any thread but the event loop's: they block."""

    def wait(self, timeout_s: float) -> bool:
        """Whether there is something new; returns as soon as there is."""

    def wake(self) -> None:
        """Has `wait` return."""

    def read(self, after: int, limit: int) -> tuple[JournalRow, ...]:
        """The oldest rows behind the place `after` that are written down, at most `limit` of them."""

    def count(self, after: int, at_most: int) -> int:
        """How many rows stand behind the place `after`; `at_most` where there are more."""

    def drop(self, through: int) -> None:
        """Queues that all rows up to this place are deleted: they have arrived."""

    @property
    def shed(self) -> int:
        """How many rows this process has lost for want of room."""


class MemoryJournal:
    """A journal without a file: what is in it is lost with the process."""

    def __init__(self, rows_max: int = JOURNAL_ROWS_IN_MEMORY_MAX) -> None:
        self._rows_max = rows_max
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._rows: deque[JournalRow] = deque()
        self._last = 0
        self._shed = 0

    def add(self, entry: JournalEntry) -> None:
        """Adds a row. At the bound the oldest that may be shed makes room."""
        with self._lock:
            self._last += 1
            self._rows.append(JournalRow(self._last, entry))
            if len(self._rows) > self._rows_max:
                self._make_room()
        self._news.set()

    def wait(self, timeout_s: float) -> bool:
        """Whether there is something new."""
        has_news = self._news.wait(timeout_s)
        self._news.clear()
        return has_news

    def wake(self) -> None:
        """Has `wait` return."""
        self._news.set()

    def read(self, after: int, limit: int) -> tuple[JournalRow, ...]:
        """The oldest rows behind `after`."""
        with self._lock:
            return _first(self._rows, lambda row: row.place > after, limit)

    def count(self, after: int, at_most: int) -> int:
        """How many rows stand behind `after`."""
        with self._lock:
            return len(_first(self._rows, lambda row: row.place > after, at_most))

    def drop(self, through: int) -> None:
        """Deletes what has arrived."""
        with self._lock:
            while self._rows and self._rows[0].place <= through:
                self._rows.popleft()

    @property
    def shed(self) -> int:
        """What was lost for want of room."""
        return self._shed

    def _make_room(self) -> None:
        """A tenth at a time, since each time all rows are looked at."""
        room = max(self._rows_max // 10, 1)
        going = {row.place for row in _first(self._rows, lambda row: not row.entry.is_essential, room)}
        self._rows = deque(row for row in self._rows if row.place not in going)
        self._shed += len(going)


def _first(
    rows: deque[JournalRow], is_wanted: Callable[[JournalRow], bool], limit: int
) -> tuple[JournalRow, ...]:
    found: list[JournalRow] = []
    for row in rows:
        if len(found) == limit:
            break
        if is_wanted(row):
            found.append(row)
    return tuple(found)
