"""8 kHz G.711 µ-law as numbers: bytes and milliseconds into each other.

Nothing here decodes audio. Both ends of the bridge speak µ-law, so length is all that is ever needed.
"""

from __future__ import annotations

BYTES_PER_MS = 8
"""8,000 samples a second, one byte each."""

FRAME_BYTES = 160
"""Twilio's uplink frame: 20 ms."""

SILENCE = 0xFF
"""The µ-law code of zero. Byte 0x00 is full-scale noise, not silence."""


def milliseconds(byte_count: int) -> int:
    """Whole milliseconds of audio in `byte_count` bytes, rounded down so as never to overstate."""
    return byte_count // BYTES_PER_MS


def silence(duration_ms: int) -> bytes:
    """`duration_ms` of µ-law silence."""
    return bytes((SILENCE,)) * (duration_ms * BYTES_PER_MS)
