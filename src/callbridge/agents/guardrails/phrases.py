"""Words that an agent may not say, as they are found in what it says. Pure; no expression that may hang.

What a text looks like makes no difference: capital letters, kinds of spaces, hyphens, apostrophes and
characters. A phrase counts from the beginning of a word, whatever follows: the text of an answer comes in
pieces, and where a word ends is known only behind it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_GAPS: Final = re.compile(r"[\s\u2010-\u2015-]+")
"""Spaces, hyphens and dashes."""

_SIGNS: Final = str.maketrans("\u2018\u2019\u02bc\u00b4`", "'" * 5, "\u00ad\u200b\u200c\u200d\u2060")
"""Apostrophes are one; what nobody sees is none."""

_CASED: Final = frozenset({"Ll", "Lu", "Lt"})
"""Letters of writing that sets words apart. Japanese does not: there a phrase counts anywhere."""


class Phrases:
    """Some phrases that are looked for.

    Args:
        phrases: as they are written.

    Raises:
        ValueError: one says nothing.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self._phrases = [_plain(phrase).strip() for phrase in phrases]
        if not all(self._phrases):
            raise ValueError("it says nothing")

    def are_in(self, text: str) -> bool:
        """Whether one of them stands in `text`."""
        plain = _plain(text)
        return any(_is_in(phrase, plain) for phrase in self._phrases)


def _plain(text: str) -> str:
    compatible = unicodedata.normalize("NFKC", text).translate(_SIGNS)
    return _GAPS.sub(" ", compatible.casefold())


def _is_in(phrase: str, text: str) -> bool:
    at = text.find(phrase)
    if _begins_a_word(phrase[0]):
        while at > 0 and text[at - 1].isalnum():
            at = text.find(phrase, at + 1)
    return at >= 0


def _begins_a_word(character: str) -> bool:
    """Whether it is part of a word that another one before it would belong to."""
    return character.isdigit() or unicodedata.category(character) in _CASED
