"""Stereo µ-law as a WAV file (format 7) that grows: its header is valid whenever the process dies.

The header says how much is there; it is renewed behind the audio and never ahead of it. What lies behind what
the header says, `repair` takes in.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

RATE: Final = 8000
CHANNELS: Final = 2
HEADER_BYTES: Final = 58

MULAW: Final = 7
"""WAVE_FORMAT_MULAW."""

_HEADER: Final = struct.Struct("<4sI4s 4sIHHIIHHH 4sII 4sI")


def header(data_bytes: int) -> bytes:
    """The header of a file with so much audio, both sides together."""
    size = HEADER_BYTES - 8 + data_bytes
    per_s = RATE * CHANNELS
    return _HEADER.pack(
        *(b"RIFF", size, b"WAVE"),
        *(b"fmt ", 18, MULAW, CHANNELS, RATE, per_s, CHANNELS, 8, 0),
        *(b"fact", 4, data_bytes // CHANNELS),
        *(b"data", data_bytes),
    )


def repair(path: Path) -> int:
    """Makes the header say what is there, whoever died over the file.

    Returns:
        Milliseconds of audio; 0 for a file that holds none.
    """
    data_bytes = (path.stat().st_size - HEADER_BYTES) // CHANNELS * CHANNELS
    if data_bytes <= 0:
        return 0
    with path.open("r+b") as file:
        file.write(header(data_bytes))
        file.truncate(HEADER_BYTES + data_bytes)
        file.flush()
        os.fsync(file.fileno())
    return data_bytes // CHANNELS * 1000 // RATE
