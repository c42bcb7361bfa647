"""Ids as the API makes them: a prefix and 21 letters and digits, from a seed."""

from __future__ import annotations

import string
from random import Random

_LETTERS = string.ascii_letters + string.digits

_LETTER_OF = bytes(ord(_LETTERS[number * len(_LETTERS) // 256]) for number in range(256))
"""A letter or digit for each byte."""


class Ids:
    """A source of ids. The same seed gives the same ids in the same order."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)  # noqa: S311 - ids of a simulator, not secrets

    def make(self, prefix: str) -> str:
        """`event_Dq4...`, `item_...`, `resp_...`: below the 32 characters that an id may have."""
        # Every event has one: letter by letter they were a quarter of the cost of an answer.
        return f"{prefix}_{self.letters(21)}"

    def letters(self, count: int) -> str:
        """So many letters and digits."""
        return self._random.randbytes(count).translate(_LETTER_OF).decode("ascii")
