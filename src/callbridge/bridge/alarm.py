"""The one timer of a call: it wakes whoever tells the machine that its deadline has come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.call.phases import Timer


class Alarm:
    """Moved only when the deadline did: most events leave it where it is.

    Args:
        ring: is called when the time has come.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._loop, self._ring = asyncio.get_running_loop(), ring
        self._timer: asyncio.TimerHandle | None = None
        self._at: float | None = None

    def set_for(self, deadline: tuple[float, Timer] | None) -> None:
        """When the machine is to be woken; None for not at all."""
        at = deadline[0] if deadline else None
        if at == self._at:
            return
        self.stop()
        if at is not None:
            self._at = at
            self._timer = self._loop.call_at(at, self._ring)

    def has_rung(self) -> None:
        """It is heard: what comes next is set anew, also for the same time."""
        self._at = None

    def stop(self) -> None:
        """It will not ring."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._at = None
