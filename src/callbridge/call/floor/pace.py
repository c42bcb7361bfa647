"""How often something has been done within the last minute, and when it may be done again."""

from __future__ import annotations

from collections import deque
from typing import Final

WITHIN_S: Final = 60.0
"""What has been done longer ago counts no more."""


class Pace:
    """The latest times of something.

    Args:
        most: how many are kept: the largest bound that `free_at` is asked about.
    """

    def __init__(self, most: int) -> None:
        self._times: deque[float] = deque(maxlen=most)

    def note(self, now: float) -> None:
        """It is done now."""
        self._times.append(now)

    def free_at(self, most: int) -> float:
        """When it may be done once more without being done more than `most` times in a minute."""
        return self._times[-most] + WITHIN_S if len(self._times) >= most else float("-inf")

    @property
    def latest_at(self) -> float:
        """When it was last done."""
        return self._times[-1] if self._times else float("-inf")
