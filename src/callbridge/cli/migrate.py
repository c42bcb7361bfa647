"""`callbridge migrate`: brings the database of the records up to date."""

from __future__ import annotations

import typer

from callbridge.cli.records_database import records_database


def migrate() -> None:
    """Make the tables of the records, or bring them to this version of callbridge.

    Run it before a new version serves calls with PostgreSQL. The service does it by itself for a file.
    Calls may go on meanwhile: what happens in them waits and is written down afterwards.
    """
    with records_database(is_to_be_made=True) as database:
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
