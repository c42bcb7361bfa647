"""Claims deliveries so that those of one call stay in their order, however many processes send.

A process gets whole runs: of each call everything that is due, from its oldest on. As long as one part of a
call is claimed, or is to be tried again later, nobody gets another part of it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, or_, select, text, update

from callbridge.records.outbox.delivery import Delivery, DeliveryState
from callbridge.records.outbox.rows import delivery_of
from callbridge.records.schema import deliveries

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from callbridge.records.database import Database

_LOCKS: Final = 0x6363
"""Of PostgreSQL's advisory locks with two keys, apart from those of calls."""

_LOCK_RECEIVER: Final = text("SELECT pg_advisory_xact_lock(:space, hashtext(:name))")


def claimed_in_order(
    database: Database, receiver: str, count: int, now: float, lease_s: float
) -> list[Delivery]:
    """Deliveries that are due, the oldest first, for this process alone until `lease_s` from now.

    Args:
        database: where they are.
        receiver: to whom they go.
        count: so many at the most.
        now: seconds since 1970.
        lease_s: who dies with them is followed by another process after so many seconds.

    Raises:
        RecordsError: the database cannot be asked.
    """
    pending = and_(deliveries.c.webhook == receiver, deliveries.c.state == DeliveryState.PENDING)
    with database.reading() as connection:
        is_any_due = select(deliveries.c.id).where(pending, deliveries.c.due_at <= now).limit(1)
        if connection.execute(is_any_due).first() is None:
            return []
    is_not_to_be_had = or_(
        deliveries.c.due_at > now, and_(deliveries.c.lease != "", deliveries.c.leased_until > now)
    )
    held_up = select(deliveries.c.call_sid).where(pending, is_not_to_be_had)
    chosen = (
        select(deliveries.c.id)
        .where(pending, deliveries.c.call_sid.not_in(held_up))
        .order_by(deliveries.c.id)
        .limit(count)
    )
    claim = (
        update(deliveries)
        .where(deliveries.c.id.in_(chosen.scalar_subquery()))
        .values(lease=secrets.token_hex(8), leased_until=now + lease_s)
        .returning(deliveries)
    )
    with database.writing() as connection:
        _lock(connection, receiver)
        return sorted((delivery_of(row) for row in connection.execute(claim)), key=lambda one: one.id)


def _lock(connection: Connection, receiver: str) -> None:
    """One process claims at a time, and sees what others have claimed. SQLite has one writer anyway.

    Rows that are locked and skipped would leave a gap, into which a later part of a call would fall.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_RECEIVER, {"space": _LOCKS, "name": receiver})
