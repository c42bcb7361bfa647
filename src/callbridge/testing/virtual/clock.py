"""The clock of a virtual loop: it stands while something runs, and jumps when nothing is left but to wait.

Threads and descriptors of the real world have no clock that jumps. While one of them is waited for, this one
goes with the real one; for the first moments of that it stands, so that what takes no time worth mentioning
takes the same in every run: none.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BEGINS_AT_S: Final = 1000.0
"""Of every run, so that all are alike."""

GRACE_S: Final = 0.25
"""Real time that a thread, or a descriptor, is waited for before the clock goes on."""


class VirtualClock:
    """Seconds that never run backwards."""

    def __init__(self, real: Callable[[], float] = time.monotonic, grace_s: float = GRACE_S) -> None:
        self.now = BEGINS_AT_S
        self._real, self._grace_s = real, grace_s
        self._waited_since: float | None = None
        """By the real clock."""
        self._gone_with = 0.0
        """How far it went with the real clock since then."""

    def jump(self, to: float) -> None:
        """Nothing is left to do before then."""
        self.now = max(self.now, to)
        self._waited_since = None

    def stand(self) -> None:
        """Nobody of the real world is waited for any more."""
        self._waited_since = None

    def real_wait_s(self, until: float | None) -> float | None:
        """How long to wait in real time for the real world, at most; None for as long as it takes."""
        self._begin()
        return None if until is None else max(until - self.now, 0.0) + self._grace_left()

    def waited(self, until: float | None) -> None:
        """The real world was waited for: the clock goes on by what that took, up to the next timer."""
        self._begin()
        assert self._waited_since is not None, "it has begun"
        took = max(self._real() - self._waited_since - self._grace_s, 0.0)
        ahead, self._gone_with = took - self._gone_with, took
        self.now = self.now + ahead if until is None else max(min(self.now + ahead, until), self.now)

    def _begin(self) -> None:
        if self._waited_since is None:
            self._waited_since, self._gone_with = self._real(), 0.0

    def _grace_left(self) -> float:
        assert self._waited_since is not None, "it has begun"
        return max(self._waited_since + self._grace_s - self._real(), 0.0)
