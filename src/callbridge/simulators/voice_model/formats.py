"""The three audio formats of the Realtime API, to and from the 8 kHz µ-law that the simulator keeps.

`audio/pcmu` passes untouched. `audio/pcma` is a table. `audio/pcm` (16-bit, 24 kHz) is three samples
for one, by straight lines on the way out and by averages on the way in: plain, but intelligible, and
exact in length.
"""

from __future__ import annotations

import sys
from array import array
from functools import cache
from itertools import pairwise

from callbridge.simulators.audio import decode_mulaw
from callbridge.wire.audio import encode as encode_mulaw

PCM = "audio/pcm"
PCMU = "audio/pcmu"
PCMA = "audio/pcma"

PCM_RATE = 24_000
"""The only rate that `audio/pcm` has."""

WIRE_BYTES = {PCM: 6, PCMU: 1, PCMA: 1}
"""Bytes on the wire for each 8 kHz sample."""


class Decoder:
    """Turns appended audio into µ-law, keeping what a later append completes."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._rest = b""

    def decode(self, audio: bytes) -> bytes:
        """The µ-law in `audio`, with what was left of the bytes before it."""
        if self.kind == PCMU:
            return audio
        if self.kind == PCMA:
            return audio.translate(_mulaw_of_alaw())
        whole = self._rest + audio
        length = len(whole) // WIRE_BYTES[PCM] * WIRE_BYTES[PCM]
        self._rest = whole[length:]
        samples = _samples(whole[:length])
        triples = zip(samples[0::3], samples[1::3], samples[2::3], strict=True)
        return encode_mulaw(sum(triple) // 3 for triple in triples)


def encode(speech: bytes, kind: str) -> bytes:
    """µ-law speech as bytes of the format `kind`."""
    if kind == PCMU:
        return speech
    if kind == PCMA:
        return speech.translate(_alaw_of_mulaw())
    return _pcm(speech)


def _pcm(speech: bytes) -> bytes:
    samples = decode_mulaw(speech)
    out = array("h")
    for here, after in pairwise([*samples, samples[-1] if samples else 0]):
        step = after - here
        out.extend((here, here + step // 3, here + 2 * step // 3))
    if sys.byteorder == "big":
        out.byteswap()
    return out.tobytes()


def _samples(audio: bytes) -> array[int]:
    samples = array("h", audio)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


@cache
def _mulaw_of_alaw() -> bytes:
    return encode_mulaw(_alaw_level(code) for code in range(256))


@cache
def _alaw_of_mulaw() -> bytes:
    levels = [_alaw_level(code) for code in range(256)]
    nearest = (
        min(range(256), key=lambda code: abs(levels[code] - sample))
        for sample in decode_mulaw(bytes(range(256)))
    )
    return bytes(nearest)


def _alaw_level(code: int) -> int:
    # ITU-T G.711 table 1b: even bits are sent inverted, segment 0 and 1 share their step.
    bits = code ^ 0x55
    segment, magnitude = bits >> 4 & 0x07, ((bits & 0x0F) << 4) + 8
    if segment:
        magnitude = (magnitude + 0x100) << (segment - 1)
    return magnitude if bits & 0x80 else -magnitude
