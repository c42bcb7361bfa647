"""What a call remembers of itself: what was said and heard, which tools have begun, and what they answered.

A session of the model can be lost, a stream can break off, a process can end: the call goes on, and the next
session is told what is here. Only what the caller *heard* counts as said. Nothing is decided here.

Resume: https://developers.openai.com/api/docs/guides/realtime-conversations
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from callbridge.call.outcomes import ToolOutcome
from callbridge.wire import realtime_commands as commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from callbridge.call.limits import Limits


class ToolStarted(msgspec.Struct, frozen=True, tag_field="kind", tag="tool_started"):
    """A tool was started in an earlier stream of the call, which knows no answer of it."""

    turn: int
    call_id: str
    name: str
    arguments: str
    is_ours: bool = False
    """No model has asked for it, and none is told."""


class ToolAnswered(msgspec.Struct, frozen=True, tag_field="kind", tag="tool"):
    """A tool was called and answered: with another session it must not be called again for the same."""

    turn: int
    call_id: str
    name: str
    arguments: str
    output: str
    outcome: ToolOutcome = ToolOutcome.ANSWERED
    is_wish: bool = False
    """It wanted something done to the call. No later session is told: the wish was granted or withdrawn."""
    is_ours: bool = False
    """No model has asked for it, and none is told."""
    is_momentary: bool = False
    """What it answered held at that moment. A later session that asks the same has it run again."""


class TurnSaid(msgspec.Struct, frozen=True, tag_field="kind", tag="turn"):
    """One utterance of the caller, and what was heard of the answer."""

    turn: int
    caller: str | None
    agent: str
    awaits: tuple[str, ...] = ()
    """Items of the caller whose words are still to come, if the session that heard them goes on."""


class Told(msgspec.Struct, frozen=True, tag_field="kind", tag="told"):
    """The model was told something that nobody has said: news of the agent's own code, keys of the caller."""

    turn: int
    text: str
    is_callers: bool = False
    """It stands for something that the caller did."""


Entry: TypeAlias = ToolStarted | ToolAnswered | TurnSaid | Told

encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(ToolStarted | ToolAnswered | TurnSaid | Told).decode
"""An entry from the text that `encode` made. Raises msgspec.DecodeError for any other text."""

NOT_KNOWN: Final = (
    '{"outcome": "not known", "why": "It was started, and then the connection broke off. It may have taken '
    "effect. Do not call it again unless doing it twice does no harm, and do not say that it failed: find "
    'out, or tell the caller that it is not certain."}'
)
"""What a session is told of a tool that was started by another one, and of which no answer is known."""


@dataclass(slots=True)
class Memory:
    """The entries of one call, in the order in which they came to be."""

    limits: Limits
    entries: list[Entry] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Keeps an entry. Above the bound the oldest is forgotten: no session would be told it."""
        self.entries.append(entry)
        if len(self.entries) > self.limits.memory_entries_max:
            del self.entries[0]

    def correct(self, turn: int, caller: str) -> None:
        """The caller's words of a turn came late. They are told where they were spoken, as all of it is."""
        for place in reversed(range(len(self.entries))):
            entry = self.entries[place]
            if isinstance(entry, TurnSaid) and entry.turn == turn:
                self.entries[place] = TurnSaid(turn, caller, entry.agent)
                return
        self.add(TurnSaid(turn, caller, ""))  # Nothing was known of that turn.

    def retell(
        self, more: Iterable[Entry], note: str, next_id: Callable[[], str]
    ) -> tuple[commands.AnyItem, ...]:
        """The conversation as items for a new session: the latest turns, then `note` for the model alone.

        Args:
            more: what is not kept yet: the turn that was going on.
            note: what has happened, as a system message.
            next_id: a new item id at each call.
        """
        items = [item for turn in self._latest([*self.entries, *more]) for item in _items(turn, next_id)]
        system = commands.Message(next_id(), "system", (commands.InputText(note),))
        return (*items, system)

    def _latest(self, entries: list[Entry]) -> list[list[Entry]]:
        """The turns that a session is told: much text pulls an audio model towards text-like speech."""
        told_of = filter(_is_told, entries)
        by_turn = sorted(told_of, key=lambda entry: entry.turn)  # Stable: within a turn as it happened.
        turns = [list(turn) for _, turn in groupby(by_turn, key=lambda entry: entry.turn)]
        told: list[list[Entry]] = []
        room = self.limits.retold_characters_max
        for turn in reversed(turns[-self.limits.retold_turns_max :]):
            room -= sum(_length(entry) for entry in turn)
            if room < 0 and told:  # The latest is always told: it may be what the caller waits for.
                break
            told.insert(0, turn)
        return told


def _is_told(entry: Entry) -> bool:
    """Whether a later session is told of it at all."""
    match entry:
        case ToolStarted():
            return not entry.is_ours
        case ToolAnswered():
            return not (entry.is_ours or entry.is_wish)
        case _:
            return True


def _items(turn: list[Entry], next_id: Callable[[], str]) -> list[commands.AnyItem]:
    """One turn: the caller's words, the tools that they led to, the agent's words.

    As text: a client cannot add audio of the assistant (Realtime reference, conversation.item.create).
    """
    said = [entry for entry in turn if isinstance(entry, TurnSaid)]
    items: list[commands.AnyItem] = [
        commands.Message(next_id(), "user", (commands.InputText(entry.caller),))
        for entry in said
        if entry.caller
    ]
    for entry in turn:
        match entry:
            case Told(_, text, is_callers):
                role: Literal["user", "system"] = "user" if is_callers else "system"
                items.append(commands.Message(next_id(), role, (commands.InputText(text),)))
            case ToolStarted() | ToolAnswered():
                output = NOT_KNOWN if isinstance(entry, ToolStarted) else entry.output
                items.append(commands.FunctionCall(next_id(), entry.call_id, entry.name, entry.arguments))
                items.append(commands.FunctionCallOutput(next_id(), entry.call_id, output))
            case _:
                pass
    items += [
        commands.Message(next_id(), "assistant", (commands.OutputText(entry.agent),))
        for entry in said
        if entry.agent
    ]
    return items


def _length(entry: Entry) -> int:
    match entry:
        case TurnSaid(_, caller, agent):
            return len(caller or "") + len(agent)
        case ToolStarted():
            return len(entry.arguments) + len(NOT_KNOWN)
        case ToolAnswered():
            return len(entry.arguments) + len(entry.output)
        case Told():
            return len(entry.text)
