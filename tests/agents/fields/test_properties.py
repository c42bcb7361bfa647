"""Whatever the model writes for a ready type is read or refused in words; what was read is read again."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
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

PIECES = [
    *"JOHNéß.,-_@+'#:;()12 ",
    *[", ", "as in John", "wie Anton", "double", "at", "dot", "example", "com", "ドット", "アット", "のS"],
    *["tomorrow", "monday", "T15:00", "2026-12-01", "+1415", "5550100", "ext 5", "pm", "Z", "+02:00"],
    *("n/a", "\u202e", "\u0301", "\u00a8", "\ufdfa", "\ud800", "a" * TEXT_MAX),
]
TEXT = st.lists(st.sampled_from(PIECES), max_size=9).map("".join) | st.text(max_size=30)
ODD = st.one_of(
    TEXT,
    st.none() | st.booleans() | st.integers() | st.floats(),
    st.lists(TEXT, max_size=2),
    st.dictionaries(st.sampled_from(["street", "city", "country"]) | TEXT, TEXT | st.none(), max_size=4),
)
"""What a hostile model writes. Most of it is refused."""


def joined(*parts: str) -> st.SearchStrategy[str]:
    """One alternative of each part."""
    return st.tuples(*(st.sampled_from(part.split("|")) for part in parts)).map("".join)


LETTERS = "s|S as in Samuel, |a for Anna |m, |double l |'|J-o-h-n |Miller |O, "
DAYS = (
    "2026-12-01|2027-03-28|2046-12-31|12-24|02-29|tomorrow|the day after tomorrow|next monday|in 2 weeks"
    "|2026-11-27|1976-01-01|1985-04-03|today"
)
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "name": st.lists(joined(LETTERS), min_size=1, max_size=6).map("".join),
    "email": joined(
        LETTERS,
        "|dot |_| underscore |+|é",
        LETTERS,
        "@| at | (at) ",
        "g mail|example|a b c|exämple|xn--mller-kva",
        ".com| dot co dot uk| dot com.",
    ),
    "phone": joined(
        "+1 |1-||011 49 |+49|0", "415|(415) |171|4.1.5", "5550100| 555-0100|1234567", "| ext. 5|x12| "
    ),
    "address": st.fixed_dictionaries(
        {"street": TEXT, "city": TEXT},
        optional={"house_number": st.integers(0), "postal_code": st.text("1A- ")},
    ),
    "moment": joined(
        DAYS, "T| | at |, ", "15:00|02:30|00:00:59|23:59:59.9|3 pm|12 a.m.|noon", "|Z|+02:00|-12:00|+14:00"
    ),
    "date": joined(DAYS),
    "digits": st.text("0123456789 -#", max_size=44),
    "yes": st.booleans() | joined("yes|No.|nein"),
}
LIKELY |= {"any_moment": LIKELY["moment"], "birth": LIKELY["date"]}
"""What a model writes that tries to be good. Most of it is read."""


@pytest.mark.parametrize("name", TYPES)
@given(
    data=st.data(), language=st.sampled_from([*TONGUES, "", "xx"]), region=st.sampled_from(["US", "DE", ""])
)
@settings(max_examples=60)
def test_whatever_is_written_is_read_or_refused(
    name: str, data: st.DataObject, language: str, region: str
) -> None:
    kind, where = TYPES[name], at(language=language, region=region)
    said = data.draw(LIKELY[name] | ODD)
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
