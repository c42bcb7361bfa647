"""Plays every call of this folder and compares what the machine did with what is written there.

`pytest tests/call/transcripts --rewrite` writes down what it does now. Review the diff: each changed line is
a call that goes otherwise than before.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from call_text import describe, play, read_event
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase
from rigs import Rig, make_plan

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_call_goes_as_it_is_written(file: Path, request: pytest.FixtureRequest) -> None:
    """Line by line; a difference is shown as a diff."""
    written = file.read_text(encoding="utf-8")
    plan = replace(make_plan(second_model="gpt-realtime-2.1-mini"), rings_apart=True)
    rig = Rig(plan, limits_of(written))
    happened = play(written, rig)
    if request.config.getoption("rewrite"):
        file.write_text(happened, encoding="utf-8")
        written = happened
    diff = "\n".join(
        difflib.unified_diff(written.splitlines(), happened.splitlines(), "written", "happened", lineterm="")
    )
    assert not diff, f"{file.name} goes otherwise (--rewrite records it anew)\n{diff}"
    assert rig.phase is Phase.OVER, "a call has an end"


def limits_of(written: str) -> Limits:
    """The bounds that a call names in its head, in seconds: an hour is long to read."""
    named = re.search(r"^# Limits: (.*)$", written, re.MULTILINE)
    pairs = [pair.split() for pair in named[1].split(", ")] if named else []
    changes: dict[str, Any] = {f"{name}_s": float(value) for name, value in pairs}
    return replace(Limits(), **changes)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_call_tells_its_reader_what_it_is_about(file: Path) -> None:
    """A title, the goal and the method, before the first event."""
    head = file.read_text(encoding="utf-8").split("\n\n")[0]
    assert all(line.startswith("# ") for line in head.splitlines())
    assert "# Goal: " in head
    assert "# Method: " in head


def test_there_are_calls_worth_reading() -> None:
    """An empty folder would agree with everything."""
    assert len(FILES) >= 28


@pytest.mark.parametrize(
    "script",
    ["0.00  phone: dances\n", "0.00 phone: start\n", "soon  phone: start\n", "0.00  model: audio r1 i1 ms\n"],
)
def test_a_line_that_nobody_understands_is_refused(script: str) -> None:
    """It must not pass for a comment."""
    with pytest.raises(ValueError, match=r"not an event|neither event nor comment"):
        play(script, Rig())


def test_time_that_passes_a_deadline_unseen_is_refused() -> None:
    """What the machine does by itself has its place in the text."""
    with pytest.raises(AssertionError, match="add `us: wait`"):
        play("6.00  phone: start\n", Rig())


def test_what_was_written_before_makes_no_difference() -> None:
    """Only events and comments are read."""
    script = "# A comment.\n\n0.00  phone: start\n          > something else\n"
    assert play(script, Rig()) == (
        "# A comment.\n\n0.00  phone: start\n          > check the token of CA1\n          = admitting\n"
    )


def test_a_wait_names_each_deadline_that_passes() -> None:
    """With its time and its reason."""
    assert "@ 5.00 start\n" in play("9.00  us: wait\n", Rig())


def test_every_kind_of_event_can_be_written() -> None:
    """The patterns do not hide each other."""
    assert read_event("model: audio done r1 i1") != read_event("model: audio r1 done 1 ms")
    assert describe(a.CloseLeg(e.Leg.PHONE, 1000, "caller_hangup")) == "> phone: close 1000 caller_hangup"
