"""What the model says is sent where it belongs, and never decides where that is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.agents.context import About, Call, Caller, CallerKind
from callbridge.agents.http.origins import listed_origin
from callbridge.agents.http.parameters import Parameter, schema_of
from callbridge.agents.http.recipe import Recipe
from callbridge.agents.tools.tool import ToolRefused

CALL: Call[Any] = Call(About("CA1", Caller("+14155550100", name="ANNA"), "+14155550142"), {})
WITHHELD: Call[Any] = Call(About("CA1", Caller("", CallerKind.ANONYMOUS), "+14155550142"), {})
ALLOWED = [listed_origin("https://api.example.com")]
DAY = Parameter("day", "path", description="The day.")
SLOTS = Recipe("GET", "https://api.example.com/slots/{day}?v=2", [DAY])


def url_for(recipe: Recipe, **arguments: object) -> str:
    return recipe.request_for(arguments, CALL).url


def test_an_argument_of_the_path_is_one_encoded_segment() -> None:
    assert url_for(SLOTS, day="30 April?&#ü") == "https://api.example.com/slots/30%20April%3F%26%23%C3%BC?v=2"


@pytest.mark.parametrize(
    "day", ["", ".", "..", "../admin", "a/b", "a\\b", "%2f", "..%2fadmin", "a\x00b", "a\n"]
)
def test_a_way_out_of_a_segment_is_refused(day: str) -> None:
    with pytest.raises(ToolRefused, match="day cannot"):
        url_for(SLOTS, day=day)


def test_two_arguments_make_no_way_out_together() -> None:
    pair = [Parameter("a", "path"), Parameter("b", "path")]
    recipe = Recipe("GET", "https://api.example.com/x/{a}{b}/y", pair)
    assert url_for(recipe, a=".", b="x") == "https://api.example.com/x/.x/y"
    with pytest.raises(ToolRefused, match="dots alone"):
        url_for(recipe, a=".", b=".")


@given(st.text())
def test_whatever_the_model_says_stays_in_its_place(said: str) -> None:
    """Host and path are those of the file, with one more segment and one more pair in the query."""
    recipe = replace(SLOTS, parameters=[DAY, Parameter("q", "query")])
    try:
        url = url_for(recipe, day=said, q=said)
    except ToolRefused:
        assert set(said) <= {"."} or set(said) & set("/\\%\x7f") or min(said) < " "
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.example.com", "")
    nothing, slots, day = parts.path.split("/")
    assert (nothing, slots, unquote(day)) == ("", "slots", said)
    version, pair = parts.query.split("&")
    assert (version, unquote(pair)) == ("v=2", f"q={said}")


def test_each_goes_where_it_is_sent() -> None:
    recipe = Recipe(
        "POST",
        "https://api.example.com/bookings",
        [
            Parameter("name", "body", sent_as="customer.name"),
            Parameter("phone", "body", sent_as="customer.phone", of_call="caller_number"),
            Parameter("guests", "body", "integer"),
            Parameter("window", "body", "boolean", is_required=False),
            Parameter("dry", "query", "boolean", sent_as="dry_run"),
            Parameter("trace", "header", sent_as="X-Trace", of_call="call_sid"),
            Parameter("source", "body", value="telephone"),
        ],
        {"Authorization": "Bearer pk-123456"},
    )
    assert list(recipe.faults(ALLOWED)) == []
    request = recipe.request_for({"name": "Zoë", "guests": 2, "dry": True}, CALL)
    assert request.url == "https://api.example.com/bookings?dry_run=true"
    assert request.headers == {
        "Authorization": "Bearer pk-123456",
        "X-Trace": "CA1",
        "Content-Type": "application/json",
    }
    assert json.loads(request.content or b"") == {
        "customer": {"name": "Zoë", "phone": "+14155550100"},
        "guests": 2,
        "source": "telephone",
    }
    assert "pk-123456" not in repr(request) + repr(recipe)


def test_the_model_sees_what_it_gives_and_nothing_else() -> None:
    given_by_it = Parameter("size", "query", "integer", "How big.", is_required=False, choices=(1, 2))
    ours = [Parameter("key", "query", value="pk-123456"), Parameter("who", "query", of_call="caller_number")]
    assert schema_of([DAY, given_by_it, *ours]) == {
        "type": "object",
        "properties": {
            "day": {"type": "string", "description": "The day."},
            "size": {"type": "integer", "description": "How big.", "enum": [1, 2]},
        },
        "required": ["day"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "day is missing"),
        ({"day": "x", "url": "https://evil.example"}, "there is no url"),
        ({"day": "x", "who": "+1"}, "there is no who"),
        ({"day": 5}, "day must be of type string"),
        ({"day": None}, "day must be of type string"),
        ({"day": ["a"]}, "day must be of type string"),
        ({"day": "x", "size": True}, "size must be of type integer"),
        ({"day": "x", "size": "1"}, "size must be of type integer"),
        ({"day": "x", "size": 3}, "size must be one of 1, 2"),
        ({"day": "x", "tag": "a\r\nHost: evil"}, "tag may have letters"),
        ({"day": "x", "tag": "ü"}, "tag may have letters"),
        ({"day": "\ud800"}, "day has characters that do not exist"),
        ({"day": "x", "price": 10**400}, "price must be of type number"),
    ],
)
def test_arguments_are_judged_strictly(arguments: dict[str, object], why: str) -> None:
    size = Parameter("size", "query", "integer", is_required=False, choices=(1, 2))
    tag = Parameter("tag", "header", is_required=False)
    who = Parameter("who", "query", of_call="caller_number")
    price = Parameter("price", "query", "number", is_required=False)
    with pytest.raises(ToolRefused, match=why):
        replace(SLOTS, parameters=[DAY, size, tag, who, price]).request_for(arguments, CALL)


def test_a_number_that_is_withheld_is_left_out_or_told() -> None:
    phone = Parameter("phone", "query", of_call="caller_number", is_required=False)
    recipe = replace(SLOTS, parameters=[DAY, phone])
    assert recipe.request_for({"day": "x"}, WITHHELD).target == "/slots/x?v=2"
    with pytest.raises(ToolRefused, match="the caller's number, which is not known"):
        replace(recipe, parameters=[DAY, replace(phone, is_required=True)]).request_for(
            {"day": "x"}, WITHHELD
        )


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://other.example.com/slots/{day}", 'add "https://other.example.com" to it'),
        ("https://api.example.com.evil.example/{day}", "not in the list"),
        ("https://api.example.com:8443/{day}", "not in the list"),
        ("https://{day}/slots", "no name of a host"),
        ("https://api.example.com/slots?day={day}", 'give those of the query `in = "query"`'),
        ("https://api.example.com/a/../{day}", "has . or .. in it"),
        ("https://api.example.com/%2e%2e/{day}", "has . or .. in it"),
        ("https://api.example.com/a b/{day}", "percent-encoded"),
        ("https://api.example.com/{day}/{week}", "there is no parameter week"),
        ("https://api.example.com/{day}#top", "only the path has parameters"),
    ],
)
def test_what_is_wrong_with_a_url_is_told(url: str, why: str) -> None:
    ((part, text),) = [fault for fault in Recipe("GET", url, [DAY]).faults(ALLOWED) if fault[0] == "url"]
    assert part == "url"
    assert why in text


@pytest.mark.parametrize(
    ("parameter", "why"),
    [
        (Parameter("day", "query"), "stands in the URL"),
        (Parameter("week", "path"), "not in the URL's path"),
        (Parameter("day", "path", is_required=False), "it is required"),
        (Parameter("note", "body"), "a GET has no body"),
        (Parameter("host", "header"), "cannot be set by a parameter"),
        (Parameter("authorization", "header"), "cannot be set by a parameter"),
        (Parameter("x", "header", sent_as="a b"), "no name of a header"),
    ],
)
def test_what_is_wrong_with_a_parameter_is_told(parameter: Parameter, why: str) -> None:
    parameters = [parameter] if parameter.name == "day" else [DAY, parameter]
    recipe = replace(SLOTS, parameters=parameters, headers={"Authorization": "Bearer x"})
    assert [why in text for part, text in recipe.faults(ALLOWED) if part.startswith("parameters.")] == [True]
