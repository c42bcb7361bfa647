"""A `State` in PostgreSQL, which any number of machines may share. The journal is each machine's own."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from callbridge.state.neighbours import new_process
from callbridge.state.postgres import PostgresHome
from callbridge.state.reply import Reply
from callbridge.state.state import KEPT
from callbridge.state.stored_state import StoredState

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.state.journal import Journal, JournalEntry
    from callbridge.state.memory_state import MemoryState
    from callbridge.state.sqlite_state import SqliteState
    from callbridge.state.state import Retention

_log = structlog.get_logger()


class PostgresState(StoredState):
    """What survives, in the database at `url`. A server that does not answer keeps no call waiting.

    Args:
        url: `postgresql://…`
        open_local: opens where the journal is, which is closed with this.
        clock: seconds since 1970.
        retention: how long things are kept.
        process: the name of this process; by default a new one.
        now: see `PostgresHome`.

    Raises:
        StateError: it can never be used like this.
    """

    def __init__(
        self,
        url: str,
        open_local: Callable[[], MemoryState | SqliteState],
        clock: Callable[[], float] = time.time,
        retention: Retention = KEPT,
        *,
        process: str | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        home = PostgresHome(url, now)
        away = home.check()
        if away is not None:
            _log.error("shared_state_away", reason=away, follows="no calls are taken until it answers")
        super().__init__(home, process or new_process(), clock, retention)
        self.away = away
        self._local = open_local()
        self._start()

    @property
    def journal(self) -> Journal:
        """That of this machine."""
        return self._local.journal

    @property
    def trouble(self) -> str | None:
        """Why nothing can be kept at the moment, there or here."""
        return super().trouble or self._local.trouble

    def keep(self, entry: JournalEntry) -> None:
        """Queues a row of the journal."""
        self._local.keep(entry)

    async def died(self) -> str:
        """Why one of the writers has ended, once it has by a fault of ours."""
        reply: Reply[str] = Reply()
        self.mourn(reply)
        if isinstance(self._local, StoredState):
            self._local.mourn(reply)
        return await reply.settled()

    async def flush(self) -> bool:
        """Whether all is written, there and here."""
        return all(await asyncio.gather(super().flush(), self._local.flush()))

    async def close(self) -> None:
        """Writes what waits, and ends."""
        await super().close()
        await self._local.close()
