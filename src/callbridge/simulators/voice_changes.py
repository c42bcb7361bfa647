"""What becomes of a voice on its way to the telephone: faster, slower, in a narrower band.

Pure. µ-law goes in and µ-law comes out.
"""

from __future__ import annotations

import math
from functools import lru_cache
from operator import mul
from typing import TYPE_CHECKING, Final

from callbridge.simulators.audio import SAMPLE_RATE, decode_mulaw
from callbridge.wire.audio import encode

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable

WINDOW: Final = 240
"""Samples of a piece that is laid over the next one: 30 ms, two or three periods of a voice."""

HOP: Final = WINDOW // 2

REACH: Final = 48
"""How far a piece may be moved so that its waves fit: 6 ms, half a period of a deep voice."""

BAND_HZ: Final = (300, 3400)
"""What a telephone passes on (ITU-T G.712)."""


@lru_cache(maxsize=128)
def stretched(audio: bytes, factor: float) -> bytes:
    """Speech that takes `factor` times as long, at the same pitch.

    Pieces are taken at another pace than they are laid down, each where its waves fit best to what goes on
    (waveform similarity overlap-add).
    """
    samples = decode_mulaw(audio)
    if factor == 1 or len(samples) < 2 * WINDOW:
        return audio
    out = [0.0] * (round(len(samples) * factor) + WINDOW)
    at, natural = 0, 0
    for down in range(0, len(out) - WINDOW, HOP):
        wanted = min(round(down / factor), len(samples) - WINDOW)
        at = wanted if down == 0 else _best_fit(samples, wanted, natural)
        for offset in range(WINDOW):
            out[down + offset] += samples[at + offset] * _HANN[offset]
        natural = min(at + HOP, len(samples) - WINDOW)
    # The first half of the first piece has nothing under it.
    for offset in range(HOP):
        out[offset] = float(samples[offset])
    return encode(round(sample) for sample in out[: round(len(samples) * factor)])


_HANN: Final = tuple(0.5 - 0.5 * math.cos(2 * math.pi * offset / WINDOW) for offset in range(WINDOW))


def _best_fit(samples: array[int], wanted: int, natural: int) -> int:
    """Near `wanted`, where what is heard is most like what would go on at `natural`. Every third sample."""
    last = len(samples) - WINDOW
    goes_on = samples[natural : natural + WINDOW : 3]
    places = range(max(wanted - REACH, 0), min(wanted + REACH, last) + 1, 3)
    return max(places, key=lambda at: sum(map(mul, goes_on, samples[at : at + WINDOW : 3])), default=wanted)


def phone_band(audio: bytes) -> bytes:
    """Speech as a telephone passes it on: nothing below 300 Hz, and nothing above 3,400."""
    low_hz, high_hz = BAND_HZ
    samples: Iterable[float] = decode_mulaw(audio)
    for _ in range(2):
        samples = _filtered(samples, _high_pass(low_hz))
        samples = _filtered(samples, _low_pass(high_hz))
    return encode(max(-32_768, min(32_767, round(sample))) for sample in samples)


_Biquad = tuple[float, float, float, float, float]
"""b0, b1, b2, a1, a2."""


def _low_pass(cutoff_hz: float) -> _Biquad:
    turn, alpha = _angle(cutoff_hz)
    edge = (1 - math.cos(turn)) / 2
    return _normal((edge, 2 * edge, edge), turn, alpha)


def _high_pass(cutoff_hz: float) -> _Biquad:
    turn, alpha = _angle(cutoff_hz)
    edge = (1 + math.cos(turn)) / 2
    return _normal((edge, -2 * edge, edge), turn, alpha)


def _angle(cutoff_hz: float) -> tuple[float, float]:
    turn = 2 * math.pi * cutoff_hz / SAMPLE_RATE
    return turn, math.sin(turn) / math.sqrt(2)  # Of a Butterworth filter.


def _normal(above: tuple[float, float, float], turn: float, alpha: float) -> _Biquad:
    whole = 1 + alpha
    b0, b1, b2 = (part / whole for part in above)
    return b0, b1, b2, -2 * math.cos(turn) / whole, (1 - alpha) / whole


def _filtered(samples: Iterable[float], biquad: _Biquad) -> list[float]:
    b0, b1, b2, a1, a2 = biquad
    x1 = x2 = y1 = y2 = 0.0
    out = []
    for sample in samples:
        y0 = b0 * sample + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2
        x1, x2, y1, y2 = sample, x1, y0, y1
        out.append(y0)
    return out
