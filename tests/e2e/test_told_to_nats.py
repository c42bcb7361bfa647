"""Two services on one database tell NATS of their calls, and a consumer that may be killed reads it there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import or_, select

from callbridge.call.record_facts import REAPER
from callbridge.records.database import Database
from callbridge.records.migrating import migrate
from callbridge.records.schema import deliveries, facts
from callbridge.server.process.outbox.nats_sending import LEASE_S
from callbridge.simulators.phone import WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import serve_model
from documented import ROOT
from e2e.processes import services
from e2e.stack import CONNECTED_AND_ENDED, hello_and_goodbye, together, variables
from leftovers import until
from nats_server import nats_server
from nats_streams import kept_in

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from e2e.stack import Stack

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")


@contextlib.asynccontextmanager
async def consumer(url: str, board: Path, **more: str) -> AsyncIterator[Process]:
    """That of the examples; killed in the end, as it may be at any moment."""
    program = ROOT / "examples" / "nats_consumer.py"
    log = asyncio.subprocess.DEVNULL
    given = {**os.environ, "NATS_URL": url, **more}
    process = await asyncio.create_subprocess_exec(sys.executable, program, board, env=given, stdout=log)
    try:
        yield process
        assert process.returncode is None, "it has ended by itself"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def seen(board: Path) -> dict[str, list[str]]:
    """The ids of all events of each call, in the order in which the consumer has worked on them."""
    found: dict[str, list[str]] = {}
    with (
        contextlib.closing(sqlite3.connect(board)) as database,
        contextlib.suppress(sqlite3.OperationalError),
    ):
        for call_sid, event_id in database.execute("SELECT call_sid, id FROM events ORDER BY place"):
            found.setdefault(call_sid, []).append(event_id)
    return found


def told(database: Database) -> dict[str, list[str]]:
    """The same as the records have it."""
    found: dict[str, list[str]] = {}
    wanted = select(deliveries.c.call_sid, deliveries.c.event_id).order_by(deliveries.c.id)
    with database.reading() as connection:
        for call_sid, event_id in connection.execute(wanted):
            found.setdefault(call_sid, []).append(event_id)
    return found


def is_every_fact_told(database: Database) -> bool:
    """Each that was written down as it came is to be told, and each call that is over.

    Who is killed may have its last facts still to write. Such a call is over when it is reaped.
    """
    came = select(facts.c.kind).where(facts.c.source != REAPER)
    over = select(facts.c.call_sid).where(or_(facts.c.kind == "stream_ended", facts.c.source == REAPER))
    with database.reading() as connection:
        kinds = Counter(connection.execute(came).scalars())
        ended = len(set(connection.execute(over).scalars()))
        to_be_told = Counter(connection.execute(select(deliveries.c.kind)).scalars())
    return to_be_told == {f"fact.{kind}": count for kind, count in kinds.items()} | {"call.completed": ended}


def is_any_claimed(database: Database) -> bool:
    """Whether a sender has something in hand."""
    with database.reading() as connection:
        return connection.execute(select(deliveries.c.id).where(deliveries.c.lease != "")).first() is not None


def is_all_seen(board: Path, database: Database, count_of_calls: int) -> bool:
    """Whether the consumer has worked on all there is, of so many calls, each to its end."""
    to_be_told = told(database)
    return len(to_be_told) == count_of_calls and is_every_fact_told(database) and seen(board) == to_be_told


async def all_ended(lines: list[Stack], count: int) -> None:
    """So many calls on each, side by side. Nothing of NATS is heard in them."""
    calls = await together(
        *(line.call([WaitForAgent(), WaitForEnd()]) for line in lines for _ in range(count))
    )
    assert all((call.verbs, call.report.is_clean) == (CONNECTED_AND_ENDED, True) for call in calls)


@pytest.mark.heavy
async def test_every_fact_arrives_in_order(
    tmp_path: Path, postgres_database: str, figures: Callable[[str], None]
) -> None:
    """Though NATS is away, then hangs, and meanwhile a sender is killed, and the consumer, too."""
    database, board = Database(postgres_database), tmp_path / "board.db"
    migrate(database)
    with contextlib.closing(database), nats_server() as server:
        async with serve_model(hello_and_goodbye(300)) as model:
            given = [
                variables(
                    "",
                    model.url,
                    DATABASE_URL=postgres_database,
                    NATS_URL=server.url,
                    CALLBRIDGE_STATE_PATH=str(tmp_path / f"{name}.db"),
                )
                for name in ("first", "second")
            ]
            async with services(tmp_path, *given) as (first, second):
                lines = [service.line(model) for service in (first, second)]
                assert await until(lambda: all(one.events("nats_ready") for one in (first, second)))
                async with consumer(server.url, board):
                    await all_ended(lines, 1)
                    await asyncio.to_thread(server.stop)
                    await all_ended(lines, 2)
                    await asyncio.to_thread(server.start)
                    assert await until(lambda: is_all_seen(board, database, 6))
                    server.pause()
                    await all_ended(lines, 2)
                    assert await until(lambda: is_any_claimed(database))
                first.signal(signal.SIGKILL)
                await first.ended(5)
                server.resume()
                async with consumer(server.url, board):
                    await all_ended(lines[1:], 2)
                    assert await until(lambda: is_all_seen(board, database, 12), 2 * LEASE_S)
                assert second.faults == []
        events = {event_id for of_call in seen(board).values() for event_id in of_call}
        kept = [one.event_id for one in await kept_in(server.url, "callbridge")]
    assert len(kept) == len(set(kept))
    assert events <= set(kept)
    figures(f"NATS: {len(events)} events of 12 calls of two services, each call in its order, none twice")
