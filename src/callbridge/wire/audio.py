"""8 kHz G.711 µ-law as numbers: bytes and milliseconds into each other.

Both ends of the bridge speak µ-law, so for audio on its way length is all that is ever needed. `encode` is
for files of ours, once.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

BYTES_PER_MS = 8
"""8,000 samples a second, one byte each."""

FRAME_MS: Final = 20
"""Twilio's uplink frames are so long, silence included."""

FRAME_BYTES: Final = FRAME_MS * BYTES_PER_MS
"""One of them."""

SILENCE = 0xFF
"""The µ-law code of zero. Byte 0x00 is full-scale noise, not silence."""

LEVELS: Final = 36
"""Loudness in steps of 2 dB: level 0 is -70 dB below full scale, level 35 is full scale."""


def milliseconds(byte_count: int) -> int:
    """Whole milliseconds of audio in `byte_count` bytes, rounded down so as never to overstate."""
    return byte_count // BYTES_PER_MS


def level(dbfs: float) -> int:
    """The level of so many decibels, counted from full scale down: `level(-50)` is 10."""
    return min(max(round((dbfs + 70) / 2), 0), LEVELS - 1)


def softer_than(level: int) -> bytes:
    """The codes of all samples below a level, for `bytes.translate` to take out: what is left is louder."""
    return _BELOW[level]


def silence(duration_ms: int) -> bytes:
    """`duration_ms` of µ-law silence."""
    return bytes((SILENCE,)) * (duration_ms * BYTES_PER_MS)


def encode(samples: Iterable[int]) -> bytes:
    """16-bit samples as µ-law (ITU-T G.711 table 2a); louder than full scale is clipped."""
    return bytes(map(_codes().__getitem__, samples))


@cache
def _codes() -> bytes:
    """The code of each 16-bit sample. Negative samples count from the end, as Python indexes do."""
    return bytes(_code(sample) for sample in (*range(0x8000), *range(-0x8000, 0)))


def _code(sample: int) -> int:
    # The bias of 132 makes the segments start at powers of 2: 8 segments of 16 steps each.
    magnitude = min(abs(sample), 32_635) + 132
    segment = magnitude.bit_length() - 8
    code = segment << 4 | magnitude >> segment + 3 & 0x0F
    return ~(code | (0x80 if sample < 0 else 0)) & 0xFF  # G.711 sends every bit inverted.


def _magnitude(code: int) -> int:
    """The 16-bit magnitude of a code."""
    bits = ~code & 0x7F
    return (((bits & 0x0F) << 3) + 132 << (bits >> 4)) - 132


def _codes_below(level: int) -> bytes:
    limit = 32_768 * 10 ** ((2 * level - 70) / 20)
    return bytes(code for code in range(256) if _magnitude(code) < limit)


_BELOW: Final = tuple(map(_codes_below, range(LEVELS)))
"""For each level the codes of all softer samples."""
