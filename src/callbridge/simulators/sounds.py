"""What a telephone carries beside speech: noise, other people's talk, music. And how loud anything is.

Pure and from a seed, so that a call that went wrong goes wrong again. Levels are dBFS: the mean square of the
samples against full scale (32,768), as of every whole second. Speech at a telephone lies near -20 dBFS.
"""

from __future__ import annotations

import math
import random
from array import array
from enum import StrEnum
from functools import cache
from operator import add
from typing import TYPE_CHECKING, assert_never

from callbridge.simulators.audio import SAMPLE_RATE, decode_mulaw
from callbridge.wire.audio import FRAME_BYTES, encode, silence

if TYPE_CHECKING:
    from collections.abc import Sequence

FULL_SCALE = 32_768


class SoundKind(StrEnum):
    """What may be heard around a caller."""

    NOISE = "noise"
    """Steady: a fan, a car, a bad line."""
    BABBLE = "babble"
    """Six people talk at once, as in a café."""
    MUSIC = "music"
    """A call centre's: it sounds like no speech, and is as loud."""


def dbfs(audio: bytes) -> float:
    """How loud µ-law `audio` is; minus infinity for silence."""
    power = _power(decode_mulaw(audio))
    return 10 * math.log10(power) - 20 * math.log10(FULL_SCALE) if power else -math.inf


def at_level(audio: bytes, level_dbfs: float) -> bytes:
    """The same speech, so loud on the whole: for a voice that is too soft, or too near."""
    return encode(_scaled(decode_mulaw(audio), level_dbfs))


def attenuated(audio: bytes, loss_db: float) -> bytes:
    """`audio` softer by `loss_db`."""
    return audio.translate(_attenuation(loss_db))


def mixed(one: bytes, other: bytes) -> bytes:
    """Both at once, as long as the longer one; what is too loud for the line is clipped."""
    length = max(len(one), len(other))
    filled = (decode_mulaw(part.ljust(length, silence(1)[:1])) for part in (one, other))
    # Fifty times in a second of a call: a table says what is too loud.
    return bytes(map(_sums().__getitem__, map(add, *filled)))


def make_sound(kind: SoundKind, level_dbfs: float, duration_s: int, seed: int = 0) -> bytes:
    """So many seconds of a sound, each of them so loud."""
    rng = random.Random(f"{kind} {seed}")  # noqa: S311 - a sound, no secret
    match kind:
        case SoundKind.NOISE:
            samples = [rng.gauss(0, 1) for _ in range(duration_s * SAMPLE_RATE)]
        case SoundKind.BABBLE:
            samples = _babble(rng, duration_s)
        case SoundKind.MUSIC:
            samples = _music(rng, duration_s)
        case _:
            assert_never(kind)
    seconds = (samples[at : at + SAMPLE_RATE] for at in range(0, len(samples), SAMPLE_RATE))
    return b"".join(encode(_scaled(second, level_dbfs)) for second in seconds)


def make_cough(level_dbfs: float = -18.0, seed: int = 0) -> bytes:
    """Two short bursts of breath: long and loud enough to be taken for a word by a detector of energy."""
    rng = random.Random(f"cough {seed}")  # noqa: S311 - a sound, no secret
    bursts = (round(rng.uniform(*between) * SAMPLE_RATE) for between in ((0.14, 0.2), (0.1, 0.15)))
    return silence(50).join(_burst(rng, length, level_dbfs) for length in bursts)


def _burst(rng: random.Random, length: int, level_dbfs: float) -> bytes:
    """Begins at once and dies away."""
    return encode(_scaled([rng.gauss(0, 1) * math.exp(-3 * at / length) for at in range(length)], level_dbfs))


def speech_dbfs(audio: bytes) -> float:
    """How loud who speaks is, pauses left out: over the windows of 20 ms that are no softer than 20 dB under
    the loudest. Minus infinity for silence.
    """
    windows = [audio[at : at + FRAME_BYTES] for at in range(0, len(audio), FRAME_BYTES)]
    levels = [dbfs(window) for window in windows]
    loudest = max(levels, default=-math.inf)
    return dbfs(b"".join(window for window, one in zip(windows, levels, strict=True) if one >= loudest - 20))


# --- Voices and notes --------------------------------------------------------------------------------------

TALKERS = 6

TABLE = 256
"""Samples in one period of a wave; a voice runs through it as fast as its pitch."""

NOTE_S = 0.25

CHORDS = ((262, 330, 392, 523), (220, 262, 330, 440), (175, 220, 262, 349), (196, 247, 294, 392))
"""C, A minor, F, G, as frequencies."""


def _babble(rng: random.Random, duration_s: int) -> list[float]:
    samples = [0.0] * (duration_s * SAMPLE_RATE)
    for _ in range(TALKERS):
        _talk(samples, rng)
    return samples


def _talk(samples: list[float], rng: random.Random) -> None:
    """One voice: syllables of its own pitch and length, and short pauses between words."""
    pitch_hz = rng.uniform(90, 220)
    at = rng.randrange(SAMPLE_RATE // 4)
    while at < len(samples):
        length = round(rng.uniform(0.12, 0.28) * SAMPLE_RATE)
        wave = _period(tuple(rng.uniform(0.2, 1) / harmonic for harmonic in range(1, 9)))
        step = pitch_hz * rng.uniform(0.9, 1.15) * TABLE / SAMPLE_RATE
        for offset in range(min(length, len(samples) - at)):
            samples[at + offset] += wave[int(offset * step) % TABLE] * math.sin(math.pi * offset / length)
        at += length + round(rng.choice((0, 0, 0, 0.15)) * SAMPLE_RATE)


def _music(rng: random.Random, duration_s: int) -> list[float]:
    """Broken chords, each note dying away into the next."""
    wave, note = _period((1.0, 0.4, 0.2)), round(NOTE_S * SAMPLE_RATE)
    samples: list[float] = []
    for number in range(math.ceil(duration_s / NOTE_S)):
        frequency_hz = rng.choice(CHORDS[number // 8 % len(CHORDS)])
        step = frequency_hz * TABLE / SAMPLE_RATE
        samples += [
            wave[int(offset * step) % TABLE] * math.exp(-2 * offset / note) * min(1, offset / 40)
            for offset in range(note)
        ]
    return samples[: duration_s * SAMPLE_RATE]


def _period(harmonics: Sequence[float]) -> list[float]:
    turn = 2 * math.pi / TABLE
    return [
        sum(level * math.sin(turn * number * at) for number, level in enumerate(harmonics, 1))
        for at in range(TABLE)
    ]


# --- Levels ------------------------------------------------------------------------------------------------


def _power(samples: Sequence[float]) -> float:
    return sum(sample * sample for sample in samples) / len(samples) if samples else 0.0


def _scaled(samples: Sequence[float], level_dbfs: float) -> array[int]:
    power = _power(samples)
    gain = FULL_SCALE * 10 ** (level_dbfs / 20) / math.sqrt(power) if power else 0.0
    return array("h", (_clipped(round(sample * gain)) for sample in samples))


def _clipped(sample: int) -> int:
    return max(-FULL_SCALE, min(FULL_SCALE - 1, sample))


@cache
def _sums() -> bytes:
    """The code of each sum of two samples, clipped. Negative ones count from the end, as indexes do."""
    loudest, lowest = encode((FULL_SCALE - 1,)), encode((-FULL_SCALE,))
    upper = encode(range(FULL_SCALE)) + loudest * FULL_SCALE
    return upper + lowest * FULL_SCALE + encode(range(-FULL_SCALE, 0))


@cache
def _attenuation(loss_db: float) -> bytes:
    """For each code the code of the softer sample."""
    gain = 10 ** (-loss_db / 20)
    return encode(_clipped(round(sample * gain)) for sample in decode_mulaw(bytes(range(256))))
