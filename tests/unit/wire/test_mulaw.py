"""8 kHz µ-law as numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.wire import mulaw


@pytest.mark.parametrize(("byte_count", "duration_ms"), [(0, 0), (7, 0), (8, 1), (160, 20), (8000, 1000)])
def test_bytes_become_whole_milliseconds(byte_count: int, duration_ms: int) -> None:
    """One second is 8,000 bytes; a part of a millisecond does not count."""
    assert mulaw.milliseconds(byte_count) == duration_ms


def test_a_frame_of_the_telephone_is_twenty_milliseconds() -> None:
    """Twilio sends 160 bytes fifty times a second."""
    assert mulaw.milliseconds(mulaw.FRAME_BYTES) == 20


@given(st.integers(min_value=0, max_value=10_000))
def test_silence_has_the_length_asked_for(duration_ms: int) -> None:
    """Milliseconds into bytes and back is exact."""
    assert mulaw.milliseconds(len(mulaw.silence(duration_ms))) == duration_ms


def test_silence_is_the_code_of_zero() -> None:
    """0xFF decodes to 0; 0x00 would be a click at full scale."""
    assert mulaw.silence(1) == b"\xff" * 8


@given(st.integers(min_value=0), st.integers(min_value=0))
def test_durations_are_never_overstated(first: int, second: int) -> None:
    """The parts of a stretch of audio never sum up to more than the whole."""
    whole = mulaw.milliseconds(first + second)
    assert mulaw.milliseconds(first) + mulaw.milliseconds(second) <= whole
