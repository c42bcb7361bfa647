"""Whether words that had to be said were said, by what the caller heard of the answer. Pure."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Final

SAID_SHARE: Final = 0.8
"""Of the letters of what had to be said: a model swaps a word now and then."""

RUN_MIN: Final = 3
"""Letters in a row. Fewer are found in any text."""

_BETWEEN_LETTERS: Final = re.compile(r"[\W_]+")


def is_said_in(wanted: str, heard: str) -> bool:
    """Whether `wanted` was said: nearly all of it stands, in its order, in what was heard."""
    letters, found = _letters(wanted), _letters(heard)
    blocks = SequenceMatcher(None, letters, found, autojunk=False).get_matching_blocks()
    said = sum(block.size for block in blocks if block.size >= RUN_MIN)
    return bool(letters) and said >= SAID_SHARE * len(letters)


def _letters(text: str) -> str:
    return _BETWEEN_LETTERS.sub("", text.casefold())
