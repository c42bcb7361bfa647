"""Ships the journal to the database, in a thread of its own: facts, then the rows made of them.

The database may be away, full or slow: the journal keeps what is not shipped, and calls know nothing of it.
What has arrived is dropped from the journal; what arrives twice is ignored by its call, source and number.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import select
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

from callbridge.records.errors import RecordsError
from callbridge.records.leases import unsettle
from callbridge.records.projecting import OVER, project_all, storable
from callbridge.records.schema import calls, facts
from callbridge.records.upserts import insert_or

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from sqlalchemy import Connection

    from callbridge.records.database import Database
    from callbridge.records.projecting import Outgrowth
    from callbridge.records.sealing import Seal
    from callbridge.state.journal import Journal, JournalEntry, JournalRow

    Witness: TypeAlias = Callable[[Connection, Sequence[JournalEntry], Seal], None]
    """What facts lead to as they come, in the transaction that writes them down. They may come twice, and
    are as they were sealed."""

GATHERED_S: Final = 0.05
"""What comes within this time goes into one transaction of a file."""

GATHERED_FOR_SERVER_S: Final = 0.25
"""The same for a server, which many processes share."""

ROWS_MAX: Final = 500
"""Of one transaction."""

REST_SHARE: Final = 4
"""Between two transactions it rests for so many times as long as the last one took: calls share the core.
When it has much to catch up with, only as long as that."""

REST_MAX_S: Final = 1.0

PAUSE_FIRST_S: Final = 0.5
PAUSE_MAX_S: Final = 3.0
"""Between two attempts while the database is away: twice as long each time."""

LOOK_EVERY_S: Final = 5.0
"""Another process may have written to the same journal, and be gone."""

LIVE_AGAIN_S: Final = 2.0
"""The rows of a live call are not made anew more often."""

LIVE_SHARE: Final = 20
"""Nor do those of all live calls together take more of the time than one part in so many."""

COUNTED_MAX: Final = 100_000
"""Rows that wait are counted up to here: of more it is enough to know that they are too many."""

FAULTY_AGAIN_S: Final = 60.0
"""A call whose rows could not be made, by a fault of ours, is tried again after this time."""

AT_ONCE: Final = frozenset({"call_offered", "stream_started", "stream_ended", "call_closed", "call_over"})
"""Kinds of fact after which a call's rows are made anew in the same transaction."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Behind:
    """What waits in the journal, as far as the thread has seen: for those who watch."""

    rows: int = 0
    oldest_at: float | None = None
    """When the oldest of it was noted, in seconds since 1970; None where nothing waits."""


class Shipping:
    """The thread. Started once, stopped once.

    Args:
        database: where facts go.
        journal: where they come from.
        process: the name of this process, as it stands in its facts.
        outgrowths: what follows the first end of a call, in its transaction.
        witnesses: what facts lead to as they come, in theirs.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        journal: Journal,
        process: str,
        *,
        outgrowths: Sequence[Outgrowth] = (),
        witnesses: Sequence[Witness] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._journal, self._process = database, journal, process
        self._outgrowths, self._witnesses, self._clock = outgrowths, witnesses, clock
        self._gathered_s = GATHERED_FOR_SERVER_S if database.is_postgres else GATHERED_S
        self._through = 0
        """The place in the journal up to which everything has arrived."""
        self._stale: dict[str, float] = {}
        """Live calls whose rows are to be made anew, and not before this time (monotonic)."""
        self._faulty: dict[str, float] = {}
        """The same of calls whose rows could not be made."""
        self._took_s = 0.0
        """How long the last transaction took."""
        self._is_caught_up = False
        self._pause_s = 0.0
        self._shed_told = 0
        self._trouble: str | None = None
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="records-shipping", daemon=True)
        self.behind = Behind()
        self.shipped = 0
        """Facts that this one was the first to bring there, since the start: several may read one journal."""

    def __repr__(self) -> str:
        return f"<Shipping to {self._database!r} shipped={self.shipped} trouble={self._trouble!r}>"

    @property
    def trouble(self) -> str | None:
        """Why nothing arrives at the moment, in words for an operator; or nothing. Any thread may ask."""
        return self._trouble

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self, within_s: float) -> bool:
        """Ships what is left, and ends the thread. Blocks for so long at most; whether it has ended."""
        self._is_stopping.set()
        self._journal.wake()
        self._thread.join(within_s)
        return not self._thread.is_alive()

    # --- The thread

    def _run(self) -> None:
        self._round()  # What an earlier process has left.
        while not self._is_stopping.is_set():
            if self._pause_s:
                self._is_stopping.wait(self._pause_s)
            else:
                self._journal.wait(self._rest_s())
                self._is_stopping.wait(max(self._gathered_s, min(REST_SHARE * self._took_s, REST_MAX_S)))
            self._round()
        while self._trouble is None and self._round():
            pass

    def _rest_s(self) -> float:
        due = min(self._stale.values(), default=None)
        wait_s = LOOK_EVERY_S if due is None else min(due - time.monotonic(), LOOK_EVERY_S)
        return max(wait_s, 0.0)

    def _round(self) -> bool:
        """Ships until nothing is left; whether anything was shipped."""
        try:
            if not self._is_caught_up:
                self._database.check()
                self._come_in()
            has_shipped = False
            while rows := self._journal.read(self._through, ROWS_MAX):
                began_at = time.monotonic()
                self._look_behind(rows)
                self._ship(rows)
                self._took_s, has_shipped = time.monotonic() - began_at, True
                if len(rows) < ROWS_MAX:
                    break
                self._is_stopping.wait(self._took_s)
            self._tell_stale()
        except RecordsError as error:
            self._failed(str(error))
            return False
        except Exception:  # noqa: BLE001  # A fault of ours. All records depend on this thread: it tries again.
            _log.exception("records_shipping_failed")
            self._failed("The shipping of records fails by a fault of ours; the log has it.")
            return False
        self._went_well()
        return has_shipped

    def _come_in(self) -> None:
        """Before anything is shipped this process is listed: somebody is to look what it leaves behind.

        And an earlier one may have shipped facts, and ended before it made the rows of them.
        """
        with self._database.writing() as connection:
            unsettle(connection, [self._process], self._clock())
            live = connection.execute(select(calls.c.call_sid).where(calls.c.state.not_in(OVER)))
            now = time.monotonic()
            self._stale |= dict.fromkeys(live.scalars(), now)
        self._is_caught_up = True

    def _ship(self, rows: Sequence[JournalRow]) -> None:
        entries = [row.entry for row in rows]
        with self._database.writing() as connection:
            arrived = add_facts(connection, entries)
            others = {entry.process for entry in entries} - {self._process}
            unsettle(connection, sorted(others), self._clock())
            for see in self._witnesses:
                see_them = partial(see, connection, entries, self._database.seal)
                self._is_done(connection, see_them, "facts_not_witnessed")
            urgent = self._urgent(connection, entries)
            over = self._project(connection, urgent)
        touched = dict.fromkeys(entry.call_sid for entry in entries)
        for call_sid in urgent:
            self._stale.pop(call_sid, None)
        self._stale |= self._faulty
        self._faulty = {}
        due = time.monotonic() + LIVE_AGAIN_S
        for call_sid in touched:
            if call_sid not in urgent and call_sid not in over:
                self._stale.setdefault(call_sid, due)
        self._through = rows[-1].place
        self._journal.drop(self._through)
        self.shipped += arrived

    def _urgent(self, connection: Connection, entries: Iterable[JournalEntry]) -> list[str]:
        """Calls whose rows are made anew at once: those that begin, end, are over, or have no rows yet."""
        touched = dict.fromkeys(entry.call_sid for entry in entries)
        urgent = {entry.call_sid for entry in entries if entry.kind in AT_ONCE}
        known = select(calls.c.call_sid, calls.c.state).where(calls.c.call_sid.in_(touched))
        live = {call_sid for call_sid, state in connection.execute(known) if state not in OVER}
        return [call_sid for call_sid in touched if call_sid in urgent or call_sid not in live]

    def _project(self, connection: Connection, call_sids: Sequence[str]) -> set[str]:
        """Answers those of them that are over."""
        over = set[str]()

        def make_anew(sids: Sequence[str]) -> None:
            stories = project_all(connection, sids, self._clock(), self._outgrowths)
            over.update(story.call_sid for story in stories if story.state in OVER)

        if not call_sids or self._is_done(connection, partial(make_anew, call_sids), "calls_not_told"):
            return over
        for call_sid in call_sids:  # Each for itself, to find the one that is at fault.
            if not self._is_done(connection, partial(make_anew, [call_sid]), "call_not_told", call_sid):
                self._faulty[call_sid] = time.monotonic() + FAULTY_AGAIN_S
        return over

    def _is_done(
        self, connection: Connection, do: Callable[[], None], otherwise: str, call_sid: str = ""
    ) -> bool:
        """Does a part of a transaction. A fault of ours costs that part alone, and a line in the log."""
        try:
            with connection.begin_nested():
                do()
        except (OperationalError, InterfaceError, InternalError):
            raise  # The database's: all of it is tried again.
        except Exception:  # noqa: BLE001  # Whatever it is, it holds up no other call.
            _log.exception(otherwise, call_sid=call_sid)
            return False
        return True

    def _tell_stale(self) -> None:
        """Live calls, one in a transaction, and with rests in between: they are long, and it is no hurry."""
        now = time.monotonic()
        due = [call_sid for call_sid, at in self._stale.items() if at <= now]
        for call_sid in due[:1]:
            with self._database.writing() as connection:
                self._project(connection, [call_sid])
            del self._stale[call_sid]
            self._stale |= self._faulty
            self._faulty = {}
            rest_until = time.monotonic() + LIVE_SHARE * (time.monotonic() - now)
            self._stale = {sid: max(at, rest_until) for sid, at in self._stale.items()}

    def _look_behind(self, rows: Sequence[JournalRow]) -> None:
        """Before rows are shipped: if that hangs, it is known since when."""
        is_all = len(rows) < ROWS_MAX
        count = len(rows) if is_all else self._journal.count(self._through, COUNTED_MAX)
        self.behind = Behind(count, rows[0].entry.at)

    def _failed(self, reason: str) -> None:
        oldest = self._journal.read(self._through, 1)
        if oldest:
            self.behind = Behind(self._journal.count(self._through, COUNTED_MAX), oldest[0].entry.at)
        self._pause_s = min(self._pause_s * 2 or PAUSE_FIRST_S, PAUSE_MAX_S)
        if self._trouble is None:
            _log.error("records_in_trouble", reason=reason, follows="facts wait in the journal; calls go on")
        self._trouble = reason

    def _went_well(self) -> None:
        self._pause_s, self.behind = 0.0, Behind()
        if self._trouble is not None:
            self._trouble = None
            _log.info("records_well_again", shipped=self.shipped, shed=self._journal.shed)
        if self._journal.shed > self._shed_told:
            self._shed_told = self._journal.shed
            _log.warning("records_shed", rows=self._shed_told, why="the database was away for too long")


def add_facts(connection: Connection, entries: Iterable[JournalEntry]) -> int:
    """Adds facts; those that are there already are left alone. Answers how many were new."""
    rows = [
        {
            "call_sid": storable(entry.call_sid),
            "source": storable(entry.source),
            "number": entry.number,
            "at": entry.at,
            "at_ms": entry.at_ms,
            "kind": entry.kind,
            "process": entry.process,
            "body": entry.body.decode(),
        }
        for entry in entries
    ]
    insert = insert_or(connection, facts).on_conflict_do_nothing()
    return connection.execute(insert, rows, execution_options={"preserve_rowcount": True}).rowcount
