"""How any field of a form is read: plain types strictly, ready ones with the user's rules behind them."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field

from callbridge.agents.fields.ready import At, ReadBack, Ready, ready_of

AT = At(now=dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC))


class Shout(Ready):
    """A ready type of a user's own."""

    description = "In any case of letters."

    def read(self, said: object, at: At) -> str:  # noqa: ARG002 - it is the same everywhere
        if not isinstance(said, str):
            raise ValueError("a text, please")  # noqa: TRY004 - as everywhere
        return said.upper()

    def read_back(self, value: Any, at: At) -> str:  # noqa: ARG002 - so here
        return f"{value}!"


def no_x(value: str) -> str:
    if "X" in value:
        raise ValueError("we take no X")
    return value


class Colour(enum.Enum):
    RED = "red"


class Inner(BaseModel):
    count: int


class Pair(BaseModel):
    first: Inner
    title: str


class Chain(BaseModel):
    next: Chain | None


class Form(BaseModel):
    text: str
    count: int = 0
    maybe: Annotated[int, Field(ge=1)] | None = None
    older: Optional[int] = None  # noqa: UP045 - users write it like that
    way: Literal["in", "out"] = "in"
    colour: Colour = Colour.RED
    flag: bool = False
    day: dt.date | None = None
    inner: Inner | None = None
    pair: Pair | None = None
    many: list[int] = []
    wide: int | str = 0
    short: Annotated[str, Field(max_length=3, description="A code.")] = ""
    marked: Annotated[str, ReadBack()] = ""
    marked_number: Annotated[int, ReadBack()] = 0
    shout: Annotated[str, Shout()] = ""
    maybe_shout: Annotated[str, Shout()] | None = None
    ruled: Annotated[str, Shout(), AfterValidator(no_x)] = ""
    told: Annotated[str, Shout()] = Field(default="", description="The word.")


def ready(name: str) -> Ready:
    return ready_of(Form.model_fields[name])


@pytest.mark.parametrize(
    ("name", "said", "value"),
    [
        ("text", "a b", "a b"),
        ("count", 3, 3),
        ("maybe", 1, 1),
        ("older", 1, 1),
        ("way", "out", "out"),
        ("colour", "red", "red"),
        ("flag", True, True),
        ("day", "2026-12-01", "2026-12-01"),
        ("inner", {"count": 1}, {"count": 1}),
        ("many", [1, 2], [1, 2]),
        ("wide", "x", "x"),
        ("short", "abc", "abc"),
        ("shout", "abc", "ABC"),
        ("maybe_shout", "abc", "ABC"),
        ("ruled", "abc", "ABC"),
    ],
)
def test_what_fits_is_read(name: str, said: object, value: object) -> None:
    read = ready(name).read(said, AT)
    assert (type(read), read) == (type(value), value)
    assert ready(name).read(read, AT) == read
    Form.model_validate({"text": "", name: read})


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        ("text", 3, "string"),
        ("text", None, "string"),
        ("text", "a" * 501, "501 characters"),
        ("text", "a\x00b", "cannot be said"),
        ("text", "a\u202eb", "cannot be said"),
        ("text", "\ud800", "cannot be said"),
        ("count", "3", "integer"),
        ("count", True, "integer"),
        ("maybe", 0, "greater than or equal to 1"),
        ("way", "up", "'in' or 'out'"),
        ("flag", "yes", "boolean"),
        ("day", "tomorrow", "date"),
        ("inner", {"count": "1"}, "count: "),
        ("many", [1] * 4000, "12000 characters"),
        ("many", object(), "no JSON form"),
        ("many", {1: {("a",): 1}}, "no JSON form"),
        ("short", "abcd", "at most 3 characters"),
        ("ruled", "x", "we take no X"),
        ("shout", 1, "a text, please"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(name: str, said: object, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        ready(name).read(said, AT)
    assert type(refused.value) is ValueError
    assert "pydantic" not in str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(Form.model_fields)), JSON)
def test_whatever_is_written_is_read_or_refused(name: str, said: object) -> None:
    try:
        value = ready(name).read(said, AT)
    except ValueError:
        return
    assert ready(name).read(value, AT) == value
    Form.model_validate({"text": "", name: value})


def test_only_what_is_marked_or_ready_is_read_back() -> None:
    backs = {name: ready(name).read_back("x", AT) for name in Form.model_fields}
    assert {name: back for name, back in backs.items() if back} == {
        "marked": "x", "marked_number": "x", "shout": "x!", "maybe_shout": "x!", "ruled": "x!", "told": "x!",
    }  # fmt: skip
    assert ready("marked_number").read_back(12, AT) == "12"


def test_the_model_is_told_what_its_author_says() -> None:
    assert ready("short").schema() == {"type": "string", "maxLength": 3, "description": "A code."}
    assert ready("shout").schema() == {"type": "string", "description": "In any case of letters."}
    assert ready("told").schema()["description"] == "The word. In any case of letters."
    assert ready("way").schema() == {"type": "string", "enum": ["in", "out"]}
    assert ready("inner").schema() == {
        "type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"],
    }  # fmt: skip
    assert ready("pair").schema()["properties"]["first"] == ready("inner").schema()
    assert ready("pair").schema()["properties"]["title"] == {"type": "string"}


def test_a_type_without_a_json_form_is_refused() -> None:
    class Odd(BaseModel, arbitrary_types_allowed=True):
        call: Shout

    with pytest.raises(TypeError, match="no JSON form"):
        ready_of(Odd.model_fields["call"])
    with pytest.raises(TypeError, match="Chain contains itself"):
        ready_of(Chain.model_fields["next"])
