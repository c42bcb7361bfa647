"""Each state there is, for what all of them promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.state.memory_state import MemoryState
from callbridge.state.sqlite_file import SqliteHome
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.state import KEPT, Retention
from state.wall_clock import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from callbridge.state.state import State


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept() -> Retention:
    """How long things are kept; a module that needs other times has a fixture of its own."""
    return KEPT


@pytest.fixture(params=["memory", "sqlite"])
async def state(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, kept: Retention
) -> AsyncIterator[State]:
    made: State = (
        MemoryState(clock, kept)
        if request.param == "memory"
        else SqliteState(tmp_path / "state.db", clock, kept)
    )
    yield made
    await made.close()


class Opening:
    """Opens states that share a home, as so many processes."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._opened: list[SqliteState] = []

    def __call__(self, process: str) -> SqliteState:
        state = SqliteState(self._path, self._clock, process=process)
        self._opened.append(state)
        return state

    async def kill(self, state: SqliteState) -> None:
        """Has a process end without a word: nobody renews its lease any more."""
        leaves = state._watch, "_leave"
        setattr(*leaves, lambda _: None)
        await state.close()

    async def close(self) -> None:
        for state in self._opened:
            await state.close()


@pytest.fixture
async def opening(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opening]:
    monkeypatch.setattr(SqliteHome, "poll_every_s", 0.02)
    made = Opening(tmp_path / "state.db", clock)
    yield made
    await made.close()
