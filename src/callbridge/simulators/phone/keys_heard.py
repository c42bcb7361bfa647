"""The keys that whoever is called understands in what they hear: a receiver of telephone tones (DTMF).

Pure. Judged as ITU-T Q.24 has it: two pitches at once that carry nearly all of the sound, about as loud as
each other, for 40 ms at least, and a pause before the next. Speech is not that pure.
"""

from __future__ import annotations

import math
from functools import lru_cache
from operator import mul
from typing import TYPE_CHECKING, Final

from callbridge.simulators.audio import decode_mulaw
from callbridge.simulators.phone.voice_activity import is_audible
from callbridge.wire.audio import FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callbridge.simulators.phone.playback import Playback

_LOW_HZ: Final = (697, 770, 852, 941)
_HIGH_HZ: Final = (1209, 1336, 1477, 1633)
_KEYS: Final = ("123A", "456B", "789C", "*0#D")

_PURE: Final = 0.8
"""So much of the sound is in the two pitches."""
_TWIST_MAX: Final = 6.3
"""8 dB, as a ratio of powers: one pitch is so much louder than the other at most."""
_SIGNS: Final = b"-" * 128 + b"+" * 128
"""The first bit of a µ-law sample is its sign."""
_TURNS: Final = range(24, 73)
"""In 20 ms a pitch of 697 Hz changes its sign 28 times, one of 1633 Hz 65 times; hiss does 80 times."""
_WINDOWS_LEAST: Final = 2
"""Of 20 ms each: 40 ms."""


def keys_heard(playback: Playback, until: float) -> str:
    """The keys in all that was heard by then."""
    return "".join(_presses(map(_key_in, _windows(playback, until))))


def _windows(playback: Playback, until: float) -> Iterator[bytes]:
    """What was heard, in windows of 20 ms; an empty one where the sound broke off."""
    rest, ended_at = b"", -math.inf
    for payload in playback.payloads:
        heard = payload.audio[: payload.heard_bytes(until)]
        if payload.plays_from - ended_at > 0.001:
            yield b""
            rest = b""
        rest, ended_at = rest + heard, payload.ends_at
        whole = len(rest) - len(rest) % FRAME_BYTES
        for at in range(0, whole, FRAME_BYTES):
            yield rest[at : at + FRAME_BYTES]
        rest = rest[whole:]


def _presses(keys: Iterable[str]) -> Iterator[str]:
    """Each key once, however long it sounds."""
    latest, count = "", 0
    for key in keys:
        count = count + 1 if key == latest else 1
        latest = key
        if key and count == _WINDOWS_LEAST:
            yield key


@lru_cache(maxsize=1024)
def _key_in(window: bytes) -> str:
    """The key that sounds in a window; empty for none."""
    if not is_audible(window) or _turns(window) not in _TURNS:
        return ""
    samples = decode_mulaw(window)
    energy = sum(map(mul, samples, samples)) * len(window) / 2
    lows, highs = ([_power(samples, pitch_hz) for pitch_hz in pitches] for pitches in (_LOW_HZ, _HIGH_HZ))
    low, high = max(lows), max(highs)
    if low + high < _PURE * energy or not 1 / _TWIST_MAX < low / high < _TWIST_MAX:
        return ""
    return _KEYS[lows.index(low)][highs.index(high)]


def _turns(window: bytes) -> int:
    """How often the sound changes its sign: costs a hundredth of looking for each pitch."""
    signs = window.translate(_SIGNS)
    return signs.count(b"+-") + signs.count(b"-+")


def _power(samples: Iterable[int], pitch_hz: int) -> float:
    cosines, sines = _waves(pitch_hz)
    return math.pow(sum(map(mul, samples, cosines)), 2) + math.pow(sum(map(mul, samples, sines)), 2)


@lru_cache
def _waves(pitch_hz: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    turns = [2 * math.pi * pitch_hz * at / 8000 for at in range(FRAME_BYTES)]
    return tuple(map(math.cos, turns)), tuple(map(math.sin, turns))
