"""Several processes of one number in a test's loop: a desk for each, and one home of the state of all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from callbridge.server.config.retention import retention
from callbridge.state.memory_state import MemoryState
from callbridge.state.postgres_state import PostgresState
from callbridge.state.sqlite_state import SqliteState
from desks import FrontDesk, StallingState

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings


@dataclass
class Machine(FrontDesk):
    """One of them."""

    home: Path | str = ""
    """A folder for a file, or the address of a database."""
    process: str = ""

    def made_state(self, settings: Settings) -> StallingState:
        """What only tests ask of a `StallingState`, it does not have."""
        kept = retention(settings)
        state: SqliteState | PostgresState
        if isinstance(self.home, Path):
            state = SqliteState(self.home / "state.db", self._clock, kept, process=self.process)
        else:
            state = PostgresState(self.home, MemoryState, self._clock, kept, process=self.process)
        return cast("StallingState", state)

    def _clock(self) -> float:
        return self.wall_now


@contextlib.asynccontextmanager
async def machines(
    home: Path | str, number: int, environment: Mapping[str, str] | None = None, kind: type[Machine] = Machine
) -> AsyncIterator[list[Machine]]:
    """So many, named `process-0` and so on, each of which knows that the others are alive."""
    made = [kind(environment or {}, home=home, process=f"process-{n}") for n in range(number)]
    try:
        for machine in made:
            while len(await machine.desk.state.others()) < number - 1:
                await _a_moment()
        yield made
    finally:
        for machine in made:
            await machine.desk.state.close()


async def _a_moment() -> None:
    """Nothing tells of a row that another thread is about to write."""
    await asyncio.sleep(0.005)
