"""The thread that keeps this process known to the others, and brings what they tell.

It has a connection of its own, so that nothing that waits to be written holds up a lease or a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from callbridge.state.neighbour_rows import (
    drop_messages,
    leave,
    renew,
    stored_messages,
    stored_spend_behind,
)
from callbridge.state.neighbours import RENEWED_EVERY_S, SpentElsewhere
from callbridge.state.state import StateError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from sqlalchemy import Connection

    from callbridge.state.neighbours import News
    from callbridge.state.sqlite_file import SqliteHome

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

    def __init__(self, home: SqliteHome, process: str) -> None:
        self._home, self._process = home, process
        self._wake = threading.Event()
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
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="state-watch", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def say(self, *, is_leaving: bool) -> None:
        """Lets the others know."""
        self._is_leaving = is_leaving
        self._wake.set()

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
        self._wake.set()
        if self._is_closing:
            return
        while (one := await queue.get()) is not None:
            yield one

    async def close(self) -> None:
        """Says that this process has left, and ends the thread."""
        self._is_closing = True
        self._wake.set()
        if self._reader is not None:
            self._reader(None)
        await asyncio.to_thread(self._thread.join, JOIN_S)

    # --- The thread

    def _run(self) -> None:
        try:
            while not self._is_closing:
                is_done = self._attempt(self._look)
                self._wake.wait(self._home.poll_every_s if is_done else FAILURE_PAUSE_S)
                self._wake.clear()
            self._attempt(self._leave)
        finally:
            self._disconnect()

    def _attempt(self, do: Callable[[Connection], None]) -> bool:
        try:
            if self._connection is None:
                self._connection = self._home.connect()
            do(self._connection)
        except (SQLAlchemyError, StateError) as error:
            if not (isinstance(error, SQLAlchemyError) and self._home.is_busy(error)):
                self._disconnect()
            return False
        return True

    def _look(self, connection: Connection) -> None:
        if self._is_to_be_renewed():
            now, is_leaving = time.monotonic(), self._is_leaving
            with self._home.writing(connection):
                renew(connection, self._process, self._home.now(), is_leaving=is_leaving)
            self._renewed = now, is_leaving
        if self._reader is not None:
            self._bring_messages(connection, self._reader)
            self._bring_spend(connection, self._reader)

    def _is_to_be_renewed(self) -> bool:
        if self._renewed is None:
            return True
        at, was_leaving = self._renewed
        return time.monotonic() - at >= RENEWED_EVERY_S or was_leaving != self._is_leaving

    def _bring_messages(self, connection: Connection, reader: Callable[[News], object]) -> None:
        """Each is handed on once, also when it cannot be deleted at the first attempt."""
        with connection.begin():
            messages = stored_messages(connection, self._process)
        for number, message in messages.items():
            if number not in self._taken:
                self._taken.add(number)
                reader(message)
        if messages:
            with self._home.writing(connection):
                drop_messages(connection, tuple(messages))
        self._taken.clear()

    def _bring_spend(self, connection: Connection, reader: Callable[[News], object]) -> None:
        seen = self._seen_spend
        if seen is None:
            return
        with connection.begin():
            rows = stored_spend_behind(connection, self._process, seen)
        for _, _, at, microdollars in rows:
            reader(SpentElsewhere(at, microdollars))
        self._seen_spend = {**seen, **{process: number for process, number, _, _ in rows}}

    def _leave(self, connection: Connection) -> None:
        with self._home.writing(connection):
            leave(connection, self._process)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
