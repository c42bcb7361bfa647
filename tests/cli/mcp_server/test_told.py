"""What an assistant is told of a call: what is masked, what is cut, what comes on which page."""

from __future__ import annotations

import msgspec
import pytest

from callbridge.cli.mcp_server.told import (
    NOTE,
    PAGE_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    TURNS_MAX,
    bill_of,
    call_read,
    standing,
    transcript,
)
from callbridge.records.keeping import Keeping
from callbridge.records.story import CallStory, Happening, Turn
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
    happenings = tuple(Happening(number, "step_entered", f"Step {number}") for number in range(103))
    story = msgspec.structs.replace(talk(*[""] * 60), happenings=happenings)
    first = call_read(story, 1)
    assert ([turn.number for turn in first.story.turns], first.next_turn) == (list(range(1, 26)), 26)
    assert (len(first.story.happenings), first.left_out, first.turns) == (100, 3, 60)
    assert first.text.splitlines()[-2:] == [
        "There is more: ask again with first_turn=26.",
        "3 more streams or happenings are left out.",
    ]
    last = call_read(story, 51)
    assert ([turn.number for turn in last.story.turns], last.next_turn) == (list(range(51, 61)), None)
    assert (
        "0:01.9 turn 2; answered after 1300 ms; interrupted; tools: opening_hours answered, book failed, "
        in (call_read(STORY, 1).text)
    )


def test_no_text_of_a_peer_reaches_a_terminal_as_it_is() -> None:
    story = msgspec.structs.replace(STORY, caller="sip:********@\x1b[2J", caller_key="k")
    assert r"Caller sip:********@\x1b[2J (key k)" in call_read(story, 1).text


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
