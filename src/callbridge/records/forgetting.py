"""Forgets a caller in the records: all that is on record of their calls, also while services run. Blocking.

Calls are found by the key of the caller, and by their number where numbers are kept in clear. A call that is
live is left alone, and told.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from callbridge.records.erasing import count_calls, erase_calls, recordings_of
from callbridge.records.projecting import OVER
from callbridge.records.retention import CALLS_AT_ONCE
from callbridge.records.schema import calls, deliveries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Connection

    from callbridge.records.database import Database


@dataclass(slots=True)
class Forgotten:
    """What was deleted, and what was not."""

    calls: list[str] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)
    """By table."""
    recordings: int = 0
    left: dict[str, str] = field(default_factory=dict)
    """Calls that are still there, and why."""
    told: Counter[str] = field(default_factory=Counter)
    """How often others were told of these calls, by receiver: what they keep nobody here can delete."""
    is_overwritten: bool = True


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is to be forgotten."""

    keys: tuple[str, ...]
    """Under which their calls are on record: one for each secret that the service had."""
    number: str
    """As Twilio spells it."""


def forget(
    database: Database, caller: Caller, delete_recording: Callable[[str], str], *, is_rehearsal: bool = False
) -> Forgotten:
    """Deletes all that is on record of a caller; a rehearsal only counts.

    Args:
        database: where the records are.
        caller: who.
        delete_recording: deletes one by its name; answers why it could not, or nothing.
        is_rehearsal: nothing is deleted.

    Raises:
        RecordsError: the database cannot be used.
    """
    done = Forgotten()
    with database.reading() as connection:
        found = _calls_of(connection, caller, is_readable=not database.seal.is_on)
        done.left = {call_sid: _LIVE for call_sid, state in found if state not in OVER}
        over = [call_sid for call_sid, state in found if state in OVER]
        names = recordings_of(connection, over)
        done.told = _told(connection, over)
        if is_rehearsal:
            done.calls, done.rows = over, count_calls(connection, over)
            done.recordings = sum(map(len, names.values()))
            return done
    for place in range(0, len(over), CALLS_AT_ONCE):
        some = over[place : place + CALLS_AT_ONCE]
        gone = [sid for sid in some if _has_no_recordings(done, sid, names[sid], delete_recording)]
        with database.writing() as connection:
            done.rows += erase_calls(connection, gone)
        done.calls += gone
    if done.calls:
        done.is_overwritten = database.overwrite_deleted()
    return done


_LIVE = "it is going on: run this again when it is over"


def _calls_of(connection: Connection, caller: Caller, *, is_readable: bool) -> list[tuple[str, str]]:
    is_theirs: ColumnElement[bool] = calls.c.caller_key.in_(caller.keys)
    if is_readable:
        is_theirs = or_(is_theirs, calls.c.caller == caller.number)
    wanted = select(calls.c.call_sid, calls.c.state).where(is_theirs).order_by(calls.c.began_at)
    return [(call_sid, state) for call_sid, state in connection.execute(wanted)]


def _told(connection: Connection, call_sids: Sequence[str]) -> Counter[str]:
    wanted = (
        select(deliveries.c.webhook, func.count())
        .where(deliveries.c.call_sid.in_(call_sids), deliveries.c.state == "done")
        .group_by(deliveries.c.webhook)
    )
    told: Counter[str] = Counter()
    for webhook, count in connection.execute(wanted):
        told[webhook] = count
    return told


def _has_no_recordings(
    done: Forgotten, call_sid: str, names: Sequence[str], delete_recording: Callable[[str], str]
) -> bool:
    for name in names:
        if why := delete_recording(name):
            done.left[call_sid] = f"its recording {name} could not be deleted: {why}"
            return False
        done.recordings += 1
    return True
