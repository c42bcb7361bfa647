"""Words that an agent may not say, as they are found in what it says. Pure; no expression that may hang.

What a text looks like makes no difference: capital letters, kinds of spaces, hyphens, apostrophes and
characters. A phrase is found as whole words, and with a `*` behind it as the beginning of a word. The text
of an answer comes in pieces: whether a word is over is known only by what follows.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_GAPS: Final = re.compile(r"[\s\u2010-\u2015-]+")
"""Spaces, hyphens and dashes."""

_SIGNS: Final = str.maketrans("\u2018\u2019\u02bc\u00b4`", "'" * 5, "\u00ad\u200b\u200c\u200d\u2060")
"""Apostrophes are one; what nobody sees is none."""

_ACCENTS: Final = dict.fromkeys(range(0x300, 0x370))
"""Those that are signs of their own also behind NFKC: what is left of a Turkish capital I with its dot, or
where a Russian word is stressed."""

_CASED: Final = frozenset({"Ll", "Lu", "Lt"})
"""Letters of writing that sets words apart. Japanese does not: there a phrase counts anywhere."""


@dataclass(frozen=True, slots=True)
class _Phrase:
    """One phrase as it is looked for, in a text that was made plain."""

    words: str
    is_beginning: bool
    """Its last word may go on."""

    def is_in(self, text: str, *, grows: bool) -> bool:
        """Whether it stands in a text. Of one that grows the last word is not known yet."""
        at = text.find(self.words)
        while at >= 0:
            if not _is_inside_a_word(text, at) and self._is_over_at(text, at + len(self.words), grows=grows):
                return True
            at = text.find(self.words, at + 1)
        return False

    def _is_over_at(self, text: str, end: int, *, grows: bool) -> bool:
        if self.is_beginning:
            return True
        if end == len(text):
            return not (grows and _is_of_a_word(text[-1]))
        return not _is_inside_a_word(text, end)


class Phrases:
    """Some phrases that are looked for.

    Args:
        phrases: as they are written.

    Raises:
        ValueError: one says nothing, or has a `*` where none can be.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self._phrases = [_read(phrase) for phrase in phrases]

    def are_in(self, text: str) -> bool:
        """Whether one of them stands in `text`, whose end is the end of a word."""
        return self._are_in(_plain(text), grows=False)

    def hang_on_more(self, text: str) -> bool:
        """Whether that depends on what follows: one stands at the very end, and may become another word."""
        plain = _plain(text)
        return self._are_in(plain, grows=False) and not self._are_in(plain, grows=True)

    def _are_in(self, plain: str, *, grows: bool) -> bool:
        return any(phrase.is_in(plain, grows=grows) for phrase in self._phrases)


def _read(written: str) -> _Phrase:
    plain = _plain(written).strip()
    words = plain.removesuffix("*")
    if not words:
        raise ValueError("it says nothing")
    if "*" in words or words.endswith(" "):
        raise ValueError("a * stands at the end, right behind the beginning of a word: refund*")
    return _Phrase(words, is_beginning=words != plain)


def _plain(text: str) -> str:
    compatible = unicodedata.normalize("NFKC", text.translate(_SIGNS)).casefold()
    return _GAPS.sub(" ", compatible.translate(_ACCENTS))


def _is_inside_a_word(text: str, at: int) -> bool:
    """Whether what stands before a place and what stands behind it are of one word."""
    return 0 < at < len(text) and _is_of_a_word(text[at - 1]) and _is_of_a_word(text[at])


def _is_of_a_word(character: str) -> bool:
    return character.isdigit() or unicodedata.category(character) in _CASED
