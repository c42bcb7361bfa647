"""Yes or no."""

from __future__ import annotations

import pytest

from callbridge.fields import YesNo
from field_reading import read, read_back, ready, refused


@pytest.mark.parametrize(
    ("language", "said", "answer"),
    [
        ("en", True, True), ("en", False, False), ("en", "Yes.", True), ("de", "nein", False),
        ("de", "yes", True), ("es", "Sí", True), ("fr", "oui", True), ("ja", "いいえ", False),
    ],
)  # fmt: skip
def test_an_answer_is_read(language: str, said: object, answer: bool) -> None:
    assert read(YesNo, said, language=language) is answer


@pytest.mark.parametrize("said", ["maybe", "ja", "", 1, 0, None, []])
def test_anything_else_is_refused(said: object) -> None:
    assert refused(YesNo, said)


def test_it_is_a_boolean_that_nobody_needs_to_hear_again() -> None:
    assert ready(YesNo).schema()["type"] == "boolean"
    assert read_back(YesNo, True) == ""
