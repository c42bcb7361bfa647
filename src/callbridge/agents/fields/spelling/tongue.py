"""`Tongue`: what must be known of a language to read values back in it, and to understand spelled letters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tongue:
    """One language."""

    letters: Mapping[str, str]
    """The word for each capital letter, `S`: `Samuel`. Letters that are not here are not spelled."""
    as_in: str
    """How letter and word stand together, `{letter} as in {word}`."""
    means: tuple[str, ...]
    """What stands between a letter and its word, whatever the word is."""
    may_mean: tuple[str, ...] = ()
    """So too, but it is a common word: it counts where the word begins with the letter."""
    word_first: tuple[str, ...] = ()
    """What stands between them where the word comes first."""
    doubles: tuple[str, ...] = ()
    """Words for a letter that comes twice."""
    letter_names: Mapping[str, str] = field(default_factory=dict)
    """Names of letters that are several words, or could be read as something else: `double u`: `W`."""
    accents: Mapping[str, str] = field(default_factory=dict)
    """The combining sign and how it is said behind its letter."""
    signs: Mapping[str, tuple[str, ...]]
    """Words for `@`, `.`, `_`, `-`, `+`: the first is said, all are understood."""
    extension: str
    """The word before the extension of a phone number."""
    yes: tuple[str, ...]
    no: tuple[str, ...]
    weekdays: tuple[str, ...]
    """From Monday on."""
    months: tuple[str, ...]
    day: str
    """`{weekday}`, `{day}`, `{month}`."""
    day_of_year: str
    """The same with `{year}`."""
    birth_day: str
    """`{day}`, `{month}`, `{year}`."""
    first_day: str = "1"
    """How the first of a month is called."""
    hour: str
    """A full hour: `{hour}` of 24, or `{hour_12}` and `{half}`."""
    minute: str
    """Any other: with `{minute}`, two digits."""
    moment: str
    """`{day}` and `{time}`."""
    address: tuple[tuple[str, ...], ...]
    """The parts of a postal address in their order; between the inner ones there is no comma."""


def letters_of(words: str) -> dict[str, str]:
    """Words by the letter that they begin with."""
    return {word[0]: word for word in words.split()}
