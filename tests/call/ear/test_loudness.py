"""Loudness against the noise of the line. Levels are measured in the audio."""

from __future__ import annotations

import math
import random

import pytest

from callbridge.call.ear.loudness import Loudness
from callbridge.wire import audio

SECOND = 50
"""Frames."""


def frames(dbfs: float, seconds: float, seed: int = 1) -> list[bytes]:
    """Noise of so many decibels below full scale, over its whole length."""
    rng = random.Random(seed)
    deviation = 32_768 * 10 ** (dbfs / 20)
    samples = [round(rng.gauss(0, deviation)) for _ in range(int(8000 * seconds))]
    clipped = audio.encode([min(max(sample, -32_000), 32_000) for sample in samples])
    return [clipped[at : at + 160] for at in range(0, len(clipped), 160)]


def speech(dbfs: float, seconds: float, gap_dbfs: float) -> list[bytes]:
    """Words of a quarter of a second, with gaps of 60 ms between them in which only the line is heard."""
    loud, soft = frames(dbfs, seconds), frames(gap_dbfs, seconds, seed=2)
    return [soft[place] if place % 15 < 3 else loud[place] for place in range(len(loud))]


def heard(*parts: list[bytes]) -> list[int]:
    """How much was loud of each part, as a share of its frames in percent."""
    loudness, shares = Loudness(), []
    for part in parts:
        before = loudness.loud_in_all
        for frame in part[::2]:
            loudness.hears(frame)
        shares.append(100 * (loudness.loud_in_all - before) // len(part))
    return shares


@pytest.mark.parametrize("dbfs", [-80, -60, -50, -40])
def test_steady_noise_is_not_loud_for_long(dbfs: float) -> None:
    """A fan, a street far away, the carrier's comfort noise: the floor finds it within seconds."""
    _, later = heard(frames(dbfs, 12), frames(dbfs, 30, seed=3))
    assert later == 0


@pytest.mark.parametrize(("voice", "line"), [(-20, -50), (-30, -60), (-48, -65), (-48, -90)])
def test_a_voice_is_loud_on_its_own_line_however_soft(voice: float, line: float) -> None:
    """-48 dB is somebody who speaks softly, far from the telephone."""
    _, spoken = heard(frames(line, 5), speech(voice, 5, line))
    assert spoken > 50


def test_a_long_speech_does_not_become_the_floor() -> None:
    """The gaps between the words are heard, and are as soft as ever."""
    _, _, last = heard(frames(-55, 5), speech(-30, 60, -55), speech(-30, 5, -55))
    assert last > 50


def test_a_click_is_no_word() -> None:
    """A tenth of a frame, however loud."""
    click = audio.encode([20_000] * 15) + audio.silence(20)[15:]
    assert heard(frames(-60, 5), [click] * SECOND)[1] == 0
    assert math.isclose(audio.milliseconds(len(click)), 20)
