"""What the agent's own tools did, as doubles."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import stories
from callbridge.call.events import ToolFinished
from callbridge.call.tapes.entries import Handled
from callbridge.call.wishes import HangUp
from callbridge.records.story import ToolUse, Turn
from callbridge.testing import Hangs, Raises, Refuses, Returns
from callbridge.testing.freezing.answers import doubles_of


def story_with(*uses: ToolUse, end_reason: str = "caller_hangup") -> Any:
    turns = (Turn(1, 1000, tools=uses),)
    return msgspec.structs.replace(stories.RICH, turns=turns, end_reason=end_reason)


def use(outcome: str, result: str = "", name: str = "book", took_ms: int = 0) -> ToolUse:
    return ToolUse("call", name, 2000, "{}", result, outcome, took_ms)


@pytest.mark.parametrize(
    ("one", "double"),
    [
        (use("answered", '{"day":"Sunday"}', took_ms=1500), Returns({"day": "Sunday"}, 1.5)),
        (use("answered", "from eight until two"), Returns("from eight until two")),
        (use("answered", '{"day":null}'), Returns('{"day":null}')),
        (use("refused", '{"error":"no such day"}'), Refuses("no such day")),
        (use("failed", '{"error":"broken"}'), Raises("broken")),
        (use("timed_out"), Hangs()),
    ],
)
def test_a_tool_does_what_it_did(one: ToolUse, double: object) -> None:
    assert doubles_of(story_with(one), {"book"}, []) == {"book": [double]}


def test_what_was_not_run_and_what_is_not_the_agents_is_left_alone() -> None:
    story = story_with(use("unconfirmed"), use("answered", "x"), use("answered", "y", name="end_call"))
    assert doubles_of(story, {"book"}, []) == {"book": [Returns("x")]}


def test_a_tool_that_ended_the_call_runs_itself() -> None:
    story = story_with(
        use("answered", "1"), use("answered", "bye", name="goodbye"), end_reason="agent_hangup"
    )
    assert doubles_of(story, {"book", "goodbye"}, []) == {"book": [Returns("1")]}
    finished = ToolFinished("call", "book", "1", 0, wish=HangUp())
    taped = [[Handled(now=0.0, counts=(), event=finished)]]
    assert doubles_of(story, {"book", "goodbye"}, taped) == {"goodbye": [Returns("bye")]}
