"""The statements of places, leases and messages: what processes with one state know of each other.

`now` is the time of what keeps the state, so that no two clocks are compared. No transaction begins or ends
here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, case, delete, exists, func, insert, literal, or_, select, update
from sqlalchemy.dialects.sqlite import insert as insert_unless_there

from callbridge.state.neighbours import (
    FORGOTTEN_S,
    LEASE_S,
    ProcessSeen,
    ToAll,
    ToCarrier,
)
from callbridge.state.places import DAY_S, RESERVED_S, TEN_MINUTES_S, CallerCounts
from callbridge.state.tables import caller_notes, leases, mailbox, places, spend_notes
from callbridge.state.writes import PlaceCarried, PlaceClaim, PlaceFreed, PlaceKept, ToldAll, ToldCarrier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from callbridge.state.writes import Message, PlaceWrite

SPEND_ROWS_MAX = 1_000
"""Of what others spent, read at a time."""

# --- Writing ----------------------------------------------------------------------------------------


def write_together(
    connection: Connection,
    writes: Sequence[PlaceWrite | Message],
    process: str,
    now: ColumnElement[float],
) -> list[tuple[PlaceClaim, bool]]:
    """Writes them one by one, since each may decide the next; answers which claims are granted."""
    if any(isinstance(write, PlaceCarried) for write in writes):
        renew(connection, process, now)  # Whoever carries a call is alive, and its place counts from now on.
    verdicts = []
    for write in writes:
        match write:
            case PlaceClaim():
                verdicts.append((write, _claim(connection, write, process, now)))
            case PlaceCarried():
                _carry(connection, write, process)
            case PlaceKept(call_sid, for_s):
                mine = (places.c.call_sid == call_sid, places.c.process == process, places.c.is_carried)
                kept = {"is_carried": False, "reserved_until": now + for_s}
                connection.execute(update(places).where(*mine).values(kept))
            case PlaceFreed(call_sid):
                connection.execute(delete(places).where(places.c.call_sid == call_sid))
            case ToldCarrier(message):
                _tell_carrier(connection, message, process)
            case ToldAll(message):
                _tell_all(connection, message, process, now)
    return verdicts


def _claim(connection: Connection, claim: PlaceClaim, process: str, now: ColumnElement[float]) -> bool:
    has_place, is_begun, live, in_10_minutes, in_day = connection.execute(_known(claim, now)).one()
    is_known = has_place or is_begun
    if not is_known and not claim.bounds.allows(CallerCounts(live, in_10_minutes, in_day)):
        return False
    if not is_begun:
        note = {"caller_key": claim.caller_key, "at": claim.at, "call_sid": claim.call_sid}
        connection.execute(insert(caller_notes).values(note))
    until = now + RESERVED_S
    row = insert_unless_there(places).values(
        call_sid=claim.call_sid,
        caller_key=claim.caller_key,
        process=process,
        epoch=0,
        is_carried=False,
        reserved_until=until,
    )
    later = case((places.c.reserved_until > until, places.c.reserved_until), else_=until)
    connection.execute(row.on_conflict_do_update(index_elements=["call_sid"], set_={"reserved_until": later}))
    return True


def _known(claim: PlaceClaim, now: ColumnElement[float]) -> Select[bool, bool, int, int, int]:
    """Of the call, whether it has a place and is noted; of its caller, what counts."""
    its_place, its_note = places.c.call_sid == claim.call_sid, caller_notes.c.call_sid == claim.call_sid
    theirs, at = caller_notes.c.caller_key == claim.caller_key, caller_notes.c.at
    live = select(func.count()).where(places.c.caller_key == claim.caller_key, _is_live(now))
    begun = select(func.count()).select_from(caller_notes).where(theirs)
    return select(
        exists().where(its_place),
        exists().where(its_note),
        live.scalar_subquery(),
        begun.where(at > claim.at - TEN_MINUTES_S).scalar_subquery(),
        begun.where(at > claim.at - DAY_S).scalar_subquery(),
    )


def _is_live(now: ColumnElement[float], grace_s: float = 0.0) -> ColumnElement[bool]:
    """Whether a place counts, or did so within `grace_s`."""
    stands = exists().where(leases.c.process == places.c.process, _stands(now - grace_s))
    return or_(places.c.reserved_until > now - grace_s, and_(places.c.is_carried, stands))


def _stands(now: ColumnElement[float]) -> ColumnElement[bool]:
    return leases.c.renewed_at > now - LEASE_S


def _carry(connection: Connection, told: PlaceCarried, process: str) -> None:
    carried = {"process": process, "is_carried": True, "reserved_until": 0.0}
    row = insert_unless_there(places).values(
        call_sid=told.call_sid, caller_key=told.caller_key, epoch=1, **carried
    )
    again = {**carried, "epoch": places.c.epoch + 1}
    connection.execute(row.on_conflict_do_update(index_elements=["call_sid"], set_=again))


def _tell_carrier(connection: Connection, message: ToCarrier, process: str) -> None:
    told = literal(message.call_sid), literal(message.what), literal(message.body)
    carrier = select(places.c.process, *told).where(
        places.c.call_sid == message.call_sid, places.c.is_carried, places.c.process != process
    )
    connection.execute(insert(mailbox).from_select(["for_process", "call_sid", "what", "body"], carrier))


def _tell_all(connection: Connection, message: ToAll, process: str, now: ColumnElement[float]) -> None:
    told = literal(""), literal(message.what), literal(message.body)
    others = select(leases.c.process, *told).where(leases.c.process != process, _stands(now))
    connection.execute(insert(mailbox).from_select(["for_process", "call_sid", "what", "body"], others))


def renew(
    connection: Connection, process: str, now: ColumnElement[float], *, is_leaving: bool | None = None
) -> None:
    """Says that this process is alive, and whether it takes calls, if that is told."""
    row = insert_unless_there(leases).values(process=process, renewed_at=now, is_leaving=bool(is_leaving))
    again = {"renewed_at": now} if is_leaving is None else {"renewed_at": now, "is_leaving": is_leaving}
    connection.execute(row.on_conflict_do_update(index_elements=["process"], set_=again))


def leave(connection: Connection, process: str) -> None:
    """This process ends in order: what it carries no longer counts, and nobody writes to it."""
    connection.execute(delete(leases).where(leases.c.process == process))
    connection.execute(delete(mailbox).where(mailbox.c.for_process == process))


def drop_messages(connection: Connection, numbers: Sequence[int]) -> None:
    """They were taken."""
    connection.execute(delete(mailbox).where(mailbox.c.id.in_(numbers)))


def prune_gone(connection: Connection, now: ColumnElement[float]) -> None:
    """Deletes what processes that are gone have left behind."""
    connection.execute(delete(places).where(~_is_live(now, FORGOTTEN_S)))
    connection.execute(delete(leases).where(~_stands(now - FORGOTTEN_S)))
    connection.execute(delete(mailbox).where(mailbox.c.for_process.not_in(select(leases.c.process))))


# --- Reading ----------------------------------------------------------------------------------------


def stored_messages(connection: Connection, process: str) -> dict[int, ToCarrier | ToAll]:
    """What this process is told, by number, in order."""
    columns = mailbox.c
    mine = (
        select(columns.id, columns.call_sid, columns.what, columns.body)
        .where(columns.for_process == process)
        .order_by(columns.id)
    )
    return {
        number: ToCarrier(call_sid, what, body) if call_sid else ToAll(what, body)
        for number, call_sid, what, body in connection.execute(mine)
    }


def spent_by(connection: Connection) -> dict[str, int]:
    """The number of the last note of each process that there are notes of."""
    last = select(spend_notes.c.process, func.max(spend_notes.c.number)).group_by(spend_notes.c.process)
    return {row[0]: row[1] for row in connection.execute(last)}


def stored_spend_behind(
    connection: Connection, process: str, seen: Mapping[str, int]
) -> list[tuple[str, int, float, int]]:
    """(process, number, at, microdollars) of other processes, behind the numbers that are seen.

    Of those that are alive, or were a moment ago; those of one process in order.
    """
    columns = spend_notes.c
    alive = connection.execute(select(leases.c.process).where(leases.c.process != process)).scalars().all()
    if not alive:
        return []
    is_new = or_(*(and_(columns.process == other, columns.number > seen.get(other, 0)) for other in alive))
    rows = (
        select(columns.process, columns.number, columns.at, columns.microdollars)
        .where(is_new)
        .order_by(columns.process, columns.number)
        .limit(SPEND_ROWS_MAX)
    )
    return [(other, number, at, spent) for other, number, at, spent in connection.execute(rows)]


def stored_others(connection: Connection, process: str, now: ColumnElement[float]) -> tuple[ProcessSeen, ...]:
    """The other processes that are alive, by name."""
    is_theirs = and_(places.c.process == leases.c.process, places.c.is_carried)
    carried = select(func.count()).select_from(places).where(is_theirs).scalar_subquery()
    seen = (
        select(leases.c.process, leases.c.is_leaving, carried)
        .where(leases.c.process != process, _stands(now))
        .order_by(leases.c.process)
    )
    return tuple(
        ProcessSeen(other, is_leaving, calls) for other, is_leaving, calls in connection.execute(seen)
    )
