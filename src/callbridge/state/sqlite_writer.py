"""The one thread that uses the file. The event loop puts things in its backlog and never waits for it.

All that waits when the thread is ready goes into one transaction: the longer a commit takes, the more the
next one carries. Questions are answered by the same thread, after the batch that was told before them; so an
answer is what is stored plus what waits, and nothing can be in both or in neither.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import structlog
from sqlalchemy.exc import SQLAlchemyError

from callbridge.state.backlog import Backlog
from callbridge.state.journal import GATHERED_S, JOURNAL_ROWS_MAX
from callbridge.state.neighbour_rows import prune_gone, write_together
from callbridge.state.sqlite_file import in_words, is_busy, open_file, overwrite_deleted, writing
from callbridge.state.sqlite_rows import prune, shed_journal, write_batch
from callbridge.state.state import PRUNE_EVERY_S, StateError, Unwritten
from callbridge.state.writes import Journaled, Message, PlaceWrite

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from callbridge.state.reply import Reply
    from callbridge.state.sqlite_file import SqliteHome
    from callbridge.state.state import Retention
    from callbridge.state.writes import PlaceClaim, TokenClaim, Write

    Question: TypeAlias = Callable[[Connection | None, tuple[Write, ...]], None]
    """Answers somebody, given the open file, or none if it cannot be read, and what waits."""

STUCK_S = 5.0
"""A commit takes a millisecond. From here on a lock or a slow disk is trouble and not a hiccup."""

BUSY_PAUSE_S = 0.05
FAILURE_PAUSE_S = 0.25
"""Between two attempts. A full disk costs four failed writes a second, which is nothing."""

FAULTS_MAX = 8
"""So many rounds in a row may end by a fault of ours, in two seconds. Then the thread ends, and says so."""

IDLE_S = 60.0
"""With nothing to do the thread looks this often whether it is time to prune."""

_log = structlog.get_logger()


class SqliteWriter:
    """Writes until it is closed. All methods may be called from any thread."""

    def __init__(
        self, home: SqliteHome, process: str, clock: Callable[[], float], retention: Retention
    ) -> None:
        self._home, self._process = home, process
        self._path = home.path
        self._clock = clock
        self._retention = retention
        self._wake = threading.Condition(threading.Lock())
        # Guarded by `_wake`:
        self._backlog = Backlog()
        self._questions: deque[Question] = deque()
        self._flushes: list[tuple[int, Reply[bool]]] = []
        self._farewells: list[Reply[bool]] = []
        self._mourners: list[Reply[str]] = []
        self._is_closing = False
        self._is_over = False
        self._trouble: str | None = None
        self._waiting_since: float | None = None
        self.journal_news = threading.Event()
        """Set when rows of the journal were written; whoever ships them clears it."""
        self._journal_shed = 0
        # The thread's own:
        self._connection: Connection | None = None
        self._is_suspect = False
        self._pruned_at: float | None = None
        self._retry_at = 0.0
        self._thread = threading.Thread(target=self._run, name="state-writer", daemon=True)

    def __repr__(self) -> str:
        return f"<SqliteWriter {self._path} {self._backlog!r} trouble={self.trouble!r}>"

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

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
                self._wake.notify()
                return
        question(None, self.waiting)

    def flush(self, reply: Reply[bool]) -> None:
        """Settles `reply` when all that was put before is written, or there is trouble."""
        with self._wake:
            if not self._is_over:
                self._flushes.append((self._backlog.told, reply))
                self._wake.notify()
                return
        reply.settle(False)

    def close(self, reply: Reply[bool]) -> None:
        """Lets the thread end after one more attempt to write; settles `reply` when it has ended."""
        with self._wake:
            self._is_closing = True
            if not self._is_over:
                self._farewells.append(reply)
                self._wake.notify()
                return
        reply.settle(False)

    def mourn(self, reply: Reply[str]) -> None:
        """Settles `reply` with the reason when the thread has ended without having been closed."""
        with self._wake:
            self._mourners.append(reply)
        if self._is_over:
            self._tell_mourners()

    @property
    def waiting(self) -> tuple[Write, ...]:
        """What is not written, in order."""
        with self._wake:
            return self._backlog.writes

    @property
    def unwritten(self) -> Unwritten:
        """How much that is, and for how long nothing was taken."""
        rows, since = len(self._backlog), self._waiting_since
        for_s = 0.0 if since is None else max(time.monotonic() - since, 0.0)
        return Unwritten(rows, for_s) if rows else Unwritten()

    @property
    def events_shed(self) -> int:
        """What was lost for want of room."""
        return self._backlog.shed

    @property
    def journal_shed(self) -> int:
        """How many rows of the journal were lost so."""
        return self._backlog.records_shed + self._journal_shed

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written, also when the thread itself hangs in a write."""
        since = self._waiting_since
        waited_s = 0.0 if since is None else time.monotonic() - since
        if self._trouble is None and waited_s > STUCK_S:
            return (
                f"The state file {self._path} has taken nothing for {waited_s:.0f} s. "
                "Look for a process that holds it, and at its disk."
            )
        return self._trouble

    # --- The thread

    def _run(self) -> None:
        try:
            faults = 0
            while self._wait_for_work():
                faults = 0 if self._is_round_done() else faults + 1
                if faults == FAULTS_MAX:
                    return
            self._write()
            self._answer_questions()
        finally:
            self._leave()

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
        """How long what is merely on its way to the records waits for more of it."""
        if self._waiting_since is None or self._backlog.is_urgent or self._questions or self._flushes:
            return 0.0
        return self._waiting_since + GATHERED_S - time.monotonic()

    def _has_work(self) -> bool:
        waits = self._backlog or self._questions or self._flushes
        return bool(waits or self._trouble is not None or self._is_time_to_prune())

    def _is_time_to_prune(self) -> bool:
        """Also after the wall clock was set back."""
        return self._pruned_at is None or not 0 <= self._clock() - self._pruned_at < PRUNE_EVERY_S

    def _write(self) -> None:
        with self._wake:
            batch = self._backlog.take()
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

    def _commit(self, batch: tuple[Write, ...]) -> None:
        connection = self._opened()
        if batch:
            together = [write for write in batch if isinstance(write, PlaceWrite | Message)]
            with writing(connection):
                verdicts: list[tuple[TokenClaim | PlaceClaim, bool]] = [*write_batch(connection, batch)]
                verdicts += write_together(connection, together, self._process, self._home.now())
            for claim, is_granted in verdicts:
                claim.reply.settle(is_granted)
            with self._wake:
                self._backlog.done()
                self._waiting_since = time.monotonic() if self._backlog else None
            if any(isinstance(write, Journaled) for write in batch):
                self.journal_news.set()
        if self._is_time_to_prune():
            now = self._clock()
            with writing(connection):
                is_more_left = prune(connection, now, self._retention)
                prune_gone(connection, self._home.now())
                self._journal_shed += shed_journal(connection, JOURNAL_ROWS_MAX)
            overwrite_deleted(connection)
            self._pruned_at = None if is_more_left else now

    def _opened(self) -> Connection:
        """After a failure a new connection proves that the file is well. Until it does the old one reads."""
        if self._connection is None or self._is_suspect:
            opened = open_file(self._path)
            self._disconnect()
            self._connection, self._is_suspect = opened, False
        return self._connection

    def _answer_questions(self) -> None:
        """One that meets a lock waits for the next round; otherwise what waits must do for an answer.

        By a fault of ours no more is lost than the one question that had it.
        """
        for _ in range(len(self._questions)):
            with self._wake:
                question = self._questions.popleft()
            try:
                self._answer(question)
            except SQLAlchemyError as error:
                self._failed(error)
                if is_busy(error):
                    with self._wake:
                        self._questions.appendleft(question)
                    return
                question(None, self.waiting)

    def _answer(self, question: Question) -> None:
        if self._connection is None:
            question(None, self.waiting)
        else:
            with self._connection.begin():
                question(self._connection, self.waiting)

    def _answer_flushes(self) -> None:
        is_in_trouble = self.trouble is not None
        with self._wake:
            flushes, self._flushes = self._flushes, []
            for number, reply in flushes:
                if is_in_trouble or self._backlog.is_written_through(number):
                    reply.settle(not is_in_trouble)
                else:
                    self._flushes.append((number, reply))

    def _failed(self, error: SQLAlchemyError | StateError) -> None:
        """A lock is waited for. After anything else the file is opened anew."""
        if isinstance(error, SQLAlchemyError) and is_busy(error):
            self._retry_at = time.monotonic() + BUSY_PAUSE_S
            return
        self._retry_at = time.monotonic() + FAILURE_PAUSE_S
        self._is_suspect = True
        reason = str(error) if isinstance(error, StateError) else in_words(error, self._path)
        if self._trouble is None:
            _log.error("state_in_trouble", reason=reason)
        self._trouble = reason

    def _went_well(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            _log.info("state_well_again", events_shed=self.events_shed)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _leave(self) -> None:
        """Nobody waits for a thread that is gone, and nobody takes its silence for health."""
        with self._wake:
            self._is_over = True
            if not self._is_closing:
                self._trouble = "The state's writer has ended by a fault of ours. Restart the process."
            elif self._trouble is None:
                self._trouble = "The state is closed."
        for question in self._questions:
            question(None, self.waiting)
        self._disconnect()
        for reply in [*(reply for _, reply in self._flushes), *self._farewells]:
            reply.settle(False)
        self._tell_mourners()

    def _tell_mourners(self) -> None:
        with self._wake:
            mourners, self._mourners = self._mourners, []
        for mourner in [] if self._is_closing else mourners:
            mourner.settle(self._trouble or "")
