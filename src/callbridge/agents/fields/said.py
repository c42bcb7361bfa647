"""What the model writes for a value, before anybody reads it: never trusted, refused in words."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

TEXT_MAX: Final = 500
"""Characters of one text. Nobody says more for a field."""

_SHOWN_MAX: Final = 60

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Control characters, what turns the direction of writing, private and unassigned ones, half characters."""

_JOINERS: Final = "\u200c\u200d"
"""They are part of how some languages and pictures are written."""


def text_of(said: object, what: str) -> str:
    """The text that was written, in one line and in plain letters (Unicode's NFKC).

    Args:
        said: what the model wrote.
        what: what is asked for, "the name" for example.

    Raises:
        ValueError: it is no text, empty, too long, or has characters that nobody can say.
    """
    if not isinstance(said, str):
        raise ValueError(f"{what} must be a text")  # noqa: TRY004 - the reader of a field raises nothing else
    refuse_odd_text(said, what)
    # It may become longer by that: some signs stand for a whole sentence.
    text = " ".join(unicodedata.normalize("NFKC", said).split())
    refuse_odd_text(text, what)
    if not text:
        raise ValueError(f"{what} is empty; ask the caller for it")
    return text


def quoted(text: str) -> str:
    """What the model wrote, as it is shown to it again: its beginning."""
    return repr(text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…")


def refuse_odd_text(text: str, what: str) -> None:
    """Refuses what is too long or cannot be said.

    Raises:
        ValueError: it is so.
    """
    if len(text) > TEXT_MAX:
        raise ValueError(f"{what} has {len(text)} characters, and may have {TEXT_MAX}; write the value alone")
    if any(unicodedata.category(sign) in _INVISIBLE for sign in re.sub(rf"[\t\n\r{_JOINERS}]", "", text)):
        raise ValueError(f"{what} has characters that cannot be said; write it again in plain letters")
