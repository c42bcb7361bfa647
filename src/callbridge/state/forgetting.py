"""Forgets a caller in a state, also while services have it open: for the command line. Blocking."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from callbridge.state.home import Fault
from callbridge.state.postgres import PostgresHome
from callbridge.state.rows import (
    count_remembered,
    drop_journal_of,
    forget_caller,
    stored_journal,
)
from callbridge.state.sqlite_file import START_WAIT_S, SqliteHome, overwrite_deleted
from callbridge.state.state import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from callbridge.state.home import Home
    from callbridge.state.journal import JournalEntry

_PAUSE_S = 0.05
_ROWS = 500

T = TypeVar("T")


def forget_in_file(path: Path, *caller_keys: str) -> tuple[int, bool]:
    """Deletes what is remembered of a caller in the file at `path`, which is there.

    Returns:
        How many records there were, and whether all of it is overwritten. If not, another process reads the
        file, and overwrites it within two minutes.

    Raises:
        StateError: the file cannot be used. The message says why and what to do.
    """
    return _written(path, lambda connection: _forgotten(connection, caller_keys))


def forget_in_database(url: str, *caller_keys: str) -> int:
    """So in a database that is shared, whose server makes room of what was deleted by itself.

    Returns:
        How many records there were.

    Raises:
        StateError: the database cannot be used. The message says why and what to do.
    """
    with contextlib.closing(PostgresHome(url)) as home:

        def forget(connection: Connection) -> int:
            with home.writing(connection):
                return _forgotten(connection, caller_keys)

        return _done(home, forget)


def remembered_in_file(path: Path, caller_keys: Sequence[str]) -> int:
    """How many records there are. Raises StateError as `forget_in_file`."""
    return _done(_file(path), lambda connection: _remembered(connection, caller_keys))


def remembered_in_database(url: str, caller_keys: Sequence[str]) -> int:
    """So there. Raises StateError as `forget_in_database`."""
    with contextlib.closing(PostgresHome(url)) as home:
        return _done(home, lambda connection: _remembered(connection, caller_keys))


def journal_in_file(path: Path) -> list[JournalEntry]:
    """All facts that wait there for the database of records. Raises StateError as `forget_in_file`."""

    def read(connection: Connection) -> list[JournalEntry]:
        entries: list[JournalEntry] = []
        after = 0
        with connection.begin():
            while rows := stored_journal(connection, after, _ROWS):
                entries += [row.entry for row in rows]
                after = rows[-1].place
        return entries

    return _done(_file(path), read)


def drop_from_journal(path: Path, call_sids: Collection[str]) -> tuple[int, bool]:
    """Deletes the facts of these calls that wait; returns and raises as `forget_in_file`."""
    return _written(path, lambda connection: drop_journal_of(connection, call_sids))


def _file(path: Path) -> SqliteHome:
    return SqliteHome(path, time.time)


def _forgotten(connection: Connection, caller_keys: Sequence[str]) -> int:
    return sum(forget_caller(connection, key) for key in caller_keys)


def _remembered(connection: Connection, caller_keys: Sequence[str]) -> int:
    return sum(count_remembered(connection, key) for key in caller_keys)


def _written(path: Path, write: Callable[[Connection], int]) -> tuple[int, bool]:
    home, give_up_at = _file(path), time.monotonic() + START_WAIT_S

    def written(connection: Connection) -> tuple[int, bool]:
        with home.writing(connection):
            count = write(connection)
        return count, _is_overwritten(connection, give_up_at)

    return _done(home, written)


def _done(home: Home, do: Callable[[Connection], T]) -> T:
    give_up_at = time.monotonic() + START_WAIT_S
    while True:
        try:
            with contextlib.closing(home.open()) as connection:
                return do(connection)
        except SQLAlchemyError as error:
            if home.fault(error) is not Fault.BUSY or time.monotonic() > give_up_at:
                raise StateError(home.in_words(error)) from error
        time.sleep(_PAUSE_S)


def _is_overwritten(connection: Connection, give_up_at: float) -> bool:
    while not (is_done := overwrite_deleted(connection)) and time.monotonic() < give_up_at:
        time.sleep(_PAUSE_S)
    return is_done
