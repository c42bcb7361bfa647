"""What a line keeps between its calls: the date, and what the service remembers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from callbridge.server.config.retention import retention
from callbridge.state.memory_state import MemoryState
from callbridge.testing.virtual.loop import VirtualLoop

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings

BETWEEN_CALLS_S: Final = 3600.0
"""So long after a call the next one of its line begins, as the date goes, unless it says so itself."""


class Kept:
    """Of one line.

    Args:
        began_at: the date of its first call, in seconds since 1970.
    """

    def __init__(self, began_at: float) -> None:
        self._state: MemoryState | None = None
        self._loop: VirtualLoop | None = None
        self._wall_of_loop = 0.0
        self._next_at = began_at
        self._ended_at: float | None = None

    def begin(self, after_s: float | None = None) -> None:
        """A call begins, in the loop that runs this, so long after the one before it."""
        loop = asyncio.get_running_loop()
        self._loop = loop if isinstance(loop, VirtualLoop) else None
        if self._ended_at is not None:
            self._next_at = self._ended_at + (BETWEEN_CALLS_S if after_s is None else after_s)
        self._wall_of_loop = self._next_at - loop.time()

    def end(self) -> None:
        """It is over."""
        self._ended_at = self.wall_now()
        self._loop = None

    def wall_now(self) -> float:
        """Seconds since 1970: of the call's own clock, or of this machine's where it goes by that."""
        return time.time() if self._loop is None else self._loop.time() + self._wall_of_loop

    def state(self, settings: Settings) -> MemoryState | None:
        """What the service remembers; None where the settings name a file for it."""
        if settings.state_path is not None:
            return None
        if self._state is None:
            self._state = MemoryState(self.wall_now, retention(settings))
        return self._state
