"""A row of the outbox, read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from callbridge.records.outbox.delivery import Attempt, Delivery, DeliveryState
from callbridge.records.outbox.events import Event

if TYPE_CHECKING:
    from sqlalchemy import Row


def delivery_of(row: Row[Any]) -> Delivery:
    """The delivery that a whole row of `deliveries` is."""
    return Delivery(
        id=row.id,
        webhook=row.webhook,
        event=Event(row.event_id, row.kind, row.call_sid, row.at, row.content),
        state=DeliveryState(row.state),
        failed=row.failed,
        due_at=row.due_at,
        last_code=row.last_code,
        last_error=row.last_error,
        settled_at=row.settled_at,
        attempts=_decode_attempts(row.attempts),
        lease=row.lease,
    )


_decode_attempts: Final = msgspec.json.Decoder(tuple[Attempt, ...]).decode
