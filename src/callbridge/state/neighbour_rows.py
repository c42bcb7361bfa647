"""The statements of places, leases and messages: what processes with one state know of each other.

`now` is the time of what keeps the state, so that no two clocks are compared. No transaction begins or ends
here.
"""

from __future__ import annotations

import time
from math import floor
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, case, delete, exists, func, insert, literal, or_, select, update

from callbridge.state.neighbours import (
    FORGOTTEN_S,
    LEASE_S,
    ProcessSeen,
    ToAll,
    ToCarrier,
)
from callbridge.state.places import DAY_S, RESERVED_S, TEN_MINUTES_S, CallerCounts
from callbridge.state.rows import insert_unless_there
from callbridge.state.tables import batches, caller_notes, leases, mailbox, places, spend_notes
from callbridge.state.writes import (
    PlaceCarried,
    PlaceClaim,
    PlaceFreed,
    PlaceGivenBack,
    PlaceKept,
    ToldAll,
    ToldCarrier,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from callbridge.state.writes import Message, PlaceWrite

SPEND_ROWS_MAX = 1_000
"""Of what others spent, read at a time."""

MESSAGES_MAX = 1_000
"""Taken at a time; the rest half a second later."""

# --- Writing ----------------------------------------------------------------------------------------


def write_together(
    connection: Connection,
    writes: Sequence[PlaceWrite | Message],
    process: str,
    now: ColumnElement[float],
) -> tuple[list[tuple[PlaceClaim, bool]], set[str]]:
    """Writes them one by one, since each may decide the next.

    Returns:
        Which claims are granted, and which processes have mail.
    """
    if any(isinstance(write, PlaceCarried) for write in writes):
        renew(connection, process, now)  # Whoever carries a call is alive, and its place counts from now on.
    verdicts, addressees = [], set[str]()
    for write in writes:
        match write:
            case PlaceClaim():
                verdicts.append((write, _claim(connection, write, process, now)))
            case PlaceCarried():
                _carry(connection, write, process, now)
            case PlaceKept(call_sid, for_s):
                mine = (places.c.call_sid == call_sid, places.c.process == process, places.c.is_carried)
                kept = {"is_carried": False, "reserved_until": now + for_s}
                connection.execute(update(places).where(*mine).values(kept))
            case PlaceFreed(call_sid):
                connection.execute(delete(places).where(places.c.call_sid == call_sid))
            case PlaceGivenBack(call_sid):
                is_mine = (places.c.call_sid == call_sid) & (places.c.process == process)
                connection.execute(delete(places).where(is_mine, ~places.c.is_carried))
            case ToldCarrier(message):
                addressees |= _tell_carrier(connection, message, process)
            case ToldAll(message):
                addressees |= _tell_all(connection, message, process, now)
    return verdicts, addressees


def _claim(connection: Connection, claim: PlaceClaim, process: str, now: ColumnElement[float]) -> bool:
    has_place, is_begun, live, in_10_minutes, in_day = connection.execute(_known(claim, now)).one()
    is_known = has_place or is_begun
    if not is_known and not claim.bounds.allows(CallerCounts(live, in_10_minutes, in_day)):
        return False
    if not is_begun:
        note = {"caller_key": claim.caller_key, "at": claim.at, "call_sid": claim.call_sid}
        connection.execute(insert(caller_notes).values(note))
    until = now + RESERVED_S
    row = insert_unless_there(connection, places).values(
        call_sid=claim.call_sid,
        caller_key=claim.caller_key,
        process=process,
        carried_since=0.0,
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


def _is_live(now: ColumnElement[float]) -> ColumnElement[bool]:
    """Whether a place counts."""
    stands = exists().where(leases.c.process == places.c.process, _stands(now))
    return or_(places.c.reserved_until > now, and_(places.c.is_carried, stands))


def _stands(now: ColumnElement[float]) -> ColumnElement[bool]:
    return leases.c.renewed_at > now - LEASE_S


def _carry(connection: Connection, told: PlaceCarried, process: str, now: ColumnElement[float]) -> None:
    """By the time at which it was told, in seconds: that far two who write at once are in order anyway."""
    since = now - floor(time.monotonic() - told.told_at)
    carried = {"process": process, "is_carried": True, "reserved_until": 0.0, "carried_since": since}
    row = insert_unless_there(connection, places).values(
        call_sid=told.call_sid, caller_key=told.caller_key, **carried
    )
    was_before = places.c.carried_since <= since
    connection.execute(row.on_conflict_do_update(index_elements=["call_sid"], set_=carried, where=was_before))


def _tell_carrier(connection: Connection, message: ToCarrier, process: str) -> set[str]:
    told = literal(message.call_sid), literal(message.what), literal(message.body)
    carrier = select(places.c.process, *told).where(
        places.c.call_sid == message.call_sid, places.c.is_carried, places.c.process != process
    )
    return _posted(connection, carrier)


def _tell_all(connection: Connection, message: ToAll, process: str, now: ColumnElement[float]) -> set[str]:
    told = literal(""), literal(message.what), literal(message.body)
    others = select(leases.c.process, *told).where(leases.c.process != process, _stands(now))
    return _posted(connection, others)


def _posted(connection: Connection, messages: Select[str, str, str, bytes]) -> set[str]:
    """Whom they are for."""
    post = insert(mailbox).from_select(["for_process", "call_sid", "what", "body"], messages)
    return set(connection.execute(post.returning(mailbox.c.for_process)).scalars())


def renew(
    connection: Connection, process: str, now: ColumnElement[float], *, is_leaving: bool | None = None
) -> None:
    """Says that this process is alive, and whether it takes calls, if that is told."""
    row = insert_unless_there(connection, leases).values(
        process=process, renewed_at=now, is_leaving=bool(is_leaving)
    )
    again = {"renewed_at": now} if is_leaving is None else {"renewed_at": now, "is_leaving": is_leaving}
    connection.execute(row.on_conflict_do_update(index_elements=["process"], set_=again))


def leave(connection: Connection, process: str) -> None:
    """This process ends in order: what it carries no longer counts, and nobody writes to it."""
    connection.execute(delete(leases).where(leases.c.process == process))
    connection.execute(delete(mailbox).where(mailbox.c.for_process == process))


def take_messages(connection: Connection, process: str) -> dict[int, ToCarrier | ToAll]:
    """What this process is told, by number, in order; deleted. What somebody else takes is left."""
    columns = mailbox.c
    mine = (
        select(columns.id, columns.call_sid, columns.what, columns.body)
        .where(columns.for_process == process)
        .order_by(columns.id)
        .limit(MESSAGES_MAX)
        .with_for_update(skip_locked=True)
    )
    messages = {
        number: ToCarrier(call_sid, what, body) if call_sid else ToAll(what, body)
        for number, call_sid, what, body in connection.execute(mine)
    }
    connection.execute(delete(mailbox).where(columns.id.in_(messages)))
    return messages


def prune_gone(connection: Connection, now: ColumnElement[float]) -> None:
    """Deletes what is left behind by processes that are gone.

    One that was cut off may come back, and carries its calls still: its lease and places stay for a day.
    """
    connection.execute(delete(leases).where(leases.c.renewed_at <= now - DAY_S))
    known = select(leases.c.process)
    is_unused = ~places.c.is_carried & (places.c.reserved_until <= now - FORGOTTEN_S)
    # Who has reserved one may not have told yet that it is alive.
    is_nobodys = places.c.is_carried & places.c.process.not_in(known)
    connection.execute(delete(places).where(or_(is_unused, is_nobodys)))
    connection.execute(delete(batches).where(batches.c.at <= now - DAY_S))
    alive = known.where(_stands(now - FORGOTTEN_S))
    connection.execute(delete(mailbox).where(mailbox.c.for_process.not_in(alive)))


# --- Reading ----------------------------------------------------------------------------------------


_HAS_MESSAGES = select(exists().where(mailbox.c.for_process == bindparam("process")))
"""Made once: every process asks it twice a second."""


def has_messages(connection: Connection, process: str) -> bool:
    """Whether this process is told anything."""
    return bool(connection.execute(_HAS_MESSAGES, {"process": process}).scalar())


def stored_spend_behind(
    connection: Connection, process: str, seen: Mapping[str, int], now: ColumnElement[float]
) -> list[tuple[str, int, float, int]]:
    """(process, number, at, microdollars) of other processes, behind the numbers that are seen.

    Of those that are alive, or were a moment ago; those of one process in order.
    """
    columns = spend_notes.c
    others = select(leases.c.process).where(leases.c.process != process, _stands(now - FORGOTTEN_S))
    alive = connection.execute(others).scalars().all()
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
