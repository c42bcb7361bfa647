"""How loud things are, and what a telephone carries beside speech."""

from __future__ import annotations

import math
from operator import add

import pytest

from callbridge.simulators.audio import decode_mulaw
from callbridge.simulators.sounds import SoundKind, at_level, attenuated, dbfs, make_sound, mixed
from callbridge.simulators.voice_model import caller_speech
from callbridge.wire.audio import encode

SECOND = 8000


def seconds(audio: bytes) -> list[bytes]:
    return [audio[at : at + SECOND] for at in range(0, len(audio), SECOND)]


def test_full_scale_is_the_measure() -> None:
    assert dbfs(b"\x00\x80" * 80) == pytest.approx(-0.17, abs=0.01)  # The largest code is 32,124.
    assert dbfs(b"\xff" * 160) == -math.inf
    assert dbfs(b"") == -math.inf


@pytest.mark.parametrize("kind", list(SoundKind))
@pytest.mark.parametrize("level_dbfs", [-60, -50, -45, -30])
def test_every_second_of_a_sound_is_as_loud_as_asked(kind: SoundKind, level_dbfs: float) -> None:
    audio = make_sound(kind, level_dbfs, 3)
    assert [dbfs(second) for second in seconds(audio)] == pytest.approx([level_dbfs] * 3, abs=1)
    assert audio == make_sound(kind, level_dbfs, 3), "a sound comes from its seed"
    assert audio != make_sound(kind, level_dbfs, 3, seed=1)


def test_a_second_that_begins_anywhere_is_about_as_loud() -> None:
    audio = make_sound(SoundKind.NOISE, -50, 3)
    assert [dbfs(audio[at : at + SECOND]) for at in range(0, 2 * SECOND, 1000)] == pytest.approx(
        [-50] * 16, abs=1
    )


@pytest.mark.parametrize("level_dbfs", [-55, -47, -20])
def test_a_voice_can_be_made_soft(level_dbfs: float) -> None:
    voice = caller_speech("caller_question_hours").audio[:SECOND]
    assert dbfs(at_level(voice, level_dbfs)) == pytest.approx(level_dbfs, abs=1)


def test_softer_by_so_much_and_both_at_once() -> None:
    noise = make_sound(SoundKind.NOISE, -30, 1)
    assert dbfs(attenuated(noise, 20)) == pytest.approx(-50, abs=1)
    other = make_sound(SoundKind.NOISE, -30, 1, seed=1)
    assert dbfs(mixed(noise, other)) == pytest.approx(-27, abs=1)
    assert dbfs(mixed(noise, b"")) == dbfs(noise)
    assert dbfs(mixed(b"\x00" * 80, b"\x00" * 80)) == dbfs(b"\x00" * 80), "clipped, not wrapped around"
    every, rising = bytes(range(256)) * 256, bytes(code for code in range(256) for _ in range(256))
    sums = map(add, decode_mulaw(every), decode_mulaw(rising))
    assert mixed(every, rising) == encode(max(-32_768, min(32_767, one)) for one in sums)
