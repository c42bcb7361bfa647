"""The deliveries in the database: written with what they tell of, claimed by one process at a time, settled.

All of it blocks. A claim is a lease: who dies with one is followed by another process when it is over, so
that everything is delivered once at the least, under the same id.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import and_, exists, func, or_, select, update

from callbridge.records.database import prices_at
from callbridge.records.outbox.body import iso
from callbridge.records.outbox.delivery import Attempt, Delivery, DeliveryState
from callbridge.records.outbox.events import (
    CALL_ANALYZED,
    CALL_COMPLETED,
    CALL_RECORDED,
    FACT,
    Event,
    call_event,
    fact_event,
)
from callbridge.records.projecting import stored_facts
from callbridge.records.schema import deliveries, stopped_webhooks
from callbridge.records.sealing import SealError
from callbridge.records.telling import tell
from callbridge.records.upserts import insert_or

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row

    from callbridge.records.database import Database
    from callbridge.records.outbox.delivery import Filter, Settled
    from callbridge.records.outbox.webhook import Webhook
    from callbridge.records.sealing import Seal
    from callbridge.records.story import CallStory
    from callbridge.state.journal import JournalEntry


LEASE_S: Final = 120.0
"""Longer than all that is claimed at once may take, one after the other."""

IN_ORDER_UNTIL_FAILED: Final = 3
"""What failed so often (after 35 s) holds up what comes later of the same call no more."""

ATTEMPTS_KEPT: Final = 20
"""The last ones are kept with a delivery."""

ERROR_CHARACTERS_MAX: Final = 300

# --- In the transaction of others ----------------------------------------------------------------------


def enqueue(connection: Connection, events: Iterable[Event], webhooks: Sequence[Webhook], now: float) -> None:
    """Writes down what is to be told to whom. What was written down before stays as it is."""
    rows = [
        _new(event, webhook, now) for event in events for webhook in webhooks if webhook.wants(event.kind)
    ]
    if rows:
        connection.execute(insert_or(connection, deliveries).on_conflict_do_nothing(), rows)


def enqueue_completed(
    webhooks: Sequence[Webhook], clock: Callable[[], float]
) -> Callable[[Connection, CallStory], None]:
    """What has an ended call told to these receivers, in the transaction that writes down its end."""

    def grow(connection: Connection, story: CallStory) -> None:
        if story.state == "ended":  # Who was declined never had a call.
            enqueue(connection, [call_event(CALL_COMPLETED, story, _at(story))], webhooks, clock())

    return grow


def enqueue_analyzed(
    webhooks: Sequence[Webhook], clock: Callable[[], float]
) -> Callable[[Connection, CallStory], None]:
    """What has a call that was analysed told to them, in the transaction that writes down what was found."""

    def grow(connection: Connection, story: CallStory) -> None:
        now = clock()
        enqueue(connection, [call_event(CALL_ANALYZED, story, now)], webhooks, now)

    return grow


def enqueue_seen(
    webhooks: Sequence[Webhook], clock: Callable[[], float]
) -> Callable[[Connection, Sequence[JournalEntry], Seal], None]:
    """What has facts told to the receivers that want them, in the transaction that writes them down.

    And that a recording is stored, which may be long after the end of its call.
    """

    def see(connection: Connection, entries: Sequence[JournalEntry], seal: Seal) -> None:
        events = []
        for entry in entries:
            if entry.kind == _RECORDED and _is_wanted(CALL_RECORDED, webhooks):
                story = tell(entry.call_sid, stored_facts(connection, entry.call_sid), prices_at(connection))
                events.append(call_event(CALL_RECORDED, story, entry.at, f"{entry.source} {entry.number}"))
            if _is_wanted(FACT + entry.kind, webhooks):
                with contextlib.suppress(SealError):  # An earlier process's, with a key that is gone.
                    events.append(fact_event(seal.open(entry.body), entry.at))
        enqueue(connection, events, webhooks, clock())

    return see


_RECORDED: Final = "recording_stored"


def _is_wanted(kind: str, webhooks: Iterable[Webhook]) -> bool:
    return any(webhook.wants(kind) for webhook in webhooks)


def _new(event: Event, webhook: Webhook, now: float) -> dict[str, Any]:
    return {
        "event_id": event.id,
        "webhook": webhook.name,
        "kind": event.kind,
        "call_sid": event.call_sid,
        "at": event.at,
        "content": event.content,
        **_AS_NEW,
        "due_at": now,
    }


_AS_NEW: Final[dict[str, Any]] = {
    "state": DeliveryState.PENDING,
    "failed": 0,
    "lease": "",
    "leased_until": 0.0,
    "last_code": None,
    "last_error": "",
    "settled_at": None,
    "attempts": "[]",
}


# --- In transactions of its own -----------------------------------------------------------------------


class Outbox:
    """The deliveries of one database.

    Args:
        database: where they are.
        webhooks: the receivers that there are.

    Every method raises `RecordsError` when the database cannot be asked.
    """

    def __init__(self, database: Database, webhooks: Sequence[Webhook]) -> None:
        self.database = database
        self.webhooks = {webhook.name: webhook for webhook in webhooks}

    def claim(self, free: Mapping[str, int], now: float) -> list[Delivery]:
        """Deliveries that are due, for this process alone until `LEASE_S` from now.

        Args:
            free: how many of which receiver may be had.
            now: seconds since 1970.
        """
        names = [name for name, count in free.items() if count > 0]
        with self.database.reading() as connection:
            due = _due(now) & deliveries.c.webhook.in_(names)
            found = set(connection.scalars(select(deliveries.c.webhook).where(due).distinct()))
        for webhook, since in (self.stopped() if found else {}).items():
            found.discard(webhook)
            self._bury(webhook, f"it answered 410 Gone at {iso(since)}, and is told nothing more", now)
        claimed: list[Delivery] = []
        for webhook in sorted(found):
            # One transaction for each, and short: SQLite lets one write at a time.
            with self.database.writing() as connection:
                claimed += _claimed(connection, webhook, free[webhook], now)
        return claimed

    def settle(self, settled: Iterable[Settled]) -> int:
        """Writes down what became of attempts. How many of them were still this process's to say."""
        with self.database.writing() as connection:
            return sum(_settle(connection, one) for one in settled)

    # --- Receivers that want nothing more ---

    def stop(self, webhook: Webhook, now: float) -> None:
        """Notes that this receiver is gone: nothing is sent to this address until an operator wants it."""
        values = {"webhook": webhook.name, "address": _address(webhook), "stopped_at": now}
        with self.database.writing() as connection:
            connection.execute(stopped_webhooks.delete().where(stopped_webhooks.c.webhook == webhook.name))
            connection.execute(stopped_webhooks.insert().values(values))

    def stopped(self) -> dict[str, float]:
        """Which receivers are stopped, and since when. Another address is another receiver."""
        with self.database.reading() as connection:
            rows = connection.execute(select(stopped_webhooks)).all()
        return {
            row.webhook: row.stopped_at
            for row in rows
            if row.webhook in self.webhooks and _address(self.webhooks[row.webhook]) == row.address
        }

    def _bury(self, webhook: str, error: str, now: float) -> None:
        pending = (deliveries.c.webhook == webhook) & (deliveries.c.state == DeliveryState.PENDING)
        values = {"state": DeliveryState.DEAD, "last_error": error, "settled_at": now, "lease": ""}
        with self.database.writing() as connection:
            connection.execute(update(deliveries).where(pending).values(values))

    # --- For operators ---

    def listed(self, wanted: Filter) -> list[Delivery]:
        """The newest that are meant, the newest first."""
        chosen = (
            select(deliveries).where(*_meant(wanted)).order_by(deliveries.c.id.desc()).limit(wanted.limit)
        )
        with self.database.reading() as connection:
            return [_read(row) for row in connection.execute(chosen)]

    def found(self, delivery_id: int) -> Delivery | None:
        """One by its number."""
        with self.database.reading() as connection:
            row = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).one_or_none()
        return None if row is None else _read(row)

    def counts(self) -> dict[tuple[str, DeliveryState], int]:
        """How many there are, by receiver and state."""
        grouped = select(deliveries.c.webhook, deliveries.c.state, func.count()).group_by(
            deliveries.c.webhook, deliveries.c.state
        )
        with self.database.reading() as connection:
            return {(name, DeliveryState(state)): count for name, state, count in connection.execute(grouped)}

    def send_again(self, now: float, *, delivery_id: int | None = None, webhook: str = "") -> int:
        """Has a delivery sent, or all dead ones, of one receiver or of all. Says how many these are.

        A receiver that was stopped is tried again.
        """
        chosen: list[ColumnElement[bool]] = [deliveries.c.webhook == webhook] if webhook else []
        chosen.append(
            deliveries.c.state == DeliveryState.DEAD
            if delivery_id is None
            else deliveries.c.id == delivery_id
        )
        with self.database.writing() as connection:
            names = connection.scalars(select(deliveries.c.webhook).where(*chosen).distinct()).all()
            connection.execute(stopped_webhooks.delete().where(stopped_webhooks.c.webhook.in_(names)))
            return connection.execute(update(deliveries).where(*chosen).values(_again(now))).rowcount

    def send_call(self, story: CallStory, kind: str, now: float) -> int:
        """Has an event of a call sent as the call is known now, whether it was before or not.

        Says to how many receivers.
        """
        event = call_event(kind, story, _at(story))
        names = [name for name, webhook in self.webhooks.items() if webhook.wants(kind)]
        chosen = (deliveries.c.event_id == event.id) & deliveries.c.webhook.in_(names)
        with self.database.writing() as connection:
            connection.execute(stopped_webhooks.delete().where(stopped_webhooks.c.webhook.in_(names)))
            enqueue(connection, [event], tuple(self.webhooks.values()), now)
            connection.execute(
                update(deliveries).where(chosen).values(_again(now) | {"content": event.content})
            )
        return len(names)


def _at(story: CallStory) -> float:
    return story.began_at if story.ended_at is None else story.ended_at


def _settle(connection: Connection, settled: Settled) -> int:
    delivery = settled.delivery
    ours = (deliveries.c.id == delivery.id) & (deliveries.c.lease == delivery.lease)
    values = {"lease": "", "leased_until": 0.0} | _of_attempt(settled)
    return connection.execute(update(deliveries).where(ours).values(values)).rowcount


def _of_attempt(settled: Settled) -> dict[str, Any]:
    delivery, attempt, state = settled.delivery, settled.attempt, settled.state
    if attempt is None:
        return {}
    attempt = msgspec.structs.replace(attempt, error=attempt.error[:ERROR_CHARACTERS_MAX])
    return {
        "state": state,
        "failed": delivery.failed + (state in {DeliveryState.PENDING, DeliveryState.DEAD}),
        "due_at": settled.due_at,
        "last_code": attempt.code,
        "last_error": attempt.error,
        "settled_at": None if state is DeliveryState.PENDING else attempt.at,
        "attempts": msgspec.json.encode((*delivery.attempts, attempt)[-ATTEMPTS_KEPT:]).decode(),
    }


def _again(now: float) -> dict[str, Any]:
    """As new, but with the attempts that were made."""
    return {key: value for key, value in _AS_NEW.items() if key != "attempts"} | {"due_at": now}


def _due(now: float) -> ColumnElement[bool]:
    own = deliveries.c
    earlier = deliveries.alias("earlier")
    is_held_up = exists().where(
        earlier.c.call_sid == own.call_sid,
        earlier.c.webhook == own.webhook,
        earlier.c.id < own.id,
        earlier.c.state == DeliveryState.PENDING,
        earlier.c.failed < IN_ORDER_UNTIL_FAILED,
    )
    return and_(
        own.state == DeliveryState.PENDING,
        own.due_at <= now,
        or_(own.lease == "", own.leased_until <= now),
        ~is_held_up,
    )


def _claimed(connection: Connection, webhook: str, count: int, now: float) -> list[Delivery]:
    """One statement, so that no two processes get the same: PostgreSQL skips rows that another one holds,
    and SQLite lets one write at a time.
    """
    due = (
        select(deliveries.c.id)
        .where(_due(now), deliveries.c.webhook == webhook)
        .order_by(deliveries.c.id)
        .limit(count)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    claim = (
        update(deliveries)
        .where(deliveries.c.id.in_(select(due.c.id)))
        .values(lease=secrets.token_hex(8), leased_until=now + LEASE_S)
        .returning(deliveries)
    )
    return sorted((_read(row) for row in connection.execute(claim)), key=lambda one: one.id)


def _meant(wanted: Filter) -> list[ColumnElement[bool]]:
    given = {
        deliveries.c.state: wanted.state,
        deliveries.c.webhook: wanted.webhook,
        deliveries.c.call_sid: wanted.call_sid,
    }
    return [column == value for column, value in given.items() if value]


def _read(row: Row[Any]) -> Delivery:
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


def _address(webhook: Webhook) -> str:
    """Tells addresses apart, and says none: one may be a secret."""
    return hashlib.sha256(webhook.url.encode()).hexdigest()
