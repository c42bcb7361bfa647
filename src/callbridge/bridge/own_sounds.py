"""The sounds of ours, as µ-law: two low taps while a tool takes its time, and what is heard on hold.

Both are far below speech, so that nobody takes them for some, and short, so that the agent's words never
wait long behind them.
"""

from __future__ import annotations

import math
from array import array
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Final

from callbridge.call.actions import OwnSound
from callbridge.wire.audio import encode

if TYPE_CHECKING:
    from collections.abc import Iterable

RATE: Final = 8000
TAP_S: Final = 0.045
GAP_S: Final = 0.09
PITCH_HZ: Final = 392.0
PEAK: Final = 1600
"""Of 32,767: -26 dBFS. A voice on the telephone peaks at -10."""

HOLD_HZ: Final = (261.6, 329.6, 392.0, 329.6)
"""C, E, G, E: a broken chord, which may be repeated for a minute without hurting."""
HOLD_TONE_S: Final = 0.4
HOLD_PEAK: Final = 1100


@cache
def audio_of(sound: OwnSound) -> bytes:
    """The sound as µ-law: two taps, 180 ms; or one round of the chord, 1.6 s, and another goes on behind."""
    if sound is OwnSound.ON_HOLD:
        return _encoded(chain.from_iterable(_tone(pitch_hz, HOLD_TONE_S, HOLD_PEAK) for pitch_hz in HOLD_HZ))
    tap = _tone(PITCH_HZ, TAP_S, PEAK)
    return _encoded([*tap, *[0] * round(GAP_S * RATE), *tap])


def _encoded(samples: Iterable[int]) -> bytes:
    return encode(array("h", samples))


def _tone(pitch_hz: float, length_s: float, peak: int) -> list[int]:
    """A soft tone that fades away."""
    steps, turn = round(length_s * RATE), 2 * math.pi * pitch_hz / RATE
    return [round(peak * math.sin(turn * n) * math.exp(-6 * n / steps)) for n in range(steps)]
