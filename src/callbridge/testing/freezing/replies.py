"""What the model did in a call, one reply for each response: from its tape, or, without one, from its story.

Only a tape says which words and tools were one response, which response failed, and which one the service
had asked for with words of its own: those are said by themselves when the call is played again. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.call import actions
from callbridge.call.tapes import entries
from callbridge.records.story import Spoken
from callbridge.testing.moves import Calls, Fails, Says, Silent
from callbridge.wire import realtime_commands, realtime_events

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.call.tapes.entries import Entry
    from callbridge.records.story import CallStory, ToolUse, Turn
    from callbridge.testing.moves import ModelMove


USUAL_MS: Final = 300
"""The simulated model thinks so long by itself."""

UNHEARD_MS: Final = 100
"""Nobody hears a difference of less: what is written down is what is worth reading."""


@dataclass(slots=True)
class Reply:
    """One response."""

    words: list[str] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Tools with their arguments, as JSON text."""
    failure: str = ""
    """The vendor's code, of one that failed."""
    is_dictated: bool = False
    """The service had asked for it with instructions of its own."""
    thought_ms: int | None = None
    """From its beginning to the first of it; None where that is not known."""

    @property
    def move(self) -> ModelMove:
        """The same as a move of a test."""
        move = self._move
        thought_ms = self.thought_ms
        if thought_ms is None or abs(thought_ms - USUAL_MS) <= UNHEARD_MS:
            return move
        said = Says(move) if isinstance(move, str) else move
        return msgspec.structs.replace(said, after_ms=thought_ms) if isinstance(said, Says | Calls) else move

    @property
    def _move(self) -> ModelMove:
        calls = tuple(Calls(name, **arguments_of(text)) for name, text in self.calls)
        said = " ".join(words for words in self.words if words)
        if self.failure:
            return Fails(self.failure)
        if said:
            return Says(said, then=calls[0] if len(calls) == 1 else calls) if calls else said
        return calls[0] if calls else Silent()


def moves_of(replies: Iterable[Reply]) -> list[ModelMove]:
    """The moves of a test; what the service dictates is none."""
    moves: list[ModelMove] = []
    for reply in replies:
        if reply.is_dictated:
            continue
        moves.append(reply.move)
        if len(reply.calls) > 1 and not reply.words:  # Several at once have no word for themselves.
            moves[-1:] = [Calls(name, **arguments_of(text)) for name, text in reply.calls]
    return moves


def arguments_of(text: str) -> dict[str, object]:
    """What a tool was asked. What TOML cannot say is left out: it has no null."""
    try:
        given = msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return {}
    return _without_null(given) if isinstance(given, dict) else {}


def _without_null(given: dict[str, object]) -> dict[str, object]:
    return {
        name: _without_null(value) if isinstance(value, dict) else value
        for name, value in given.items()
        if value is not None
    }


# --- From a tape ----------------------------------------------------------------------------------------


def replies_on(tapes: Iterable[Sequence[Entry]]) -> list[Reply]:
    """Of all streams of a call, in the order in which they were begun."""
    replies: list[Reply] = []
    for tape in tapes:
        reading = _Reading()
        for entry in tape:
            reading.take(entry)
        replies += reading.replies.values()
    return replies


class _Reading:
    """Goes along one tape."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        """By the id of their responses."""
        self._begun_at: dict[str, float] = {}
        self._of_item: dict[str, tuple[Reply, int]] = {}
        """The reply of each message, and which of its words they are."""
        self._has_own_words = False
        """The response that was asked for last was told what to say."""

    def take(self, entry: Entry) -> None:
        """The next entry."""
        match entry:
            case entries.Added(item_id, words):
                self._hear(item_id, words, is_all=False)
            case entries.Handled(event=event, now=now):
                self._event(event, now)
        for action in getattr(entry, "does", None) or ():
            match action:
                case actions.SendToModel(command=realtime_commands.CreateResponse(response=options)):
                    self._has_own_words = options is not None and bool(options.instructions)

    def _event(self, event: object, now: float) -> None:
        if isinstance(event, realtime_events.OutputItemAdded):
            self._has_thought(event.response_id, now)
        match event:
            case realtime_events.ResponseCreated(response):
                self.replies[response.id] = Reply(is_dictated=self._has_own_words)
                self._begun_at[response.id] = now
                self._has_own_words = False
            case realtime_events.OutputItemAdded(response_id, item) if item.type == "message":
                reply = self.replies.setdefault(response_id, Reply())
                self._of_item[item.id] = reply, len(reply.words)
                reply.words.append("")
            case realtime_events.OutputItemDone(item, response_id) if item.type == "function_call":
                if item.status == "completed" and item.name:
                    reply = self.replies.setdefault(response_id, Reply())
                    reply.calls.append((item.name, item.arguments or "{}"))
            case realtime_events.AgentTranscript(item_id, transcript):
                self._hear(item_id, transcript or "", is_all=True)
            case realtime_events.ResponseDone(response) if response.status == "failed":
                details = response.status_details
                error = None if details is None else details.error
                code = None if error is None else error.code
                self.replies.setdefault(response.id, Reply()).failure = code or "server_error"

    def _has_thought(self, response_id: str, now: float) -> None:
        """Its first item has begun."""
        if (begun_at := self._begun_at.pop(response_id, None)) is not None:
            self.replies[response_id].thought_ms = round((now - begun_at) * 1000)

    def _hear(self, item_id: str, words: str, *, is_all: bool) -> None:
        if item_id in self._of_item:
            reply, place = self._of_item[item_id]
            reply.words[place] = words if is_all else reply.words[place] + words


# --- From a story ---------------------------------------------------------------------------------------


def replies_in(story: CallStory) -> list[Reply]:
    """As far as turns tell it: words up to the tools that follow them are one response.

    Words before the caller's first are the greeting, which the service asks for in its own words.
    """
    replies: list[Reply] = []
    for turn in story.turns:
        of_turn = _replies_in(turn)
        is_greeting = not replies and not turn.spans and turn.caller is None and not turn.keys
        if is_greeting and of_turn:
            of_turn[0].is_dictated = True
        replies += of_turn
    return replies


def _replies_in(turn: Turn) -> list[Reply]:
    """In the order in which words began to be heard, and tools to run."""
    begun: list[tuple[int, Spoken | ToolUse]] = [
        (turn.began_ms if one.span is None else one.span.began_ms, one) for one in turn.agent
    ]
    begun += [(tool.began_ms, tool) for tool in turn.tools if not tool.is_ours]
    replies: list[Reply] = []
    ended_ms: int | None = None
    """When the tool before has answered; None behind words."""
    for began_ms, one in sorted(begun, key=lambda each: each[0]):
        if isinstance(one, Spoken):
            # Words behind words, with nothing between that asked for them, are of the service's asking.
            replies.append(Reply([one.words], is_dictated=bool(replies) and ended_ms is None))
            ended_ms = None
            continue
        if not replies or (ended_ms is not None and began_ms >= ended_ms):
            replies.append(Reply())
        replies[-1].calls.append((one.name, one.arguments or "{}"))
        ended_ms = max(ended_ms or 0, began_ms + (one.duration_ms or 0))
    return replies
