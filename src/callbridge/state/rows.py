"""The statements: what is written and read in an open home. No transaction begins or ends here."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, case, delete, exists, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from callbridge.state.callers import GOES_ON_WITHIN_S, CallerRecord
from callbridge.state.journal import JournalEntry, JournalRow
from callbridge.state.state import (
    CALLER_NOTE_KEPT_S,
    OVER,
    SPEND_KEPT_S,
    STARTED,
    TOKEN_KEPT_S,
    CallEvent,
)
from callbridge.state.tables import (
    IS_DETAIL,
    batches,
    call_events,
    caller_notes,
    caller_records,
    journal,
    spend_notes,
    text_notes,
    used_tokens,
)
from callbridge.state.text_notes import (
    REPLIES_MAX,
    SENT_KEPT_S,
    WISHES,
    NoteKind,
    TextNote,
)
from callbridge.state.writes import (
    CallerForgotten,
    CallerNote,
    CallerRemembered,
    EventWrite,
    JournalDropped,
    Journaled,
    SpendNote,
    TextNoted,
    TokenClaim,
    without_words,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection, Table

    from callbridge.state.state import Retention
    from callbridge.state.writes import Write

CALLS_PRUNED_MAX = 200
"""Calls deleted in one transaction: some ten thousand rows, a few tens of milliseconds for those who wait."""

SUMMED_AFTER_S = 600.0
"""Whoever is cut off from the others for so long takes such a note for a new one: caps hold all the more."""

_ENTRY = tuple(field.name for field in dataclasses.fields(JournalEntry))
"""Its columns."""


def insert_unless_there(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


# --- Writing ----------------------------------------------------------------------------------------


def write_batch(connection: Connection, batch: Sequence[Write]) -> list[tuple[TokenClaim, bool]]:
    """Writes all of `batch` but what is between processes; answers who was first to show a token.

    That is to be told once this is committed.
    """
    _write_events(connection, [write for write in batch if isinstance(write, EventWrite)])
    callers = [
        {"caller_key": write.caller_key, "at": write.at, "call_sid": write.call_sid}
        for write in batch
        if isinstance(write, CallerNote)
    ]
    if callers:
        connection.execute(insert(caller_notes), callers)
    spent = [
        {
            "at": write.at,
            "microdollars": write.microdollars,
            "process": write.process,
            "number": write.number,
        }
        for write in batch
        if isinstance(write, SpendNote)
    ]
    if spent:
        connection.execute(insert(spend_notes), spent)
    _write_journal(connection, [write.entry for write in batch if isinstance(write, Journaled)])
    for write in batch:
        match write:
            case JournalDropped(through):
                connection.execute(delete(journal).where(journal.c.place <= through))
            case CallerRemembered():
                _remember(connection, write)
            case CallerForgotten(caller_key):
                forget_caller(connection, caller_key)
            case TextNoted(note):
                _note_text(connection, note)
            case _:
                pass
    return [(write, _claim(connection, write)) for write in batch if isinstance(write, TokenClaim)]


def note_batch(connection: Connection, process: str, through: int, now: ColumnElement[float]) -> None:
    """All that this process wrote up to this number is written with this transaction."""
    noted = {"through": through, "at": now}
    row = insert_unless_there(connection, batches).values(process=process, **noted)
    connection.execute(row.on_conflict_do_update(index_elements=["process"], set_=noted))


def written_through(connection: Connection, process: str) -> int:
    """Up to which number all is written."""
    return connection.execute(select(batches.c.through).where(batches.c.process == process)).scalar() or 0


def _write_events(connection: Connection, events: Iterable[EventWrite]) -> None:
    """Numbers are given here, under a lock: two processes may write to the same call."""
    calls: dict[str, list[EventWrite]] = {}
    for event in events:
        calls.setdefault(event.call_sid, []).append(event)
    if not calls:
        return
    known = _known(connection, calls)
    over = [call_sid for call_sid, told in calls.items() if any(event.kind == OVER for event in told)]
    if over:
        connection.execute(delete(call_events).where(call_events.c.call_sid.in_(over), IS_DETAIL))
    rows = []
    for call_sid, told in calls.items():
        last, is_over = known.get(call_sid, (0, False))
        rows += [
            {
                "call_sid": call_sid,
                "sequence": number,
                "at": event.at,
                "kind": event.kind,
                "body": event.body,
            }
            for number, event in enumerate(without_words(told, is_over=is_over), last + 1)
        ]
    if rows:
        connection.execute(insert(call_events), rows)


def _last(kind: str) -> ColumnElement[int]:
    return func.max(case((call_events.c.kind == kind, call_events.c.sequence), else_=0))


_KNOWN = (
    select(call_events.c.call_sid, func.max(call_events.c.sequence), _last(OVER) > _last(STARTED))
    .where(call_events.c.call_sid.in_(bindparam("call_sids", expanding=True)))
    .group_by(call_events.c.call_sid)
)
"""Made once: every batch with events asks it."""


def _known(connection: Connection, call_sids: Collection[str]) -> dict[str, tuple[int, bool]]:
    """Of each of these calls that has events, the last number, and whether it is over."""
    found = connection.execute(_KNOWN, {"call_sids": list(call_sids)})
    return {call_sid: (number, bool(is_over)) for call_sid, number, is_over in found}


def _write_journal(connection: Connection, entries: Sequence[JournalEntry]) -> None:
    rows = [{column: getattr(entry, column) for column in _ENTRY} for entry in entries]
    if rows:
        connection.execute(insert(journal), rows)


def shed_journal(connection: Connection, rows_max: int) -> int:
    """Deletes the oldest rows beyond this bound that may be shed; answers how many these were."""
    excess = (connection.execute(select(func.count()).select_from(journal)).scalar() or 0) - rows_max
    if excess <= 0:
        return 0
    places = select(journal.c.place).where(~journal.c.is_essential).order_by(journal.c.place).limit(excess)
    return connection.execute(delete(journal).where(journal.c.place.in_(places))).rowcount


def _claim(connection: Connection, claim: TokenClaim) -> bool:
    """Whoever asks again, since nobody knows whether the answer was written, has the same."""
    row = insert_unless_there(connection, used_tokens).values(
        digest=claim.digest, expires_at=claim.expires_at, claimed_by=claim.name
    )
    if connection.execute(row.on_conflict_do_nothing()).rowcount == 1:
        return True
    holder = select(used_tokens.c.claimed_by).where(used_tokens.c.digest == claim.digest)
    return connection.execute(holder).scalar() == claim.name


def _remember(connection: Connection, told: CallerRemembered) -> None:
    record = told.record
    known = {"at": record.at, "body": record.body, "going_on": record.going_on}
    row = insert_unless_there(connection, caller_records).values(
        caller_key=told.caller_key, agent=told.agent, **known
    )
    connection.execute(row.on_conflict_do_update(index_elements=["caller_key", "agent"], set_=known))


def _note_text(connection: Connection, note: TextNote) -> None:
    """As `with_note` does it."""
    columns = text_notes.c
    if note.kind in WISHES:
        wishes = columns.kind.in_(sorted(WISHES))
        connection.execute(delete(text_notes).where(columns.caller_key == note.caller_key, wishes))
    given = {"caller_key": note.caller_key, "at": note.at, "kind": note.kind.value}
    connection.execute(insert(text_notes).values(**given, shelf=note.shelf, words=note.words))
    if note.kind is NoteKind.REPLY:
        theirs = (columns.caller_key == note.caller_key) & (columns.kind == NoteKind.REPLY.value)
        times = select(columns.at).where(theirs).order_by(columns.at.desc()).limit(REPLIES_MAX)
        oldest = connection.execute(times).scalars().all()[-1]
        connection.execute(delete(text_notes).where(theirs, columns.at < oldest))


def forget_caller(connection: Connection, caller_key: str) -> int:
    """Deletes what is remembered of a caller; answers how many records and texts of theirs there were."""
    return sum(
        connection.execute(delete(table).where(*which)).rowcount for table, which in _remembered(caller_key)
    )


def count_remembered(connection: Connection, caller_key: str) -> int:
    """How many of these there are."""
    return sum(
        connection.execute(select(func.count()).select_from(table).where(*which)).scalar_one()
        for table, which in _remembered(caller_key)
    )


def _remembered(caller_key: str) -> list[tuple[Table, tuple[ColumnElement[bool], ...]]]:
    texts = (text_notes.c.caller_key == caller_key, text_notes.c.kind == NoteKind.REPLY.value)
    return [(caller_records, (caller_records.c.caller_key == caller_key,)), (text_notes, texts)]


def drop_journal_of(connection: Connection, call_sids: Collection[str]) -> int:
    """Deletes the facts of these calls that wait in the journal; how many there were."""
    return connection.execute(delete(journal).where(journal.c.call_sid.in_(call_sids))).rowcount


def prune(connection: Connection, now: float, retention: Retention) -> bool:
    """Deletes what is too old; answers whether some is left for another transaction."""
    connection.execute(delete(used_tokens).where(used_tokens.c.expires_at < now - TOKEN_KEPT_S))
    connection.execute(delete(caller_notes).where(caller_notes.c.at < now - CALLER_NOTE_KEPT_S))
    connection.execute(delete(spend_notes).where(spend_notes.c.at < now - SPEND_KEPT_S))
    _prune_callers(connection, now, retention.callers_s)
    _prune_texts(connection, now, retention.callers_s)
    quiet = _calls_silent_since(connection, now - retention.quiet_s, IS_DETAIL)
    for call_sid in quiet:
        connection.execute(delete(call_events).where(call_events.c.call_sid == call_sid, IS_DETAIL))
    forgotten = _calls_silent_since(connection, now - retention.outline_s)
    for call_sid in forgotten:
        connection.execute(delete(call_events).where(call_events.c.call_sid == call_sid))
    return CALLS_PRUNED_MAX in (len(quiet), len(forgotten))


def sum_spend(connection: Connection, now: float) -> bool:
    """Makes one note of those of a process and a minute: a busy day of many machines has millions.

    The others have read them by now. Answers whether some is left for another transaction.
    """
    columns = spend_notes.c
    minute = func.floor(columns.at / 60)
    several = (
        select(
            columns.process,
            minute,
            func.max(columns.number),
            func.max(columns.at),
            func.sum(columns.microdollars),
        )
        .where(columns.at < now - SUMMED_AFTER_S, columns.at >= now - 12 * SUMMED_AFTER_S)
        .group_by(columns.process, minute)
        .having(func.count() > 1)
        .limit(CALLS_PRUNED_MAX)
    )
    found = connection.execute(several).all()
    for process, of_minute, number, at, spent in found:
        connection.execute(delete(spend_notes).where(columns.process == process, minute == of_minute))
        summed = {"process": process, "number": number, "at": at, "microdollars": int(spent)}
        connection.execute(insert(spend_notes).values(summed))
    return len(found) == CALLS_PRUNED_MAX


def _prune_callers(connection: Connection, now: float, kept_s: float) -> None:
    at, going_on = caller_records.c.at, caller_records.c.going_on
    connection.execute(delete(caller_records).where(at <= now - kept_s))
    is_late = (at <= now - GOES_ON_WITHIN_S) & (going_on != b"")
    connection.execute(update(caller_records).where(is_late).values(going_on=b""))


def _prune_texts(connection: Connection, now: float, kept_s: float) -> None:
    """As `still_kept` says."""
    at, kind, key = text_notes.c.at, text_notes.c.kind, text_notes.c.caller_key
    connection.execute(delete(text_notes).where(kind == NoteKind.REPLY.value, at <= now - kept_s))
    sent = kind == NoteKind.SENT.value
    connection.execute(delete(text_notes).where(sent, key == "", at < now - SENT_KEPT_S))
    connection.execute(delete(text_notes).where(sent, at < now - max(SENT_KEPT_S, kept_s)))


def _calls_silent_since(connection: Connection, moment: float, *which: ColumnElement[bool]) -> Sequence[str]:
    """Calls that have such events, and whose last event of any kind is older, whether it is an end or not."""
    later = call_events.alias()
    is_later = (later.c.call_sid == call_events.c.call_sid) & (later.c.at >= moment)
    silent = (
        select(call_events.c.call_sid)
        .where(call_events.c.at < moment, ~exists().where(is_later), *which)
        .distinct()
        .limit(CALLS_PRUNED_MAX)
    )
    return connection.execute(silent).scalars().all()


# --- Reading ----------------------------------------------------------------------------------------


def stored_events(connection: Connection, call_sid: str) -> tuple[CallEvent, ...]:
    """The events of one call, in order."""
    wanted = (
        select(call_events.c.sequence, call_events.c.at, call_events.c.kind, call_events.c.body)
        .where(call_events.c.call_sid == call_sid)
        .order_by(call_events.c.sequence)
    )
    return tuple(
        CallEvent(sequence, at, kind, body) for sequence, at, kind, body in connection.execute(wanted)
    )


def stored_calls(connection: Connection, since: float) -> tuple[tuple[str, float], ...]:
    """(caller_key, at) at `since` or later."""
    noted = select(caller_notes.c.caller_key, caller_notes.c.at).where(caller_notes.c.at >= since)
    return tuple((caller_key, at) for caller_key, at in connection.execute(noted.order_by(caller_notes.c.at)))


def stored_spend(connection: Connection, since: float) -> list[SpendNote]:
    """What was spent at `since` or later, at a time that there is."""
    columns = spend_notes.c
    noted = (
        select(columns.at, columns.microdollars, columns.process, columns.number)
        .where(columns.at >= since, columns.at < float("inf"))
        .order_by(columns.at)
    )
    return [SpendNote(*note) for note in connection.execute(noted)]


def last_of_each(notes: Iterable[SpendNote]) -> dict[str, int]:
    """The highest number of each process."""
    last: dict[str, int] = {}
    for note in notes:
        last[note.process] = max(last.get(note.process, 0), note.number)
    return last


def stored_record(connection: Connection, caller_key: str, agent: str) -> tuple[CallerRecord, ...]:
    """What is remembered of a caller, if anything is."""
    known = select(caller_records.c.at, caller_records.c.body, caller_records.c.going_on).where(
        caller_records.c.caller_key == caller_key, caller_records.c.agent == agent
    )
    return tuple(CallerRecord(at, body, going_on) for at, body, going_on in connection.execute(known))


def stored_texts(connection: Connection, caller_key: str, moment: float) -> tuple[TextNote, ...]:
    """The notes of one caller about texts: since `moment`, and their wishes."""
    columns = text_notes.c
    is_asked_for = (columns.at >= moment) | columns.kind.in_(sorted(WISHES))
    wanted = (
        select(columns.at, columns.kind, columns.shelf, columns.words)
        .where(columns.caller_key == caller_key, is_asked_for)
        .order_by(columns.at)
    )
    return tuple(
        TextNote(caller_key, at, NoteKind(kind), shelf, words)
        for at, kind, shelf, words in connection.execute(wanted)
    )


def stored_journal(connection: Connection, after: int, limit: int) -> tuple[JournalRow, ...]:
    """The oldest rows behind this place."""
    columns = [journal.c[name] for name in _ENTRY]
    wanted = select(journal.c.place, *columns).where(journal.c.place > after)
    rows = connection.execute(wanted.order_by(journal.c.place).limit(limit))
    return tuple(JournalRow(place, JournalEntry(*entry)) for place, *entry in rows)


def count_journal(connection: Connection, after: int, at_most: int) -> int:
    """How many rows stand behind this place, counted up to `at_most`."""
    those = select(journal.c.place).where(journal.c.place > after).limit(at_most).subquery()
    return connection.execute(select(func.count()).select_from(those)).scalar_one()
