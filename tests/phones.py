"""A telephone as small as it can be: a queue that plays, marks, clear, a delay each way. The ledger's judge.

Written from Twilio's documentation, not from the ledger: audio is queued and played in order at 8 bytes per
ms, a mark is echoed when all audio before it was played, a clear empties the queue and echoes its marks.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

BYTES_PER_S = 8000

HEARD_BYTES = 800
"""A tenth of a second: less is a click, and may be lost to the delay of the wires."""


@dataclass
class Link:
    """One direction of a TCP connection: nothing overtakes."""

    delay_s: float
    _last_arrival: float = 0.0

    def arrival(self, now: float, jitter_s: float = 0.0) -> float:
        """When what is sent now arrives."""
        self._last_arrival = max(self._last_arrival, now + self.delay_s + jitter_s)
        return self._last_arrival


@dataclass
class Stretch:
    """Audio of one item that plays without a pause."""

    item_id: str
    begins_at: float
    byte_count: int

    def heard_bytes(self, at: float) -> float:
        """How much of it was played at a time of the phone."""
        return min(max((at - self.begins_at) * BYTES_PER_S, 0.0), float(self.byte_count))


@dataclass
class Phone:
    """A phone and the wires to it. Everything is told with the time at the *sender's* side."""

    to_phone: Link
    from_phone: Link
    _stretches: list[Stretch] = field(default_factory=list)
    _empty_at: float = 0.0
    _waiting: list[tuple[float, str]] = field(default_factory=list)
    """Marks in the queue, each with the time of its turn."""
    _echoes: list[tuple[float, int, str]] = field(default_factory=list)
    """Echoes on their way, each with the time of its arrival."""
    _count: int = 0

    def audio(self, item_id: str, byte_count: int, now: float, jitter_s: float = 0.0) -> None:
        """Audio is sent."""
        begins_at = max(self.to_phone.arrival(now, jitter_s), self._empty_at)
        self._stretches.append(Stretch(item_id, begins_at, byte_count))
        self._empty_at = begins_at + byte_count / BYTES_PER_S

    def stall(self, duration_s: float) -> None:
        """What is queued from now on plays later: the phone lost its network for a while."""
        self._empty_at += duration_s

    def mark(self, name: str, now: float, jitter_s: float = 0.0) -> None:
        """A mark is sent."""
        self._waiting.append((max(self.to_phone.arrival(now, jitter_s), self._empty_at), name))

    def echoes(self, now: float, jitter_s: float = 0.0) -> list[tuple[float, str]]:
        """The echoes that arrive until `now`, each with its time, in order."""
        while self._waiting and self._waiting[0][0] <= now:
            played_at, name = self._waiting.pop(0)
            self._send_echo(name, played_at, jitter_s)
        arrived = []
        while self._echoes and self._echoes[0][0] <= now:
            at, _, name = heapq.heappop(self._echoes)
            arrived.append((at, name))
        return arrived

    def clear(self, now: float, jitter_s: float = 0.0) -> dict[str, float]:
        """A clear is sent. Answers, for each item ever sent, the bytes heard when it took effect."""
        heard, at = self.heard(now, jitter_s), self.to_phone.arrival(now, jitter_s)
        while self._waiting:
            played_at, name = self._waiting.pop(0)
            self._send_echo(name, min(played_at, at), 0.0)
        for stretch in self._stretches:
            stretch.byte_count = int(stretch.heard_bytes(at))
        self._empty_at = min(self._empty_at, at)
        return heard

    def heard(self, now: float, jitter_s: float = 0.0) -> dict[str, float]:
        """The bytes heard of each item ever sent, when something that is sent now arrives."""
        at = self.to_phone.arrival(now, jitter_s)
        heard: dict[str, float] = {}
        for stretch in self._stretches:
            heard[stretch.item_id] = heard.get(stretch.item_id, 0.0) + stretch.heard_bytes(at)
        return heard

    def unheard_bytes(self, now: float, jitter_s: float = 0.0) -> float:
        """What a clear that is sent now would throw away."""
        at = self.to_phone.arrival(now, jitter_s)
        return sum(stretch.byte_count - stretch.heard_bytes(at) for stretch in self._stretches)

    @property
    def last_sound_at(self) -> float:
        """When the last audio was heard, or will be: what a clear threw away unheard was no sound."""
        heard = (stretch for stretch in self._stretches if stretch.byte_count > HEARD_BYTES)
        return max((one.begins_at + one.byte_count / BYTES_PER_S for one in heard), default=float("-inf"))

    def _send_echo(self, name: str, at: float, jitter_s: float) -> None:
        self._count += 1
        heapq.heappush(self._echoes, (self.from_phone.arrival(at, jitter_s), self._count, name))
