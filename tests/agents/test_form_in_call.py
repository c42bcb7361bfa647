"""A form in one call: what is kept, confirmed, corrected and declined, and that it is delivered once."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import Annotated, Any, Literal, Self

import pytest
from pydantic import AfterValidator, BaseModel, Field, model_validator

from callbridge.agents.capture import Form
from callbridge.agents.context import Call
from callbridge.agents.fields.ready import At, ReadBack, Ready
from callbridge.agents.tools.tool import ToolRefused
from callbridge.call import agent_facts as af
from callbridge.call import facts
from callbridge.call.facts import Fact
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.wants import KeysWanted
from form_rig import FormCall


class Pin(Ready):
    """Four digits, spoken or typed."""

    description = "four digits"
    keys = KeysWanted(length_max=4, are_digits=True)

    def read(self, said: object, at: At) -> str:  # noqa: ARG002 - digits are the same everywhere
        if not isinstance(said, str) or not said.isdigit() or len(said) != 4:
            raise ValueError("it must have four digits")
        return said

    def read_back(self, value: Any, at: At) -> str:  # noqa: ARG002 - so here
        return " ".join(value)


class Visit(BaseModel):
    """A visit at the clinic."""

    why: Literal["check-up", "pain"]
    name: Annotated[str, ReadBack()]
    email: Annotated[str, ReadBack()]
    note: str = ""


class Deliveries(list[Any]):
    """What the user's code was given."""

    async def take(self, call: Call, whole: BaseModel) -> str:
        assert call.sid == "CA1"
        self.append(whole)
        return "the number is 4711"


@pytest.fixture
def deliveries() -> Deliveries:
    return Deliveries()


@pytest.fixture
async def visit(deliveries: Deliveries) -> FormCall:
    return FormCall(Form(Visit, then=deliveries.take))


async def test_what_was_misheard_is_corrected_and_delivered_once(
    visit: FormCall, deliveries: Deliveries
) -> None:
    """Names and addresses are read back; a correction takes the yes away; the object is whole and typed."""
    told = await visit.calls("note_visit", why="check-up", name="Samanta")
    assert told["kept"] == {"why": "check-up", "name": "Samanta"}
    assert told["read_back"] == {"name": "Samanta"}
    assert told["still_missing"] == ["email", "note"]
    visit.agrees()
    assert (await visit.calls("confirm_visit", fields=["name"]))["confirmed"] == ["name"]
    told = await visit.calls("note_visit", name="Samantha", email="sam@example.com")
    assert set(told["read_back"]) == {"name", "email"}
    visit.agrees()
    told = await visit.calls("confirm_visit", fields=["name", "email"])
    assert told["still_missing"] == ["note"]
    assert "leave out" in told["what_next"]
    assert visit.works == []
    told = await visit.calls("decline_visit", field="note", why="nothing special")
    assert "complete" in told
    assert visit.last() == af.Captured(
        "visit",
        '{"why":"check-up","name":"Samantha","email":"sam@example.com","note":""}',
    )
    assert await visit.deliver() == [ToolOutcome.ANSWERED]
    assert deliveries == [Visit(why="check-up", name="Samantha", email="sam@example.com")]
    assert visit.last() == af.CaptureDelivered("visit", "answered")
    assert "4711" in visit.told[0].text
    assert visit.ability.tools == ()
    assert "Samantha" in visit.ability.instructions
    assert "ended" in await visit.refused("note_visit", name="Bob")


async def test_a_confirmation_needs_a_question_that_was_heard_and_an_answer(visit: FormCall) -> None:
    """Not in one breath, not before the question was heard, and not for what was corrected since."""
    await visit.calls("note_visit", name="Anna")
    why = await visit.refused("confirm_visit", fields=["name"])
    assert "Anna" in why, "the words for it are said once more"
    visit.happens(facts.CallerSpoke(1, 400), facts.KeysPressed("1", 1))  # Before anything was heard.
    await visit.refused("confirm_visit", fields=["name"])
    visit.happens(facts.ItemHeard("item_1"), facts.KeysPressed("2", 1))  # 2 is no yes.
    await visit.refused("confirm_visit", fields=["name"])
    assert visit.presses("1#") == "[The caller pressed 1 on the telephone keypad: yes.]"
    await visit.calls("note_visit", name="Anne")
    await visit.refused("confirm_visit", fields=["name"])
    visit.agrees()
    await visit.calls("note_visit", name="Anne")  # The same again: no new question.
    assert (await visit.calls("confirm_visit", fields=["name"]))["confirmed"] == ["name"]
    await visit.calls("note_visit", name="Anne")
    assert visit.ability.confirmed == {"name": "Anne"}, "a yes stays a yes"


async def test_only_what_was_asked_is_confirmed(visit: FormCall) -> None:
    """A value that came after the caller's yes is not confirmed with the others."""
    await visit.calls("note_visit", name="Anna")
    visit.agrees()
    await visit.calls("note_visit", email="anna@example.com")
    told = await visit.calls("confirm_visit", fields=["name", "email"])
    assert told["confirmed"] == ["name"]
    assert set(told["read_back"]) == {"email"}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("note_visit", '{"surname": "Bond"}'),
        ("note_visit", '{"name": "Anna", "admin": true}'),
        ("note_visit", '{"name": null}'),
        ("note_visit", '{"name": "A", "name": "B"}'),
        ("note_visit", "{}"),
        ("note_visit", "[]"),
        ("note_visit", '{"name": '),
        ("note_visit", '{"name": NaN}'),
        ("confirm_visit", '{"fields": ["name"]}'),
        ("confirm_visit", '{"fields": []}'),
        ("confirm_visit", '{"fields": "name"}'),
        ("confirm_visit", '{"fields": [{"name": 1}]}'),
        ("confirm_visit", '{"fields": ["admin"]}'),
        ("confirm_visit", '{"fields": ["name"], "force": true}'),
        ("decline_visit", "{}"),
        ("decline_visit", '{"field": "admin"}'),
        ("decline_visit", '{"field": ["name"]}'),
        ("decline_visit", '{"field": "name", "and": "all"}'),
    ],
)
async def test_what_a_model_may_not_write_is_refused_in_words(
    visit: FormCall, name: str, arguments: str
) -> None:
    assert await visit.refused(name, arguments)
    assert visit.ability.is_open


@pytest.mark.parametrize("said", [5, True, ["a"], {"a": 1}, "x" * 100_000, "a\x00b"])
async def test_a_value_that_is_none_is_told_and_not_kept(visit: FormCall, said: object) -> None:
    """What is right beside it is kept, and what was right before stays."""
    await visit.calls("note_visit", name="Anna")
    told = await visit.calls("note_visit", name=said, email="anna@example.com")
    assert set(told["invalid"]) == {"name"}
    assert len(json.dumps(told)) < 2000
    assert visit.ability.values == {"name": "Anna", "email": "anna@example.com"}


# --- The way out ---


async def test_a_needed_field_that_is_refused_ends_the_form() -> None:
    gone: list[str] = []
    form = Form(Visit)

    @form.refused
    def no_visit(call: Call, field: str) -> None:
        gone.append(f"{call.sid} {field}")

    visit = FormCall(form)
    await visit.calls("note_visit", why="pain")
    told = await visit.calls("decline_visit", field="email", why="none of your business")
    assert "email" in told["ended"]
    assert visit.last() == af.FieldRefused("visit", "email")
    assert await visit.deliver() == [ToolOutcome.ANSWERED]
    assert gone == ["CA1 email"]
    assert (visit.ability.tools, visit.told) == ((), [])
    assert "email" in visit.ability.instructions


async def test_what_was_left_out_may_still_be_given(visit: FormCall) -> None:
    """And what was given may be left out after all."""
    await visit.calls("decline_visit", field="note")
    await visit.calls("note_visit", note="by the back door")
    assert visit.ability.values == {"note": "by the back door"}
    await visit.calls("decline_visit", field="note")
    assert visit.ability.values == {}
    assert (await visit.calls("note_visit", why="pain"))["still_missing"] == ["name", "email"]


# --- Keys ---


class Login(BaseModel):
    pin: Annotated[str, Pin()]
    reason: str


async def test_keys_fill_the_next_field() -> None:
    """Typed digits are not misheard; what is typed wrong is told in words; elsewhere keys mean nothing."""
    login = FormCall(Form(Login))
    assert login.keys == [Pin.keys]
    assert "four digits" in (login.presses("12#") or "")
    assert login.ability.values == {}
    told = login.presses("1234#") or ""
    assert "Ask for reason" in told
    assert login.ability.confirmed == {"pin": "1234"}
    assert login.keys == []
    assert login.presses("5") is None
    await login.calls("note_login", pin="4321")
    assert login.ability.confirmed == {}, "what is spoken is read back"


async def test_the_last_field_may_be_typed() -> None:
    login = FormCall(Form(Login))
    await login.calls("note_login", reason="balance")
    assert "complete" in (login.presses("1234") or "")
    assert login.last() == af.Captured("login", '{"pin":"1234","reason":"balance"}')
    assert login.keys == []


# --- The whole ---


class Trip(BaseModel):
    there: dt.date
    back: dt.date

    @model_validator(mode="after")
    def in_order(self) -> Self:
        if self.back < self.there:
            raise ValueError("the way back is before the way there")
        return self


async def test_what_is_wrong_together_is_told_and_stays(deliveries: Deliveries) -> None:
    trip = FormCall(Form(Trip, then=deliveries.take))
    told = await trip.calls("note_trip", there="2026-12-05", back="2026-12-01")
    assert told["not_accepted"] == "the way back is before the way there"
    assert trip.ability.values == {"there": "2026-12-05", "back": "2026-12-01"}
    assert trip.works == []
    assert "complete" in await trip.calls("note_trip", back="2026-12-10")
    await trip.deliver()
    assert deliveries == [Trip(there=dt.date(2026, 12, 5), back=dt.date(2026, 12, 10))]


class Foreign(BaseModel):
    first: str = Field(alias="First-Name")


async def test_a_field_is_asked_for_by_its_own_name() -> None:
    """Whatever it is called where the object goes."""
    form = FormCall(Form(Foreign))
    await form.calls("note_foreign", first="Anna")
    assert form.last() == af.Captured("foreign", '{"first":"Anna"}')


class Long(BaseModel):
    one: Annotated[str, ReadBack()]
    two: Annotated[list[str], ReadBack()]
    three: Annotated[list[str], ReadBack()]
    four: Annotated[list[str], ReadBack()]


async def test_what_is_too_much_for_once_is_read_back_bit_by_bit() -> None:
    """The answer of a tool has a bound, and so has a caller's patience."""
    form = FormCall(Form(Long))
    pages = ["x" * 480] * 3
    told = await form.calls("note_long", one="y" * 480, two=pages, three=pages, four=pages)
    asked = [list(told["read_back"])]
    while "complete" not in told:
        form.agrees()
        told = await form.calls("confirm_long", fields=list(told["read_back"]))
        asked.append(list(told.get("read_back", ())))
    assert asked == [["one", "two"], ["three"], ["four"], []]


def _broken(said: str) -> str:
    raise KeyError(said)


class Mute(Pin):
    """Finds no words for what it has read."""

    def read_back(self, value: Any, at: At) -> str:  # noqa: ARG002 - so here
        raise KeyError(value)


class Muted(BaseModel):
    code: Annotated[str, Mute()]
    pin: Annotated[str, Pin()]


async def test_a_type_without_words_has_its_value_read_back() -> None:
    form = FormCall(Form(Muted))
    await form.calls("note_muted", code="0815")
    assert "0815" in (form.presses("1234") or "")


class Broken(BaseModel):
    pin: Annotated[str, Pin(), AfterValidator(_broken)]


async def test_a_validator_that_raises_anything_costs_the_value_alone() -> None:
    """Keys come past every tool: nothing of the user's may end the call there."""
    form = FormCall(Form(Broken))
    assert "KeyError" in (form.presses("1234") or "")
    assert set((await form.calls("note_broken", pin="1234"))["invalid"]) == {"pin"}


# --- Delivery ---


class One(BaseModel):
    word: str


@pytest.mark.parametrize(
    ("raised", "outcome", "words"),
    [
        (ToolRefused("we are closed"), "refused", "we are closed"),
        (KeyError("x"), "failed", "KeyError"),
        (asyncio.CancelledError(), "cancelled", "not certain that the one was passed on"),
    ],
)
async def test_a_delivery_that_fails_is_told_and_not_repeated(
    raised: BaseException, outcome: str, words: str
) -> None:
    async def fail(one: One) -> None:
        raise raised

    form = FormCall(Form(One, then=fail))
    await form.calls("note_one", word="bread")
    await form.deliver()
    assert form.last() == af.CaptureDelivered("one", outcome)
    (told,) = form.told
    assert words in told.text
    assert told.is_answered
    assert (form.works, form.ability.tools) == ([], ())


async def test_without_a_function_the_fact_is_all() -> None:
    form = FormCall(Form(One))
    assert "noted" in (await form.calls("note_one", word="bread"))["what_next"]
    assert form.last() == af.Captured("one", '{"word":"bread"}')
    assert form.works == []


async def test_a_plain_function_that_answers_nothing_is_a_success() -> None:
    """The model knows, and has nothing to say about it."""
    taken = []

    def take(one: One) -> None:
        taken.append(one)

    form = FormCall(Form(One, then=take))
    await form.calls("note_one", word="bread")
    assert await form.deliver() == [ToolOutcome.ANSWERED]
    assert taken == [One(word="bread")]
    assert [told.is_answered for told in form.told] == [False]


async def test_a_delivery_is_written_down_before_it_begins(visit: FormCall) -> None:
    """Where that cannot be, it does not run (`Manner.is_irreversible`)."""
    assert visit.ability.works["visit.captured"].manner.is_irreversible


# --- Another stream ---


async def test_another_stream_goes_on_where_this_one_was(visit: FormCall, deliveries: Deliveries) -> None:
    await visit.calls("note_visit", why="pain", name="Anna", email="anna@example.com")
    visit.agrees()
    await visit.calls("confirm_visit", fields=["name"])
    later = FormCall(visit.form, visit.facts)
    assert later.ability.confirmed == {"why": "pain", "name": "Anna"}
    assert "anna@example.com" in later.ability.instructions
    await later.calls("decline_visit", field="note")
    assert "complete" in await later.calls("confirm_visit", fields=["email"]), "the yes is remembered, too"
    assert await later.deliver() == [ToolOutcome.ANSWERED]
    assert len(deliveries) == 1


async def test_what_was_captured_is_never_delivered_by_another_stream(visit: FormCall) -> None:
    await visit.calls("note_visit", why="pain", name="Anna", email="anna@example.com", note="none")
    visit.agrees()
    await visit.calls("confirm_visit", fields=["name", "email"])
    assert len(visit.works) == 1
    later = FormCall(visit.form, visit.facts)
    assert later.ability.is_captured
    assert (later.ability.tools, later.works) == ((), [])


async def test_facts_of_another_form_and_of_fields_that_are_no_more_change_nothing() -> None:
    stray: list[Fact] = [
        af.FieldKept("other", "name", '"Bob"', is_confirmed=True),
        af.FieldKept("visit", "surname", '"Bond"', is_confirmed=True),
        af.FieldRefused("other", "name"),
        af.FieldRefused("visit", "surname"),
        af.Captured("other", "{}"),
        af.CaptureDelivered("other", "answered"),
    ]
    visit = FormCall(Form(Visit), stray)
    assert visit.ability.values == {}
    assert visit.ability.is_open


async def test_the_session_changes_only_where_it_must(visit: FormCall) -> None:
    """A changed session is read anew by the model; one that takes over is reminded of what is kept."""
    before = visit.ability.instructions, visit.ability.tools
    await visit.calls("note_visit", why="pain", name="Anna")
    assert (visit.ability.instructions, visit.ability.tools) == before
    visit.happens(facts.SessionReplaced("lost", 100, 3))
    assert "Anna" in visit.ability.instructions
    assert "Not confirmed yet: name" in visit.ability.instructions


async def test_what_is_the_same_in_every_call_is_made_once() -> None:
    """A schema takes a millisecond, and some KB. What a tool does is of its call alone."""
    form = Form(Visit, then=Deliveries().take)
    one, other = FormCall(form), FormCall(form)
    assert one.ability.instructions is other.ability.instructions
    assert all(one.tools[name].definition is other.tools[name].definition for name in one.tools)
    (work,), (of_other,) = one.ability.works.values(), other.ability.works.values()
    assert work.definition is of_other.definition
    await one.result("note_visit", '{"why": "pain"}')
    assert (one.ability.values, other.ability.values) == ({"why": "pain"}, {})
