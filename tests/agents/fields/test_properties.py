"""Whatever the model writes for a ready type is read or refused in words; what was read is read again."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import create_model

from callbridge.agents.fields.said import TEXT_MAX
from callbridge.agents.fields.spelling.tongues import TONGUES
from callbridge.fields import (
    BirthDate,
    Date,
    DateAndTime,
    Digits,
    EmailAddress,
    PersonName,
    PhoneNumber,
    PostalAddress,
    YesNo,
    date_and_time,
)
from field_reading import at, ready

TYPES: dict[str, Any] = {
    "name": PersonName,
    "email": EmailAddress,
    "phone": PhoneNumber,
    "address": PostalAddress,
    "date": Date,
    "moment": DateAndTime,
    "any_moment": Annotated[dt.datetime, date_and_time(past=True)],
    "birth": BirthDate,
    "digits": Digits,
    "yes": YesNo,
}

PIECES = st.sampled_from(
    [
        *"JOHNéß.,-_@+'#:;()12 ",
        *(
            ", ",
            "as in John",
            "wie Anton",
            "double",
            "at",
            "dot",
            "example",
            "com",
            "ドット",
            "アット",
            "のS",
        ),
        *("tomorrow", "monday", "T15:00", "2026-12-01", "+1415", "5550100", "ext 5", "pm", "Z", "+02:00"),
        *("n/a", "\u202e", "\u0301", "\u00a8", "\ufdfa", "\ud800", "a" * TEXT_MAX),
    ]
)
TEXT = st.lists(PIECES, max_size=9).map("".join) | st.text(max_size=30)
PARTS = ["street", "city", "house_number", "postal_code", "country"]
JSON = st.one_of(
    TEXT,
    st.none() | st.booleans() | st.integers() | st.floats(),
    st.lists(TEXT, max_size=2),
    st.fixed_dictionaries({"street": TEXT, "city": TEXT}),
    st.dictionaries(st.sampled_from(PARTS) | TEXT, TEXT | st.integers() | st.none(), max_size=4),
)


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
@given(said=JSON, language=st.sampled_from([*TONGUES, "", "xx"]), region=st.sampled_from(["US", "DE", ""]))
@example(said="2046-12-31T23:00-12:00", language="en", region="US")
@settings(max_examples=60)
def test_whatever_is_written_is_read_or_refused(kind: Any, said: object, language: str, region: str) -> None:
    where = at(language=language, region=region)
    try:
        value = ready(kind).read(said, where)
    except ValueError as error:
        words = str(error) if type(error) is ValueError else ""
    else:
        words = "it is read"
        assert ready(kind).read(value, where) == value
        assert isinstance(ready(kind).read_back(value, where), str)
        create_model("Form", field=(kind, ...)).model_validate({"field": value})
    assert 0 < len(words) < TEXT_MAX
