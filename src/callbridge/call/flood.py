"""How often a phone may say something: more of one kind of message than a telephone sends is a flood.

Over a longer time the rate counts. A network that stood still delivers at once what it held: so much of it
may come as was late. What comes once only, or is bounded otherwise, has no bound here. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from callbridge.call.events import BadMessage, Leg
from callbridge.wire import media_streams as ms
from callbridge.wire.audio import FRAME_MS

if TYPE_CHECKING:
    from callbridge.call.limits import Limits

FRAMES_EACH: Final = 64
"""So many frames of audio are counted in one go: per frame that costs next to nothing."""


@dataclass(slots=True)
class Bucket:
    """Holds what comes and lets a part of it go each second; what it cannot hold is too much."""

    per_second: float
    holds: float
    _level: float = 0.0
    _at: float = 0.0

    def overflows(self, now: float, count: float = 1.0) -> bool:
        """So many more come, at `now` in seconds that never run backwards: whether it is too much."""
        left = self._level - (now - self._at) * self.per_second
        self._at = now
        self._level = level = left + count if left > 0.0 else count
        return level > self.holds


class PhoneRate:
    """What one phone's socket has sent lately, by kind. Answers what the call is to be told of a flood.

    Args:
        limits: how much of a kind may come.
    """

    def __init__(self, limits: Limits) -> None:
        per_second, at_once = limits.messages_per_second_max, limits.messages_at_once_max
        self._buckets = {kind: Bucket(per_second, at_once) for kind in _NAMES}
        # A clear sends all of them back at once.
        self._buckets[ms.MarkEchoed].holds += limits.marks_outstanding_max
        # All that a stream may be late with, and what had not been counted when that came.
        late_frames = limits.media_gap_timeout_s * 1000 / FRAME_MS
        self._frames = Bucket(per_second, late_frames + FRAMES_EACH)

    def flood_of_frames(self, frames: float, now: float) -> BadMessage | None:
        """So many more frames of audio have come, of 20 ms each."""
        return self._flood("media") if self._frames.overflows(now, frames) else None

    def flood_of(self, event: object, now: float) -> BadMessage | None:
        """Something else has come."""
        bucket = self._buckets.get(type(event))
        return self._flood(_NAMES[type(event)]) if bucket is not None and bucket.overflows(now) else None

    def _flood(self, name: str) -> BadMessage:
        why = f"a flood of {name} messages, more than {self._frames.per_second:g} a second"
        return BadMessage(Leg.PHONE, why, is_fatal=True)


_NAMES: Final[dict[type, str]] = {
    ms.MarkEchoed: "mark",
    ms.Dtmf: "dtmf",
    ms.Connected: "connected",
    ms.Start: "start",
    ms.UnknownMessage: "unknown",
}
"""What is counted beside audio, and its name on the wire. Not `stop`, which is the end, nor what nobody can
read, which has a bound of its own, nor what the relay tells of audio: that was counted."""
