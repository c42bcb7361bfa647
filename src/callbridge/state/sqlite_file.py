"""The file: its tables, how it is opened, and what its errors mean to an operator.

https://sqlite.org/wal.html, https://sqlite.org/rescode.html
"""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import URL, NullPool, create_engine, insert, inspect, literal, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from callbridge.state.home import Fault
from callbridge.state.state import StateError
from callbridge.state.tables import (
    call_events,
    caller_notes,
    caller_records,
    details_index,
    journal,
    leases,
    mailbox,
    places,
    schema_version,
    spend_notes,
    tables,
    text_notes,
    used_tokens,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection, Table

    from callbridge.state.bell import Bell

SCHEMA_VERSION = 1

LOCK_WAIT_S = 0.25
"""How long one attempt waits for another process's transaction. Reads come up for air in between."""

START_WAIT_S = 10.0
"""How long the start waits for a process that holds the file; the writer itself waits for ever."""

_ATTEMPT_PAUSE_S = 0.05

_PRIVATE = 0o600
"""Nobody but the user of this process."""

_log = structlog.get_logger()


class SqliteHome:
    """The file at `path`, as a `Home`. It belongs to one machine, and its locks hold for all of it.

    Args:
        path: of the file.
        clock: its time, in seconds since 1970.
    """

    is_remote = False
    poll_every_s = 0.5
    stuck_s = 5.0
    """A commit takes a millisecond."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.path, self._clock = path, clock

    @property
    def name(self) -> str:
        """The file."""
        return f"The state file {self.path}"

    def check(self) -> str | None:
        """Makes the file or reads all of it."""
        check_file(self.path)
        return None

    def open(self) -> Connection:
        """A connection that may write."""
        return open_file(self.path)

    def open_watch(self, process: str) -> Connection:
        """Another one. Nothing tells a process of its mail."""
        del process
        return connect(self.path)

    def writing(self, connection: Connection, locks: Collection[str] = ()) -> AbstractContextManager[None]:
        """One transaction, of which there is one at a time."""
        del locks
        return writing(connection)

    @contextlib.contextmanager
    def reading(self, connection: Connection) -> Iterator[None]:
        """One that only reads."""
        with connection.begin():
            yield

    def now(self) -> ColumnElement[float]:
        """The time of the clock."""
        return literal(self._clock())

    def ring(self, connection: Connection, processes: Collection[str]) -> None:
        """Whoever has mail looks for it."""

    def wait(self, connection: Connection, bell: Bell) -> None:
        """Returns when the bell rings or it is time to look."""
        del connection
        bell.wait(self.poll_every_s)

    def may_prune(self, connection: Connection) -> bool:
        """Whoever writes is alone."""
        del connection
        return True

    def after_pruning(self, connection: Connection) -> None:
        """The log has what was deleted."""
        overwrite_deleted(connection)

    def fault(self, error: SQLAlchemyError) -> Fault:
        """What an error means. A connection to a file is not lost."""
        return Fault.BUSY if is_busy(error) else Fault.WRONG

    def in_words(self, error: SQLAlchemyError) -> str:
        """What is wrong and what to do."""
        return in_words(error, self.path)

    def stuck_in_words(self, waited_s: float) -> str:
        """So of a write that does not end."""
        return (
            f"The state file {self.path} has taken nothing for {waited_s:.0f} s. "
            "Look for a process that holds it, and at its disk."
        )

    def close(self) -> None:
        """Nothing is open but connections."""


# --- Opening ----------------------------------------------------------------------------------------


def check_file(path: Path) -> None:
    """Makes the file or reads all of it, and shows that it can be written. For the start; blocks.

    Raises:
        StateError: It cannot be opened, is damaged, held by another process or of another version.
    """
    give_up_at = time.monotonic() + START_WAIT_S
    while True:
        try:
            with contextlib.closing(open_file(path)) as connection:
                _check_pages(connection, path)
                _complain_of_readers(path)
        except SQLAlchemyError as error:
            if not is_busy(error) or time.monotonic() > give_up_at:
                raise StateError(in_words(error, path)) from error
            time.sleep(_ATTEMPT_PAUSE_S)
        else:
            return


def open_file(path: Path) -> Connection:
    """A connection that may write, to a file with all its tables. It belongs to the thread that opens it.

    Raises:
        SQLAlchemyError: The file cannot be used now, or at all; `in_words` says which.
        StateError: It is no state of ours, or of another version.
    """
    connection = connect(path)
    try:
        _choose_durability(connection, path)
        _take_possession(connection, path)
        _bring_up_to_date(connection)
    except (SQLAlchemyError, StateError):
        connection.close()
        raise
    return connection


def connect(path: Path) -> Connection:
    """A connection to a file that `open_file` has opened before. It belongs to the thread that opens it."""
    _make_private(path)
    engine = create_engine(
        # Absolute, because SQLite gives some names a meaning of their own (":memory:").
        URL.create("sqlite", database=str(path.absolute())),
        poolclass=NullPool,
        hide_parameters=True,  # An error of a statement would show words of callers, which it was to write.
        # Without an isolation level the driver begins no transaction by itself: `writing` does.
        connect_args={"timeout": LOCK_WAIT_S, "isolation_level": None},
    )
    return engine.connect()


@contextlib.contextmanager
def writing(connection: Connection) -> Iterator[None]:
    """One transaction that holds the file's one write lock from its first moment.

    A plain BEGIN takes it at the first write, and is refused at once if another process wrote in between.
    """
    try:
        with connection.begin():
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield
    finally:
        # A COMMIT that fails may leave the transaction open, and the file locked for everybody.
        driver = connection.connection.driver_connection
        if driver is not None and driver.in_transaction:
            driver.rollback()


def overwrite_deleted(connection: Connection) -> bool:
    """Empties the log, which has pages as they were before something was deleted; the file itself has zeros.

    Between transactions only. While another process reads the log stays, which is what false says, and the
    next time is soon enough.
    """
    is_read = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar()
    connection.rollback()  # SQLAlchemy has begun something; the driver has not.
    return not is_read


def _files(path: Path) -> list[Path]:
    """The file, its log and the log's index, as far as they are there."""
    return [file for end in ("", "-wal", "-shm") if (file := path.with_name(path.name + end)).exists()]


def _make_private(path: Path) -> None:
    """The file holds what callers said. SQLite makes its log and index with the same rights."""
    try:
        path.touch(mode=_PRIVATE)
    except OSError as error:
        raise StateError(
            f"The state file {path} cannot be opened ({error.strerror}). "
            "Make its folder, let this user write there, or choose another path."
        ) from error
    for file in _files(path):
        # Files of another user, or of a system without rights: `_complain_of_readers` says so at the start.
        with contextlib.suppress(OSError):
            if stat.S_IMODE(file.stat().st_mode) != _PRIVATE:
                file.chmod(_PRIVATE)


def _complain_of_readers(path: Path) -> None:
    for file in _files(path):
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & ~_PRIVATE:
            _log.warning(
                "state_is_open_to_others",
                file=str(file),
                mode=f"{mode:o}",
                next_step="What callers say lies there: have its owner run chmod 600, or choose another path",
            )


def _choose_durability(connection: Connection, path: Path) -> None:
    with connection.begin():
        mode = connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar()
        # FULL syncs the log at every commit: what was acknowledged survives a power cut, not only a crash.
        connection.exec_driver_sql("PRAGMA synchronous=FULL")
        # What is deleted becomes zeros, instead of free space with words in it.
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
    if mode != "wal":
        raise StateError(
            f"The file system of the state file {path} cannot hold SQLite's write-ahead log. "
            "Choose a path on a local disk, not on a network share."
        )


def _take_possession(connection: Connection, path: Path) -> None:
    """Makes the tables of a new file; refuses one that is not ours. Always writes, to know that it can."""
    with writing(connection):
        found = inspect(connection).get_table_names()
        if not found:
            tables.create_all(connection)
            connection.execute(insert(schema_version).values(version=SCHEMA_VERSION))
            return
        if schema_version.name not in found:
            raise StateError(f"{path} belongs to another program. Choose another path for the state file.")
        version = connection.execute(select(schema_version.c.version)).scalar()
        if version != SCHEMA_VERSION:
            raise StateError(_wrong_version(version, path))
        connection.execute(update(schema_version).values(version=SCHEMA_VERSION))
        for younger in (
            caller_records,
            text_notes,
            journal,
            places,
            leases,
            mailbox,
        ):  # Than the file may be.
            if younger.name not in found:
                younger.create(connection)
        for wider in (caller_notes, spend_notes, used_tokens):
            _widen(connection, wider)


def _widen(connection: Connection, table: Table) -> None:
    """Adds columns that a file of an earlier callbridge lacks; that one goes on writing without them."""
    found = {column["name"] for column in inspect(connection).get_columns(table.name)}
    missing = [column for column in table.columns if column.name not in found]
    for column in missing:
        words = CreateColumn(column).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {words}")
    if missing:
        for index in table.indexes:
            index.create(connection, checkfirst=True)


def _bring_up_to_date(connection: Connection) -> None:
    """A file that was made before it had this index may have, in its free pages, words that were deleted.

    It is written anew first: should another process be in the way, the next attempt finds it as it was.
    """
    with connection.begin():
        indexes = {index["name"] for index in inspect(connection).get_indexes(call_events.name)}
    if details_index.name in indexes:
        return
    connection.exec_driver_sql("VACUUM")
    connection.rollback()  # As in `overwrite_deleted`.
    with writing(connection):
        for earlier in ("call_events_details", "call_events_said"):  # They knew fewer kinds.
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {earlier}")
        details_index.create(connection, checkfirst=True)
    overwrite_deleted(connection)


def _wrong_version(version: int | None, path: Path) -> str:
    if version is not None and version > SCHEMA_VERSION:
        return (
            f"The state file {path} was written by a newer callbridge: it has version {version}, and "
            f"this one knows {SCHEMA_VERSION}. Start the newer callbridge, or choose another path."
        )
    return f"The state file {path} has no version that callbridge ever had ({version}). {_START_ANEW}"


def _check_pages(connection: Connection, path: Path) -> None:
    """A damaged page would otherwise be met in the middle of a call."""
    with connection.begin():
        verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if verdict != "ok":
        raise StateError(f"The state file {path} is damaged ({verdict}). {_START_ANEW}")


# --- What went wrong --------------------------------------------------------------------------------

_START_ANEW = (
    "Move it away together with its -wal and -shm files, and restart: a new one is made. "
    "Calls that were live lose their memory."
)

_REMEDIES = {
    sqlite3.SQLITE_FULL: "its disk is full. Free some space",
    sqlite3.SQLITE_READONLY: "it may only be read. Let this user write the file and its folder",
    sqlite3.SQLITE_PERM: "it may not be opened. Let this user write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened. Let this user write its folder, or choose another path",
    sqlite3.SQLITE_CORRUPT: f"it is damaged. {_START_ANEW}",
    sqlite3.SQLITE_NOTADB: f"it is no SQLite file, or damaged. {_START_ANEW}",
    sqlite3.SQLITE_BUSY: "another process holds it. End that process",
    sqlite3.SQLITE_IOERR: "its disk does not read or write. Look at the disk",
}


def is_busy(error: SQLAlchemyError) -> bool:
    """Whether another process is in the way for a moment, and nothing is wrong."""
    return _code(error) == sqlite3.SQLITE_BUSY


def in_words(error: SQLAlchemyError, path: Path) -> str:
    """What is wrong with the file and what to do."""
    remedy = _REMEDIES.get(_code(error), "something unforeseen happened")
    return f"The state file {path} cannot be used: {remedy} ({getattr(error, 'orig', None) or error})."


def _code(error: SQLAlchemyError) -> int:
    """SQLite's primary result code; its lower byte, the rest tells details."""
    return int(getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)) & 0xFF
