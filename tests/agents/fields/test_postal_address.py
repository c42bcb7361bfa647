"""Postal addresses: parts of text, of which few are needed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field

from callbridge.agents.fields.ready import ready_of
from callbridge.fields import PostalAddress
from field_reading import at, read, read_back, ready, refused

HOME = {"street": "Hauptstraße", "house_number": "12 B", "postal_code": "10115", "city": "Berlin"}
EMPTY = {"house_number": "", "postal_code": "", "addition": "", "state": "", "country": ""}


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        (HOME, HOME),
        ({"street": "12 Main St", "city": "Ames"}, {"street": "12 Main St", "city": "Ames"}),
        (HOME | {"house_number": 12, "state": None}, HOME | {"house_number": "12"}),
        (HOME | {"street": "  Am \n Tor "}, HOME | {"street": "Am Tor"}),
    ],
)
def test_its_parts_are_read(said: dict[str, Any], parts: dict[str, str]) -> None:
    assert read(PostalAddress, said) == EMPTY | parts


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Hauptstraße 12", "must be an object"),
        ({}, "lacks the street and the city"),
        ({"street": "Hauptstraße", "city": " "}, "the city of the address is empty"),
        (HOME | {"zip": "1"}, "no part 'zip'"),
        (HOME | {"postal_code": "next to the church"}, "is no postal code"),
        (HOME | {"city": ["Berlin"]}, "the city of the address must be a text"),
        (HOME | {"house_number": True}, "the house number of the address must be a text"),
        (HOME | {"house_number": 10**20}, "the house number of the address must be a text"),
        (HOME | {"city": "B" * 121}, "121 characters"),
        (HOME | {"city": "B\x1b"}, "cannot be said"),
    ],
)
def test_what_is_no_address_is_refused(said: object, words: str) -> None:
    assert words in refused(PostalAddress, said)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "12 B Hauptstraße, Berlin, BE 1 0 1 1 5"),
        ("de", "Hauptstraße 12 B, 1 0 1 1 5 Berlin, BE"),
        ("es", "Hauptstraße 12 B, 1 0 1 1 5 Berlin, BE"),
        ("fr", "12 B Hauptstraße, 1 0 1 1 5 Berlin, BE"),
        ("ja", "1 0 1 1 5, BE Berlin Hauptstraße 12 B"),
    ],
)
def test_it_is_read_back_in_the_order_of_the_language(language: str, words: str) -> None:
    assert read_back(PostalAddress, HOME | {"state": "BE"}, language=language) == words


def test_a_field_with_a_text_of_its_own_is_the_same_object() -> None:
    class Form(BaseModel):
        home: PostalAddress | None = Field(default=None, description="Where we come to.")

    told = ready_of(Form.model_fields["home"])
    assert told.description.startswith("Where we come to. A postal address")
    assert told.schema()["required"] == ["street", "city"]
    assert told.read(HOME, at()) == ready(PostalAddress).read(HOME, at())
