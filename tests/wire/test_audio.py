"""8 kHz µ-law as numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.wire import audio


@pytest.mark.parametrize(("byte_count", "duration_ms"), [(0, 0), (7, 0), (8, 1), (160, 20), (8000, 1000)])
def test_bytes_become_whole_milliseconds(byte_count: int, duration_ms: int) -> None:
    assert audio.milliseconds(byte_count) == duration_ms


@given(st.integers(min_value=0, max_value=10_000))
def test_silence_has_the_length_asked_for(duration_ms: int) -> None:
    assert audio.milliseconds(len(audio.silence(duration_ms))) == duration_ms


def test_silence_is_the_code_of_zero() -> None:
    """0xFF decodes to 0; 0x00 would be a click at full scale."""
    assert audio.silence(1) == b"\xff" * 8


@pytest.mark.parametrize(
    ("sample", "code"),
    [
        *((0, 0xFF), (3, 0xFF), (4, 0xFE), (-1, 0x7F), (-4, 0x7E), (1000, 0xCE), (-1000, 0x4E)),
        *((32_635, 0x80), (32_767, 0x80), (-32_768, 0x00)),
    ],
)
def test_samples_have_the_codes_of_the_standard(sample: int, code: int) -> None:
    """ITU-T G.711 table 2a, with every bit inverted; louder than full scale is clipped."""
    assert audio.encode([sample]) == bytes((code,))


def test_what_was_encoded_is_heard_as_it_was() -> None:
    """Of every sample: no further off than half a step of its segment, 1/32 of its loudness."""
    samples = range(-0x8000, 0x8000)
    for sample, code in zip(samples, audio.encode(samples), strict=True):
        bits = ~code & 0xFF
        level = (((bits & 0x0F) << 3) + 132 << (bits >> 4 & 7)) - 132
        heard = -level if bits & 0x80 else level
        assert abs(heard - max(-32_635, min(sample, 32_635))) <= (abs(sample) + 132) / 32 + 1, sample


def test_louder_is_never_quieter() -> None:
    codes = [~code & 0xFF for code in audio.encode(range(0x8000))]
    assert codes == sorted(codes)


def test_levels_are_two_decibels_each() -> None:
    """From -70 dB below full scale up to it."""
    assert [audio.level(dbfs) for dbfs in (-90, -70, -50, -1, 0)] == [0, 0, 10, 34, 35]
    for level in range(audio.LEVELS - 1):
        assert set(audio.softer_than(level)) <= set(audio.softer_than(level + 1))


def test_a_sample_is_softer_than_the_level_above_it() -> None:
    """372 of 32,768 are -38.9 dB: level 15 is -40, level 16 is -38."""
    for sample in (372, -372):
        (code,) = audio.encode([sample])
        assert (code in audio.softer_than(15), code in audio.softer_than(16)) == (False, True)
