"""What is known of each language is whole."""

from __future__ import annotations

import string

import pytest

from callbridge.agents.fields.spelling.letters import spelled
from callbridge.agents.fields.spelling.tongue import Tongue
from callbridge.agents.fields.spelling.tongues import TONGUES, tongue_of
from callbridge.agents.languages.texts import SHIPPED


@pytest.mark.parametrize("tongue", TONGUES.values(), ids=TONGUES)
def test_a_language_has_a_word_for_everything(tongue: Tongue) -> None:
    assert set(string.ascii_uppercase) <= tongue.letters.keys()
    assert all(word.upper().startswith(letter) for letter, word in tongue.letters.items() if letter < "[")
    assert len(set(tongue.letters.values())) == len(tongue.letters)
    assert set("@._-+") == tongue.signs.keys()
    assert all(tongue.signs.values())
    assert (len(set(tongue.weekdays)), len(set(tongue.months))) == (7, 12)
    assert not set(tongue.yes) & set(tongue.no)
    parts = [part for line in tongue.address for part in line]
    assert sorted(parts) == sorted(
        ["street", "house_number", "postal_code", "city", "addition", "state", "country"]
    )


def test_whoever_speaks_a_language_spells_in_it() -> None:
    assert sorted(TONGUES) == sorted(SHIPPED)


def test_a_language_is_found_under_its_names() -> None:
    assert tongue_of("de") is tongue_of("de-AT") is TONGUES["de"]
    assert tongue_of("") is tongue_of("xx") is TONGUES["en"]


@pytest.mark.parametrize("language", TONGUES)
def test_every_letter_of_an_address_can_be_spelled(language: str) -> None:
    assert len(spelled(string.ascii_letters + string.digits + "._-+", language).split(", ")) == 66
