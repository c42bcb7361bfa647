"""Steps and moves, as they are written in Python and in TOML."""

from __future__ import annotations

import tomllib

import msgspec
import pytest

from callbridge.testing import (
    Backchannel,
    CallerStep,
    Calls,
    Drops,
    Interrupt,
    ModelMove,
    Press,
    Say,
    Says,
)

WRITTEN = """
caller = [
    "Are you open on Sunday?",
    {step = "interrupt", after_ms = 900, say = "And Monday?"},
    {step = "press", keys = "12#"},
    {step = "backchannel", after_ms = 500},
    {step = "say", text = "Goodbye.", audio = "goodbye.wav"},
]
model = [
    {move = "calls", tool = "opening_hours", arguments = {day = "Sunday"}},
    "From eight until two.",
    {move = "drops"},
    {move = "says", text = "Goodbye!", then = {move = "calls", tool = "end_call"}},
]
"""


def test_toml_says_the_same_as_python() -> None:
    read = tomllib.loads(WRITTEN)
    assert msgspec.convert(read["caller"], list[CallerStep]) == [
        "Are you open on Sunday?",
        Interrupt(after_ms=900, say="And Monday?"),
        Press("12#"),
        Backchannel(500),
        Say("Goodbye.", "goodbye.wav"),
    ]
    assert msgspec.convert(read["model"], list[ModelMove]) == [
        Calls("opening_hours", day="Sunday"),
        "From eight until two.",
        Drops(),
        Says("Goodbye!", then=Calls("end_call")),
    ]


def test_a_tool_may_have_arguments_of_any_name() -> None:
    assert Calls("find", tool="hammer", arguments=1) == msgspec.convert(
        {"move": "calls", "tool": "find", "arguments": {"tool": "hammer", "arguments": 1}}, Calls
    )


@pytest.mark.parametrize(
    "step",
    [
        {"step": "press", "keys": "12x"},
        {"step": "press", "keys": ""},
        {"step": "pause", "ms": -1},
        {"step": "say", "text": "Hello", "volume": 3},
        {"step": "shout", "text": "Hello"},
    ],
)
def test_what_no_caller_can_do_is_refused(step: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(step, CallerStep)
