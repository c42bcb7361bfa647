"""A path makes a file, no path makes none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.state.memory_state import MemoryState
from callbridge.state.opening import open_state
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.state import StateError

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_path_chooses_the_file_and_none_memory(tmp_path: Path) -> None:
    assert isinstance(open_state(None), MemoryState)
    state = open_state(tmp_path / "state.db")
    assert isinstance(state, SqliteState)
    await state.close()
    assert (tmp_path / "state.db").exists()
    with pytest.raises(StateError):
        open_state(tmp_path)
