"""Each state there is, for what all of them promise; with PostgreSQL in the heavy run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

import redis_server
from callbridge.state.divided_state import DividedState
from callbridge.state.memory_state import MemoryState
from callbridge.state.opening import open_state
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


@pytest.fixture(params=["memory", "sqlite", "redis", POSTGRES])
async def state(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, kept: Retention
) -> AsyncIterator[State]:
    path = tmp_path / "state.db"
    match request.param:
        case "memory":
            made: State = MemoryState(clock, kept)
        case "sqlite":
            made = SqliteState(path, clock, kept)
        case "redis":
            made = _in_redis(path, request.getfixturevalue("running_redis"), clock, kept)
        case _:
            url: str = request.getfixturevalue("shared_database")
            made = PostgresState(url, lambda: MemoryState(clock, kept), clock, kept, now=clock)
    yield made
    await made.close()


def _in_redis(path: Path, server: redis_server.Server, clock: Clock, kept: Retention) -> State:
    """Live calls in an empty database of Redis, whose time passes with the clock's; the rest in a file."""
    url = server.database()
    clock.passing.append(partial(redis_server.pass_time, url))
    state = open_state(path, clock, kept, redis_url=url)
    assert isinstance(state, DividedState)
    return state


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
