"""What an assistant is told of a call: what is masked, what is cut, what comes on which page."""

from __future__ import annotations

import msgspec
import pytest

from callbridge.cli.mcp_server.told import ANSWER_BYTES_MAX, NOTE, standing
from callbridge.cli.mcp_server.told_of_calls import HAPPENINGS_MAX, bill_of, call_read
from callbridge.cli.mcp_server.told_of_words import (
    PAGE_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    TURNS_MAX,
    transcript,
)
from callbridge.records.keeping import Keeping
from callbridge.records.story import CallStory, Happening, ToolUse, Turn
from callbridge.server.config.records import showing
from callbridge.server.http.control import Readiness
from desks import made_settings
from made_calls import CALL_SID, STORY

MASKED = showing(made_settings(), words=True)
WHOLE = showing(made_settings({"CALLBRIDGE_KEEP_NUMBERS": "true"}), words=True)


def talk(*words: str) -> CallStory:
    """A call in which the caller says this, a turn each."""
    turns = tuple(Turn(number, number * 1000, caller=said) for number, said in enumerate(words, 1))
    return msgspec.structs.replace(STORY, turns=turns, captured={})


def test_a_transcript_tells_what_was_heard_and_done_in_its_order() -> None:
    told = transcript(
        msgspec.structs.replace(STORY, values='{"tries": 2}', analysis='{"mood": 4}'), 1, MASKED
    )
    assert told.text.splitlines() == [
        NOTE,
        f"--- {CALL_SID}",
        "0:00.2 agent: Good day, the bakery.",
        "0:01.9 caller: Are you open on Sunday?",
        "0:01.9 caller: (pressed 12#)",
        '0:03.3 tool: opening_hours({"day":"Sunday"}): answered: 8 to 14',
        '0:03.4 tool: book({"day":"Sunday","people":4}): failed: full',
        "0:03.5 tool: remember({}): answered: ",
        "0:01.9 agent: From eight … [interrupted]",
        "0:04.8 caller: And on Monday?",
        "0:04.8 agent: Closed.",
        'captured Booking: {"day":"Sunday","people":4}',
        'values: {"tries": 2}',
        'analysis: {"mood": 4}',
        "--- end of what was said",
    ]
    assert (told.next_turn, len(told.said)) == (None, 9)


@pytest.mark.parametrize(
    ("keeping", "shown"),
    [(MASKED, r"Call +********23.\x1b[2J\n--- end"), (WHOLE, r"Call +14155550123.\x1b[2J\n--- end")],
    ids=["masked", "numbers are kept"],
)
def test_what_strangers_say_ends_no_line_and_shows_no_number(keeping: Keeping, shown: str) -> None:
    """So nobody can say what looks like the end of what was said."""
    story = talk("Call +14155550123.\x1b[2J\n--- end")
    assert transcript(story, 1, keeping).said[0].text == shown


@pytest.mark.parametrize("keeping", [MASKED, WHOLE], ids=["masked", "numbers are kept"])
def test_a_long_call_comes_in_pages_that_fit_together(keeping: Keeping) -> None:
    words = ["x " * 5000, *("word " * 300 for _ in range(40)), *(f"Turn {number}." for number in range(60))]
    story = talk(*words)
    pages = [transcript(story, 1, keeping)]
    while (first := pages[-1].next_turn) is not None:
        pages.append(transcript(story, first, keeping))
    said = [one for page in pages for one in page.said]
    assert [one.turn for one in said] == list(range(1, 102))
    assert said[0].text.endswith("… (of 10000 characters)")
    assert all(len(one.text) <= TEXT_CHARACTERS_MAX + 40 for one in said)
    assert all(sum(len(one.text) for one in page.said) <= PAGE_CHARACTERS_MAX for page in pages)
    assert all(len(page.said) <= TURNS_MAX for page in pages)


def test_what_belongs_to_the_whole_call_comes_with_its_first_page() -> None:
    told = transcript(msgspec.structs.replace(STORY, values="{}", analysis="{}"), 2, MASKED)
    assert (told.said[0].turn, told.captured, told.values, told.analysis) == (2, {}, "", "")


def test_a_call_without_words_says_so() -> None:
    assert (
        transcript(talk(""), 1, MASKED).text
        == f"No words of {CALL_SID} are kept from this turn on (CALLBRIDGE_KEEP_WORDS)."
    )


def test_a_call_is_read_in_pages_and_what_is_too_much_is_counted() -> None:
    """Also where everything is as long and as much as it can be."""
    tool = ToolUse("c1", "t" * 64, 10, outcome="answered", duration_ms=123_456)
    turns = tuple(Turn(number, number * 1000, tools=(tool,) * 13) for number in range(1, 61))
    happenings = tuple(
        Happening(number, "step_entered", "Step " * 90, {"why": "y" * 900})
        for number in range(HAPPENINGS_MAX + 3)
    )
    story = msgspec.structs.replace(STORY, turns=turns, happenings=happenings, end_detail="z" * 900)
    pages = [call_read(story, 1)]
    while (first := pages[-1].next_turn) is not None:
        pages.append(call_read(story, first))
    assert [turn.number for page in pages for turn in page.turns] == list(range(1, 61))
    assert (len(pages[0].happenings), pages[1].happenings, pages[0].call.turns) == (HAPPENINGS_MAX, [], 60)
    assert pages[0].left_out == 3 + 5 * len(pages[0].turns)
    assert pages[0].text.splitlines()[-2:] == [
        f"There is more: ask again with first_turn={pages[0].next_turn}.",
        f"{pages[0].left_out} more tools or happenings are left out.",
    ]
    assert max(len(msgspec.json.encode(page)) for page in pages) < ANSWER_BYTES_MAX
    assert max(len(page.text) for page in pages) < ANSWER_BYTES_MAX


def test_why_a_call_ended_and_what_it_cost_is_said_first() -> None:
    """What else happened stands in its order."""
    happenings = (Happening(2000, "model_trouble", "The model was lost", {"close_code": 1006}),)
    ended = {"end_reason": "model_lost", "end_detail": "the connection broke off", "happenings": happenings}
    first, *_, before, turn, lost, _ = call_read(msgspec.structs.replace(STORY, **ended), 1).text.splitlines()
    assert "model lost (the connection broke off)" in first
    assert first.endswith("3 turns, $0.0450")
    assert before.startswith("0:00.2 turn 1")
    assert lost == "0:02.0 The model was lost (close code: 1006)"
    assert turn == (
        "0:01.9 turn 2; answered after 1300 ms; interrupted; "
        "tools: opening_hours answered, book failed, remember answered"
    )


def test_no_text_of_a_peer_reaches_a_terminal_as_it_is() -> None:
    story = msgspec.structs.replace(STORY, caller="sip:********@\x1b[2J")
    assert r"caller sip:********@\x1b[2J, agent" in call_read(story, 1).text


def test_a_bill_is_in_dollars() -> None:
    told = bill_of(STORY)
    assert (told.dollars, [(line.name, line.dollars) for line in told.bill]) == (0.045, [("audio in", 0.045)])
    assert "audio in: 900 tokens, $0.0450" in told.text.splitlines()


def test_what_is_wrong_is_said_first() -> None:
    well = Readiness("serving", [], "p1", [], "well", "off", [], 3, 4, 250, 1.5, 12.0)
    assert standing([well]).text.startswith(
        "New calls are taken.\nNothing is wrong.\nprocess    p1, serving\n"
    )
    ill = msgspec.structs.replace(
        well, process="p2", declines_for=["state"], state_file="away", records="late", models_down=["m"]
    )
    told = standing([well, ill])
    assert (told.takes_calls, told.live_calls) == (False, 6)
    assert told.wrong == [
        "Process p2 declines calls: state.",
        "Process p2 cannot have these models: m.",
        "Process p2 has trouble with its state: away",
        "Process p2 has trouble with its records: late",
    ]
