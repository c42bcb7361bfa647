"""A story as rows: nothing of what was heard or cut is lost, and what is not known is said so."""

from __future__ import annotations

import pytest

import stories
import watched
from callbridge.console.call_view import BesideRow, TurnRow, heard_and_cut, view_of
from callbridge.records.story import CallStory, Spoken

VIEW = view_of(stories.RICH)


def spoken(words: str, heard: str) -> Spoken:
    return Spoken("item", words, heard, 2000, 1000, None, words != heard)


@pytest.mark.parametrize(
    ("words", "heard", "told"),
    [
        ("Good day.", "Good day.", ("Good day.", "")),
        ("Good day. Who is it?", "Good day. …", ("Good day.", "Who is it?")),
        ("Good day, who is it?", "Good day, who …", ("Good day, who", "is it?")),
        ("Good day.", "", ("", "Good day.")),
        ("Good day.", "Hello there", ("Hello there", "Good day.")),
    ],
)
def test_what_was_heard_and_what_was_cut(words: str, heard: str, told: tuple[str, str]) -> None:
    assert heard_and_cut(spoken(words, heard)) == told


def test_turns_and_what_happened_beside_them_stand_in_their_order() -> None:
    places = [f"{row.kind} {row.place}" for row in VIEW.rows]
    assert places == ["turn 0:00.6", "beside 0:03.0", "turn 0:04.0", "turn 0:11.1", "beside 0:20.0"]
    _, step, turn, _, transfer = VIEW.rows
    assert isinstance(step, BesideRow)
    assert (step.group, step.title) == ("step", "Step reason")
    assert isinstance(transfer, BesideRow)
    assert transfer.group == "transfer"
    assert isinstance(turn, TurnRow)
    assert [(tool.name, tool.outcome, tool.is_good) for tool in turn.tools] == [
        ("find_slot", "answered", True), ("open_bill", "timed out", False),
    ]  # fmt: skip
    assert turn.interrupted == "The caller interrupted, the agent was silent after 180 ms."


def test_the_parts_of_a_wait_fill_their_bar_without_a_gap() -> None:
    turn = VIEW.rows[2]
    assert isinstance(turn, TurnRow)
    assert turn.wait is not None
    at = 0.0
    for told in turn.wait.parts:
        assert float(told.left[:-1]) == pytest.approx(at, abs=0.02)
        at += float(told.width[:-1])
    assert at == pytest.approx(79.2, abs=0.05), "to the scale of a second"
    assert sum(told.ms for told in turn.wait.parts) == turn.wait.whole_ms


def test_without_words_it_is_said_how_long_somebody_was_heard() -> None:
    _, _, turn, *_ = [row for row in view_of(watched.wordless_story()).rows if isinstance(row, TurnRow)]
    assert (turn.caller, turn.caller_instead) == ("", "spoke for 0.9 s")
    (said,) = turn.said
    assert (said.heard, said.instead) == ("", "heard for 1.8 s")


def test_the_bill_ends_with_what_is_not_in_its_sum() -> None:
    assert [row.name for row in VIEW.costs][-4:] == [
        "together, prices of 2026-11-01", "of it for what nobody heard", "of it while nobody spoke",
        "gpt-new has no price here",
    ]  # fmt: skip
    assert [row.is_aside for row in VIEW.costs] == [False] * 4 + [True] * 3
    assert VIEW.cost_sum == "$0.0452"


def test_a_call_of_which_nothing_is_known_has_a_page_too() -> None:
    view = view_of(CallStory("CA1", "live", 0.0), complaints=["it was late"])
    assert view.is_live
    assert (view.rows, view.analysis, view.complaints) == ((), (), ("it was late",))
