"""The journal in the state's file, for the thread that ships it: read over a connection of its own.

What is dropped goes through the writer, which alone writes to the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import URL, NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from callbridge.state.rows import count_journal, stored_journal
from callbridge.state.sqlite_file import LOCK_WAIT_S
from callbridge.state.writes import JournalDropped

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.state.journal import JournalRow
    from callbridge.state.writer import Writer


class SqliteJournal:
    """The journal of the file at `path`, also what other processes have written there."""

    def __init__(self, path: Path, writer: Writer) -> None:
        self._writer = writer
        # A connection per reading: it belongs to one thread, and none is left open behind a service.
        self._engine = create_engine(
            URL.create("sqlite", database=str(path.absolute())),
            poolclass=NullPool,
            connect_args={"timeout": LOCK_WAIT_S, "isolation_level": None},
        )

    def wait(self, timeout_s: float) -> bool:
        """Whether there is something new."""
        has_news = self._writer.journal_news.wait(timeout_s)
        self._writer.journal_news.clear()
        return has_news

    def wake(self) -> None:
        """Has `wait` return."""
        self._writer.journal_news.set()

    def read(self, after: int, limit: int) -> tuple[JournalRow, ...]:
        """The oldest rows behind `after`; none while the file cannot be read: the writer says so."""
        try:
            with self._engine.connect() as connection:
                return stored_journal(connection, after, limit)
        except SQLAlchemyError:
            return ()

    def count(self, after: int, at_most: int) -> int:
        """How many rows stand behind `after`; none while the file cannot be read."""
        try:
            with self._engine.connect() as connection:
                return count_journal(connection, after, at_most)
        except SQLAlchemyError:
            return 0

    def drop(self, through: int) -> None:
        """Queues that what has arrived is deleted."""
        self._writer.put(JournalDropped(through))

    @property
    def shed(self) -> int:
        """What was lost for want of room."""
        return self._writer.journal_shed
