"""What a call remembers: what is kept, what a new session is told of it, and in which order."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from callbridge.call import memory
from callbridge.call.limits import Limits
from callbridge.call.memory import Entry, Memory, ToolAnswered, TurnSaid
from callbridge.wire import realtime_commands as commands


def retell(*entries: Entry, more: tuple[Entry, ...] = (), limits: Limits | None = None) -> list[str]:
    """The items that a session is told, each on one line."""
    kept = Memory(limits or Limits())
    for entry in entries:
        kept.add(entry)
    numbers = itertools.count(1)
    return [_shown(item) for item in kept.retell(more, "note", lambda: f"item_{next(numbers)}")]


def _shown(item: commands.AnyItem) -> str:
    match item:
        case commands.Message(_, role, (content,)):
            return f"{role}: {content.text}"
        case commands.FunctionCall(_, call_id, name, arguments):
            return f"call {call_id}: {name}({arguments})"
        case commands.FunctionCallOutput(_, call_id, output):
            return f"output {call_id}: {output}"
    raise AssertionError(item)


GREETING = TurnSaid(1, None, "Hello.")
QUESTION = TurnSaid(2, "Are you open?", "From nine.")
TOOL = ToolAnswered(2, "call_1", "look_up", '{"day":1}', "nine")


def test_a_turn_is_told_in_the_order_of_the_conversation() -> None:
    """The caller's words, the tools that they led to, the agent's words; the note is the last."""
    assert retell(GREETING, TOOL, QUESTION) == [
        "assistant: Hello.",
        "user: Are you open?",
        'call call_1: look_up({"day":1})',
        "output call_1: nine",
        "assistant: From nine.",
        "system: note",
    ]


def test_what_is_not_kept_yet_takes_its_place_by_its_turn() -> None:
    """A tool's answer is kept before the turn in which it was asked for has ended."""
    assert retell(GREETING, TOOL, more=(QUESTION,))[1] == "user: Are you open?"


def test_every_item_has_its_own_id() -> None:
    """The server refuses an id that it has."""
    numbers = itertools.count(1)
    items = Memory(Limits(), [GREETING, TOOL, QUESTION]).retell((), "note", lambda: f"i{next(numbers)}")
    assert len({item.id for item in items}) == len(items) == 6


def test_nothing_said_is_told_as_nothing() -> None:
    """A turn without words, and a call without turns."""
    assert retell(TurnSaid(1, None, "")) == ["system: note"]
    assert retell() == ["system: note"]


def test_the_latest_turns_are_told_as_far_as_there_is_room() -> None:
    """Never half a turn: an answer without its question would be nonsense."""
    limits = Limits(retold_characters_max=12)
    turns = [TurnSaid(number, "1234", "5678") for number in (1, 2)]
    assert retell(*turns, limits=limits) == ["user: 1234", "assistant: 5678", "system: note"]
    assert len(retell(*turns, limits=Limits(retold_characters_max=16))) == 5


def test_no_more_turns_are_told_than_the_bound() -> None:
    """However short they are."""
    turns = [TurnSaid(number, "a", "b") for number in range(1, 30)]
    assert len(retell(*turns)) == 2 * Limits().retold_turns_max + 1


def test_the_latest_turn_is_told_whatever_its_length() -> None:
    """A long tool's answer is what the caller waits for: without it the tool would be run again."""
    long = ToolAnswered(2, "call_1", "look_up", "{}", "x" * 8000)
    told = retell(GREETING, long)
    assert [line.partition(":")[0] for line in told] == ["call call_1", "output call_1", "system"]


def test_the_oldest_entry_is_forgotten_at_the_bound() -> None:
    """An hour of quick talk; no session would be told it."""
    kept = Memory(Limits(memory_entries_max=2))
    for number in (1, 2, 3):
        kept.add(TurnSaid(number, "a", "b"))
    assert [entry.turn for entry in kept.entries] == [2, 3]
    assert kept.turns == 3


def test_a_memory_of_nothing_has_no_turn() -> None:
    assert Memory(Limits()).turns == 0


@pytest.mark.parametrize("entry", [GREETING, QUESTION, TOOL])
def test_an_entry_survives_its_text(entry: Entry) -> None:
    """As it is written down for another process."""
    assert memory.decode(memory.encode(entry)) == entry


@pytest.mark.parametrize("text", [b"", b"{}", b'{"kind":"dream"}', b'{"kind":"turn","turn":1}'])
def test_any_other_text_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        memory.decode(text)
