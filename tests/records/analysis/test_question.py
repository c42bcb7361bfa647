"""What a text model is told of a call."""

from __future__ import annotations

import json
from typing import Any

from callbridge.records.analysis.question import TRANSCRIPT_CHARACTERS_MAX, messages_for
from callbridge.records.story import CallStory, Spoken, ToolUse, Turn


def told(story: CallStory) -> dict[str, Any]:
    _, asked = messages_for(story, ["book"], "")
    found: dict[str, Any] = json.loads(asked["content"])
    return found


def test_what_was_heard_and_what_was_not_stand_apart() -> None:
    turn = Turn(
        1, 0, "A table, please.", agent=(Spoken("i", "Yes, gladly. For when?", "Yes,"),), heard="Yes,",
        tools=(ToolUse("c", "look_up", 3, '{"day":"Sunday"}', "free", "answered"),), was_interrupted=True,
    )  # fmt: skip
    call = told(CallStory("CA1", "ended", 0.0, turns=(turn,), end_reason="caller_hangup"))
    assert call["tools"] == ["book", "look_up"]
    assert call["turns"] == [
        {
            "caller": "A table, please.",
            "agent_heard": "Yes,",
            "agent_unheard": "Yes, gladly. For when?",
            "tools": [
                {"name": "look_up", "arguments": '{"day":"Sunday"}', "result": "free", "outcome": "answered"}
            ],
        }
    ]


def test_of_a_long_call_the_middle_is_left_out() -> None:
    turns = tuple(Turn(number, number, f"{number} " + "word " * 200, heard="yes") for number in range(200))
    kept = told(CallStory("CA1", "ended", 0.0, turns=turns))["turns"]
    first, last = kept[0]["caller"], kept[-1]["caller"]
    assert (first.split()[0], last.split()[0]) == ("0", "199")
    left_out = [turn["left_out"] for turn in kept if "left_out" in turn]
    assert left_out == [f"{200 - (len(kept) - 1)} turns"]
    assert sum(len(json.dumps(turn)) for turn in kept) < TRANSCRIPT_CHARACTERS_MAX * 1.01
