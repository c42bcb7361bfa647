"""Which of several workers takes a connection at the socket that all of them listen on.

The kernel wakes them all, and the same one is mostly the first: of 200 calls it had 120 to 165 (measured, two
workers). So who has more than another lets that one go first, for a moment; and if nobody has taken the
connection by then, it does. Nobody waits for a worker that is gone, hung or late.

Pure: times and counts come in.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_GO_S: Final = 0.005
"""A loop that is on time has taken the connection long before; and 5 ms no caller notices."""

FRESH_S: Final = 1.0
"""Within it a connection has become a media stream, or a request that is answered."""

ABSENT: Final = -1
"""Stands for the load of a worker that takes nothing."""

DRAINS: Final = 1_000_000
"""Added to the load of one that takes no new calls: whoever does goes before it."""

OTHERS_GO_S: Final = 0.25
"""How long that one leaves a connection to them: its answer would be that it takes no calls."""


class Share:
    """What one worker has taken on."""

    def __init__(self) -> None:
        self._accepted_at: deque[float] = deque()

    def accepted(self, now: float) -> None:
        """A connection was taken: it may become a call."""
        self._accepted_at.append(now)

    def load(self, live_calls: int, now: float, *, drains: bool) -> int:
        """What others compare themselves with: the calls, and the connections of which nothing is known yet.

        Args:
            live_calls: of this worker.
            now: the time.
            drains: whether it takes no new calls.
        """
        while self._accepted_at and now - self._accepted_at[0] >= FRESH_S:
            self._accepted_at.popleft()
        return live_calls + len(self._accepted_at) + (DRAINS if drains else 0)


def waits_s(load: int, others: Iterable[int]) -> float:
    """How long this worker leaves a connection to the others, in seconds.

    Args:
        load: its own.
        others: those of the others; `ABSENT` for one that takes nothing.
    """
    least = min((other for other in others if other != ABSENT), default=load)
    if load <= least:
        return 0.0
    return OTHERS_GO_S if load >= DRAINS > least else FIRST_GO_S
