"""The database of the records, for commands: the one that the settings name, open, or the reason why not."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import typer

from callbridge.cli.serve import settings_or_refusal
from callbridge.records.errors import RecordsError
from callbridge.server.config.prices import read_prices
from callbridge.server.config.records import records_seal, records_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.records.database import Database
    from callbridge.server.config.settings import Settings

NOWHERE = (
    "No records are kept: neither DATABASE_URL nor CALLBRIDGE_STATE_PATH is set, or DATABASE_URL is off. "
    "Set one of them as the service has it."
)


@contextlib.contextmanager
def records_database(settings: Settings | None = None, *, is_to_be_made: bool = False) -> Iterator[Database]:
    """The database with the tables of this callbridge; else the command says why, and ends with status 1.

    Args:
        settings: those of the service; by default of this process.
        is_to_be_made: its tables may be missing or of another version.
    """
    try:
        with opened_records(settings or settings_or_refusal(), is_to_be_made=is_to_be_made) as database:
            yield database
    except RecordsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


@contextlib.contextmanager
def opened_records(settings: Settings, *, is_to_be_made: bool = False) -> Iterator[Database]:
    """As `records_database`, for a command that can do without it: what is wrong is raised.

    Raises:
        RecordsError: it cannot be used. The message says why and what to do.
    """
    with contextlib.closing(_opened(settings)) as database:
        if not is_to_be_made:
            _check(database)
        yield database


def _opened(settings: Settings) -> Database:
    url = records_url(settings)
    if url is None:
        raise RecordsError(NOWHERE)
    # SQLAlchemy takes a fifth of a second to import; the other commands do not wait for it.
    from callbridge.records.database import Database  # noqa: PLC0415 - see the line above

    return Database(url, read_prices(settings.prices).list, records_seal(settings))


def _check(database: Database) -> None:
    if not database.is_there:  # To ask would make it.
        raise RecordsError(f"There are no records yet: {database.name} is made by the service.")
    database.check()
