"""The play-out of the simulated phone behind two wires, told with the sender's time: the ledger's judge."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from callbridge.simulators.phone.playback import BYTES_PER_S, Playback

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
class Phone:
    """A phone and the wires to it. Everything is told with the time at the *sender's* side."""

    to_phone: Link
    from_phone: Link
    _playback: Playback = field(default_factory=lambda: Playback(buffer_bytes_max=10**9))
    _items: list[str] = field(default_factory=list)
    """Whose each payload is; a stall is nobody's."""
    _echoes: deque[tuple[float, str]] = field(default_factory=deque)
    """Echoes on their way, each with the time of its arrival."""

    def audio(self, item_id: str, byte_count: int, now: float, jitter_s: float = 0.0) -> None:
        """Audio is sent."""
        self._playback.add(bytes(byte_count), self.to_phone.arrival(now, jitter_s))
        self._items.append(item_id)

    def stall(self, duration_s: float) -> None:
        """What is queued from now on plays later: the phone lost its network for a while."""
        self._playback.add(bytes(round(duration_s * BYTES_PER_S)), self.to_phone.arrival(0.0))
        self._items.append("")

    def mark(self, name: str, now: float, jitter_s: float = 0.0) -> None:
        """A mark is sent."""
        self._playback.add_mark(name, self.to_phone.arrival(now, jitter_s))

    def echoes(self, now: float, jitter_s: float = 0.0) -> list[tuple[float, str]]:
        """The echoes that arrive until `now`, each with its time, in order."""
        self._send_echoes(now, jitter_s)
        arrived = []
        while self._echoes and self._echoes[0][0] <= now:
            arrived.append(self._echoes.popleft())
        return arrived

    def clear(self, now: float, jitter_s: float = 0.0) -> dict[str, float]:
        """A clear is sent. Answers, for each item ever sent, the bytes heard when it took effect."""
        heard, at = self.heard(now, jitter_s), self.to_phone.arrival(now, jitter_s)
        self._playback.clear(at)
        self._send_echoes(at, 0.0)
        return heard

    def heard(self, now: float, jitter_s: float = 0.0) -> dict[str, float]:
        """The bytes heard of each item ever sent, when something that is sent now arrives."""
        at = self.to_phone.arrival(now, jitter_s)
        heard: dict[str, float] = dict.fromkeys(self._items, 0.0)
        for item_id, payload in zip(self._items, self._playback.payloads, strict=True):
            heard[item_id] += payload.heard_bytes(at)
        return heard

    def unheard_bytes(self, now: float, jitter_s: float = 0.0) -> float:
        """What a clear that is sent now would throw away."""
        return self._playback.pending_bytes(self.to_phone.arrival(now, jitter_s))

    @property
    def dry_at(self) -> float:
        """When all that was sent is played."""
        return self._playback.ends_at

    @property
    def last_sound_at(self) -> float:
        """When the last audio was heard, or will be: what a clear threw away unheard was no sound."""
        heard = (one for one in self._playback.payloads if one.heard_bytes(one.ends_at) > HEARD_BYTES)
        return max((one.ends_at for one in heard), default=float("-inf"))

    def _send_echoes(self, until: float, jitter_s: float) -> None:
        for mark in self._playback.due_marks(until):
            self._echoes.append((self.from_phone.arrival(mark.due_at, jitter_s), mark.name))
