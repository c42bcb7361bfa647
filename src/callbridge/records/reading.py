"""What is asked of the records: lists of calls, one call as its story, its facts. Blocking; reads only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, false, or_, select

from callbridge.records.call_list import PAGE_MAX, CallSummary, Filter
from callbridge.records.database import prices_at
from callbridge.records.errors import RecordsError
from callbridge.records.keeping import kept
from callbridge.records.projecting import stored_facts
from callbridge.records.schema import calls, captures, facts, turns
from callbridge.records.telling import StoredFact, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from callbridge.records.database import Database
    from callbridge.records.keeping import Keeping
    from callbridge.records.story import CallStory

_SUMMARY: Final = tuple(calls.c[name] for name in CallSummary.__struct_fields__)


class Records:
    """The records of one database. Its methods may be called from any thread, and block.

    Every method raises `RecordsError` when the database cannot be read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def calls(self, wanted: Filter | None = None) -> list[CallSummary]:
        """The calls that are wanted, the latest first."""
        wanted = wanted or Filter()
        if wanted.words.split() and self._database.seal.is_on:
            raise RecordsError(
                "Words cannot be searched for: they are encrypted (CALLBRIDGE_RECORDS_KEY). "
                "Search by caller, agent, time or end instead."
            )
        query = _query(wanted)
        with self._database.reading() as connection:
            return [CallSummary(*row) for row in connection.execute(query)]

    def carriers(self, call_sids: Sequence[str]) -> dict[str, str]:
        """By CallSid, which process carries a call, or carried it last; nothing of one without a stream."""
        began = and_(facts.c.call_sid.in_(call_sids), facts.c.kind == "stream_started")
        query = select(facts.c.call_sid, facts.c.process).where(began).order_by(facts.c.at)
        with self._database.reading() as connection:
            return {row.call_sid: row.process for row in connection.execute(query)}  # The latest stays.

    def story(self, call_sid: str, showing: Keeping | None = None) -> CallStory | None:
        """One call, told from its facts as they are now; nothing for one that is not on record.

        Args:
            call_sid: which.
            showing: what of it may be shown; by default all that is kept.
        """
        with self._database.reading() as connection:
            return story_of(connection, call_sid, showing)

    def facts(self, call_sid: str) -> list[StoredFact]:
        """All facts of a call, in the order of their times."""
        with self._database.reading() as connection:
            return stored_facts(connection, call_sid)

    def sids(self, name: str, limit: int = 10) -> list[str]:
        """Calls whose CallSid this is, or ends so: nobody types all of it. The latest first."""
        is_meant = calls.c.call_sid.like(f"%{_escaped(name)}", escape="\\")
        query = select(calls.c.call_sid).where(is_meant).order_by(calls.c.began_at.desc()).limit(limit)
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())


def story_of(connection: Connection, call_sid: str, showing: Keeping | None = None) -> CallStory | None:
    """One call in somebody's transaction, as `Records.story`."""
    rows = stored_facts(connection, call_sid)
    if showing is not None:
        rows = [row if row.fact is None else replace(row, fact=kept(row.fact, showing)) for row in rows]
    return tell(call_sid, rows, prices_at(connection)) if rows else None


def _query(wanted: Filter) -> Select[Any]:
    query = select(*_SUMMARY).where(*_conditions(wanted))
    query = query.order_by(calls.c.began_at.desc(), calls.c.call_sid.desc())
    return query.limit(min(max(wanted.limit, 1), PAGE_MAX))


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    columns = calls.c
    equal = (
        (columns.agent, wanted.agent),
        (columns.caller_key, wanted.caller_key),
        (columns.end_reason, wanted.end_reason),
        (columns.state, wanted.state),
    )
    found: list[ColumnElement[bool]] = [column == value for column, value in equal if value]
    if wanted.since is not None:
        found.append(columns.began_at >= wanted.since)
    if wanted.until is not None:
        found.append(columns.began_at < wanted.until)
    if wanted.duration_ms_min:
        found.append(columns.duration_ms >= wanted.duration_ms_min)
    if wanted.words.split():
        found.append(_has_words(wanted.words.split()))
    if wanted.after:
        found.append(_is_behind(wanted.after))
    return found


def _has_words(words: list[str]) -> ColumnElement[bool]:
    """Without regard to case, as far as the database can tell: SQLite knows that of A to Z alone."""
    patterns = [f"%{_escaped(word)}%" for word in words]
    in_turn = and_(
        *(
            or_(turns.c.caller.ilike(pattern, escape="\\"), turns.c.heard.ilike(pattern, escape="\\"))
            for pattern in patterns
        )
    )
    in_capture = and_(*(captures.c.data.ilike(pattern, escape="\\") for pattern in patterns))
    return or_(
        calls.c.call_sid.in_(select(turns.c.call_sid).where(in_turn)),
        calls.c.call_sid.in_(select(captures.c.call_sid).where(in_capture)),
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _is_behind(cursor: str) -> ColumnElement[bool]:
    began_at, _, call_sid = cursor.partition(" ")
    try:
        at = float(began_at)
    except ValueError:
        return false()  # Nobody's cursor: nothing is behind it.
    columns = calls.c
    return or_(columns.began_at < at, and_(columns.began_at == at, columns.call_sid < call_sid))
