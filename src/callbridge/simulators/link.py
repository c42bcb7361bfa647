"""One direction of a TCP connection as a delay line: what goes in comes out later, in order.

Pure: the time is passed in and the jitter is drawn from a passed-in seeded `Random`. The same link
therefore serves the sockets of the simulators and whole calls in virtual time.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import random

Item = TypeVar("Item")


class Link(Generic[Item]):
    """A one-way FIFO line with a constant delay and jitter.

    Jitter is drawn evenly between nothing and `jitter_ms` for each item. An item that would overtake
    the one before it arrives together with it, as a late packet holds up a TCP stream.
    """

    def __init__(self, delay_ms: float = 0, jitter_ms: float = 0, rng: random.Random | None = None):
        if delay_ms < 0 or jitter_ms < 0:
            raise ValueError("a delay cannot be negative")
        if jitter_ms and rng is None:
            raise ValueError("jitter needs a seeded random.Random")
        self.delay_ms = delay_ms
        self.jitter_ms = jitter_ms
        self._rng = rng
        self.deadline: float | None = None
        """When the next item arrives, in seconds; None when nothing is under way."""
        self._under_way: deque[tuple[float, Item]] = deque()
        self._latest_arrival = float("-inf")

    def __len__(self) -> int:
        return len(self._under_way)

    def __repr__(self) -> str:
        return f"<Link {self.delay_ms:g}+{self.jitter_ms:g} ms, {len(self)} under way>"

    def send(self, item: Item, now: float) -> None:
        """Put `item` on the line at `now` (seconds)."""
        delay_ms = self.delay_ms
        if self.jitter_ms and self._rng:
            delay_ms += self._rng.uniform(0, self.jitter_ms)
        arrival = now + delay_ms / 1000
        if arrival < self._latest_arrival:
            arrival = self._latest_arrival
        self._latest_arrival = arrival
        self._under_way.append((arrival, item))
        if self.deadline is None:
            self.deadline = arrival

    def due(self, now: float) -> list[Item]:
        """Take off what has arrived by `now`, in the order in which it was sent."""
        arrived: list[Item] = []
        # Asked far more often than anything arrives.
        if self.deadline is None or self.deadline > now:
            return arrived
        while self._under_way and self._under_way[0][0] <= now:
            arrived.append(self._under_way.popleft()[1])
        self.deadline = self._under_way[0][0] if self._under_way else None
        return arrived
