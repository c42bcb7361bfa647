"""The time that passes on the line, where a test does not wait as long as a caller would.

Pure. What a verb takes may be skipped on the clock that drives the call: `<Say>` lasts three seconds for the
caller and none for the test. On the line those seconds have passed, and everything later is as much later.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class LineClock:
    """Turns moments of the clock that drives the call into moments on the line."""

    _skips: list[tuple[float, float]] = field(default_factory=list)
    """Moment and length of what was skipped, in seconds, in the order of time."""

    def skip(self, at: float, seconds: float) -> None:
        """So much passes on the line alone, at a moment not before the last one."""
        if seconds > 0:
            self._skips.append((at, seconds))

    @property
    def skipped_s(self) -> float:
        """All that was skipped so far."""
        return sum(seconds for _, seconds in self._skips)

    def on_line(self, at: float) -> float:
        """The moment on the line; a skip at this very moment has passed."""
        return at + sum(seconds for moment, seconds in self._skips if moment <= at)
