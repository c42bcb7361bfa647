"""What a line keeps between its calls: the date, and what the service remembers."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any, Final, cast

from callbridge.server.config.retention import retention
from callbridge.state.memory_state import MemoryState
from callbridge.state.opening import open_state
from callbridge.testing.virtual.loop import VirtualLoop

if TYPE_CHECKING:
    import datetime as dt

    from callbridge.server.config.settings import Settings
    from callbridge.state.state import State

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

    def begin(self, after_s: float | None = None, at: dt.datetime | None = None) -> None:
        """A call begins, in the loop that runs this: so long after the one before it, or at this date.

        Raises:
            ValueError: the date has no time zone.
        """
        loop = asyncio.get_running_loop()
        self._loop = loop if isinstance(loop, VirtualLoop) else None
        if self._ended_at is not None:
            self._next_at = self._ended_at + (BETWEEN_CALLS_S if after_s is None else after_s)
        if at is not None:
            if at.tzinfo is None:
                raise ValueError(f"at={at}: say of which time zone, as datetime(2026, 1, 4, 9, tzinfo=UTC)")
            self._next_at = at.timestamp()
        self._wall_of_loop = self._next_at - loop.time()

    def end(self) -> None:
        """It is over."""
        self._ended_at = self.wall_now()
        self._loop = None

    def wall_now(self) -> float:
        """Seconds since 1970: of the call's own clock, or of this machine's where it goes by that."""
        return time.time() if self._loop is None else self._loop.time() + self._wall_of_loop

    def state(self, settings: Settings) -> State:
        """What the service remembers: for the length of the line, or in the file that the settings name."""
        if settings.state_path is not None:
            state = open_state(settings.state_path, self.wall_now, retention(settings))
            return cast("State", _Awaited(state, self._loop))
        if self._state is None:
            self._state = MemoryState(self.wall_now, retention(settings))
        return self._state


class _Awaited:
    """A state whose threads are waited for in real time: the loop cannot know of them."""

    def __init__(self, state: State, loop: VirtualLoop | None) -> None:
        self._state, self._loop = state, loop

    def __getattr__(self, name: str) -> Any:
        found, loop = getattr(self._state, name), self._loop
        if loop is None or name == "died" or not inspect.iscoroutinefunction(found):
            return found

        async def awaited(*args: Any, **more: Any) -> Any:
            with loop.world_awaited():
                return await found(*args, **more)

        return awaited
