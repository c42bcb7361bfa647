"""examples/back_office.py: the caller waits for the office, or talks on while the baker is asked."""

from __future__ import annotations

from callbridge.testing import Calls, Line
from documented import example


async def test_the_office_is_asked_while_the_caller_waits_and_remembers_the_call(line: Line) -> None:
    call = await line.call(
        example("back_office").agent,
        caller=["Where is my order 18?", "And what was it?", "Thank you."],
        model=[
            Calls("ask_the_office", question="Where is order 18?"),
            "It is on its way.",
            Calls("ask_the_office", question="What is it?"),
            "A walnut cake.",
            "You are welcome.",
        ],
    )
    call.expect.heard("Let me ask.")
    call.expect.tool("ask_the_office", question="What is it?").returned(
        "Order 18: a walnut cake, on its way."
    )
    assert [asked["question"] for asked in call.values["asked"]] == ["Where is order 18?", "What is it?"]
    call.expect.silence(max_ms=3000)
    call.expect.no_complaints()


async def test_what_the_office_does_not_know_is_asked_of_the_caller(line: Line) -> None:
    call = await line.call(
        example("back_office").agent,
        caller=["Where is my order?"],
        model=[Calls("ask_the_office", question="Where is the order?"), "What is its number?"],
    )
    call.expect.tool("ask_the_office").failed()
    (refused,) = (tool for turn in call.story.turns for tool in turn.tools)
    assert "ask the caller for its number" in refused.result
    call.expect.no_complaints()


async def test_the_agent_talks_on_while_the_baker_is_asked(line: Line) -> None:
    call = await line.call(
        example("back_office").agent,
        caller=["Can order 18 have more nuts?", "And when do you open?"],
        model=[
            Calls("ask_the_baker", order="18", wish="more nuts"),
            "I am asking the baker.",
            "At eight.",
            "The baker says that is fine.",
        ],
    )
    call.expect.tool("ask_the_baker").ran(1)
    said = call.timeline()
    assert said.index("At eight.") < said.index("The baker says")
    call.expect.no_complaints()
