"""What is stored of a recording, as µ-law again. Blocking: Opus is decoded."""

from __future__ import annotations

import io
from array import array

from callbridge.records.recording.wav import CHANNELS, HEADER_BYTES, RATE
from callbridge.wire.audio import encode


def stereo(name: str, stored: bytes) -> bytes:
    """Samples in turn, the caller's first, at 8 kHz.

    Args:
        name: of the recording: its ending says what it is.
        stored: what is in its file.

    Raises:
        ImportError: it is Opus, and the library for that is not installed.
        ValueError: it cannot be read.
    """
    return stored[HEADER_BYTES:] if name.endswith(".wav") else _decoded(stored)


def _decoded(opus: bytes) -> bytes:
    try:
        import soundfile  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra; numpy comes with it
    except ImportError as error:
        raise ImportError("recordings in Opus are read by: pip install 'callbridge[opus]'") from error
    try:
        with soundfile.SoundFile(io.BytesIO(opus)) as file:
            rate, channels = file.samplerate, file.channels
            samples = array("h", bytes(file.buffer_read(dtype="int16")))
    except soundfile.LibsndfileError as error:
        raise ValueError(f"the recording cannot be read: {error}") from error
    if channels != CHANNELS or rate % RATE:
        raise ValueError(f"the recording has {channels} channels at {rate} Hz: it is none of ours")
    step = rate // RATE  # Opus is told as 48 kHz by some versions of the library, whatever went in.
    if step > 1:
        thinned = array("h", bytes(2 * CHANNELS * (len(samples) // CHANNELS // step)))
        for side in range(CHANNELS):
            thinned[side::CHANNELS] = samples[side :: CHANNELS * step][: len(thinned) // CHANNELS]
        samples = thinned
    return encode(samples)
