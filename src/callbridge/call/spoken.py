"""How much of a text was spoken, in whatever script it is written.

A text is cut where its audio was. No dictionary is needed: a word is left whole where its script puts spaces
between words, and a character with all that belongs to it everywhere else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Final

_UNITS_PER_S: Final = 420
"""The time that speech takes is counted in parts of a second, so that each rate below is a whole number."""

_RATES: Final[Mapping[str, int]] = {
    # One character is a syllable, and a second has about five of them in Mandarin. Japanese has eight morae a
    # second, but a Han character stands for two of them and more than half of a text is kana: five as well.
    **dict.fromkeys(("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "BOPOMOFO"), 5),
    **dict.fromkeys(("IDEOGRAPHIC", "FULLWIDTH", "HALFWIDTH"), 5),
    # One character is a syllable here, too, but they are shorter, and spaces are written.
    "HANGUL": 7,
    # Alphabets without spaces: the 15 of other alphabets less their spaces, one in every five or six.
    **dict.fromkeys(("THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"), 12),
}
"""Characters a second of ordinary speech, by the first word of their Unicode names."""

_OTHER_RATE: Final = 15
"""Latin and other alphabets: 150 words a minute, of five letters and a space."""

_SPACELESS: Final = frozenset(_RATES) - {"HANGUL"}
"""Scripts that write no spaces between words."""

_LEADING_VOWELS: Final = frozenset("\u0e40\u0e41\u0e42\u0e43\u0e44\u0ec0\u0ec1\u0ec2\u0ec3\u0ec4")
"""Of Thai and Lao: written before the consonant that they belong to."""

_FOLLOWING_VOWELS: Final = frozenset("\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3")
"""Of Thai and Lao: letters to Unicode, but each belongs to the consonant before it."""

_STACKERS: Final = frozenset("\u17d2\u1039")
"""Of Khmer and Burmese: the next consonant stands below the one before."""


def heard_part(words: str, heard_ms: int, sent_ms: int) -> str:
    """The part of `words` that was heard when their audio, `sent_ms` long, was cut at `heard_ms`."""
    if heard_ms >= sent_ms:
        return words
    return _cut(words, sum(map(_units, words)) * heard_ms // sent_ms)


def part_with_time(words: str, spoken_ms: int) -> str:
    """The part of `words` for which so much audio had time."""
    return _cut(words, spoken_ms * _UNITS_PER_S // 1000)


def _cut(words: str, units: int) -> str:
    """What of `words` takes no longer than `units`."""
    length = sum(ends <= units for ends in accumulate(map(_units, words)))
    if length == len(words):
        return words
    while length and not _may_part(words, length):
        length -= 1
    first = words[:length].rstrip()
    if not first:
        return ""
    return f"{first}…" if _script(first[-1]) in _SPACELESS else f"{first} …"


def _may_part(words: str, at: int) -> bool:
    """Whether a text may be cut here: between two words, or between two characters of a spaceless script."""
    before, after = words[at - 1], words[at]
    if before.isspace() or after.isspace():
        return True
    if not (_script(before) in _SPACELESS or _script(after) in _SPACELESS):
        return False
    # A mark or a vowel sign stays with its consonant. The parts of an emoji are of no such script.
    is_added = unicodedata.category(after).startswith("M") or after in _FOLLOWING_VOWELS
    return not (is_added or before in _LEADING_VOWELS or before in _STACKERS)


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    """The first word of its name: of a letter, its script."""
    return unicodedata.name(character, "").partition(" ")[0]


def _units(character: str) -> int:
    return _UNITS_PER_S // _RATES.get(_script(character), _OTHER_RATE)
