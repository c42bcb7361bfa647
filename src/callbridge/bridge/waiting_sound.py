"""The soft sound that a caller hears now and then while a tool takes its time: two low taps.

Short, so that the agent's words never wait behind it, and far below speech, so that nobody takes it for
some.
"""

from __future__ import annotations

import math
from array import array
from functools import cache
from typing import Final

from callbridge.wire.audio import encode

RATE: Final = 8000
TAP_S: Final = 0.045
GAP_S: Final = 0.09
PITCH_HZ: Final = 392.0
PEAK: Final = 1600
"""Of 32,767: -26 dBFS. A voice on the telephone peaks at -10."""


@cache
def waiting_sound() -> bytes:
    """The sound as µ-law, 180 ms of it."""
    tap = [
        round(PEAK * math.sin(2 * math.pi * PITCH_HZ * n / RATE) * math.exp(-6 * n / (TAP_S * RATE)))
        for n in range(round(TAP_S * RATE))
    ]
    gap = [0] * round(GAP_S * RATE)
    return encode(array("h", [*tap, *gap, *tap]))
