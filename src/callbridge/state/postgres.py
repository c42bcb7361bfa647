"""The state in PostgreSQL: a schema of its own, its connections, its locks, and what its errors mean.

https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS,
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Float,
    NullPool,
    cast,
    create_engine,
    event,
    extract,
    func,
    insert,
    inspect,
    literal,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from callbridge.state.home import Fault
from callbridge.state.patience import Patience
from callbridge.state.state import StateError
from callbridge.state.tables import SHARED, schema_version, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from sqlalchemy import URL, ColumnElement, Connection, Engine

    from callbridge.state.bell import Bell

SCHEMA: Final = "callbridge_state"

SHARED_VERSION: Final = 1
"""Of its tables."""

CONNECT_S: Final = 2
"""The least that its driver knows."""

STATEMENT_S: Final = 4
"""How long the server works at one statement: a lock that is not given back must not stop the writer."""

LOCKS_MAX: Final = 2_048
"""A third of what a server holds with its default settings."""

PATIENCE_S: Final = 5.0
"""How long one transaction may take until its connection is given up."""

_NOTICED_MS: Final = 1_500
"""After this the kernel gives up a connection on which nothing is acknowledged."""

_SETTINGS: Final = {
    "statement_timeout": STATEMENT_S * 1_000,
    # A client that is gone in mid-transaction holds its locks until the server knows.
    "idle_in_transaction_session_timeout": STATEMENT_S * 1_000,
    "tcp_user_timeout": 2 * _NOTICED_MS,
    "tcp_keepalives_idle": 2,
    "tcp_keepalives_interval": 1,
    "tcp_keepalives_count": 2,
}

_MIGRATE: Final = "Run `callbridge migrate`"


class PostgresHome:
    """One database, as a `Home`, for any number of machines.

    Args:
        url: `postgresql://…`, which may have a password.
        now: seconds since 1970, by which leases are judged; by default the server's own clock.

    Raises:
        StateError: this is no address of PostgreSQL, or its driver is missing.
    """

    is_remote = True
    poll_every_s = 0.5
    """It is told of mail; of what others spend, and where a pooler swallows that, it hears so."""
    stuck_s = 1.25

    def __init__(self, url: str, now: Callable[[], float] | None = None) -> None:
        self._url, self._now = _address(url), now
        self._engine = _engine(self._url)
        self._patience = Patience(PATIENCE_S)

    @property
    def name(self) -> str:
        """Server and database."""
        server = self._url.host or "this machine"
        return f"The state in PostgreSQL at {server}, database {self._url.database},"

    def check(self) -> str | None:
        """Why it cannot be used now, where it may be so later."""
        try:
            self.open().close()
        except SQLAlchemyError as error:
            if self.fault(error) is Fault.WRONG:
                raise StateError(self.in_words(error)) from error
            return self.in_words(error)
        return None

    def open(self) -> Connection:
        """A connection to tables that are those of this callbridge."""
        connection = self._engine.connect()
        try:
            self._check_version(connection)
        except (SQLAlchemyError, StateError):
            connection.close()
            raise
        return connection

    def open_watch(self, process: str) -> Connection:
        """One that hears when `process` has mail."""
        connection = self.open()
        quoted = connection.dialect.identifier_preparer.quote_identifier(_channel(process))
        try:
            with self.reading(connection):
                connection.exec_driver_sql(f"LISTEN {quoted}")
        except SQLAlchemyError:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def writing(self, connection: Connection, locks: Collection[str] = ()) -> Iterator[None]:
        """One transaction. Its locks are taken at once and in one order: no two wait for each other."""
        with self.reading(connection):
            if locks:
                taken = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")
                connection.execute(taken, {"keys": sorted(set(map(_shared_key, locks)))})
            yield

    @contextlib.contextmanager
    def reading(self, connection: Connection) -> Iterator[None]:
        """One transaction, given up after `PATIENCE_S`."""
        with self._patience.over(self._descriptor(connection)), connection.begin():
            yield

    def now(self) -> ColumnElement[float]:
        """The server's clock: those of machines differ."""
        if self._now is not None:
            return literal(self._now())
        return cast(extract("epoch", func.clock_timestamp()), Float)

    def ring(self, connection: Connection, processes: Collection[str]) -> None:
        """Tells them once the transaction is written."""
        if processes:
            rung = text("SELECT pg_notify(channel, '') FROM unnest(CAST(:channels AS text[])) AS channel")
            connection.execute(rung, {"channels": sorted(map(_channel, processes))})

    def wait(self, connection: Connection, bell: Bell) -> None:
        """Returns when the bell rings, somebody has told of mail, or it is time to look."""
        driver = _driver(connection)
        with contextlib.suppress(self._engine.dialect.loaded_dbapi.Error):  # Whoever looks next meets it.
            bell.wait(self.poll_every_s, driver.fileno())
            for _ in driver.notifies(timeout=0):
                pass

    def may_prune(self, connection: Connection) -> bool:
        """Whether no other machine prunes."""
        taken = text("SELECT pg_try_advisory_xact_lock(:key)")
        return bool(connection.execute(taken, {"key": _lock_key("prune")}).scalar())

    def after_pruning(self, connection: Connection) -> None:
        """The server makes room of what was deleted by itself: there is no order to overwrite it."""

    def fault(self, error: SQLAlchemyError) -> Fault:
        """What an error means."""
        origin = error.orig if isinstance(error, DBAPIError) else None
        state = _sqlstate(error)
        if state.startswith(_IN_THE_WAY):
            return Fault.BUSY
        is_cut = isinstance(error, DBAPIError) and error.connection_invalidated
        if is_cut or state.startswith(_GONE) or (not state and _remedy(error) == _UNREACHABLE):
            return Fault.LOST
        return Fault.LOST if isinstance(origin, TimeoutError) else Fault.WRONG

    def in_words(self, error: SQLAlchemyError) -> str:
        """What is wrong and what to do."""
        origin = error.orig if isinstance(error, DBAPIError) else None
        said = " ".join(str(origin or type(error).__name__).split())
        return f"{self.name} cannot be used: {_remedy(error)} ({said})."

    def stuck_in_words(self, waited_s: float) -> str:
        """So of a server that does not answer."""
        return (
            f"{self.name} has not answered for {waited_s:.1f} s. Is it running, can it be reached from here, "
            "and does anything hold locks there?"
        )

    def close(self) -> None:
        """Nobody waits for it any more."""
        self._patience.close()
        self._engine.dispose()

    def migrate(self) -> int | None:
        """Makes the schema and its tables; answers the version before, nothing where there was none.

        Raises:
            StateError: it cannot be reached or changed, or is a newer callbridge's.
        """
        try:
            with self._engine.connect() as connection, connection.begin():
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                locked = text("SELECT pg_advisory_xact_lock(:key)")
                connection.execute(locked, {"key": _lock_key("migrate")})
                found = version_in(connection)
                if found is None:
                    connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
                    tables.create_all(connection, tables=SHARED)
                    connection.execute(insert(schema_version).values(version=SHARED_VERSION))
                elif found != SHARED_VERSION:
                    raise StateError(self._wrong_version(found))
        except SQLAlchemyError as error:
            raise StateError(self.in_words(error)) from error
        return found

    def _descriptor(self, connection: Connection) -> int:
        try:
            return int(_driver(connection).fileno())
        except self._engine.dialect.loaded_dbapi.Error as error:  # It is gone, and SQLAlchemy was not asked.
            raise OperationalError("BEGIN", None, error) from error

    def _check_version(self, connection: Connection) -> None:
        with self.reading(connection):
            found = version_in(connection)
        if found != SHARED_VERSION:
            raise StateError(self._wrong_version(found))

    def _wrong_version(self, found: int | None) -> str:
        if found is None:
            return f"{self.name} has no tables yet. {_MIGRATE}."
        if found > SHARED_VERSION:
            return (
                f"{self.name} was made by a newer callbridge: it has version {found}, and this one knows "
                f"{SHARED_VERSION}. Start the newer callbridge."
            )
        return f"{self.name} has version {found}, and this callbridge needs {SHARED_VERSION}. {_MIGRATE}."


def version_in(connection: Connection) -> int | None:
    """The version of the tables there; nothing where there are none."""
    if not inspect(connection).has_table(schema_version.name, SCHEMA):
        return None
    return connection.execute(select(schema_version.c.version)).scalar()


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _channel(process: str) -> str:
    """At most 63 bytes are a name there. What tells the processes of a machine apart stands at the end."""
    return f"callbridge_{process[-52:]}"


def _lock_key(name: str) -> int:
    """Names of locks are numbers of 64 bits there, for everybody who uses this database."""
    digest = hashlib.blake2b(f"callbridge {name}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _shared_key(name: str) -> int:
    """So of calls and callers. Several share one: a server has room for some thousand locks in all."""
    return _lock_key(f"of many {_lock_key(name) % LOCKS_MAX}")


# --- Opening ------------------------------------------------------------------------------------------


def _address(given: str) -> URL:
    try:
        url = make_url(given)
    except ArgumentError:
        url = None
    if url is None or url.drivername.partition("+")[0] not in {"postgresql", "postgres"}:
        raise StateError(
            "CALLBRIDGE_SHARED_STATE=database needs DATABASE_URL to name PostgreSQL: "
            "postgresql://user:password@host/name."
        )
    return url.set(drivername="postgresql+psycopg")


def _engine(url: URL) -> Engine:
    try:
        engine = create_engine(
            url,
            poolclass=NullPool,  # A connection belongs to the thread that opens it, for as long as it works.
            hide_parameters=True,  # An error would show what was to be written.
            isolation_level="READ COMMITTED",  # What was written before a lock was given is seen behind it.
            connect_args={
                "connect_timeout": CONNECT_S,
                "application_name": "callbridge state",
                # A pooler that hands each transaction to another server knows no prepared statements.
                "prepare_threshold": None,
                "keepalives_idle": 1,
                "keepalives_interval": 1,
                "keepalives_count": 2,
                "tcp_user_timeout": _NOTICED_MS,
            },
        )
    except ModuleNotFoundError as error:
        raise StateError(
            "CALLBRIDGE_SHARED_STATE=database: the driver of PostgreSQL is not installed. "
            "Run: pip install 'callbridge[postgres]'"
        ) from error

    @event.listens_for(engine, "connect")
    def _bound(driver: Any, _record: object) -> None:
        calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SETTINGS.items())
        with driver.cursor() as cursor:
            cursor.execute(f"SELECT {calls}")
        driver.commit()

    return engine.execution_options(schema_translate_map={None: SCHEMA})


# --- What went wrong --------------------------------------------------------------------------------------

_UNREACHABLE: Final = "the server cannot be reached. Is it running, and is DATABASE_URL right?"

_IN_THE_WAY: Final = ("40", "55P03", "57014")
"""Deadlocks, locks that are not given, statements that took too long."""

_GONE: Final = ("57P", "08", "25P03", "53")
"""It stops, starts, has cut the connection or has no room: over in a moment, or in a day."""

_REMEDIES: Final = {
    "28": "the server does not know this user, or the password is wrong. Look at DATABASE_URL",
    "3D": "the server has no database of this name. Make it: createdb NAME",
    "42501": f"this user may not do that. {_MIGRATE} as the owner of the tables, or grant it the rights",
    "3F": f"its schema is not there. {_MIGRATE}",
    "42P01": f"its tables are not there. {_MIGRATE}",
    "53": "the server has no room left: a full disk, or too many connections. Make room",
    "57014": "a statement took too long. Look for what holds locks there",
    "57P": "the server is stopping or starting. It is tried again",
    "08": "the connection to the server broke. It is tried again",
    "25006": "the server may only be read: it is a standby. Point DATABASE_URL at the primary",
}
"""By the beginning of SQLSTATE, the longest that fits."""


def _sqlstate(error: SQLAlchemyError) -> str:
    origin = error.orig if isinstance(error, DBAPIError) else None
    return str(getattr(origin, "sqlstate", None) or "")


def _remedy(error: SQLAlchemyError) -> str:
    """A refused log-in has no SQLSTATE, only words."""
    state, said = _sqlstate(error), str(getattr(error, "orig", None) or error)
    known = [words for code, words in sorted(_REMEDIES.items(), reverse=True) if state.startswith(code)]
    if state:
        return known[0] if known else "something unforeseen happened"
    if "authentication" in said or "role " in said:
        return _REMEDIES["28"]
    if "database " in said and "does not exist" in said:
        return _REMEDIES["3D"]
    return _UNREACHABLE
