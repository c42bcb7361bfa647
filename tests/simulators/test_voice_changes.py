"""A voice at another pace, and in the band of a telephone."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from callbridge.simulators.audio import SAMPLE_RATE, decode_mulaw
from callbridge.simulators.sounds import dbfs
from callbridge.simulators.voice_changes import phone_band, stretched
from callbridge.simulators.wordless import wordless
from callbridge.wire.audio import encode

VOICE = wordless("Are you open?")


def hum(frequency_hz: float, seconds: float = 0.5) -> bytes:
    turn = 2 * math.pi * frequency_hz / SAMPLE_RATE
    return encode(round(8000 * math.sin(turn * at)) for at in range(round(seconds * SAMPLE_RATE)))


def crossings(audio: bytes) -> int:
    samples = decode_mulaw(audio)
    return sum(before < 0 <= after for before, after in pairwise(samples))


@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_it_takes_so_many_times_as_long_and_keeps_pitch_and_loudness(factor: float) -> None:
    changed = stretched(hum(150), factor)
    assert len(changed) == round(len(hum(150)) * factor)
    assert crossings(changed) / len(changed) == pytest.approx(crossings(hum(150)) / len(hum(150)), rel=0.05)
    assert dbfs(stretched(VOICE, factor)) == pytest.approx(dbfs(VOICE), abs=1)


def test_what_is_too_short_to_be_cut_stays() -> None:
    assert stretched(VOICE[:400], 2) == VOICE[:400]


@pytest.mark.parametrize(("frequency_hz", "lost_db"), [(100, 35), (1000, 0), (3900, 15)])
def test_a_telephone_passes_its_band(frequency_hz: float, lost_db: float) -> None:
    lost = dbfs(hum(frequency_hz)) - dbfs(phone_band(hum(frequency_hz)))
    assert lost > lost_db if lost_db else abs(lost) < 0.5
