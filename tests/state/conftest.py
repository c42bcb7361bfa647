"""Each state there is, for what all of them promise; with PostgreSQL in the heavy run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.state.memory_state import MemoryState
from callbridge.state.postgres_state import PostgresState
from callbridge.state.sqlite_file import SqliteHome
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.state import KEPT, Retention
from state.wall_clock import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from callbridge.state.state import State

POSTGRES = pytest.param("postgres", marks=pytest.mark.heavy)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept() -> Retention:
    """How long things are kept; a module that needs other times has a fixture of its own."""
    return KEPT


@pytest.fixture(params=["memory", "sqlite", POSTGRES])
async def state(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, kept: Retention
) -> AsyncIterator[State]:
    match request.param:
        case "memory":
            made: State = MemoryState(clock, kept)
        case "sqlite":
            made = SqliteState(tmp_path / "state.db", clock, kept)
        case _:
            url: str = request.getfixturevalue("shared_database")
            made = PostgresState(url, lambda: MemoryState(clock, kept), clock, kept, now=clock)
    yield made
    await made.close()


class Opening:
    """Opens states that share a home, as so many processes.

    Args:
        path: of the file.
        url: of the database instead.
        clock: the time of all.
    """

    def __init__(self, path: Path, url: str | None, clock: Clock) -> None:
        self._path, self._url, self._clock = path, url, clock
        self._opened: list[SqliteState | PostgresState] = []

    def __call__(self, process: str) -> SqliteState | PostgresState:
        """A new one."""
        state: SqliteState | PostgresState
        if self._url is None:
            state = SqliteState(self._path, self._clock, process=process)
        else:
            clock = self._clock
            state = PostgresState(self._url, lambda: MemoryState(clock), clock, process=process, now=clock)
        self._opened.append(state)
        return state

    async def kill(self, state: SqliteState | PostgresState) -> None:
        """Has a process end without a word: nobody renews its lease any more."""
        leaves = state._watch, "_leave"
        setattr(*leaves, lambda _: None)
        await state.close()

    async def close(self) -> None:
        """Ends all."""
        for state in self._opened:
            await state.close()


@pytest.fixture(params=["sqlite", POSTGRES])
async def opening(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Opening]:
    monkeypatch.setattr(SqliteHome, "poll_every_s", 0.02)
    url = None if request.param == "sqlite" else request.getfixturevalue("shared_database")
    made = Opening(tmp_path / "state.db", url, clock)
    yield made
    await made.close()
