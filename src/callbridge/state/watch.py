"""The thread that keeps this process known to the others, and brings what they tell.

It has a connection of its own, so that nothing that waits to be written holds up a lease or a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from callbridge.state.bell import Bell
from callbridge.state.home import Fault
from callbridge.state.neighbour_rows import (
    has_messages,
    leave,
    renew,
    stored_spend_behind,
    take_messages,
)
from callbridge.state.neighbours import RENEWED_EVERY_S, SpentElsewhere
from callbridge.state.state import StateError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from sqlalchemy import Connection

    from callbridge.state.home import Home
    from callbridge.state.neighbours import News, ToAll, ToCarrier

FAILURE_PAUSE_S: Final = 0.25

JOIN_S: Final = 2.0
"""A thread that hangs in its disk is not waited for any longer."""

_log = structlog.get_logger()


class Watch:
    """Renews the lease of a process, and reads what others have written for it.

    Args:
        home: where the state is kept.
        process: the name of this process.
    """

    def __init__(self, home: Home, process: str) -> None:
        self._home, self._process = home, process
        self._bell = Bell()
        self._is_closing = False
        self._is_leaving = False
        self._reader: Callable[[News | None], object] | None = None
        self._seen_spend: Mapping[str, int] | None = None
        """Of each process, the last note that is known here; nothing until somebody has asked."""
        # The thread's own:
        self._renewed: tuple[float, bool] | None = None
        """When, and what it has said of leaving."""
        self._taken: set[int] = set()
        """Messages that were handed on and may still be stored."""
        self._busy_since: float | None = None
        self._trouble: str | None = None
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="state-watch", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why the others may take this process for dead, where it is not the writer that says so."""
        busy_since = self._busy_since
        waited_s = 0.0 if busy_since is None else time.monotonic() - busy_since
        if self._trouble is None and self._home.is_remote and waited_s > self._home.stuck_s:
            return self._home.stuck_in_words(waited_s)
        return self._trouble

    def say(self, *, is_leaving: bool) -> None:
        """Lets the others know."""
        self._is_leaving = is_leaving
        self._bell.ring()

    def know_spend(self, last: Mapping[str, int]) -> None:
        """What was spent up to these notes is known here; the first who says so counts."""
        if self._seen_spend is None:
            self._seen_spend = last

    async def news(self) -> AsyncIterator[News]:
        """What the others tell, until this is closed."""
        loop, queue = asyncio.get_running_loop(), asyncio.Queue["News | None"]()

        def hand_on(one: News | None) -> None:
            with contextlib.suppress(RuntimeError):  # The loop is closed: nobody listens any more.
                loop.call_soon_threadsafe(queue.put_nowait, one)

        self._reader = hand_on
        self._bell.ring()
        if self._is_closing:
            return
        while (one := await queue.get()) is not None:
            yield one

    async def close(self) -> None:
        """Says that this process has left, and ends the thread."""
        self._is_closing = True
        self._bell.ring()
        if self._reader is not None:
            self._reader(None)
        if self._thread.ident is None:
            self._bell.close()
        else:
            await asyncio.to_thread(self._thread.join, JOIN_S)

    # --- The thread

    def _run(self) -> None:
        try:
            while not self._is_closing:
                self._round()
                if not self._is_closing:
                    self._pause()
            self._attempt(self._leave)
        finally:
            self._disconnect()
            self._bell.close()

    def _round(self) -> None:
        try:
            self._attempt(self._look)
        except Exception:  # noqa: BLE001  # A fault of ours. Without renewals this process is taken for dead.
            _log.exception("state_watch_failed")
            self._disconnect()

    def _attempt(self, do: Callable[[Connection], None]) -> None:
        """What fails is tried again; after a lost connection, at once and once."""
        for is_last in (False, True):
            self._busy_since = time.monotonic()
            try:
                if self._connection is None:
                    self._connection = self._home.open_watch(self._process)
                do(self._connection)
            except (SQLAlchemyError, StateError) as error:
                fault = self._home.fault(error) if isinstance(error, SQLAlchemyError) else Fault.WRONG
                if fault is not Fault.BUSY:
                    self._disconnect()
                if fault is Fault.LOST and not is_last:
                    continue
                self._failed(error, fault)
            else:
                self._went_well()
            finally:
                self._busy_since = None
            return

    def _failed(self, error: SQLAlchemyError | StateError, fault: Fault) -> None:
        if not self._home.is_remote or fault is Fault.BUSY:
            return
        reason = str(error) if isinstance(error, StateError) else self._home.in_words(error)
        if self._trouble is None:  # The writer may have none, and calls are declined for this alone.
            _log.error("state_watch_in_trouble", reason=reason)
        self._trouble = reason

    def _went_well(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            _log.info("state_watch_well_again")

    def _pause(self) -> None:
        if self._connection is None:
            self._bell.wait(FAILURE_PAUSE_S)
        else:
            self._home.wait(self._connection, self._bell)

    def _look(self, connection: Connection) -> None:
        if self._is_to_be_renewed():
            now, is_leaving = time.monotonic(), self._is_leaving
            with self._home.writing(connection):
                renew(connection, self._process, self._home.now(), is_leaving=is_leaving)
            self._renewed = now, is_leaving
        with self._home.reading(connection):
            has_mail = has_messages(connection, self._process)
            if self._reader is not None and self._seen_spend is not None:
                self._bring_spend(connection, self._reader, self._seen_spend)
        if self._reader is not None and has_mail:
            self._bring_messages(connection, self._reader)

    def _is_to_be_renewed(self) -> bool:
        if self._renewed is None:
            return True
        at, was_leaving = self._renewed
        return time.monotonic() - at >= RENEWED_EVERY_S or was_leaving != self._is_leaving

    def _bring_messages(self, connection: Connection, reader: Callable[[News], object]) -> None:
        """Each is handed on once, also where the connection is lost before it is known to be deleted."""
        messages: Mapping[int, ToCarrier | ToAll] = {}
        try:
            with self._home.writing(connection):
                messages = take_messages(connection, self._process)
        finally:
            for number, message in messages.items():
                if number not in self._taken:
                    self._taken.add(number)
                    reader(message)
        self._taken.clear()

    def _bring_spend(
        self, connection: Connection, reader: Callable[[News], object], seen: Mapping[str, int]
    ) -> None:
        rows = stored_spend_behind(connection, self._process, seen, self._home.now())
        for _, _, at, microdollars in rows:
            if math.isfinite(at) and microdollars >= 0:  # Whoever else writes there must stop nobody.
                reader(SpentElsewhere(at, microdollars))
        self._seen_spend = {**seen, **{process: number for process, number, _, _ in rows}}

    def _leave(self, connection: Connection) -> None:
        with self._home.writing(connection):
            leave(connection, self._process)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()  # Without another word to a server that may not answer.
            connection.close()
