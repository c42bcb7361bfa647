"""What a test can expect of each ability of an agent, on calls of the documents' own agents."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from callbridge import Agent, Destination
from callbridge.testing import Calls, ExpectationError, Line, Press, Says
from documented import module_of

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.heavy

agent_of: Callable[[str], Any] = partial(module_of, "docs/agents.md")

BYE = Calls("end_call")


def test_a_flow() -> None:
    call = Line().play(
        agent_of("Flow").agent,
        caller=["When are you open?"],
        model=[Calls("go_to_hours"), Calls("opening_hours"), "From eight to six. Thank you for calling."],
    )
    call.expect.steps("welcome", "hours", "goodbye")
    call.expect.step("hours")
    call.expect.tool("opening_hours").returned(re.compile("18:00"))
    call.expect.heard("from eight to six", turn=2)
    call.expect.ended_by("agent")
    call.expect.no_complaints()


def test_a_form() -> None:
    given = {"intent": "schedule_appointment", "name": "Samantha", "email": "sam@example.com"}
    call = Line().play(
        agent_of("Captured data").agent,
        caller=["An appointment. I am Samantha, at example dot com.", "Yes."],
        model=[
            Calls("note_appointment", **given),
            "Samantha, at example dot com?",
            Calls("confirm_appointment", fields=["name", "email"]),
            "I pass it on.",
            Says("The clinic rings back.", then=BYE),
        ],
    )
    call.expect.captured("appointment", name="Samantha", email=re.compile(r"@example\.com$"))
    call.expect.only_tools("note_appointment", "confirm_appointment", "end_call")
    with pytest.raises(ExpectationError, match='name is "Samantha", expected "Sam"'):
        call.expect.captured("appointment", name="Sam")
    with pytest.raises(ExpectationError, match="the form is called appointment"):
        call.expect.captured("Appointment")
    call.expect.no_complaints()


def test_keys_both_ways() -> None:
    call = Line().play(
        agent_of("Pressing keys").agent,
        caller=["A delivery.", Press("5")],
        model=[Calls("open_the_door"), "It is open.", "You pressed five."],
    )
    call.expect.keys_sent("9")
    call.expect.keys("5")
    call.expect.no_complaints()


def test_a_transfer_that_nobody_takes() -> None:
    office = Destination("office", "+14155550100", when="they ask for the office")
    call = Line().play(
        Agent(greeting="Hello!", transfers=[office]),
        caller=["The office, please."],
        model=[Calls("transfer", to="office"), "I put you through.", Says("They are busy.", then=BYE)],
        people={"+14155550100": "busy"},
    )
    call.expect.transferred("office", outcome="busy")
    call.expect.heard("they are busy")
    with pytest.raises(ExpectationError, match="office: busy"):
        call.expect.transferred("office")


def test_a_transfer() -> None:
    office = Destination("office", "+14155550100", when="they ask for the office")
    call = Line().play(
        Agent(greeting="Hello!", transfers=[office]),
        caller=["The office, please."],
        model=[Calls("transfer", to="office"), "I put you through."],
    )
    call.expect.transferred("office")
    call.expect.ended("transferred")
    with pytest.raises(ExpectationError, match="office: connected"):
        call.expect.transferred("office", outcome="busy")


def test_a_text() -> None:
    """Where nobody can be rung there is no account, and no text is sent."""
    texting = partial(
        Line().play,
        agent_of("Send a text").agent,
        caller=["Your address, please."],
        model=[Calls("send_text", template="address"), Says("That is all.", then=BYE)],
    )
    sent, not_sent = texting(people={}), texting()
    sent.expect.text_sent("address")
    sent.expect.no_complaints()
    not_sent.expect.tool("send_text", template="address").once()
    with pytest.raises(ExpectationError, match="expected a text of the template address"):
        not_sent.expect.text_sent("address")
