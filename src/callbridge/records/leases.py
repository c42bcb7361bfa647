"""Who is alive: each process renews a row of its own, and is gone when nobody renews it any more.

Told by what one has seen oneself, on one's own clock: clocks of machines differ, and a database that was away
has made nobody's row older. Blocking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select, update

from callbridge.records.schema import processes
from callbridge.records.upserts import insert_or

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

RENEW_EVERY_S: Final = 5.0

LEASE_S: Final = 15.0
"""A process is gone when its row has not changed for so long, while one's own was renewed all the time."""


class Leases:
    """What one process has seen of all.

    Args:
        process: its own name.
    """

    def __init__(self, process: str) -> None:
        self._process = process
        self._seen: dict[str, tuple[int, float]] = {}
        """Of each process that is not known to have ended: its renewals, and since when they are so many."""
        self._looked_at: float | None = None

    def renew(self, connection: Connection, wall_now: float) -> None:
        """Says that this process is alive."""
        row = insert_or(connection, processes).values(
            process=self._process, began_at=wall_now, renewed_at=wall_now, renewals=1, is_settled=False
        )
        again = {"renewed_at": wall_now, "renewals": processes.c.renewals + 1, "ended_at": None}
        connection.execute(row.on_conflict_do_update(index_elements=["process"], set_=again))

    def gone(self, connection: Connection, now: float) -> list[str]:
        """Processes that are gone, and may have left something behind.

        Args:
            connection: in which this process has been renewed.
            now: of a clock that never goes back.
        """
        if self._looked_at is not None and now - self._looked_at > LEASE_S:
            self.forget()  # This process stood still itself: it has seen nothing of that time.
        self._looked_at = now
        columns = processes.c
        unsettled = select(columns.process, columns.renewals, columns.ended_at).where(
            ~columns.is_settled, columns.process != self._process
        )
        found = connection.execute(unsettled).all()
        seen = {process: self._seen.get(process, (-1, now)) for process, _, _ in found}
        self._seen = {
            process: seen[process] if seen[process][0] == renewals else (renewals, now)
            for process, renewals, _ in found
        }
        return [
            process
            for process, _, ended_at in found
            if ended_at is not None or now - self._seen[process][1] >= LEASE_S
        ]

    def forget(self) -> None:
        """The database was away: nobody could renew, and nobody is judged by that."""
        self._seen.clear()
        self._looked_at = None

    def leave(self, connection: Connection, wall_now: float) -> None:
        """This process ends in order."""
        own = processes.c.process == self._process
        connection.execute(update(processes).where(own).values(ended_at=wall_now))


def settle(connection: Connection, process: str) -> None:
    """It has left nothing behind."""
    connection.execute(update(processes).where(processes.c.process == process).values(is_settled=True))


def forget_settled(connection: Connection, before: float) -> None:
    """Drops the rows of processes that left nothing behind, and were last heard of before this time."""
    is_old = processes.c.is_settled & (processes.c.renewed_at < before)
    connection.execute(delete(processes).where(is_old))


def unsettle(connection: Connection, of: Iterable[str], wall_now: float) -> None:
    """Facts of these processes are about to be on record: somebody is to look what they have left behind."""
    for process in of:
        row = insert_or(connection, processes).values(
            process=process, began_at=wall_now, renewed_at=wall_now, renewals=0, is_settled=False
        )
        again = {"is_settled": False}
        connection.execute(row.on_conflict_do_update(index_elements=["process"], set_=again))
