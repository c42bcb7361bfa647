"""Each state there is, for what all of them promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.state.memory_state import MemoryState
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
