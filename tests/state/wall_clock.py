"""The time of a state's tests, and what stands in its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BEGAN = 1_800_000_000.0


class Clock:
    """A wall clock that tests set."""

    def __init__(self) -> None:
        self._now = BEGAN
        self.passing: list[Callable[[float], object]] = []
        """Each is told how many seconds have passed: whatever goes by a clock of its own."""

    def __call__(self) -> float:
        return self._now

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self._now

    @now.setter
    def now(self, now: float) -> None:
        passed_s, self._now = now - self._now, now
        for passes in self.passing:
            passes(passed_s)


def text_in(folder: Path) -> bytes:
    """The bytes of all files."""
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))
