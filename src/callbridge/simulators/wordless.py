"""Speech without words: voiced syllables and pauses that take as long as a person would take for a text.

For tests that need the time of speech and not its meaning. Pure, and made of the text alone: the same text
is the same audio on every machine. Numbers for English at a calm pace, about 170 words a minute.
"""

from __future__ import annotations

import math
import random
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from callbridge.simulators.audio import SAMPLE_RATE
from callbridge.wire.audio import BYTES_PER_MS, encode, silence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CALLER_HZ: Final = 180
AGENT_HZ: Final = 120
"""Pitches: who speaks is told by ear, in a recording of both."""

SPEECH_DBFS: Final = -20.0
"""Of a syllable. Speech at a telephone lies there, and detection hears it from -35 on."""

BREATH_MS: Final = 40
"""Every text begins with a breath of its own, too soft to be heard, so that no two begin alike."""

WORD_GAP_MS: Final = 20
COMMA_MS: Final = 140
SENTENCE_MS: Final = 260
"""Pauses. Shorter than any silence that is taken for the end of a turn, so that one text is one turn."""

DIGIT_MS: Final = 300
"""A number is told digit by digit."""

SYLLABLE_MS_MIN, SYLLABLE_MS_MAX = 120, 300
LAST_FACTOR: Final = 1.4
"""Of the last syllable of a phrase."""

STEP_MS: Final = 20
"""Syllables have few lengths, so that each is made once."""

_WORD = re.compile(r"\d|[^\W\d_]+(?:['\u2019][^\W\d_]+)*|[,;:\u2013\u2014]|[.?!\u3002]+")
_VOWELS = re.compile(r"[aeiouyæøœ]+")
_STOPS = ".?!\u3002"
_FORMANTS_HZ = ((730, 1090), (530, 1840), (390, 1990), (570, 840), (440, 1020), (490, 1350), (270, 2290))
"""The first two of seven vowels, which tell them apart."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A syllable, or a pause."""

    ms: int
    vowel: int | None = None
    """None for a pause."""


def wordless(text: str, pitch_hz: int = CALLER_HZ) -> bytes:
    """`text` as 8 kHz µ-law of its length; nothing for a text without letters and digits."""
    return _wordless(text, pitch_hz)


@lru_cache(maxsize=512)
def _wordless(text: str, pitch_hz: int) -> bytes:
    beats = beats_of(text)
    if not beats:
        return b""
    pieces = [_breath(text)]
    for number, beat in enumerate(beats):
        if beat.vowel is None:
            pieces.append(silence(beat.ms))
        else:
            # The voice falls towards the end of a phrase, in three steps.
            fall = min(number % 6, 2)
            pieces.append(_syllable(beat.vowel, beat.ms, round(pitch_hz * (1 - 0.06 * fall))))
    return b"".join(pieces)


def beats_of(text: str) -> list[Beat]:
    """The syllables and pauses of a text. A pause at its end is none."""
    beats: list[Beat] = []
    for token in _WORD.findall(unicodedata.normalize("NFKC", text)):
        if not token[0].isalnum():
            beats.append(Beat(SENTENCE_MS if token[0] in _STOPS else COMMA_MS))
        else:
            beats += [*_syllables(token), Beat(WORD_GAP_MS)]
    while beats and beats[-1].vowel is None:
        beats.pop()
    return _drawn_out(beats)


def _drawn_out(beats: list[Beat]) -> list[Beat]:
    """The last syllable before a pause, or before the end, is longer."""
    drawn_out, is_last = [], True
    for beat in reversed(beats):
        factor = LAST_FACTOR if is_last and beat.vowel is not None else 1
        drawn_out.append(Beat(round(beat.ms * factor / STEP_MS) * STEP_MS, beat.vowel))
        is_last = is_last if beat.ms == WORD_GAP_MS else beat.vowel is None
    return drawn_out[::-1]


def _syllables(word: str) -> Iterator[Beat]:
    plain = _plain(word)
    seed = sum(plain.encode())
    if plain.isdigit():
        yield Beat(DIGIT_MS, seed % len(_FORMANTS_HZ))
        return
    count = _count(plain)
    letters = sum(map(str.isalpha, plain)) / count
    length_ms = round((110 + 30 * letters) / STEP_MS) * STEP_MS
    length_ms = min(max(length_ms, SYLLABLE_MS_MIN), SYLLABLE_MS_MAX)
    for number in range(count):
        yield Beat(length_ms, (seed + 3 * number) % len(_FORMANTS_HZ))


def _plain(word: str) -> str:
    """In small letters, without accents."""
    parts = unicodedata.normalize("NFD", word.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def _count(word: str) -> int:
    """The syllables of a word: groups of vowels, without a last silent e; else by its letters."""
    found = len(_VOWELS.findall(word))
    if found > 1 and re.search(r"[^aeiouy]e$", word) and not word.endswith("le"):
        found -= 1
    # Kana, ideographs and hangul are a syllable each; other letters without vowels are read one in two.
    if not found:
        is_dense = any(ord(letter) > 0x2E80 for letter in word)
        found = len(unicodedata.normalize("NFC", word)) if is_dense else math.ceil(len(word) / 2)
    return found


def _breath(text: str) -> bytes:
    rng = random.Random(text)  # noqa: S311 - a sound, no secret
    return encode(rng.randrange(-120, 120) for _ in range(BREATH_MS * BYTES_PER_MS))


@lru_cache(maxsize=1024)
def _syllable(vowel: int, ms: int, pitch_hz: int) -> bytes:
    """A voiced sound that swells and dies away."""
    wave, length = _wave(vowel, pitch_hz), ms * SAMPLE_RATE // 1000
    gain = 32_768 * 10 ** (SPEECH_DBFS / 20) / math.sqrt(_mean_square(wave))
    samples = (wave[at % len(wave)] * _swell(at / length) for at in range(length))
    return encode(round(sample * gain) for sample in samples)


def _swell(part: float) -> float:
    """How loud a syllable is so far into it: as loud as its vowel for most of the time, on the whole."""
    return 1.2 * min(1.0, part / 0.15, (1 - part) / 0.3)


def _wave(vowel: int, pitch_hz: int) -> list[float]:
    """One period of a voice, in whole samples."""
    length = round(SAMPLE_RATE / pitch_hz)
    strengths = [_strength(number * pitch_hz, _FORMANTS_HZ[vowel]) for number in range(1, length // 2)]
    turn = 2 * math.pi / length
    return [
        sum(strength * math.sin(turn * number * at) for number, strength in enumerate(strengths, 1))
        for at in range(length)
    ]


def _strength(frequency_hz: float, formants_hz: Iterable[int]) -> float:
    near = sum(1 / (1 + ((frequency_hz - formant_hz) / 120) ** 2) for formant_hz in formants_hz)
    return (0.05 + near) / (1 + frequency_hz / 1000)


def _mean_square(wave: list[float]) -> float:
    return sum(sample * sample for sample in wave) / len(wave)
