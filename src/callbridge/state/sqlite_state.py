"""A `State` in one SQLite file, which several processes of one machine may share."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from callbridge.state.neighbours import new_process
from callbridge.state.sqlite_file import SqliteHome
from callbridge.state.sqlite_journal import SqliteJournal
from callbridge.state.state import KEPT
from callbridge.state.stored_state import StoredState
from callbridge.state.writes import Journaled, storable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from callbridge.state.journal import JournalEntry
    from callbridge.state.state import Retention


class SqliteState(StoredState):
    """What survives, in the file at `path`.

    Args:
        path: of the file, which is made if there is none.
        clock: seconds since 1970.
        retention: how long things are kept.
        process: the name of this process; by default a new one.
        is_alone: nobody is told of this process, and it hears of no other one.

    Raises:
        StateError: The file cannot be opened, is damaged, or is of another version.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.time,
        retention: Retention = KEPT,
        *,
        process: str | None = None,
        is_alone: bool = False,
    ) -> None:
        home = SqliteHome(path, clock)
        home.check()
        super().__init__(home, process or new_process(), clock, retention)
        self.journal = SqliteJournal(path, self._writer)
        self._start(is_alone=is_alone)

    def keep(self, entry: JournalEntry) -> None:
        """Queues a row of the journal."""
        kept = replace(entry, call_sid=storable(entry.call_sid), source=storable(entry.source))
        self._writer.put(Journaled(kept))
