"""`callbridge migrate`: brings the database up to date, of the records and of what machines share."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import typer

from callbridge.cli.records_database import records_database
from callbridge.cli.serve import settings_or_refusal
from callbridge.state.state import StateError

if TYPE_CHECKING:
    from callbridge.records.database import Database


def migrate() -> None:
    """Make the tables of the records, or bring them to this version of callbridge.

    Run it before a new version serves calls with PostgreSQL. The service does it by itself for a file.
    Calls may go on meanwhile: what happens in them waits and is written down afterwards.

    With CALLBRIDGE_SHARED_STATE=database so with what several machines share, in the schema callbridge_state.
    """
    settings = settings_or_refusal()
    with records_database(settings, is_to_be_made=True) as database:
        _make_records(database)
    if settings.shared_state_url is not None:
        try:
            _make_shared_state(settings.shared_state_url)
        except StateError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None


def _make_records(database: Database) -> None:
    from callbridge.records.migrating import migrate as bring_up_to_date  # noqa: PLC0415 - SQLAlchemy is slow
    from callbridge.records.schema import HEAD  # noqa: PLC0415 - so here

    before = bring_up_to_date(database)
    match before:
        case None:
            typer.echo(f"the tables are made in {database.name}: version {HEAD}")
        case _ if before == HEAD:
            typer.echo(f"nothing to do: {database.name} has version {HEAD}")
        case _:
            typer.echo(f"{database.name} was brought from version {before} to {HEAD}")


def _make_shared_state(url: str) -> None:
    from callbridge.state.postgres import SHARED_VERSION, PostgresHome  # noqa: PLC0415 - and here

    with contextlib.closing(PostgresHome(url)) as home:
        if home.migrate() is None:
            typer.echo(f"the tables of the shared state are made: version {SHARED_VERSION}")
        else:
            typer.echo(f"nothing to do: the shared state has version {SHARED_VERSION}")
