"""The database of the records, as everybody else uses it: opened, asked, written to, and its errors in words.

Blocking throughout: only threads come here, never the event loop.
"""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from callbridge.records.costs import NO_PRICES
from callbridge.records.errors import RecordsAway, RecordsError
from callbridge.records.schema import HEAD, VERSION_TABLE, facts, tables
from callbridge.records.sealed_columns import use
from callbridge.records.sealing import Seal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine

    from callbridge.call.price_list import PriceList

CONNECT_S: Final = 5
"""How long a server of PostgreSQL has to answer."""

STATEMENT_S: Final = 30
"""How long one statement may take there: a lock that is never given back must not stop the shipping."""

LOCK_WAIT_S: Final = 5.0
"""How long one writer waits for another one of the same SQLite file."""

_PRICES: Final = "callbridge_prices"

OVERWRITTEN_WITHIN_S: Final = 3.0
"""How long the emptying of a file's log waits for those who read there."""

_LOOK_AGAIN_S: Final = 0.1

_PRIVATE: Final = 0o600
"""Nobody but the user of this process."""

_MIGRATE: Final = "Run `callbridge migrate`"


def prices_at(connection: Connection) -> PriceList:
    """The prices with which calls of this connection's database are told."""
    prices: PriceList = connection.get_execution_options().get(_PRICES, NO_PRICES)
    return prices


class Database:
    """One database of records. Its methods may be called from any thread, and block.

    Args:
        url: `sqlite:///…` or `postgresql://…`, which may have a password.
        prices: what calls cost is told by them; without them it is not told.
        seal: what encrypts in it; by default nothing does.

    Raises:
        RecordsError: the address cannot be used, or a driver is missing.
    """

    def __init__(self, url: str, prices: PriceList = NO_PRICES, seal: Seal | None = None) -> None:
        self.url, self.seal = _url(url), seal or Seal()
        self.is_postgres = self.url.get_backend_name() == "postgresql"
        engine = _postgres(self.url) if self.is_postgres else _sqlite(self.url)
        use(engine, self.seal)
        # With every connection, so that whoever tells a story in somebody's transaction has them.
        self._engine = engine.execution_options(**{_PRICES: prices})

    def __repr__(self) -> str:
        return f"<Database {self.name}>"

    @property
    def name(self) -> str:
        """What operators call it. No password is in it."""
        if not self.is_postgres:
            return f"the file {self.url.database}"
        return f"PostgreSQL at {self.url.host or 'this machine'}, database {self.url.database}"

    @property
    def is_there(self) -> bool:
        """Whether an embedded file exists; a server is always worth asking."""
        return self.is_postgres or Path(self.url.database or "").exists()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that sees one state of all tables.

        Raises:
            RecordsError: it cannot be read at the moment.
        """
        with self._told_in_words(), self._engine.connect() as connection, connection.begin():
            connection.exec_driver_sql(
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY" if self.is_postgres else "BEGIN"
            )
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, written when the block is left. In SQLite no other process writes meanwhile.

        Raises:
            RecordsError: it cannot be written at the moment; then nothing of it is.
        """
        with self._told_in_words(), self._engine.connect() as connection, connection.begin():
            if not self.is_postgres:
                # A plain BEGIN takes the lock at the first write, and is refused if another wrote in between.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def version(self) -> str | None:
        """The version of its tables; nothing where there are none.

        Raises:
            RecordsError: it cannot be reached, or the tables are another program's.
        """
        with self.reading() as connection:
            return version_in(connection, self.name)

    def check(self) -> None:
        """Whether its tables are those of this callbridge, and can be read with its key.

        Raises:
            RecordsError: they are not, or it cannot be reached.
        """
        found = self.version()
        if found != HEAD:
            raise RecordsError(_wrong_version(found, self.name))
        latest = select(facts.c.body).order_by(facts.c.at.desc()).limit(1)
        with self.reading() as connection:  # A key that is missing or wrong is told at the start.
            connection.execute(latest).scalar()

    def overwrite_deleted(self, within_s: float = OVERWRITTEN_WITHIN_S) -> bool:
        """Empties the log of a file, which has pages as they were before something was deleted.

        The file itself has zeros there. False: somebody reads there all the time, and the log stays for now.
        PostgreSQL has no such order: VACUUM, which it runs by itself, makes room of what was deleted.

        Raises:
            RecordsError: the file cannot be used.
        """
        give_up_at = time.monotonic() + within_s
        with self._told_in_words():
            while not self.is_postgres:
                with self._engine.connect() as connection:
                    is_read = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar()
                    connection.rollback()
                if not is_read:
                    break
                if time.monotonic() > give_up_at:
                    return False
                time.sleep(_LOOK_AGAIN_S)
        return True

    def close(self) -> None:
        """Lets its connections go; one that a thread still uses, when it is given back."""
        event.listen(self._engine, "checkin", lambda _, record: record.invalidate())
        self._engine.dispose()

    @contextlib.contextmanager
    def _told_in_words(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            kind = RecordsAway if _is_away(error, self) else RecordsError
            raise kind(_in_words(error, self)) from error


def version_in(connection: Connection, name: str) -> str | None:
    """The version of the tables in `connection`; nothing where there are none.

    Raises:
        RecordsError: the tables are another program's.
    """
    found = set(inspect(connection).get_table_names())
    if VERSION_TABLE in found:
        return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - ours
    # A server's database may be shared, as long as nothing has our names; a file is one program's.
    if found & set(tables.tables) or (found and connection.dialect.name == "sqlite"):
        raise RecordsError(
            f"In {name} there are tables of another program. Choose another DATABASE_URL for the records."
        )
    return None


# --- Opening ------------------------------------------------------------------------------------------


def _url(given: str) -> URL:
    try:
        url = make_url(given)
    except ArgumentError:
        url = None
    backend = "" if url is None else url.drivername.partition("+")[0]
    if url is None or backend not in {"sqlite", "postgresql", "postgres"}:
        raise RecordsError(
            "DATABASE_URL is no address of a database. Set it to postgresql://user:password@host/name, to "
            "sqlite:////var/lib/callbridge/records.db, or to off."
        )
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise RecordsError("DATABASE_URL names no file. Write sqlite:////path/to/records.db.")
        # Absolute, because SQLite gives some names a meaning of their own.
        return url.set(drivername="sqlite", database=str(Path(url.database).absolute()))
    return url.set(drivername="postgresql+psycopg")


def _postgres(url: URL) -> Engine:
    try:
        engine = create_engine(
            url,
            hide_parameters=True,  # An error would show what was to be written.
            pool_size=2,
            max_overflow=6,
            pool_pre_ping=True,  # A server that was restarted costs no more than the question.
            pool_recycle=600,
            pool_timeout=CONNECT_S,
            connect_args={
                "connect_timeout": CONNECT_S,
                "application_name": "callbridge",
                # A pooler that hands each transaction to another server knows no prepared statements.
                "prepare_threshold": None,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": STATEMENT_S * 1000,
            },
        )
    except ModuleNotFoundError as error:
        raise RecordsError(
            "DATABASE_URL names PostgreSQL, and its driver is not installed. "
            "Run: pip install 'callbridge[postgres]'"
        ) from error

    @event.listens_for(engine, "connect")
    def _bound(driver: Any, _record: object) -> None:
        with driver.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {STATEMENT_S * 1000}")
            cursor.execute(f"SET idle_in_transaction_session_timeout = {2 * STATEMENT_S * 1000}")
        driver.commit()

    return engine


def _sqlite(url: URL) -> Engine:
    path = Path(url.database or "")
    engine = create_engine(
        url,
        hide_parameters=True,  # An error would show what was to be written.
        connect_args={"timeout": LOCK_WAIT_S, "isolation_level": None},
    )

    @event.listens_for(engine, "do_connect")
    def _private(*_: object) -> None:
        _make_private(path)

    @event.listens_for(engine, "connect")
    def _durable(driver: sqlite3.Connection, _record: object) -> None:
        mode = driver.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        driver.execute("PRAGMA synchronous=FULL")
        driver.execute("PRAGMA secure_delete=ON")
        if mode != "wal":
            raise RecordsError(
                f"The file system of {path} cannot hold SQLite's write-ahead log. Choose a path on a local "
                "disk for the records, or PostgreSQL."
            )

    return engine


def _make_private(path: Path) -> None:
    """It holds what calls were about. SQLite makes its log and index with the same rights."""
    try:
        path.touch(mode=_PRIVATE)
        if stat.S_IMODE(path.stat().st_mode) != _PRIVATE:
            with contextlib.suppress(OSError):  # Another user's, or a file system without rights.
                path.chmod(_PRIVATE)
    except OSError as error:
        raise RecordsError(
            f"The file of the records {path} cannot be opened ({error.strerror}). "
            "Make its folder, let this user write there, or choose another DATABASE_URL."
        ) from error


# --- What went wrong --------------------------------------------------------------------------------------

_START_ANEW = "Move it away together with its -wal and -shm files: a new one is made at the next start"

_SQLITE: Final = {
    sqlite3.SQLITE_FULL: "its disk is full. Free some space",
    sqlite3.SQLITE_READONLY: "it may only be read. Let this user write the file and its folder",
    sqlite3.SQLITE_PERM: "it may not be opened. Let this user write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened. Let this user write its folder",
    sqlite3.SQLITE_CORRUPT: f"it is damaged. {_START_ANEW}",
    sqlite3.SQLITE_NOTADB: f"it is no SQLite file, or damaged. {_START_ANEW}",
    sqlite3.SQLITE_BUSY: "another process holds it. It is tried again; if that lasts, end that process",
    sqlite3.SQLITE_IOERR: "its disk does not read or write. Look at the disk",
}

_POSTGRES: Final = {
    "28": "the server does not know this user, or the password is wrong. Look at DATABASE_URL",
    "3D": "the server has no database of this name. Make it: createdb NAME",
    "42501": f"this user may not do that. {_MIGRATE} as the owner of the tables, or grant it the rights",
    "42P01": f"its tables are not there. {_MIGRATE}",
    "53": "the server has no room left: a full disk, or too many connections. Make room",
    "57014": "a statement took too long. Look for what holds locks there",
    "57P": "the server is stopping or starting. It is tried again",
    "08": "the connection to the server broke. It is tried again",
    "40": "another transaction was in the way. It is tried again",
    "55P03": "another transaction holds a lock. It is tried again",
    "25006": "the server may only be read: it is a standby. Point DATABASE_URL at the primary",
}
"""By the beginning of SQLSTATE, the longest that fits
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


_PASSES = ("57P", "08", "40", "55P03", "57014", "53")
"""What may be over in a moment, or a day, and is nobody's configuration."""


def _is_away(error: SQLAlchemyError, database: Database) -> bool:
    """Whether the same may work later."""
    origin = error.orig if isinstance(error, DBAPIError) else None
    if not database.is_postgres:
        code = int(getattr(origin, "sqlite_errorcode", 0)) & 0xFF
        return code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
    state = str(getattr(origin, "sqlstate", None) or "")
    if state:
        return state.startswith(_PASSES)
    return isinstance(error, TimeoutError) or _remedy(origin, database) == _UNREACHABLE


_UNREACHABLE = "the server cannot be reached. Is it running, and is DATABASE_URL right?"


def _in_words(error: SQLAlchemyError, database: Database) -> str:
    origin = error.orig if isinstance(error, DBAPIError) else None
    said = " ".join(str(origin or type(error).__name__).split())
    return f"The records, {database.name}, cannot be used: {_remedy(origin, database)} ({said})."


def _remedy(origin: BaseException | None, database: Database) -> str:
    if not database.is_postgres:
        code = int(getattr(origin, "sqlite_errorcode", 0)) & 0xFF
        return _SQLITE.get(code, "something unforeseen happened")
    state = str(getattr(origin, "sqlstate", None) or "")
    known = [words for code, words in sorted(_POSTGRES.items(), reverse=True) if state.startswith(code)]
    if state and known:
        return known[0]
    if not state and ("authentication" in str(origin) or "role " in str(origin)):
        return _POSTGRES["28"]
    if not state and "does not exist" in str(origin):
        return _POSTGRES["3D"]
    return "something unforeseen happened" if state else _UNREACHABLE


def _wrong_version(found: str | None, name: str) -> str:
    if found is None:
        return f"The records, {name}, have no tables yet. {_MIGRATE}."
    if found > HEAD:
        return (
            f"The records, {name}, were made by a newer callbridge: they have version {found}, and this one "
            f"knows {HEAD}. Start the newer callbridge."
        )
    return f"The records, {name}, have version {found}, and this callbridge needs {HEAD}. {_MIGRATE}."
