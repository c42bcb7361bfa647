"""Chooses where the state is kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from callbridge.state.memory_state import MemoryState
from callbridge.state.state import KEPT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from callbridge.state.state import Retention, State


def open_state(
    path: Path | None, clock: Callable[[], float] = time.time, retention: Retention = KEPT
) -> State:
    """The state in the file at `path`, which is made if there is none; without a path, in memory only.

    Blocks until the file was checked: call it before the first call is taken.

    Raises:
        StateError: The file cannot be used. The message says why and what to do.
    """
    if path is None:
        return MemoryState(clock, retention)
    # SQLAlchemy takes a fifth of a second to import; who keeps no file does not wait for it.
    from callbridge.state.sqlite_state import SqliteState  # noqa: PLC0415 - see the line above

    return SqliteState(path, clock, retention)
