"""PCM and A-law, to and from the µ-law inside."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.simulators.audio import decode_mulaw
from callbridge.simulators.voice_model.formats import PCM, PCMA, PCMU, WIRE_BYTES, Decoder, encode


@given(st.binary(max_size=400))
def test_mulaw_passes_untouched(audio: bytes) -> None:
    assert encode(audio, PCMU) == audio
    assert Decoder(PCMU).decode(audio) == audio


@pytest.mark.parametrize("kind", [PCM, PCMU, PCMA])
@given(speech=st.binary(max_size=400))
def test_length_is_exact(kind: str, speech: bytes) -> None:
    """Six bytes for a sample of PCM, one otherwise: positions in audio stay true."""
    wire = encode(speech, kind)
    assert len(wire) == len(speech) * WIRE_BYTES[kind]
    assert len(Decoder(kind).decode(wire)) == len(speech)


@pytest.mark.parametrize(("kind", "tolerance"), [(PCMA, 0.07), (PCM, 0.35)])
def test_there_and_back_sounds_alike(kind: str, tolerance: float) -> None:
    """A slow wave survives the other format within the steps of G.711, or of a straight line."""
    speech = bytes([0xFF, 0xB0, 0xA0, 0xA0, 0xB0, 0xFF, 0x30, 0x20, 0x20, 0x30]) * 20
    before = decode_mulaw(speech)
    after = decode_mulaw(Decoder(kind).decode(encode(speech, kind)))
    loudest = max(map(abs, before))
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= tolerance * loudest


def test_silence_stays_silence_in_every_format() -> None:
    assert set(encode(b"\xff" * 10, PCMA)) <= {0xD5, 0x55}
    assert not any(encode(b"\xff" * 10, PCM))
    assert set(decode_mulaw(Decoder(PCMA).decode(b"\xd5" * 10))) <= set(range(-8, 9))


@given(st.binary(min_size=1, max_size=300), st.integers(1, 50))
def test_pcm_may_be_cut_anywhere(audio: bytes, size: int) -> None:
    """Half a sample at the end of an append is completed by the next."""
    whole = Decoder(PCM).decode(audio)
    decoder = Decoder(PCM)
    pieces = [decoder.decode(audio[at : at + size]) for at in range(0, len(audio), size)]
    assert b"".join(pieces) == whole


def test_pcm_is_taken_as_little_endian() -> None:
    """A positive sample of 24 kHz becomes a positive one of 8 kHz."""
    loud = array("h", [8000] * 30).tobytes()
    assert all(7500 < sample < 8500 for sample in decode_mulaw(Decoder(PCM).decode(loud)))
