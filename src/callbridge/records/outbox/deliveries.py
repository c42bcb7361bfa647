"""The deliveries in the database: written with what they tell of, claimed by one process at a time, settled.

All of it blocks. A claim is a lease: who dies with one is followed by another process when it is over, so
that everything is delivered once at the least, under the same id.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec
from sqlalchemy import and_, exists, func, or_, select, update

from callbridge.records.database import prices_at
from callbridge.records.outbox.body import iso
from callbridge.records.outbox.delivery import DeliveryState
from callbridge.records.outbox.events import (
    CALL_ANALYZED,
    CALL_COMPLETED,
    CALL_RECORDED,
    FACT,
    call_event,
    fact_event,
)
from callbridge.records.outbox.ordered import claimed_in_order
from callbridge.records.outbox.rows import delivery_of
from callbridge.records.projecting import lock_calls, stored_facts
from callbridge.records.schema import deliveries, stopped_webhooks
from callbridge.records.sealing import SealError
from callbridge.records.telling import tell
from callbridge.records.upserts import insert_or

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from callbridge.records.database import Database
    from callbridge.records.outbox.delivery import Delivery, Filter, Settled
    from callbridge.records.outbox.events import Event
    from callbridge.records.outbox.receiver import Receiver
    from callbridge.records.sealing import Seal
    from callbridge.records.story import CallStory
    from callbridge.state.journal import JournalEntry


R = TypeVar("R", bound="Receiver")

LEASE_S: Final = 120.0
"""Longer than all that is claimed at once may take, one after the other."""

IN_ORDER_UNTIL_FAILED: Final = 3
"""What failed so often (after 35 s) holds up what comes later of the same call no more."""

ATTEMPTS_KEPT: Final = 20
"""The last ones are kept with a delivery."""

ERROR_CHARACTERS_MAX: Final = 300

# --- In the transaction of others ----------------------------------------------------------------------


def enqueue(
    connection: Connection, events: Iterable[Event], receivers: Sequence[Receiver], now: float
) -> None:
    """Writes down what is to be told to whom. What was written down before stays as it is."""
    rows = [
        _new(event, receiver, now) for event in events for receiver in receivers if receiver.wants(event.kind)
    ]
    if rows:
        connection.execute(insert_or(connection, deliveries).on_conflict_do_nothing(), rows)


def enqueue_completed(
    receivers: Sequence[Receiver], clock: Callable[[], float]
) -> Callable[[Connection, CallStory], None]:
    """What has an ended call told to these receivers, in the transaction that writes down its end."""

    def grow(connection: Connection, story: CallStory) -> None:
        if story.state == "ended":  # Who was declined never had a call.
            enqueue(connection, [call_event(CALL_COMPLETED, story, _at(story))], receivers, clock())

    return grow


def enqueue_analyzed(
    receivers: Sequence[Receiver], clock: Callable[[], float]
) -> Callable[[Connection, CallStory], None]:
    """What has a call that was analysed told to them, in the transaction that writes down what was found."""

    def grow(connection: Connection, story: CallStory) -> None:
        now = clock()
        enqueue(connection, [call_event(CALL_ANALYZED, story, now)], receivers, now)

    return grow


def enqueue_seen(
    receivers: Sequence[Receiver], clock: Callable[[], float]
) -> Callable[[Connection, Sequence[JournalEntry], Seal], None]:
    """What has facts told to the receivers that want them, in the transaction that writes them down.

    And that a recording is stored, which may be long after the end of its call.
    """

    def see(connection: Connection, entries: Sequence[JournalEntry], seal: Seal) -> None:
        events = []
        for entry in entries:
            if entry.kind == _RECORDED and _is_wanted(CALL_RECORDED, receivers):
                story = tell(entry.call_sid, stored_facts(connection, entry.call_sid), prices_at(connection))
                events.append(call_event(CALL_RECORDED, story, entry.at, f"{entry.source} {entry.number}"))
            if _is_wanted(FACT + entry.kind, receivers):
                with contextlib.suppress(SealError):  # An earlier process's, with a key that is gone.
                    events.append(fact_event(seal.open(entry.body), entry.at))
        if events and any(receiver.keeps_order for receiver in receivers):
            # Two processes may write of one call at once: what comes second is seen second.
            lock_calls(connection, sorted({event.call_sid for event in events}))
        enqueue(connection, events, receivers, clock())

    return see


_RECORDED: Final = "recording_stored"


def _is_wanted(kind: str, receivers: Iterable[Receiver]) -> bool:
    return any(receiver.wants(kind) for receiver in receivers)


def _new(event: Event, receiver: Receiver, now: float) -> dict[str, Any]:
    return {
        "event_id": event.id,
        "webhook": receiver.name,
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


class Outbox(Generic[R]):
    """The deliveries of one database.

    Args:
        database: where they are.
        receivers: who there is to be told.

    Every method raises `RecordsError` when the database cannot be asked.
    """

    def __init__(self, database: Database, receivers: Sequence[R]) -> None:
        self.database = database
        self.receivers = {receiver.name: receiver for receiver in receivers}
        self.settled = Counter[tuple[str, DeliveryState]]()
        """What came of attempts since the start, by receiver and state: for those who watch."""

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

    def claim_in_order(self, receiver: str, count: int, now: float, lease_s: float) -> list[Delivery]:
        """The same for one that keeps the order of each call: see `ordered`."""
        return claimed_in_order(self.database, receiver, count, now, lease_s)

    def settle(self, settled: Iterable[Settled]) -> int:
        """Writes down what became of attempts. How many of them were still this process's to say."""
        alike: dict[tuple[Any, ...], list[int]] = {}
        told = tuple(settled)
        for one in told:
            values = tuple(_of_attempt(one).items())
            alike.setdefault((one.delivery.lease, values), []).append(one.delivery.id)
        with self.database.writing() as connection:
            ours = sum(
                _settle(connection, lease, dict(values), ids) for (lease, values), ids in alike.items()
            )
        self.settled.update((one.delivery.webhook, one.state) for one in told if one.attempt is not None)
        return ours

    # --- Receivers that want nothing more ---

    def stop(self, receiver: R, now: float) -> None:
        """Notes that this receiver is gone: nothing is sent to this address until an operator wants it."""
        values = {"webhook": receiver.name, "address": _address(receiver), "stopped_at": now}
        with self.database.writing() as connection:
            connection.execute(stopped_webhooks.delete().where(stopped_webhooks.c.webhook == receiver.name))
            connection.execute(stopped_webhooks.insert().values(values))

    def stopped(self) -> dict[str, float]:
        """Which receivers are stopped, and since when. Another address is another receiver."""
        with self.database.reading() as connection:
            rows = connection.execute(select(stopped_webhooks)).all()
        return {
            row.webhook: row.stopped_at
            for row in rows
            if row.webhook in self.receivers and _address(self.receivers[row.webhook]) == row.address
        }

    def _bury(self, webhook: str, error: str, now: float) -> None:
        pending = (deliveries.c.webhook == webhook) & (deliveries.c.state == DeliveryState.PENDING)
        values = {"state": DeliveryState.DEAD, "last_error": error, "settled_at": now, "lease": ""}
        with self.database.writing() as connection:
            buried = connection.execute(update(deliveries).where(pending).values(values)).rowcount
        self.settled[webhook, DeliveryState.DEAD] += buried

    # --- For operators ---

    def listed(self, wanted: Filter) -> list[Delivery]:
        """The newest that are meant, the newest first."""
        chosen = (
            select(deliveries).where(*_meant(wanted)).order_by(deliveries.c.id.desc()).limit(wanted.limit)
        )
        with self.database.reading() as connection:
            return [delivery_of(row) for row in connection.execute(chosen)]

    def found(self, delivery_id: int) -> Delivery | None:
        """One by its number."""
        with self.database.reading() as connection:
            row = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).one_or_none()
        return None if row is None else delivery_of(row)

    def waiting(self) -> dict[str, int]:
        """How many are still to be delivered, by receiver."""
        own = deliveries.c
        those = (own.state == DeliveryState.PENDING) & own.webhook.in_(self.receivers)
        grouped = select(own.webhook, func.count()).where(those).group_by(own.webhook)
        with self.database.reading() as connection:
            found: dict[str, int] = {row[0]: row[1] for row in connection.execute(grouped)}
        return {name: found.get(name, 0) for name in self.receivers}

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
        names = [name for name, receiver in self.receivers.items() if receiver.wants(kind)]
        chosen = (deliveries.c.event_id == event.id) & deliveries.c.webhook.in_(names)
        with self.database.writing() as connection:
            connection.execute(stopped_webhooks.delete().where(stopped_webhooks.c.webhook.in_(names)))
            enqueue(connection, [event], tuple(self.receivers.values()), now)
            connection.execute(
                update(deliveries).where(chosen).values(_again(now) | {"content": event.content})
            )
        return len(names)


def _at(story: CallStory) -> float:
    return story.began_at if story.ended_at is None else story.ended_at


def _settle(connection: Connection, lease: str, values: dict[str, Any], ids: Sequence[int]) -> int:
    ours = deliveries.c.id.in_(ids) & (deliveries.c.lease == lease)
    settled = {"lease": "", "leased_until": 0.0, **values}
    return connection.execute(update(deliveries).where(ours).values(settled)).rowcount


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
    return sorted((delivery_of(row) for row in connection.execute(claim)), key=lambda one: one.id)


def _meant(wanted: Filter) -> list[ColumnElement[bool]]:
    given = {
        deliveries.c.state: wanted.state,
        deliveries.c.webhook: wanted.webhook,
        deliveries.c.call_sid: wanted.call_sid,
    }
    return [column == value for column, value in given.items() if value]


def _address(receiver: Receiver) -> str:
    """Tells addresses apart, and says none: one may be a secret."""
    return hashlib.sha256(receiver.address.encode()).hexdigest()
