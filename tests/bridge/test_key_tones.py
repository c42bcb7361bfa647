"""The tones of keys, as a receiver at the far end measures them behind µ-law."""

from __future__ import annotations

import cmath
import math

import pytest

from callbridge.bridge.key_tones import key_tones
from callbridge.call.ear.keys_out import GAP_MS, PAUSE_MS, TONE_MS
from callbridge.simulators.audio import decode_mulaw
from callbridge.wire.audio import BYTES_PER_MS, milliseconds

PITCHES = {697: "123A", 770: "456B", 852: "789C", 941: "*0#D"}
HIGHER = (1209, 1336, 1477, 1633)
FULL_SCALE_DBM0 = 3.17


def level_dbm0(samples: list[int], pitch_hz: float) -> float:
    """How loud one pitch is (Goertzel): 400 samples tell 20 Hz apart."""
    turns = (cmath.exp(-2j * math.pi * pitch_hz * at / 8000) * sample for at, sample in enumerate(samples))
    peak = abs(sum(turns)) * 2 / len(samples)
    return 20 * math.log10(max(peak, 1) / 32_767) + FULL_SCALE_DBM0


@pytest.mark.parametrize("key", "0123456789*#ABCD")
def test_each_key_is_its_two_pitches_and_nothing_else(key: str) -> None:
    """ITU-T Q.23: within 1.5 % of the pitch; Q.24: the high one may be 4 dB softer to 8 dB louder."""
    sound = key_tones(key)
    assert milliseconds(len(sound)) == TONE_MS + GAP_MS
    middle = list(decode_mulaw(sound))[200:600]
    (low_hz,) = [pitch for pitch, keys in PITCHES.items() if key in keys]
    high_hz = HIGHER[PITCHES[low_hz].index(key)]
    levels = {pitch: level_dbm0(middle, pitch) for pitch in (*PITCHES, *HIGHER)}
    low, high = levels.pop(low_hz), levels.pop(high_hz)
    assert -9.2 <= low <= -8.8
    assert -7.2 <= high <= -6.8
    assert max(levels.values()) < -25, "no other pitch is within 16 dB"
    for pitch, level in ((low_hz, low), (high_hz, high)):
        assert level_dbm0(middle, pitch * 1.03) < level - 0.5, "the pitch itself is the loudest"


def test_keys_have_pauses_between_them_and_w_is_half_a_second() -> None:
    sound = key_tones("1w#")
    assert milliseconds(len(sound)) == 2 * (TONE_MS + GAP_MS) + PAUSE_MS
    first_ms, second_ms = TONE_MS, TONE_MS + GAP_MS + PAUSE_MS
    between = sound[first_ms * BYTES_PER_MS : second_ms * BYTES_PER_MS]
    assert max(map(abs, decode_mulaw(between))) == 0
    assert max(map(abs, decode_mulaw(sound))) < 20_000, "the two together do not clip"
