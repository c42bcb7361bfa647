"""What a call remembers: what a new session is told of it, in which order, and how it is written down."""

from __future__ import annotations

import msgspec
import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call import memory
from callbridge.call.limits import Limits
from callbridge.call.memory import NOT_KNOWN, Entry, ToolAnswered, ToolStarted, TurnSaid
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events as rt
from playbook import Playbook
from rigs import PLAYED, Output, Rig


def told(outputs: list[Output]) -> list[str]:
    """The items that a session is told, each on one line, without the note at their end."""
    sent = [output.command for output in outputs if isinstance(output, a.SendToModel)]
    items = [command.item for command in sent if isinstance(command, commands.CreateItem)]
    assert len({item.id for item in items}) == len(items), "the server refuses an id that it has"
    lines = [_shown(item) for item in items]
    assert lines.pop().startswith("system: ")
    return lines


def _shown(ours: commands.AnyItem) -> str:
    match ours:
        case commands.Message(_, role, (content,)):
            return f"{role}: {content.text}"
        case commands.FunctionCall(_, call_id, name, arguments):
            return f"call {call_id}: {name}({arguments})"
        case commands.FunctionCallOutput(_, call_id, output):
            return f"output {call_id}: {output}"
    raise AssertionError(ours)


def retold(*entries: Entry, limits: Limits | None = None) -> list[str]:
    """What the session of a call is told that goes on with `entries`."""
    rig = Rig(limits=limits)
    rig.feed(
        v.start(),
        v.admitted("", "", is_continued=True, memory=entries),
        e.ModelConnected(),
        v.SESSION_CREATED,
    )
    return told(rig.feed(v.SESSION_UPDATED))


def retold_to_the_next(book: Playbook) -> list[str]:
    """The session is lost now: what the next one is told."""
    book.rig.feed(v.gone(e.Leg.MODEL), e.ModelConnected(), v.SESSION_CREATED)
    return told(book.rig.feed(v.SESSION_UPDATED))


def test_what_no_session_is_told_takes_no_room_from_what_is() -> None:
    works = [
        ToolAnswered(turn, f"work_{turn}", "deliver", "{}", "x" * 5000, is_ours=True) for turn in range(2, 20)
    ]
    limits = Limits(retold_characters_max=1000, retold_turns_max=3)
    assert retold(TurnSaid(1, "Hello?", "Hello."), *works, limits=limits) == [
        "user: Hello?",
        "assistant: Hello.",
    ]


GREETING = TurnSaid(1, None, "Hello.")
QUESTION = TurnSaid(2, "Are you open?", "From nine.")
TOOL = ToolAnswered(2, "call_1", "look_up", '{"day":1}', "nine")
WHOLE = [
    "assistant: Hello.",
    "user: Are you open?",
    'call call_1: look_up({"day":1})',
    "output call_1: nine",
    "assistant: From nine.",
]


def test_a_turn_is_told_in_the_order_of_the_conversation() -> None:
    """The caller's words, the tools that they led to, the agent's words."""
    assert retold(GREETING, TOOL, QUESTION) == WHOLE


def test_a_tool_that_was_started_by_an_earlier_stream_is_told_as_not_known() -> None:
    """Its process is gone, or goes: whoever is not told does it a second time."""
    begun = ToolStarted(2, "call_1", "look_up", '{"day":1}')
    assert retold(begun) == ['call call_1: look_up({"day":1})', f"output call_1: {NOT_KNOWN}"]
    assert "may have taken effect" in NOT_KNOWN


def test_a_wish_is_not_retold() -> None:
    """It was granted, or withdrawn."""
    assert retold(GREETING, ToolAnswered(1, "end", "end_call", "{}", "bye", is_wish=True)) == [
        "assistant: Hello."
    ]


def test_a_turn_without_words_is_told_as_nothing() -> None:
    assert retold(GREETING, TurnSaid(2, None, "")) == ["assistant: Hello."]


def test_the_latest_turns_are_told_as_far_as_there_is_room() -> None:
    """Never half a turn: an answer without its question would be nonsense."""
    turns = [TurnSaid(number, "1234", "5678") for number in (1, 2)]
    assert retold(*turns, limits=Limits(retold_characters_max=15)) == ["user: 1234", "assistant: 5678"]
    assert len(retold(*turns, limits=Limits(retold_characters_max=16))) == 4


def test_no_more_turns_are_told_than_the_bound() -> None:
    """However short they are."""
    lines = retold(*(TurnSaid(number, f"{number}", "b") for number in range(1, 30)))
    assert len(lines) == 2 * Limits().retold_turns_max
    assert lines[0] == f"user: {30 - Limits().retold_turns_max}"


def test_the_latest_turn_is_told_whatever_its_length() -> None:
    """A long tool's answer is what the caller waits for: without it the tool would be run again."""
    lines = retold(GREETING, ToolAnswered(2, "call_1", "look_up", "{}", "x" * 8000))
    assert [line.partition(":")[0] for line in lines] == ["call call_1", "output call_1"]


def test_the_oldest_entry_is_forgotten_at_the_bound() -> None:
    """An hour of quick talk; no session would be told it."""
    book = v.greeted(limits=Limits(memory_entries_max=2))
    for number in (1, 2):
        v.answering(book, f"r{number}")
        said = v.says(f"r{number}", f"it{number}", 100)
        book.rig.feed(v.caller_said(f"{number}?", "question"), *said, v.done(f"r{number}"))
        book.rig.now += 0.2
        book.rig.feed(PLAYED)
    assert retold_to_the_next(book) == ["user: 1?", "user: 2?"]


def test_turns_are_counted_on_from_those_that_are_remembered() -> None:
    rig = Rig()
    rig.feed(v.start(), v.admitted("", "", is_continued=True, memory=(GREETING, TOOL)))
    (*_, last) = rig.feed(e.ShutdownRequested())
    assert isinstance(last, a.Note)
    assert getattr(last.fact, "turns", None) == 2


def answered(text: str = "From nine.", audio_ms: int = 1000) -> Playbook:
    """A call in which the caller has asked, a tool has answered, and the agent says something."""
    book = v.answering(v.greeted())
    book.rig.feed(
        v.caller_said("Are you open?", "question"),
        v.tool_call("answer", "call_1", arguments='{"day":1}'),
        v.item("answer", "it"),
        v.audio("answer", "it", audio_ms),
        v.words("answer", "it", text),
        v.tool_finished("call_1", "nine"),
    )
    return book


@pytest.mark.parametrize("is_over", [False, True], ids=["going on", "recorded"])
def test_the_turn_that_is_going_on_is_told_like_one_that_is_over(*, is_over: bool) -> None:
    """A tool's answer is kept before the turn in which it was asked for has ended."""
    book = answered()
    if is_over:
        book.rig.feed(v.done("answer"), *v.answers("reply", "more", 100))
        book.rig.now += 1.2
        book.rig.feed(PLAYED)
    assert retold_to_the_next(book) == WHOLE


def test_what_was_cut_is_told_as_far_as_it_was_heard() -> None:
    """And the keys that are not told yet are no words."""
    book = answered("One two three four.")
    book.rig.now += 0.5
    book.rig.feed(v.speech_started("wait"))
    assert retold_to_the_next(book)[-1] == "assistant: One two …"


def test_what_was_cut_is_told_in_a_language_without_spaces_too() -> None:
    """Cut at spaces, nothing of it would have been heard."""
    book = answered("我们从九点开到六点。")
    book.rig.now += 0.55
    book.rig.feed(v.speech_started("wait"))
    assert retold_to_the_next(book)[-1] == "assistant: 我们从九点…"


@pytest.mark.parametrize("is_whole", [False, True], ids=["pieces", "whole"])
def test_text_of_an_item_that_was_never_sent_is_not_told(*, is_whole: bool) -> None:
    """Text runs ahead of the audio: nothing of it was said."""
    book = v.answering(v.greeted())
    book.rig.feed(*v.says("answer", "said", 1000), v.words("answer", "said", "Said."))
    book.rig.feed(v.item("answer", "unsaid"))
    text = v.words("answer", "unsaid", "Never said.") if is_whole else None
    book.rig.feed(text or rt.AnswerDelta(item_id="unsaid", delta="Never said."))
    assert retold_to_the_next(book) == ["assistant: Hello.", "assistant: Said."]


def test_text_that_ran_ahead_of_the_audio_is_told_as_far_as_there_was_time_for_it() -> None:
    """15 characters of speech take a second."""
    book = v.answering(v.greeted())
    pieces = [rt.AnswerDelta(item_id="it", delta=piece) for piece in ("We are open ", "from nine to twelve.")]
    book.rig.feed(v.item("answer", "it"), *pieces, v.audio("answer", "it", 1000))
    assert retold_to_the_next(book) == ["assistant: Hello.", "assistant: We are open …"]


def test_pieces_of_a_text_give_way_to_the_whole_and_late_ones_change_nothing() -> None:
    """A piece of an item that nobody has begun, or of an earlier turn, is no word of this one."""
    book = v.answering(v.greeted())
    piece = rt.AnswerDelta(item_id="it", delta="Nobody said this. ")
    book.rig.feed(piece, *v.says("answer", "it", 1000), rt.AnswerDelta(item_id="it", delta="We are"))
    for event in (v.words("answer", "it", "We are open!"), v.done("answer"), v.key("1"), piece):
        book.rig.now += 1
        book.rig.feed(event)
    assert retold_to_the_next(book) == ["assistant: Hello.", "assistant: We are open!"]


@pytest.mark.parametrize("entry", [GREETING, QUESTION, TOOL, ToolStarted(2, "call_1", "look_up", "{}")])
def test_an_entry_survives_its_text(entry: Entry) -> None:
    """As it is written down for another process."""
    assert memory.decode(memory.encode(entry)) == entry


@pytest.mark.parametrize("text", [b"", b"{}", b'{"kind":"dream"}', b'{"kind":"turn","turn":1}'])
def test_any_other_text_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        memory.decode(text)
