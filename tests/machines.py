"""Several processes of one number in a test's loop: a desk for each, and one file with the state of all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from callbridge.server.config.retention import retention
from callbridge.state.sqlite_state import SqliteState
from desks import FrontDesk, StallingState

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings


@dataclass
class Machine(FrontDesk):
    """One of them."""

    file: Path = Path()
    process: str = ""

    def made_state(self, settings: Settings) -> StallingState:
        """The file; what only tests ask of a `StallingState`, it does not have."""
        state = SqliteState(self.file, lambda: self.wall_now, retention(settings), process=self.process)
        return cast("StallingState", state)


@contextlib.asynccontextmanager
async def machines(
    folder: Path, number: int, environment: Mapping[str, str] | None = None, kind: type[Machine] = Machine
) -> AsyncIterator[list[Machine]]:
    """So many, named `process-0` and so on, each of which knows that the others are alive."""
    made = [kind(environment or {}, file=folder / "state.db", process=f"process-{n}") for n in range(number)]
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
