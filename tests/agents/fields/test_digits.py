"""Digits, by keypad or spoken."""

from __future__ import annotations

from typing import Annotated

import pytest

from callbridge.call.wants import KeysWanted
from callbridge.fields import Digits, digits
from field_reading import read, read_back, ready, refused

Six = Annotated[str, digits(length=6, pause_s=5)]
UpToFour = Annotated[str, digits(length_max=4)]


def test_digits_keep_their_zeros_and_nothing_else() -> None:
    assert read(Digits, "00 12-3#") == "00123"
    assert read(Six, "012345") == "012345"
    assert read(UpToFour, "４２") == "42"  # noqa: RUF001 - wide digits are meant


@pytest.mark.parametrize(
    ("kind", "said", "words"),
    [
        (Six, "12345", "5 digits, and must be 6"),
        (Six, "1234567", "7 digits, and must be 6"),
        (UpToFour, "12345", "5 digits, and may be 4"),
        (Digits, "1" * 41, "may be 40"),
        (Digits, "12a", "digits alone"),
        (Digits, "#", "digits alone"),
        (Digits, "١٢", "digits alone"),
        (Digits, 12, "must be a text"),
    ],
)
def test_others_are_refused(kind: object, said: object, words: str) -> None:
    assert words in refused(kind, said)


def test_the_keypad_is_told_how_many_are_wanted() -> None:
    assert ready(Six).keys == KeysWanted(6, 5, are_digits=True)
    assert ready(UpToFour).keys == KeysWanted(4, are_digits=True)
    assert ready(Digits).keys == KeysWanted(are_digits=True)
    assert "Exactly 6 digits" in ready(Six).description
    assert "At most 4 digits" in ready(UpToFour).description


@pytest.mark.parametrize("lengths", [(0, None), (None, 0), (41, None), (None, 41), (3, 4), (-1, None)])
def test_lengths_that_cannot_be_are_refused_at_once(lengths: tuple[int | None, int | None]) -> None:
    with pytest.raises(ValueError, match="digits: "):
        digits(*lengths)


@pytest.mark.parametrize(
    ("said", "words"),
    [("7", "7"), ("1234", "1 2 3 4"), ("12345", "1 2 3, 4 5"), ("1234567890", "1 2 3, 4 5 6, 7 8 9 0")],
)
def test_they_are_read_back_in_groups(said: str, words: str) -> None:
    assert read_back(Digits, said) == words


def test_another_key_may_end_them() -> None:
    """A field says how its keys are put together, and the model is told."""
    stars = Annotated[str, digits(length_max=6, end="*")]
    assert ready(stars).keys == KeysWanted(6, None, "*", are_digits=True)
    assert "end with the * key" in ready(stars).description
    assert read(stars, "12*") == "12"
