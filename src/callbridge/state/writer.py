"""The one thread that writes to a home. The event loop puts things in its backlog and never waits for it.

All that waits when the thread is ready goes into one transaction, within a bound: the longer a commit takes,
the more the next one carries. Questions are answered by the same thread, after the batch that was told before
them; so an answer is what is stored plus what waits, and nothing can be in both or in neither.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import structlog
from sqlalchemy.exc import SQLAlchemyError

from callbridge.state.backlog import Backlog
from callbridge.state.home import Fault
from callbridge.state.journal import GATHERED_S, JOURNAL_ROWS_MAX
from callbridge.state.neighbour_rows import prune_gone, write_together
from callbridge.state.rows import note_batch, prune, shed_journal, sum_spend, write_batch, written_through
from callbridge.state.state import PRUNE_EVERY_S, StateError
from callbridge.state.writer_thread import BATCH_MAX, WriterThread
from callbridge.state.writes import (
    CallerForgotten,
    EventWrite,
    Journaled,
    Message,
    PlaceClaim,
    PlaceWrite,
    TextNoted,
    TokenClaim,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from sqlalchemy import Connection

    from callbridge.state.home import Home
    from callbridge.state.state import Retention
    from callbridge.state.writes import Write

    Question: TypeAlias = Callable[[Connection | None, tuple[Write, ...]], None]
    """Answers somebody, given the open home, or none if it cannot be read, and what waits."""

BUSY_PAUSE_S = 0.05

IDLE_S = 60.0
"""With nothing to do the thread looks this often whether it is time to prune."""

_log = structlog.get_logger()


class Writer(WriterThread):
    """Writes until it is closed. All methods may be called from any thread."""

    def __init__(self, home: Home, process: str, clock: Callable[[], float], retention: Retention) -> None:
        self._home, self._process = home, process
        self._clock = clock
        self._retention = retention
        backlog = Backlog(is_urgent=_is_waited_for) if home.is_remote else Backlog()
        super().__init__(backlog, "state-writer", "The state's writer")
        # Guarded by `_wake`:
        self._questions: deque[Question] = deque()
        self._asked_since: float | None = None
        self.journal_news = threading.Event()
        """Set when rows of the journal were written; whoever ships them clears it."""
        self._journal_shed = 0
        # The thread's own:
        self._connection: Connection | None = None
        self._is_suspect = False
        self._is_in_doubt = False
        """The connection was lost: the batch that is put back may be written."""
        self._has_lost_one = False
        self._pruned_at: float | None = None

    def __repr__(self) -> str:
        return f"<Writer {self._home.name} {self._backlog!r} trouble={self.trouble!r}>"

    # --- What the loop sees

    def put(self, write: Write) -> None:
        """Queues a write."""
        with self._wake:
            was_quiet = not self._backlog
            self._backlog.put(write)
            if self._waiting_since is None:
                self._waiting_since = time.monotonic()
            if was_quiet or self._backlog.is_urgent:
                self._wake.notify()

    def ask(self, question: Question) -> None:
        """Has `question` called on the thread, after all that was put before is written or has failed."""
        with self._wake:
            if not self._is_over:
                self._questions.append(question)
                if self._asked_since is None:
                    self._asked_since = time.monotonic()
                self._wake.notify()
                return
        question(None, self.waiting)

    @property
    def waiting(self) -> tuple[Write, ...]:
        """What is not written, in order."""
        with self._wake:
            return self._backlog.writes

    @property
    def journal_shed(self) -> int:
        """How many rows of the journal were lost so."""
        return self._backlog.records_shed + self._journal_shed

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written, also when the thread itself hangs in a write."""
        now = time.monotonic()
        waited_s = max(now - (since or now) for since in (self._waiting_since, self._asked_since))
        if self._trouble is None and waited_s > self._home.stuck_s:
            return self._home.stuck_in_words(waited_s)
        return self._trouble

    # --- The thread

    def _finish(self) -> None:
        while self._write() and self._backlog:
            pass
        self._answer_questions()

    def _is_round_done(self) -> bool:
        try:
            self._write()
            self._answer_questions()
            self._answer_flushes()
        except Exception:  # noqa: BLE001  # A fault of ours. All calls depend on this thread: it tries again.
            _log.exception("state_writer_failed")
            self._failed(StateError("The state's writer fails by a fault of ours; the log has it."))
            return False
        return True

    def _wait_for_work(self) -> bool:
        """Returns when there is something to do; false when that is to end."""
        with self._wake:
            while not self._is_closing:
                pause_s = max(self._retry_at - time.monotonic(), self._gathers_for_s())
                if pause_s <= 0 and self._has_work():
                    break
                self._wake.wait(pause_s if pause_s > 0 else IDLE_S)
            return not self._is_closing

    def _gathers_for_s(self) -> float:
        """How long that for which nobody waits waits for more of it: a server is asked by many."""
        is_hurried = self._backlog.is_urgent or len(self._backlog) >= BATCH_MAX
        if self._waiting_since is None or is_hurried or self._questions or self._flushes:
            return 0.0
        return self._waiting_since + GATHERED_S - time.monotonic()

    def _has_work(self) -> bool:
        waits = self._backlog or self._questions or self._flushes
        return bool(waits or self._trouble is not None or self._is_time_to_prune())

    def _is_time_to_prune(self) -> bool:
        """Also after the wall clock was set back."""
        return self._pruned_at is None or not 0 <= self._clock() - self._pruned_at < PRUNE_EVERY_S

    def _write(self) -> bool:
        """Whether the oldest of what waits is written."""
        with self._wake:
            batch = self._backlog.take(BATCH_MAX)
        is_written = False
        try:
            self._commit(batch)
            is_written = True
        except (SQLAlchemyError, StateError) as error:
            self._failed(error)
        finally:
            if not is_written:
                with self._wake:
                    self._backlog.put_back()
        if is_written:
            self._went_well()
        return is_written

    def _commit(self, batch: Mapping[int, Write]) -> None:
        connection = self._opened()
        if batch:
            verdicts = self._written(connection, batch)
            for claim, is_granted in verdicts:
                claim.reply.settle(is_granted)
            with self._wake:
                self._backlog.done()
                self._waiting_since = time.monotonic() if self._backlog else None
            if any(isinstance(write, Journaled) for write in batch.values()):
                self.journal_news.set()
        if self._is_time_to_prune():
            self._prune(connection)

    def _written(
        self, connection: Connection, batch: Mapping[int, Write]
    ) -> list[tuple[TokenClaim | PlaceClaim, bool]]:
        """One transaction with all of it; what is known to be written is not written again."""
        with self._home.writing(connection, _locks(batch.values())):
            known = written_through(connection, self._process) if self._is_in_doubt else 0
            writes = [
                write
                for number, write in batch.items()
                if not _is_withdrawn(write) and (number > known or isinstance(write, TokenClaim | PlaceClaim))
            ]
            verdicts: list[tuple[TokenClaim | PlaceClaim, bool]] = [*write_batch(connection, writes)]
            together = [write for write in writes if isinstance(write, PlaceWrite | Message)]
            granted, addressees = write_together(connection, together, self._process, self._home.now())
            self._home.ring(connection, addressees)
            if self._home.is_remote:
                note_batch(connection, self._process, max(batch), self._home.now())
        self._is_in_doubt = False
        return [*verdicts, *granted]

    def _prune(self, connection: Connection) -> None:
        now, is_more_left = self._clock(), False
        with self._home.writing(connection):
            if self._home.may_prune(connection):
                is_more_left = prune(connection, now, self._retention)
                prune_gone(connection, self._home.now())
                if self._home.is_remote:
                    is_more_left |= sum_spend(connection, now)
                else:
                    self._journal_shed += shed_journal(connection, JOURNAL_ROWS_MAX)
        self._home.after_pruning(connection)
        self._pruned_at = None if is_more_left else now

    def _opened(self) -> Connection:
        """After a failure a new connection proves that the home is well. Until it does the old one reads."""
        if self._connection is None or self._is_suspect:
            opened = self._home.open()
            self._disconnect()
            self._connection, self._is_suspect = opened, False
        return self._connection

    def _answer_questions(self) -> None:
        """One that meets a lock waits for the next round; otherwise what waits must do for an answer.

        By a fault of ours no more is lost than the one question that had it.
        """
        if self._has_lost_one and self._trouble is None:
            return  # In the next round it is open again, or there is trouble.
        for _ in range(len(self._questions)):
            with self._wake:
                question = self._questions.popleft()
            try:
                self._answer(question)
            except SQLAlchemyError as error:
                self._failed(error)
                if self._trouble is None:
                    with self._wake:
                        self._questions.appendleft(question)
                    return
                question(None, self.waiting)
        with self._wake:
            self._asked_since = time.monotonic() if self._questions else None

    def _answer(self, question: Question) -> None:
        if self._connection is None:
            question(None, self.waiting)
        else:
            with self._home.reading(self._connection):
                question(self._connection, self.waiting)

    def _failed(self, error: SQLAlchemyError | StateError) -> None:
        """A lock is waited for, and a lost connection made anew at once. Anything else operators are told."""
        fault = self._home.fault(error) if isinstance(error, SQLAlchemyError) else Fault.WRONG
        if fault is Fault.BUSY:
            self._retry_at = time.monotonic() + BUSY_PAUSE_S
            return
        self._is_suspect = True
        if fault is Fault.LOST:
            self._is_in_doubt = True
            self._disconnect()
            if not self._has_lost_one:
                self._has_lost_one = True
                return
        self._is_in_trouble(str(error) if isinstance(error, StateError) else self._home.in_words(error))

    def _went_well(self) -> None:
        self._has_lost_one = False
        super()._went_well()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()  # Without another word to a server that may not answer.
            connection.close()

    def _answer_from_what_waits(self) -> None:
        for question in self._questions:
            question(None, self.waiting)


def _locks(writes: Collection[Write]) -> set[str]:
    """What two processes must not write at once: what a call is, what is counted and known of a caller.

    Without, two that move the same calls in another order would wait for each other.
    """
    calls = {f"call {write.call_sid}" for write in writes if isinstance(write, EventWrite | PlaceWrite)}
    callers = {
        f"caller {write.caller_key}" for write in writes if isinstance(write, PlaceClaim | CallerForgotten)
    }
    return (
        calls
        | callers
        | {f"caller {write.note.caller_key}" for write in writes if isinstance(write, TextNoted)}
    )


def _is_waited_for(write: Write) -> bool:
    return isinstance(write, TokenClaim | PlaceClaim)


def _is_withdrawn(write: Write) -> bool:
    """Whether nobody waits for the answer any more: a call was declined, and needs no place."""
    return isinstance(write, PlaceClaim) and write.reply.value is not None
