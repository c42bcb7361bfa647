"""`Digits`: a number of digits that keeps its zeros, by keypad or spoken: a customer number, a code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from callbridge.agents.fields.ready import Ready
from callbridge.agents.fields.said import text_of
from callbridge.agents.fields.spelling.letters import grouped
from callbridge.call.wants import KeysWanted

if TYPE_CHECKING:
    from callbridge.agents.fields.ready import At

LENGTH_MAX: Final = 40
"""More nobody reads out."""


class DigitsReady(Ready):
    """Digits.

    Args:
        length: exactly so many.
        length_max: at most so many.
        pause_s: how long the next key is waited for.
        end: the key that says that they are done.

    Raises:
        ValueError: the lengths contradict each other.
    """

    def __init__(
        self,
        length: int | None = None,
        length_max: int | None = None,
        pause_s: float | None = None,
        end: Literal["#", "*"] = "#",
    ) -> None:
        if length is not None and length_max is not None:
            raise ValueError("digits: give length, exactly so many, or length_max, at most so many")
        self._length, self._length_max = length, _first(length, length_max)
        if not 1 <= self._length_max <= LENGTH_MAX:
            raise ValueError(f"digits: a length lies between 1 and {LENGTH_MAX}")
        self._keys = KeysWanted(length or length_max, pause_s, end, are_digits=True)

    @property
    def description(self) -> str:
        """What the model is told."""
        count = f"Exactly {self._length}" if self._length else f"At most {self._length_max}"
        end = "" if self._length else f", and end with the {self._keys.end} key"
        example = ("0123456789" * 4)[: self._length or min(self._length_max, 6)]
        return (
            f"{count} digits as a text, leading zeros kept, for example '{example}'. The caller may say "
            f"them, or press them on the keypad{end}."
        )

    @property
    def keys(self) -> KeysWanted:
        """A number is pressed: its last key ends it at once."""
        return self._keys

    def read(self, said: object, at: At) -> str:  # noqa: ARG002 - they are the same everywhere
        """The digits alone."""
        text = text_of(said, "the digits").removesuffix(self._keys.end)
        digits = re.sub(r"[\s.,\-/]", "", text)
        if not re.fullmatch(r"[0-9]+", digits):
            raise ValueError("write digits alone, as a text; ask the caller to say or press them again")
        if self._length is not None and len(digits) != self._length:
            raise ValueError(
                f"these are {len(digits)} digits, and must be {self._length}; ask for them again"
            )
        if len(digits) > self._length_max:
            raise ValueError(
                f"these are {len(digits)} digits, and may be {self._length_max}; ask for them again"
            )
        return digits

    def read_back(self, value: Any, at: At) -> str:  # noqa: ARG002 - so here
        """In groups."""
        return grouped(value)


def _first(length: int | None, length_max: int | None) -> int:
    return next((given for given in (length, length_max) if given is not None), LENGTH_MAX)


def digits(
    length: int | None = None,
    length_max: int | None = None,
    pause_s: float | None = None,
    end: Literal["#", "*"] = "#",
) -> DigitsReady:
    """Digits of a certain length.

    They stand in `Annotated[str, digits(length=6)]`.

    Args:
        length: exactly so many; when they are pressed, nothing more is waited for.
        length_max: at most so many.
        pause_s: how long the next key is waited for, in seconds; None for the usual time.
        end: the key that says that they are done.

    Raises:
        ValueError: both lengths are given, or one that is not between 1 and 40.
    """
    return DigitsReady(length, length_max, pause_s, end)


Digits: TypeAlias = Annotated[str, digits()]
"""Digits, at most 40 of them."""
