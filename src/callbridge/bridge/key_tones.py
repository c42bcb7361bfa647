"""The tones of a telephone's keys (DTMF): two at once for each, as ITU-T Q.23 has them.

How long they are says `call.ear.keys_out`. The low one has -9 dBm0 and the high one -7: a line loses more of
the high one, and a receiver takes from -4 to +8 dB between the two (ITU-T Q.24, table A-1).
"""

from __future__ import annotations

import math
from array import array
from functools import cache
from typing import Final

from callbridge.call.ear.keys_out import GAP_MS, PAUSE_MS, TONE_MS
from callbridge.wire.audio import encode, silence

RATE: Final = 8000
LOW_HZ: Final = (697, 770, 852, 941)
HIGH_HZ: Final = (1209, 1336, 1477, 1633)
_ROWS: Final = ("123A", "456B", "789C", "*0#D")

LOW_DBM0: Final = -9.0
HIGH_DBM0: Final = -7.0
FULL_SCALE_DBM0: Final = 3.17
"""A sine that fills the range of µ-law (ITU-T G.711, section 6)."""
RAMP_MS: Final = 3
"""In which a tone comes and goes: without it the edges click."""


def key_tones(keys: str) -> bytes:
    """The sound of `keys` as µ-law; `w` is half a second of silence."""
    return b"".join(map(_sound_of, keys))


@cache
def _sound_of(key: str) -> bytes:
    if key == "w":
        return silence(PAUSE_MS)
    row = next(at for at, keys in enumerate(_ROWS) if key in keys)
    low = _turns_a_sample(LOW_HZ[row]), _peak(LOW_DBM0)
    high = _turns_a_sample(HIGH_HZ[_ROWS[row].index(key)]), _peak(HIGH_DBM0)
    count = TONE_MS * RATE // 1000
    samples = (
        round(_ramp(at, count) * sum(peak * math.sin(turns * at) for turns, peak in (low, high)))
        for at in range(count)
    )
    return encode(array("h", samples)) + silence(GAP_MS)


def _turns_a_sample(pitch_hz: int) -> float:
    return 2 * math.pi * pitch_hz / RATE


def _peak(level_dbm0: float) -> float:
    return 32_767 * math.pow(10, (level_dbm0 - FULL_SCALE_DBM0) / 20)


def _ramp(at: int, count: int) -> float:
    edge = RAMP_MS * RATE / 1000
    return min(1.0, (at + 1) / edge, (count - at) / edge)
