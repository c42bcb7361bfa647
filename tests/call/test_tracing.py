"""How far a reader goes who follows one interruption through the core."""

from __future__ import annotations

from tracing import barge_in


def test_a_barge_in_goes_down_and_comes_back_once() -> None:
    """The promise of docs/architecture.md: few functions, few files, no jumping back and forth."""
    found = barge_in()
    assert (found.functions <= 25, found.files <= 6, found.changes_of_file <= 22) == (True, True, True), found
    assert [function for _, function in found.entered][:3] == [
        "CallMachine.handle",
        "CallMachine.phase",
        "Floor.speech_started",
    ]
