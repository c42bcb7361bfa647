"""Letters: said one by one with a word for each, and understood when they come like that."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from callbridge.agents.fields.spelling.tongues import tongue_of, understood

if TYPE_CHECKING:
    from callbridge.agents.fields.spelling.tongue import Tongue

_LETTER = r"(?<![^\W_])(?P<letter>[^\W\d_])"
"""One letter that stands alone; behind it something else must follow."""


# --- Saying -------------------------------------------------------------------------------------------


def spelled(word: str, language: str) -> str:
    """`S as in Samuel, A as in Adam, …`. Digits stay, signs have their names.

    Empty where a letter has no word in this language: then the word is said as it is.
    """
    tongue = tongue_of(language)
    said = [_said(sign, tongue) for sign in unicodedata.normalize("NFC", word)]
    return ", ".join(said) if all(said) else ""


def _said(sign: str, tongue: Tongue) -> str:
    if sign.isdecimal():
        return sign
    if sign in tongue.signs:
        return tongue.signs[sign][0]
    big = sign if sign == "ß" else sign.upper()
    if big in tongue.letters:
        return tongue.as_in.format(letter=big, word=tongue.letters[big])
    parts = unicodedata.normalize("NFD", big)
    base, accents = parts[0], parts[1:]
    if base not in tongue.letters or not accents or any(accent not in tongue.accents for accent in accents):
        return ""
    letter = " ".join((base, *(tongue.accents[accent] for accent in accents)))
    return tongue.as_in.format(letter=letter, word=tongue.letters[base])


def grouped(digits: str) -> str:
    """`4 1 5, 5 5 5, 0 1 0 0`: so many at a time as one can hear."""
    groups = []
    while len(digits) > 4:
        groups.append(digits[:3])
        digits = digits[3:]
    return ", ".join(" ".join(group) for group in (*groups, digits) if group)


# --- Understanding ------------------------------------------------------------------------------------


def without_words(text: str, language: str) -> str:
    """`J as in John, double L, O` becomes `J, L L, O`."""
    text = text.replace("、", ", ")
    for tongue in understood(language):
        text = _named(text, tongue)
        for pattern in _patterns(tongue):
            text = pattern.sub(_letter_meant, text)
        if tongue.doubles:
            text = _doubles(tongue).sub(r"\g<letter> \g<letter>", text)
    return text


def _letter_meant(match: re.Match[str]) -> str:
    letter = match["letter"]
    if "any" in match.re.groupindex or plain(match["word"])[:1] == plain(letter)[:1]:
        return letter
    return match[0]


def plain(text: str) -> str:
    """Small letters without accents, to compare words as they sound."""
    parts = unicodedata.normalize("NFD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def _named(text: str, tongue: Tongue) -> str:
    if not tongue.letter_names:
        return text
    return _names(tongue).sub(lambda match: tongue.letter_names[match[0].lower()], text)


@cache
def _names(tongue: Tongue) -> re.Pattern[str]:
    words = _one_of(tuple(tongue.letter_names))
    return re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])", re.IGNORECASE)


@cache
def _patterns(tongue: Tongue) -> tuple[re.Pattern[str], ...]:
    found = []
    if tongue.means:
        found.append(rf"{_LETTER}[ ,]+(?P<any>{_one_of(tongue.means)}) (?P<word>[^\W\d_]+)")
    if tongue.may_mean:
        found.append(rf"{_LETTER}[ ,]+(?:{_one_of(tongue.may_mean)}) (?P<word>[^\W\d_]+)")
    if tongue.word_first:
        between = _one_of(tongue.word_first)
        found.append(
            rf"(?P<any>(?P<word>[^\W\d_]{{1,30}}?)) ?(?:{between}) ?(?P<letter>[A-Za-z])(?![A-Za-z])"
        )
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in found)


@cache
def _doubles(tongue: Tongue) -> re.Pattern[str]:
    words = _one_of(tongue.doubles)
    return re.compile(rf"(?<![^\W_])(?:{words})[ -]?(?P<letter>[^\W\d_])(?![^\W_])", re.IGNORECASE)


def _one_of(words: tuple[str, ...]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
