"""The clip that a caller hears while the agent has nothing to say yet: "one moment, please", in memory.

It needs no model and no network, so it can be heard when both are gone.
"""

from __future__ import annotations

import sys
import wave
from array import array
from typing import TYPE_CHECKING, Final

from callbridge.agents.languages.texts import clip_of
from callbridge.wire.audio import encode, milliseconds

if TYPE_CHECKING:
    from pathlib import Path

SHORTEST_MS: Final = 200
LONGEST_MS: Final = 5_000
"""The agent's words wait behind it."""

_FORMAT: Final = "8 kHz, mono, 16 bits; `sox in.wav -r 8000 -c 1 -b 16 out.wav` makes one"


class ClipError(ValueError):
    """The file cannot be a clip. The text says why, and what to do."""


def load_clip(path: Path | None) -> bytes:
    """The clip in `path` (a WAV of 8 kHz, mono, 16 bits, or raw 8 kHz µ-law), or the built-in one in English.

    Raises:
        ClipError: it cannot be read, has another format, or is too short or too long.
    """
    if path is None:
        return clip_of(None)
    try:
        clip = _from_wave(path) if path.suffix.lower() == ".wav" else path.read_bytes()
    except (OSError, EOFError, wave.Error) as error:
        raise ClipError(
            f"CALLBRIDGE_CLIP={path} cannot be read: {error}. Correct the path or the file."
        ) from error
    if not SHORTEST_MS <= milliseconds(len(clip)) <= LONGEST_MS:
        raise ClipError(
            f"CALLBRIDGE_CLIP={path} lasts {milliseconds(len(clip))} ms. "
            f"Use one of {SHORTEST_MS} to {LONGEST_MS} ms."
        )
    return clip


def _from_wave(path: Path) -> bytes:
    with wave.open(str(path), "rb") as file:
        found = (file.getframerate(), file.getnchannels(), file.getsampwidth())
        samples = array("h", file.readframes(file.getnframes()) if found == (8000, 1, 2) else b"")
    if found != (8000, 1, 2):
        raise ClipError(f"CALLBRIDGE_CLIP={path} must be {_FORMAT}.")
    if sys.byteorder == "big":  # WAV is little-endian.
        samples.byteswap()
    return encode(samples)
