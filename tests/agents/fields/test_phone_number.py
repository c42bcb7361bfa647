"""Phone numbers, by the rules of their countries."""

from __future__ import annotations

from typing import Annotated

import pytest

from callbridge.fields import PhoneNumber, phone_number
from field_reading import read, read_back, refused

German = Annotated[str, phone_number(region="DE")]


@pytest.mark.parametrize(
    ("region", "said", "number"),
    [
        ("US", "+1 (415) 555-0100", "+14155550100"),
        ("US", "415.555.0100", "+14155550100"),
        ("US", "1415555010\uff10", "+14155550100"),
        ("US", "+1-415-555-0100 ext. 5", "+14155550100;ext=5"),
        ("US", "011 49 171 1234567", "+491711234567"),
        ("DE", "0171 1234567", "+491711234567"),
        ("DE", "0049 171 1234567", "+491711234567"),
        ("JP", "090-1234-5678", "+819012345678"),
        ("", "+49 171 1234567", "+491711234567"),
    ],
)
def test_a_number_is_read_by_the_region_of_the_call(region: str, said: str, number: str) -> None:
    assert read(PhoneNumber, said, region=region) == number


def test_a_field_may_have_a_region_of_its_own() -> None:
    assert read(German, "0171 1234567", region="US") == "+491711234567"
    assert read(German | None, "0171 1234567", region="US") == "+491711234567"
    with pytest.raises(ValueError, match="no region 'de'"):
        phone_number(region="de")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("12", "has too few digits"),
        ("555-0100", "has no area code"),
        ("0171 1234567", "has too many digits"),
        ("9" * 300, "has too many digits"),
        ("+999 123", "no country code that exists"),
        ("+1 123 456 7890", "none begins like that"),
        ("four one five", "in digits alone"),
        ("+1 415 555 0100 or 2", "in digits alone"),
        ("+", "in digits alone"),
        ("", "empty"),
        (14155550100, "must be a text"),
    ],
)
def test_a_number_that_cannot_be_is_refused(said: object, words: str) -> None:
    assert words in refused(PhoneNumber, said)


def test_without_a_region_a_country_code_is_asked_for() -> None:
    assert "with its country code" in refused(PhoneNumber, "0171 1234567", region="")


@pytest.mark.parametrize(
    ("changed", "number", "words"),
    [
        ({}, "+14155550100", "4 1 5, 5 5 5, 0 1 0 0"),
        ({}, "+491711234567", "plus 4 9, 1 7 1, 1 2 3, 4 5 6 7"),
        ({"region": "DE", "language": "de"}, "+491711234567", "0 1 7 1, 1 2 3, 4 5 6 7"),
        ({"language": "de"}, "+491711234567;ext=12", "plus 4 9, 1 7 1, 1 2 3, 4 5 6 7, Durchwahl 1 2"),
    ],
)
def test_a_number_is_read_back_in_groups(changed: dict[str, str], number: str, words: str) -> None:
    assert read_back(PhoneNumber, number, **changed) == words
