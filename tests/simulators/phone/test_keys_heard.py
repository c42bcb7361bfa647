"""Which keys a simulated telephone understands: tones of all kinds, and no words."""

from __future__ import annotations

import random

import pytest

from callbridge.bridge.key_tones import key_tones
from callbridge.simulators.phone.keys_heard import keys_heard
from callbridge.simulators.phone.playback import Playback
from callbridge.wire.audio import BYTES_PER_MS, silence
from random_calls import noise

ALL = "159D3*7#0w246B8AC"


def heard(*pieces: tuple[float, bytes], until: float = 60.0) -> str:
    """What is understood of audio that came at these times."""
    playback = Playback()
    for at, audio in pieces:
        playback.add(audio, at)
    return keys_heard(playback, until)


@pytest.mark.parametrize("shift", [0, 37, 80, 159])
def test_all_keys_are_understood_wherever_they_begin(shift: int) -> None:
    assert heard((1.0, b"\xff" * shift + key_tones(ALL))) == ALL.replace("w", "")
    frames = [key_tones("42")[at : at + 160] for at in range(0, 3200, 160)]
    assert heard(*((1.0, frame) for frame in frames)) == "42", "in frames of 20 ms"


def test_the_same_key_twice_is_two_keys_and_what_was_not_heard_is_none() -> None:
    assert heard((1.0, key_tones("11"))) == "11"
    assert heard((1.0, key_tones("123")), until=1.42) == "12"
    short = key_tones("5")[: 30 * BYTES_PER_MS]
    assert heard((1.0, short)) == "", "too short"
    assert heard((1.0, short), (2.0, short)) == "", "and two halves are no whole"


def test_words_and_silence_are_no_keys() -> None:
    rng = random.Random(7)
    assert heard((0.0, silence(2000) + noise(rng, 5000))) == ""
