"""The simulated model of `callbridge dev`: it says the agent's own greeting, and nothing that cannot be."""

from __future__ import annotations

from callbridge.cli.development.stand_in import LINES, TOOL, StandIn

GREETING = "Greet the caller. Say exactly this, in your words' language: Corner Shop, hello!"


def said(stand_in: StandIn, offered: tuple[str, ...], asked: str = "") -> list[str]:
    answer = stand_in.next(offered, asked=asked)
    assert all(speech.audio for speech in answer.speeches)
    return [speech.text for speech in answer.speeches] + [call.name for call in answer.calls]


def test_any_agent_is_greeted_for_and_told_who_speaks() -> None:
    stand_in = StandIn()
    assert said(stand_in, ("price",), GREETING) == ["Corner Shop, hello!"]
    assert [said(stand_in, ("price",)) for _ in LINES] == [[line] for line in LINES]
    assert said(stand_in, ("price",)) == [LINES[0]]
    assert stand_in.caller_said().caller == "", "it has understood nothing"


def test_an_agent_with_the_bakerys_tool_is_led_through_its_lines() -> None:
    """The bakery's own greeting is left out."""
    stand_in = StandIn()
    assert said(stand_in, (TOOL,), GREETING) == ["Corner Shop, hello!"]
    assert "Sunday" in stand_in.caller_said().caller
    assert TOOL in said(stand_in, (TOOL,))
    assert said(stand_in, (TOOL,), GREETING) == ["Corner Shop, hello!"], "nothing is left out for other words"
    assert "two" in said(stand_in, (TOOL,))[0]
