"""What runs in place of a tool: the model sees the real one, and the call goes as if it ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import callbridge
from callbridge.testing import Calls, Hangs, Raises, Refuses, Returns, Says

if TYPE_CHECKING:
    from callbridge.testing import Line, ModelMove, PlayedCall

RAN: list[str] = []


def bakery() -> callbridge.Agent:
    """An agent whose real tool must not run in a test."""
    agent = callbridge.Agent(greeting="Hello!")

    @agent.tool(irreversible=True, while_running="One moment, I look it up.")
    def price(cake: str) -> str:
        """What a cake costs.

        Args:
            cake: its name.
        """
        RAN.append(cake)
        return "a fortune"

    return agent


def results(call: PlayedCall) -> list[tuple[str, int | None]]:
    """What the model was told, and what that took."""
    return [(tool.result, tool.duration_ms) for turn in call.story.turns for tool in turn.tools]


ASKS: list[ModelMove] = [Calls("price", cake="lemon"), "So much."]


def test_doubles_answer_one_after_the_other_in_the_time_of_the_call(line: Line) -> None:
    agent = bakery()
    call = line.play(
        agent,
        caller=["How much?", "And now?", "And now?"],
        model=[
            *(Calls("price", cake="lemon"), "Ten."),
            *(Calls("price", cake="plum"), "Which one?"),
            *(Calls("price", cake="nut"), "Twelve."),
        ],
        tools={"price": [Returns("10", after_s=2), Refuses("ask for another cake"), Returns("12")]},
    )
    assert call.complaints == ()
    assert results(call) == [("10", 2000), ('{"error": "ask for another cake"}', 0), ("12", 0)]
    assert "One moment, I look it up." in call.timeline()
    (offered, *_) = [tool for tool in call.sessions[0].session["tools"] if tool["name"] == "price"]
    assert offered["parameters"]["properties"]["cake"]["description"] == "its name."
    assert RAN == []
    assert agent.doubles == {}


@pytest.mark.heavy
def test_a_function_stands_for_a_tool(line: Line) -> None:
    async def price(cake: str) -> int:
        return len(cake)

    call = line.play(bakery(), caller=["How much?"], model=ASKS, tools={"price": price})
    assert [result for result, _ in results(call)] == ["5"]
    other = line.play(bakery(), caller=["How much?"], model=ASKS, tools={"price": {"euros": 5}})
    assert [result for result, _ in results(other)] == ['{"euros":5}']


@pytest.mark.heavy
def test_what_the_tool_refuses_its_double_refuses(line: Line) -> None:
    call = line.play(
        bakery(),
        caller=["How much?"],
        model=[Calls("price", cake=7), "I do not know."],
        tools={"price": Returns("7")},
    )
    assert [complaint.kind for complaint in call.complaints] == ["arguments_refused"]


def test_a_name_that_no_tool_has_is_refused(line: Line) -> None:
    with pytest.raises(ValueError, match="no such tool; the agent has: end_call, price"):
        line.play(bakery(), tools={"prize": Returns("7")})


@pytest.mark.heavy
def test_a_double_hangs_until_its_time_is_over(line: Line) -> None:
    call = line.play(
        bakery(),
        caller=["How much?"],
        model=[*ASKS[:1], Says("I cannot say.", then=Calls("end_call"))],
        tools={"price": Hangs()},
    )
    assert {complaint.kind for complaint in call.complaints} == {"tool_failed"}
    (_, took_ms), _ = results(call)
    assert took_ms is not None
    assert 5000 <= took_ms <= 12_000


@pytest.mark.heavy
def test_a_double_raises(line: Line) -> None:
    call = line.play(bakery(), caller=["How much?"], model=ASKS, tools={"price": Raises("no database")})
    assert [complaint.kind for complaint in call.complaints] == ["tool_failed"]
    assert results(call)[0][0] == '{"error": "the tool failed: RuntimeError"}'
