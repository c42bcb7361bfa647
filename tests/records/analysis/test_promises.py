"""What the agent promised in words that were heard, against what its tools did."""

from __future__ import annotations

import pytest

from callbridge.records.analysis.findings import Promise
from callbridge.records.analysis.promises import Verdict, check_promises
from callbridge.records.story import CallStory, Spoken, ToolUse, Turn

HEARD = "I have booked your table for eight. I will also"
SAID = "I have booked your table for eight. I will also send you a text with the address."


def story(*tools: ToolUse) -> CallStory:
    turn = Turn(
        3, 1000, agent=(Spoken("item_1", SAID, HEARD),), heard=HEARD, tools=tools, was_interrupted=True
    )
    return CallStory("CA1", "ended", 0.0, turns=(Turn(1, 0, heard="Hello!"), turn))


def use(name: str, outcome: str) -> ToolUse:
    return ToolUse("call_1", name, 500, outcome=outcome)


BOOKED = "i have booked your table, for EIGHT"
TEXTED = "send you a text"


@pytest.mark.parametrize(
    ("tool", "tools", "verdict"),
    [
        ("book", [use("book", "answered")], Verdict.DONE),
        ("book", [use("book", "timed_out"), use("book", "stored")], Verdict.DONE),
        ("book", [use("book", "failed")], Verdict.FAILED),
        ("book", [use("book", "")], Verdict.UNKNOWN),
        ("book", [use("opening_hours", "answered")], Verdict.NOT_DONE),
        (None, [use("book", "answered")], Verdict.NO_TOOL),
    ],
)
def test_a_promise_stands_by_its_tool(tool: str | None, tools: list[ToolUse], verdict: Verdict) -> None:
    (checked,) = check_promises([Promise(words=BOOKED, what="a table", tool=tool)], story(*tools))
    assert (checked.turn, checked.verdict, checked.tool) == (3, verdict, tool or "")


def test_what_the_caller_never_heard_is_none_that_they_wait_for() -> None:
    (checked,) = check_promises([Promise(words=TEXTED, what="a text", tool="send_text")], story())
    assert checked.verdict is Verdict.UNHEARD


@pytest.mark.parametrize("words", ["I have cancelled your table", "able for eight", " ", "…"])
def test_what_the_agent_never_said_is_left_out(words: str) -> None:
    """A model invents quotations; and half of a word is none."""
    assert check_promises([Promise(words=words, what="it", tool=None)], story()) == ()
