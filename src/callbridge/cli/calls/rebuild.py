"""`callbridge calls rebuild`: makes all that is shown of calls anew, from their facts."""

from __future__ import annotations

import time

import typer

from callbridge.cli.records_database import records_database

TOLD_EVERY = 1000


def rebuild() -> None:
    """Make calls, turns, tools and captured objects anew from the facts.

    After a new version that tells more of them, or where somebody has changed a table by hand. It may run
    beside the service. Nobody is told anything again.
    """
    with records_database() as database:
        from callbridge.records.projecting import rebuild as rebuild_all  # noqa: PLC0415 - SQLAlchemy is slow

        number = rebuild_all(database, time.time(), _tell)
        typer.echo("1 call is told anew" if number == 1 else f"{number} calls are told anew")


def _tell(done: int, of: int) -> None:
    if done % TOLD_EVERY == 0 and done < of:
        typer.echo(f"{done} of {of}")
