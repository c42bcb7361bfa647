"""Deletes what is older than it is to be kept: calls whole, or their words alone. Blocking, in small steps.

A call that is live is left alone. What is deleted in a file is overwritten; PostgreSQL has VACUUM for that.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import exists, func, or_, select, text

from callbridge.records.erasing import erase_calls, erase_words, recordings_of
from callbridge.records.projecting import OVER
from callbridge.records.schema import calls, facts, raw_events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Connection

    from callbridge.records.database import Database
    from callbridge.records.keeping import Keeping

CALLS_AT_ONCE: Final = 20
"""In one transaction: some ten thousand rows, during which nobody else writes to a file."""

REST_S: Final = 0.05
"""Between two transactions, so that those who wait for the lock get it."""

LIVE_S: Final = 2 * 24 * 3600.0
"""A call of which nothing was told for so long is over, whatever its row says: none lasts for a day."""

_LOCK: Final = 0x63_62_72_65_74  # "cbret"
"""Of PostgreSQL's advisory locks: whoever has it deletes, and others need not."""


@dataclass(frozen=True, slots=True)
class KeptFor:
    """How long."""

    records_s: float
    """Of a call all that is on record, in seconds after its end."""
    words_s: float | None = None
    """Its words; nothing where they are kept as long."""


@dataclass(slots=True)
class Swept:
    """What was deleted."""

    calls: int = 0
    wordless: int = 0
    """Calls that have lost their words."""
    rows: Counter[str] = field(default_factory=Counter)
    """By table."""
    recordings: int = 0
    kept_back: dict[str, str] = field(default_factory=dict)
    """Calls and recordings that are overdue and still there, and why: the store did not delete them."""
    is_overwritten: bool = True
    """Whether nothing of it is left in the file's log: otherwise somebody reads there, and the next time
    is soon enough."""


class Sweep:
    """One going over all records.

    Args:
        database: where they are.
        kept_for: how long what is kept.
        keeping: what is left of a fact without words.
        delete_recording: deletes one by its name; answers why it could not, or nothing.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        kept_for: KeptFor,
        keeping: Keeping,
        delete_recording: Callable[[str], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._kept_for, self._keeping = database, kept_for, keeping
        self._delete_recording, self._clock = delete_recording, clock
        self._swept = Swept()

    def run(self, is_to_stop: Callable[[], bool] = lambda: False) -> Swept:
        """Deletes all that is overdue. May be stopped between two steps: the next time goes on.

        Raises:
            RecordsError: the database cannot be used at the moment.
        """
        steps = [self._some_calls, *([] if self._kept_for.words_s is None else [self._some_words])]
        for step in steps:
            while not is_to_stop() and step():
                time.sleep(REST_S)
        if self._swept.rows:
            self._swept.is_overwritten = self._database.overwrite_deleted()
        return self._swept

    def _some_calls(self) -> bool:
        """Deletes a few calls; whether there may be more. Stores are asked outside of the transaction."""
        moment = self._clock() - self._kept_for.records_s
        with self._database.reading() as connection:
            overdue = self._overdue(connection, moment, limit=CALLS_AT_ONCE)
            overdue += [] if overdue else self._without_row(connection, moment - LIVE_S)
            names = recordings_of(connection, overdue)
        if not overdue:
            return False
        gone = [call_sid for call_sid in overdue if self._has_no_recordings(call_sid, names[call_sid])]
        with self._database.writing() as connection:
            if not is_alone(connection):
                return False
            self._swept.rows += erase_calls(connection, gone)
        self._swept.calls += len(gone)
        return True  # What could not be deleted is not asked for again.

    def _has_no_recordings(self, call_sid: str, names: Sequence[str]) -> bool:
        """Whether they are deleted now."""
        for name in names:
            if why := self._delete_recording(name):
                self._swept.kept_back[call_sid] = why
                return False
            self._swept.recordings += 1
        return True

    def _some_words(self) -> bool:
        """The words of one call; whether there may be more."""
        assert self._kept_for.words_s is not None
        now = self._clock()
        with self._database.writing() as connection:
            has_words = calls.c.wordless_at.is_(None)
            overdue = self._overdue(connection, now - self._kept_for.words_s, has_words, limit=1)
            if not (overdue and is_alone(connection)):
                return False
            self._swept.rows += erase_words(connection, overdue[0], self._keeping, now)
            self._swept.wordless += 1
        return True

    def _overdue(
        self, connection: Connection, moment: float, *which: ColumnElement[bool], limit: int
    ) -> list[str]:
        """The oldest calls that ended before `moment`, or of which nothing was heard for much longer."""
        last = select(func.max(facts.c.at)).where(facts.c.call_sid == calls.c.call_sid).scalar_subquery()
        is_over = calls.c.state.in_(sorted(OVER))
        ended_at = func.coalesce(calls.c.ended_at, calls.c.began_at)
        wanted = (
            select(calls.c.call_sid)
            .where(
                calls.c.began_at < moment,  # What the index knows.
                or_(is_over & (ended_at < moment), ~is_over & (last < moment - LIVE_S)),
                calls.c.call_sid.not_in(sorted(self._swept.kept_back)),
                *which,
            )
            .order_by(calls.c.began_at)
            .limit(limit)
        )
        return list(connection.execute(wanted).scalars())

    def _without_row(self, connection: Connection, moment: float) -> list[str]:
        """Calls of which something is stored, but no row could ever be made, by a fault of ours."""
        found: set[str] = set()
        for table in (facts, raw_events):
            has_row = exists().where(calls.c.call_sid == table.c.call_sid)
            wanted = select(table.c.call_sid).where(table.c.at < moment, ~has_row).distinct()
            found |= set(connection.execute(wanted.limit(CALLS_AT_ONCE)).scalars())
        return sorted(found - self._swept.kept_back.keys())


def is_alone(connection: Connection) -> bool:
    """Whether no other process deletes at the moment. In a file the transaction itself sees to that."""
    if connection.dialect.name != "postgresql":
        return True
    taken = connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    return bool(taken.scalar())
