"""Who said what: turns from their first word to their record."""

from __future__ import annotations

import pytest

from callbridge.call.facts import TurnEnded
from callbridge.call.memory import TurnSaid
from callbridge.call.playout import CutItem
from callbridge.call.transcript import Transcript


def spoken(text: str = "Yes.", item_id: str = "it") -> Transcript:
    """A closed turn in which the caller was heard and the agent said `text`."""
    transcript = Transcript(5.0)
    transcript.caller_began()
    transcript.caller_stopped(10.0, awaits_words=True)
    transcript.caller_committed("question")
    transcript.agent_began(item_id)
    transcript.agent_says(item_id, text)
    return transcript


def test_a_turn_is_recorded_when_the_callers_words_are_there() -> None:
    """They may come after the answer."""
    transcript = spoken()
    transcript.close(12.0, 10.75)
    assert transcript.ended(12.0) == []
    transcript.caller_said("question", "Open?")
    assert transcript.ended(12.0) == [TurnEnded(1, "Open?", "Yes.", 750, interrupted=False)]
    assert transcript.ended(12.0) == []


def test_a_turn_whose_words_cannot_be_had_is_recorded_without() -> None:
    """The news that none will come is an answer too."""
    transcript = spoken()
    transcript.close(12.0, None)
    transcript.caller_said("question", None)
    assert transcript.ended(12.0) == [TurnEnded(1, None, "Yes.", None, interrupted=False)]


def test_a_turn_waits_for_words_no_longer_than_its_bound() -> None:
    """The deadline is the moment of its record."""
    transcript = spoken()
    transcript.close(12.0, None)
    assert transcript.deadline == 17.0
    assert transcript.ended(16.9) == []
    assert len(transcript.ended(17.0)) == 1
    assert transcript.deadline is None


def test_words_that_come_after_the_record_are_lost() -> None:
    """A record is written once."""
    transcript = spoken()
    transcript.close(12.0, None)
    transcript.ended(17.0)
    transcript.caller_said("question", "Open?")
    assert transcript.ended(17.0) == []


def test_words_come_to_the_turn_they_belong_to_in_any_order() -> None:
    """The order between utterances is not promised."""
    transcript = spoken()
    transcript.close(12.0, None)
    transcript.caller_began()
    transcript.caller_stopped(13.0, awaits_words=True)
    transcript.caller_committed("second")
    transcript.close(14.0, None)
    transcript.caller_said("second", "And Sunday?")
    transcript.caller_said("question", "Open?")
    assert [(turn.number, turn.caller) for turn in transcript.ended(14.0)] == [
        (1, "Open?"),
        (2, "And Sunday?"),
    ]


def test_a_turn_waits_for_the_words_of_a_response_that_still_runs() -> None:
    """It was interrupted: the transcript of what was made comes with the end of the response."""
    transcript = spoken("")
    transcript.caller_said("question", "Open?")
    transcript.close(12.0, None, awaits_agent=True)
    assert transcript.ended(12.0) == []
    transcript.agent_says("it", "From seven.")
    transcript.agent_finished()
    assert [turn.agent for turn in transcript.ended(12.0)] == ["From seven."]


def test_the_last_records_wait_for_nothing() -> None:
    """The call is over."""
    transcript = spoken()
    transcript.close(12.0, None)
    assert len(transcript.ended(12.0, is_last=True)) == 1


def test_closing_without_an_open_turn_does_nothing() -> None:
    """Silence is no turn."""
    transcript = Transcript(5.0)
    transcript.close(1.0, None)
    assert transcript.turns == 0
    assert transcript.ended(1.0, is_last=True) == []


def test_a_turn_must_be_closed_before_the_next() -> None:
    """Our own broken order is an assertion."""
    transcript = spoken()
    with pytest.raises(AssertionError, match="closed before the next"):
        transcript.caller_began()


def test_latencies_are_kept_for_the_calls_record() -> None:
    """Turns without both ends have none."""
    transcript = spoken()
    transcript.close(12.0, 10.5)
    transcript.agent_began("unasked")
    transcript.close(13.0, 12.5)
    assert transcript.response_ms == [500]


def test_keys_stand_for_words() -> None:
    """They are known at once and measured from the last one."""
    transcript = Transcript(5.0)
    transcript.caller_began()
    transcript.caller_pressed("42#", 10.0)
    transcript.close(11.0, 10.25)
    assert transcript.ended(11.0) == [TurnEnded(1, "[keys 42#]", "", 250, interrupted=False)]


def test_audio_from_before_the_last_key_is_no_answer_to_the_keys() -> None:
    """It has no latency; a negative one would be nonsense in every statistic."""
    transcript = Transcript(5.0)
    transcript.caller_began()
    transcript.caller_pressed("42", 10.0)
    transcript.close(11.0, 9.5)
    assert [turn.response_ms for turn in transcript.ended(11.0)] == [None]
    assert transcript.response_ms == []


@pytest.mark.parametrize(
    ("sent_ms", "heard_ms", "heard"),
    [
        (1000, 1000, "one two three four"),
        (1000, 999, "one two three …"),
        (1000, 500, "one two …"),
        (1000, 300, "one …"),
        (1000, 100, ""),
        (1000, 0, ""),
        (1, 0, ""),
    ],
)
def test_a_cut_item_is_recorded_as_far_as_it_was_heard(sent_ms: int, heard_ms: int, heard: str) -> None:
    """In proportion to the audio, never half a word, never more than was heard."""
    transcript = spoken("one two three four")
    transcript.caller_said("question", "Count!")
    transcript.agent_was_cut([CutItem("it", sent_ms, heard_ms), CutItem("unknown", 1, 0)])
    transcript.close(12.0, None)
    (turn,) = transcript.ended(12.0)
    assert turn.agent == heard
    assert turn.interrupted


def test_several_items_are_recorded_in_their_order() -> None:
    """The words may come in another."""
    transcript = spoken("", "first")
    transcript.agent_began("second")
    transcript.agent_says("second", "It is open.")
    transcript.agent_says("first", "Let me see.")
    transcript.agent_says("unknown", "Nobody said this.")
    transcript.caller_said("question", "Open?")
    transcript.close(12.0, None)
    assert [turn.agent for turn in transcript.ended(12.0)] == ["Let me see. It is open."]


# --- What a new session is told -----------------------------------------------------------------------


def test_the_pieces_of_an_item_are_its_words_until_the_whole_text_comes() -> None:
    """In case the rest never comes."""
    transcript = Transcript(5.0)
    transcript.agent_began("it")
    transcript.agent_adds("it", "We are ")
    transcript.agent_adds("it", "open.")
    assert [turn.agent for turn in transcript.unrecorded()] == ["We are open."]
    transcript.agent_says("it", "We are open!")
    assert [turn.agent for turn in transcript.unrecorded()] == ["We are open!"]


def test_a_piece_that_belongs_to_no_item_of_the_turn_changes_nothing() -> None:
    """It is late, or of a response that nobody hears."""
    transcript = Transcript(5.0)
    transcript.agent_adds("it", "Nobody ")
    transcript.agent_began("it")
    transcript.close(12.0, None)
    transcript.agent_adds("it", "hears this.")
    assert transcript.unrecorded() == []


def test_turns_without_a_record_are_told_with_what_is_known_of_them() -> None:
    """The closed ones, which wait for words, and the open one."""
    transcript = spoken("One two three four.")
    transcript.agent_was_cut([CutItem("it", 1000, 500)])
    transcript.close(12.0, None)
    transcript.caller_began()
    transcript.caller_pressed("12", 13.0)
    assert transcript.unrecorded() == [TurnSaid(1, None, "One two …"), TurnSaid(2, "[keys 12]", "")]


def test_what_was_heard_of_an_item_is_known_until_its_record() -> None:
    """And nothing of an item that nobody knows."""
    transcript = spoken("One two three four.")
    assert transcript.heard_words("it") == "One two three four."
    transcript.agent_was_cut([CutItem("it", 1000, 0)])
    assert transcript.heard_words("it") == ""
    assert transcript.heard_words("unknown") == ""
