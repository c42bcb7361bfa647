"""Brings the tables of a database to the version of this callbridge: `callbridge migrate`.

A new database gets all tables at once; an older one goes through the versions in `migrations/`, in one
transaction that keeps other processes out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, MetaData, String, Table, insert, text

from callbridge.records.database import version_in
from callbridge.records.errors import RecordsError
from callbridge.records.schema import HEAD, VERSION_TABLE, tables

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

    from callbridge.records.database import Database

_LOCK: Final = 0x63_62_72_65_63  # "cbrec"
"""Of PostgreSQL's advisory locks: whoever has it migrates, others wait for it."""


def migrate(database: Database) -> str | None:
    """Brings it up to date, whatever it is now; answers its version before, nothing for a new one.

    Raises:
        RecordsError: it cannot be reached or changed, or is a newer callbridge's.
    """
    with database.writing() as connection:
        if database.is_postgres:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        found = version_in(connection, database.name)
        if found is None:
            tables.create_all(connection)
            _note_version(connection)
        elif found > HEAD:
            raise RecordsError(
                f"The records, {database.name}, were made by a newer callbridge, with version {found}. "
                "Start the newer callbridge."
            )
        elif found != HEAD:
            upgrade(connection)
    return found


def _note_version(connection: Connection) -> None:
    """As Alembic does it."""
    version = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))
    version.create(connection)
    connection.execute(insert(version).values(version_num=HEAD))


def upgrade(connection: Connection) -> None:
    """Goes through all versions that are missing, in the transaction of `connection`."""
    # Alembic takes a tenth of a second to import, and nearly every start finds nothing to do.
    from alembic import command  # noqa: PLC0415 - see the line above

    command.upgrade(scripts(connection), "head")


def scripts(connection: Connection | None = None) -> Config:
    """Where the versions are, for Alembic."""
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
