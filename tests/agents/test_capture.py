"""What is to be captured, as a user writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, RootModel

import callbridge
from callbridge.agents.agent import Agent
from callbridge.agents.capture import Form
from callbridge.agents.context import Call
from callbridge.agents.fault import AgentFault
from callbridge.agents.fields.ready import ReadBack
from callbridge.agents.tools.schema import ToolError


class DinnerParty(BaseModel):
    """A table for tonight.

    More for developers.
    """

    host: Annotated[str, ReadBack()] = Field(description="who pays")
    guests: int
    wishes: str = ""


async def booked(call: Call, party: DinnerParty) -> None:
    """Takes it."""


def test_a_form_is_named_by_its_model() -> None:
    agent = Agent()
    form = agent.capture(DinnerParty)
    assert form.captured(booked) is booked
    assert agent.forms == {"dinner_party": form}
    shown = form.schema()
    assert shown["about"] == "A table for tonight."
    fields = [(field["name"], field["is_needed"], field["schema"]["type"]) for field in shown["fields"]]
    assert fields == [("host", True, "string"), ("guests", True, "integer"), ("wishes", False, "string")]
    assert shown["tools"] == ["note_dinner_party", "confirm_dinner_party", "decline_dinner_party"]
    assert shown["calls"] == ["captured"]


def test_a_class_of_a_users_own_brings_no_words_of_pydantic() -> None:
    class Plain(BaseModel):
        word: str

    assert Form(Plain).schema()["about"] == ""


def test_an_agent_may_have_several() -> None:
    agent = Agent()
    agent.capture(DinnerParty)
    agent.capture(DinnerParty, name="second_party")
    assert list(agent.forms) == ["dinner_party", "second_party"]
    assert len(agent.abilities) == 2
    with pytest.raises(AgentFault, match="two forms named dinner_party"):
        agent.capture(DinnerParty)


def test_tools_of_forms_have_names_of_their_own() -> None:
    def note_dinner_party(text: str) -> None:
        """Note something."""

    agent = Agent(tools=[note_dinner_party])
    with pytest.raises(ToolError, match="a tool named note_dinner_party already"):
        agent.capture(DinnerParty)
    agent = Agent()
    agent.capture(DinnerParty)
    with pytest.raises(ToolError, match="two tools named note_dinner_party"):
        agent.tool(note_dinner_party)


class Empty(BaseModel):
    """Nothing."""


class Endless(BaseModel):
    """Contains itself."""

    child: Endless | None = None


class Words(RootModel[list[str]]):
    """A list and no fields."""


class Outer(BaseModel):
    endless: Endless


class Code(BaseModel):
    function: Callable[[], None]


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        (Empty, "no fields"),
        (Words, "no fields"),
        (Outer, "field endless: Endless contains itself"),
        (Code, "field function: .* no JSON form"),
    ],
)
def test_a_model_that_nobody_can_be_asked_for_is_refused(model: type[BaseModel], fault: str) -> None:
    with pytest.raises(AgentFault, match=fault):
        Form(model)


@pytest.mark.parametrize("name", ["Two Words", "x" * 41, "né", "1st"])
def test_a_name_that_no_tool_can_have_is_refused(name: str) -> None:
    with pytest.raises(AgentFault, match="give it a name"):
        Form(DinnerParty, name=name)


def test_a_function_is_given_the_call_and_one_thing_more() -> None:
    def too_much(call: Call, party: DinnerParty, table: int) -> None:
        """Wants to know more than there is."""

    form = Form(DinnerParty, then=booked)
    with pytest.raises(AgentFault, match="party, table"):
        form.refused(too_much)
    with pytest.raises(AgentFault, match="a function already"):
        form.captured(booked)


def test_users_import_it_from_the_package() -> None:
    assert callbridge.Form is Form
    assert callbridge.AgentFault is AgentFault
