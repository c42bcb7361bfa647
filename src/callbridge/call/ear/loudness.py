"""How loud the caller is, against the noise of their own line. The relay lets it hear every second frame.

The model says when the caller speaks. One that is deaf, dead or taken in by a noise says nothing, or says it
for ever: so the frames themselves are listened to. What is loud is not a fixed level: a soft voice on a quiet
line is, the roar of a street is not. The *floor* follows the softest that is heard again and again; loud is
what stands well above it.

A frame is looked at for itself and the one before it: a look is a look-up of all its samples in one table,
and 40 ms are soon enough. The floor is looked at with every eighth frame, and in the gaps of a stretch of
loudness, where alone it can be heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callbridge.wire.audio import LEVELS, level, softer_than

_MARGIN: Final = 5
"""In levels of 2 dB, so 10 dB above the floor. Vowels stand 15 dB and more above the gaps between words, even
on a bad line."""

_LOUD_MIN: Final = level(-56)
"""On a line without any noise: below this nobody speaks, not even softly."""

_FALLS_AFTER: Final = 3
"""Looks in a row that were below the floor: it is lower than was thought."""

_RISES_AFTER: Final = 50
"""Frames, 1 s, in which no look was below the floor: it is higher. Who speaks pauses more often than that."""

_SETTLES_FOR: Final = 250
_SETTLES_AFTER: Final = 16
"""In the first 5 s of a line its floor is only being found, and may rise by 2 dB each 0.3 s."""

STRETCH_GAP: Final = 25
"""Frames of quiet, half a second, that end a stretch of loudness: a pause between two words is shorter."""


@dataclass(slots=True)
class Loudness:
    """What was heard on one line. Counts are of frames."""

    loud_for: int = 0
    """Loud frames of the present stretch; 0 while there is none."""
    loud_before: int = 0
    """Loud frames of the stretch before it."""
    loud_in_all: int = 0
    quiet_for: int = 0
    """Frames since the latest loud one."""
    _frames: int = 0
    _floor: int = level(-50)
    _softer: bytes = b""
    """The codes of all samples that are not loud."""
    _below: int = 0
    """Looks in a row that were below the floor."""
    _below_at: int = 0
    """The frame of the latest such look, or that at which the floor was set."""

    def __post_init__(self) -> None:
        self._floor_is(self._floor)

    def hears(self, frame: bytes) -> None:
        """Takes a frame of the caller, for itself and the one before it."""
        self._frames = frames = self._frames + 2
        # Loud: more than a tenth of the samples are. A click is not.
        if len(frame.translate(None, self._softer)) * 10 > len(frame):
            self.quiet_for = 0
            self.loud_for += 2
            self.loud_in_all += 2
            if not frames & 7:
                self._look_at_floor(frame)
        else:
            self.quiet_for += 2
            if self.loud_for or not frames & 7:
                self._look_at_floor(frame)
                if self.loud_for and self.quiet_for >= STRETCH_GAP:
                    self.loud_before, self.loud_for = self.loud_for, 0

    def _look_at_floor(self, frame: bytes) -> None:
        if len(frame.translate(None, softer_than(self._floor))) * 10 <= len(frame):
            self._below, self._below_at = self._below + 1, self._frames
            if self._below >= _FALLS_AFTER:
                self._floor_is(max(self._floor - 1, 0))
        else:
            self._below = 0
            after = _RISES_AFTER if self._frames > _SETTLES_FOR else _SETTLES_AFTER
            if self._frames - self._below_at >= after:
                self._floor_is(min(self._floor + 1, LEVELS - 1 - _MARGIN))

    def _floor_is(self, floor: int) -> None:
        self._floor, self._below, self._below_at = floor, 0, self._frames
        self._softer = softer_than(max(floor + _MARGIN, _LOUD_MIN))
