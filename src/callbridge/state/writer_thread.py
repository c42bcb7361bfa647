"""What a thread that writes the state is to the event loop, whatever it writes to: a backlog, and who waits.

It is told things and never waited for. Where it writes to, and what it is asked, is of those that are made of
it: `Writer` and `RedisWriter`.
"""

from __future__ import annotations

import abc
import threading
import time
from typing import TYPE_CHECKING, Final

import structlog

from callbridge.state.state import Unwritten

if TYPE_CHECKING:
    from callbridge.state.backlog import Backlog
    from callbridge.state.reply import Reply

FAILURE_PAUSE_S: Final = 0.25
"""Between two attempts. A full disk costs four failed writes a second, which is nothing."""

BATCH_MAX: Final = 200
"""Writes that go out together. After a server was away thousands wait, each perhaps a statement of its own,
and what takes too long is given up, to be tried again with more."""

FAULTS_MAX: Final = 8
"""So many rounds in a row may end by a fault of ours, in two seconds. Then the thread ends, and says so."""

_log = structlog.get_logger()


class WriterThread(abc.ABC):
    """Writes until it is closed. Its public methods may be called from any thread.

    Args:
        backlog: what is put into it.
        name: of the thread.
        title: what operators call it.
    """

    def __init__(self, backlog: Backlog, name: str, title: str) -> None:
        self._title = title
        self._wake = threading.Condition(threading.Lock())
        # Guarded by `_wake`:
        self._backlog = backlog
        self._flushes: list[tuple[int, Reply[bool]]] = []
        self._farewells: list[Reply[bool]] = []
        self._mourners: list[Reply[str]] = []
        self._is_closing = False
        self._is_over = False
        self._trouble: str | None = None
        self._waiting_since: float | None = None
        # The thread's own:
        self._retry_at = 0.0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    # --- What the loop sees

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
    def unwritten(self) -> Unwritten:
        """How much waits, and for how long nothing was taken."""
        rows, since = len(self._backlog), self._waiting_since
        for_s = 0.0 if since is None else max(time.monotonic() - since, 0.0)
        return Unwritten(rows, for_s) if rows else Unwritten()

    @property
    def events_shed(self) -> int:
        """What was lost for want of room."""
        return self._backlog.shed

    @property
    @abc.abstractmethod
    def trouble(self) -> str | None:
        """Why nothing can be written, also when the thread itself hangs."""

    # --- The thread

    def _run(self) -> None:
        try:
            faults = 0
            while self._wait_for_work():
                faults = 0 if self._is_round_done() else faults + 1
                if faults == FAULTS_MAX:
                    return
            self._finish()
        finally:
            self._leave()

    @abc.abstractmethod
    def _wait_for_work(self) -> bool:
        """Returns when there is something to do; false when that is to end."""

    @abc.abstractmethod
    def _is_round_done(self) -> bool:
        """One round: whether it ended without a fault of ours."""

    @abc.abstractmethod
    def _finish(self) -> None:
        """One more attempt, when it is closed."""

    @abc.abstractmethod
    def _answer_from_what_waits(self) -> None:
        """Whoever has asked is told what is not written: more cannot be read."""

    @abc.abstractmethod
    def _disconnect(self) -> None:
        """Lets go of what it writes to."""

    def _answer_flushes(self) -> None:
        is_in_trouble = self.trouble is not None
        with self._wake:
            flushes, self._flushes = self._flushes, []
            for number, reply in flushes:
                if is_in_trouble or self._backlog.is_written_through(number):
                    reply.settle(not is_in_trouble)
                else:
                    self._flushes.append((number, reply))

    def _is_in_trouble(self, reason: str) -> None:
        """Operators are told once, until it went well again."""
        self._retry_at = time.monotonic() + FAILURE_PAUSE_S
        if self._trouble is None:
            _log.error("state_in_trouble", reason=reason)
        self._trouble = reason

    def _went_well(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            _log.info("state_well_again", events_shed=self.events_shed)

    def _leave(self) -> None:
        """Nobody waits for a thread that is gone, and nobody takes its silence for health."""
        with self._wake:
            self._is_over = True
            if not self._is_closing:
                self._trouble = f"{self._title} has ended by a fault of ours. Restart the process."
            elif self._trouble is None:
                self._trouble = "The state is closed."
        self._answer_from_what_waits()
        self._disconnect()
        for reply in [*(reply for _, reply in self._flushes), *self._farewells]:
            reply.settle(False)
        self._tell_mourners()

    def _tell_mourners(self) -> None:
        with self._wake:
            mourners, self._mourners = self._mourners, []
        for mourner in [] if self._is_closing else mourners:
            mourner.settle(self._trouble or "")
