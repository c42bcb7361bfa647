"""Who said what: turns as the caller lived them, written down for the record.

Bookkeeping only; nothing here changes what happens in the call. The caller's words come from a second
model, perhaps long after the answer, so an ended turn waits for them up to a bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from callbridge.call.facts import TurnEnded
from callbridge.call.memory import TurnSaid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.call.ear.playout import CutItem

SPOKEN_CHARACTERS_PER_S: Final = 15
"""Ordinary speech, spaces included. For how much of a text an unfinished piece of audio had time."""


@dataclass(slots=True, eq=False)
class _Turn:
    number: int
    speech_ended_at: float | None = None
    caller_item_id: str | None = None
    caller: str | None = None
    awaits_caller: bool = False
    awaits_agent: bool = False
    """The response was still running when the turn ended: its words may be to come."""
    words: dict[str, str] = field(default_factory=dict)
    """The agent's words by item, in the order of the items."""
    whole: set[str] = field(default_factory=set)
    """Items whose text is known to its end."""
    heard: dict[str, CutItem] = field(default_factory=dict)
    """Items that were cut."""
    answered_at: float | None = None
    interrupted: bool = False
    record_by: float = 0.0


@dataclass(slots=True)
class Transcript:
    """The turns of one call. Ended ones are taken from `ended`."""

    transcript_timeout_s: float
    turns: int = 0
    response_ms: list[int] = field(default_factory=list)
    """Every latency measured so far."""
    _unrecorded: list[_Turn] = field(default_factory=list)
    """Turns that wait for the caller's words, then the open one."""
    _open: _Turn | None = None

    # The caller.

    def caller_began(self, now: float, answered_at: float | None, *, awaits_agent: bool) -> None:
        """A new utterance, hence a new turn. The one before is closed as `close` says."""
        self.close(now, answered_at, awaits_agent=awaits_agent)
        self._begin()

    def caller_stopped(self, speech_ended_at: float, *, awaits_words: bool) -> None:
        """The utterance is over."""
        turn = self._current()
        turn.speech_ended_at = speech_ended_at
        turn.awaits_caller = awaits_words

    def caller_committed(self, item_id: str) -> None:
        """The utterance has an item, under which its words will come."""
        self._current().caller_item_id = item_id

    @property
    def latest_caller_item(self) -> str | None:
        """The item of the open turn's utterance."""
        return None if self._open is None else self._open.caller_item_id

    def caller_said(self, item_id: str, words: str | None) -> None:
        """The words of an utterance, or the news that none will come."""
        for turn in self._unrecorded:
            if turn.caller_item_id == item_id:
                turn.caller, turn.awaits_caller = words, False

    def caller_pressed(self, keys: str, now: float) -> None:
        """Keys instead of words."""
        turn = self._current()
        turn.caller, turn.speech_ended_at, turn.awaits_caller = f"[keys {keys}]", now, False

    # The agent.

    def agent_began(self, item_id: str) -> None:
        """An item of the answer. One that nobody asked for, like the greeting, is a turn of its own."""
        self._current().words.setdefault(item_id, "")

    def agent_adds(self, item_id: str, words: str) -> None:
        """A piece of the text of an item, told by the relay: what there is if the rest never comes."""
        turn = self._open
        if turn is not None and item_id in turn.words:  # Almost always; a late piece changes nothing.
            turn.words[item_id] += words

    def agent_says(self, item_id: str, words: str) -> None:
        """The whole text of an item."""
        for turn in self._unrecorded:
            if item_id in turn.words:
                turn.words[item_id] = words
                turn.whole.add(item_id)

    def agent_broke_off(self, item_id: str, sent_ms: int) -> None:
        """The rest of an item will not come. Its text ran ahead: what its audio has no time for is unsaid."""
        for turn in self._unrecorded:
            if item_id in turn.words and item_id not in turn.whole:
                turn.words[item_id] = _spoken_words(turn.words[item_id].strip(), sent_ms)

    def agent_finished(self) -> None:
        """The response is over: its words are all known."""
        for turn in self._unrecorded:
            if turn is not self._open:
                turn.awaits_agent = False

    def agent_was_cut(self, cuts: Iterable[CutItem]) -> None:
        """How much of which items was heard."""
        for cut in cuts:
            for turn in self._unrecorded:
                if cut.item_id in turn.words:
                    turn.heard[cut.item_id] = cut
                    turn.interrupted = True

    # The record.

    def close(self, now: float, answered_at: float | None, *, awaits_agent: bool = False) -> None:
        """Ends the open turn, if any. `answered_at`: when its first agent audio was sent."""
        turn, self._open = self._open, None
        if turn is None:
            return
        turn.answered_at, turn.awaits_agent = answered_at, awaits_agent
        turn.record_by = now + self.transcript_timeout_s

    def ended(self, now: float, *, is_last: bool = False) -> list[TurnEnded]:
        """Takes the records that are complete, late beyond the bound, or the last of the call."""
        if not self._unrecorded:  # The common case: asked after every event.
            return []
        ready = []
        for turn in self._unrecorded:
            is_complete = not turn.awaits_caller and not turn.awaits_agent
            if turn is not self._open and (is_last or is_complete or now >= turn.record_by):
                ready.append(turn)
        self._unrecorded = [turn for turn in self._unrecorded if turn not in ready]
        return [self._record(turn) for turn in ready]

    def _record(self, turn: _Turn) -> TurnEnded:
        latency_ms = _response_ms(turn)
        if latency_ms is not None:
            self.response_ms.append(latency_ms)
        return TurnEnded(turn.number, turn.caller, _heard(turn), latency_ms, turn.interrupted)

    def unrecorded(self) -> list[TurnSaid]:
        """The turns that have no record yet, with what was said in them so far."""
        said = (TurnSaid(turn.number, turn.caller, _heard(turn)) for turn in self._unrecorded)
        return [turn for turn in said if turn.caller or turn.agent]

    def heard_words(self, item_id: str) -> str:
        """What was heard of an item that was cut; nothing of one that is not known."""
        for turn in self._unrecorded:
            if item_id in turn.words:
                return _heard_words(turn.words[item_id].strip(), turn.heard.get(item_id))
        return ""

    @property
    def deadline(self) -> float | None:
        """When the next waiting record is late."""
        if (
            not self._unrecorded or self._unrecorded[0] is self._open
        ):  # The common case: asked after every event.
            return None
        return min(turn.record_by for turn in self._unrecorded if turn is not self._open)

    def _begin(self) -> _Turn:
        self.turns += 1
        turn = self._open = _Turn(self.turns)
        self._unrecorded.append(turn)
        return turn

    def _current(self) -> _Turn:
        return self._begin() if self._open is None else self._open


def _response_ms(turn: _Turn) -> int | None:
    if turn.speech_ended_at is None or turn.answered_at is None:
        return None
    if turn.answered_at < turn.speech_ended_at:  # Audio between two keys: it answered something else.
        return None
    return round((turn.answered_at - turn.speech_ended_at) * 1000)


def _heard(turn: _Turn) -> str:
    """What was heard of all that the agent said in a turn."""
    heard = (_heard_words(words.strip(), turn.heard.get(item_id)) for item_id, words in turn.words.items())
    return " ".join(words for words in heard if words)


def _heard_words(words: str, cut: CutItem | None) -> str:
    """The part of `words` that was heard, in proportion to the audio, at a word's end."""
    if cut is None or cut.heard_ms >= cut.sent_ms:
        return words
    return _first_words(words, len(words) * cut.heard_ms // cut.sent_ms)


def _spoken_words(words: str, sent_ms: int) -> str:
    """The part of `words` for which so much audio had time."""
    length = sent_ms * SPOKEN_CHARACTERS_PER_S // 1000
    return words if len(words) <= length else _first_words(words, length)


def _first_words(words: str, length: int) -> str:
    first = words[:length].rpartition(" ")[0]
    return f"{first} …" if first else ""
