"""Who said what: turns as the caller lived them, written down for the record.

Bookkeeping only; nothing here changes what happens in the call. The caller's words come from a second
model, perhaps long after the answer and in any order (Realtime reference,
conversation.item.input_audio_transcription.completed). An ended turn waits for them up to a bound; words that
come later still correct its record, up to another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from callbridge.call.facts import CallerWordsCame, TurnEnded
from callbridge.call.lived import Answer, SaidItem, Speech
from callbridge.call.memory import TurnSaid
from callbridge.call.spoken import heard_part, part_with_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.call.ear.playout import CutItem
    from callbridge.call.limits import Limits
    from callbridge.call.memory import Entry

UNINTELLIGIBLE: Final = "[unintelligible]"
"""The words of an utterance that could not be made out: that somebody spoke is worth knowing."""

_LAST_SAID_MAX: Final = 4
"""Items that are known for a moment after their turn was recorded. An answer has one or two."""

_UNCOMMITTED: Final = ""
"""Stands for the item of an utterance that has none yet."""


@dataclass(slots=True, eq=False)
class _Turn:
    number: int
    speech_ended_at: float | None = None
    stopped_at: float | None = None
    """When that was known."""
    spoke: list[float] = field(default_factory=list)
    """When the caller began to speak, and when they stopped; nothing for who pressed a key."""
    utterances: dict[str, str | None] = field(default_factory=dict)
    """The caller's words by item, in the order in which they were spoken; None: not known."""
    awaited: set[str] = field(default_factory=set)
    """Those of them whose words are still to come."""
    words_by: float = 0.0
    """From then on they are not waited for any more."""
    awaits_agent: bool = False
    """The response was still running when the turn ended: its words may be to come."""
    plays_until: float = 0.0
    """The caller spoke into words of the agent that play on until then, and has cut nothing: how much of them
    they hear is not known before. 0 where they were cut, or heard."""
    words: dict[str, str] = field(default_factory=dict)
    """The agent's words by item, in the order of the items."""
    whole: set[str] = field(default_factory=set)
    """Items whose text is known to its end."""
    began: dict[str, tuple[float | None, float]] = field(default_factory=dict)
    """When the response of each item was asked for, and when it began."""
    heard: dict[str, CutItem] = field(default_factory=dict)
    """What was sent and heard of items, at their end or their cut."""
    answered_at: float | None = None
    interrupted: bool = False
    record_by: float = 0.0

    def item(self, item_id: str) -> tuple[str, bool, CutItem | None]:
        """The words of one of the agent's items, whether they are whole, and what was heard of it."""
        return self.words[item_id].strip(), item_id in self.whole, self.heard.get(item_id)


@dataclass(slots=True)
class Transcript:
    """The turns of one call. Ended ones are taken from `ended`."""

    limits: Limits
    call_began_at: float = 0.0
    """The zero of what facts say of times."""
    turns: int = 0
    response_ms: list[int] = field(default_factory=list)
    """Every latency measured so far."""
    corrections: list[CallerWordsCame] = field(default_factory=list)
    """Words that came after the record of their turn; to be taken by who notes them."""
    _unrecorded: list[_Turn] = field(default_factory=list)
    """Turns that wait for the caller's words, then the open one."""
    _open: _Turn | None = None
    _last_said: dict[str, tuple[str, bool, CutItem | None]] = field(default_factory=dict)
    """The last items of the latest turn that has its record: as in `_Turn.item`."""
    _late: list[_Turn] = field(default_factory=list)
    """Turns that were recorded before all of the caller's words came."""
    _unplaced: dict[str, str] = field(default_factory=dict)
    """Words that came before the news of their utterance."""
    _is_transcribed: bool = False

    # The caller.

    def caller_began(
        self,
        now: float,
        answered_at: float | None,
        *,
        awaits_agent: bool,
        spoke_from: float | None,
        plays_until: float = 0.0,
    ) -> None:
        """A new utterance, hence a new turn. The one before is closed as `close` says.

        Args:
            now: the time.
            answered_at: when the first agent audio of the turn before was sent.
            awaits_agent: its response still runs.
            spoke_from: when they began to speak; None for who pressed a key.
            plays_until: when the agent's words are over that they do not cut; 0 where they do.
        """
        self.close(now, answered_at, awaits_agent=awaits_agent, plays_until=plays_until)
        turn = self._begin()
        if spoke_from is not None:
            turn.spoke.append(spoke_from)

    def caller_stopped(self, speech_ended_at: float, now: float, *, awaits_words: bool) -> None:
        """The utterance is over."""
        turn = self._current()
        turn.speech_ended_at, turn.stopped_at = speech_ended_at, now
        if turn.spoke:
            del turn.spoke[1:]
            turn.spoke.append(max(speech_ended_at, turn.spoke[0]))
        self._is_transcribed = awaits_words
        if awaits_words:
            turn.awaited.add(_UNCOMMITTED)

    def caller_committed(self, item_id: str) -> None:
        """The utterance has an item, under which its words will come, or have come already."""
        # Keys may have begun the next turn meanwhile.
        turn = next((turn for turn in self._unrecorded if _UNCOMMITTED in turn.awaited), None)
        turn = turn or self._current()
        turn.awaited.discard(_UNCOMMITTED)
        if item_id in turn.utterances or len(turn.utterances) >= self.limits.words_awaited_max:
            return
        turn.utterances[item_id] = self._unplaced.pop(item_id, None)
        if self._is_transcribed and turn.utterances[item_id] is None:
            turn.awaited.add(item_id)

    @property
    def latest_caller_item(self) -> str | None:
        """The latest item of the open turn's words."""
        return None if self._open is None else next(reversed(self._open.utterances), None)

    def caller_said(self, item_id: str, words: str) -> None:
        """The words of an utterance, in whatever order they come."""
        words = words[: self.limits.words_characters_max]
        for turn in self._unrecorded:
            if item_id in turn.utterances:
                turn.utterances[item_id] = words
                turn.awaited.discard(item_id)
                return
        for turn in self._late:
            if item_id in turn.awaited:
                self._came_late(turn, item_id, words)
                return
        self._unplaced[item_id] = words
        if len(self._unplaced) > self.limits.words_awaited_max:
            del self._unplaced[next(iter(self._unplaced))]

    def _came_late(self, turn: _Turn, item_id: str, words: str) -> None:
        turn.utterances[item_id] = words
        turn.awaited.discard(item_id)
        if not turn.awaited:
            self._late.remove(turn)
        if words:
            self.corrections.append(CallerWordsCame(turn.number, _said(turn) or "", item_id))

    def caller_pressed(self, keys: str, now: float) -> None:
        """Keys instead of words."""
        turn = self._current()
        turn.speech_ended_at = turn.stopped_at = now
        turn.utterances[f"keys at {now}"] = f"[keys {keys}]"

    def goes_on(self, remembered: Iterable[Entry], now: float) -> None:
        """What an earlier stream of the call did not hear to its end: its session may still tell it."""
        for entry in remembered:
            self.turns = max(self.turns, entry.turn)
            if isinstance(entry, TurnSaid) and entry.awaits:
                utterances = {_UNCOMMITTED: entry.caller, **dict.fromkeys(entry.awaits)}
                self._is_late(
                    _Turn(
                        entry.turn,
                        utterances=utterances,
                        awaited=set(entry.awaits),
                        words_by=now + self.limits.words_timeout_s,
                    )
                )

    def _is_late(self, turn: _Turn) -> None:
        self._late = [*self._late[1 - self.limits.words_awaited_max :], turn]

    def awaits_words(self, now: float) -> bool:
        """Whether words of an utterance that is over may still come."""
        self._late = [turn for turn in self._late if now < turn.words_by]
        return bool(self._late) or any(turn.awaited - {_UNCOMMITTED} for turn in self._unrecorded)

    def words_lost(self) -> None:
        """The session is gone: what it has not told of the caller's words will not come."""
        for turn in self._unrecorded:
            turn.awaited.clear()
        self._late.clear()
        self._unplaced.clear()

    # The agent.

    def agent_began(self, item_id: str, asked_at: float | None, began_at: float) -> None:
        """An item of the answer. One that nobody asked for, like the greeting, is a turn of its own.

        Args:
            item_id: its name.
            asked_at: when we asked for its response; None for one that the server made by itself.
            began_at: when that began.
        """
        turn = self._current()
        turn.words.setdefault(item_id, "")
        turn.began[item_id] = asked_at, began_at

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
                turn.words[item_id] = part_with_time(turn.words[item_id].strip(), sent_ms)

    def agent_finished(self, plays_until: float) -> None:
        """The response is over: its words are all known. `plays_until`: when the last of them is played."""
        for turn in self._unrecorded:
            if turn is self._open:
                continue
            if turn.awaits_agent and turn.plays_until:  # More of it came since they spoke into it.
                turn.plays_until = plays_until
                turn.record_by = max(turn.record_by, plays_until + self.limits.transcript_timeout_s)
            turn.awaits_agent = False

    def agent_was_heard(self, items: Iterable[CutItem]) -> None:
        """How much was heard of which items, when they were over or cut. The latest word on each counts."""
        for item in items:
            for turn in self._unrecorded:
                if item.item_id not in turn.words:
                    continue
                turn.interrupted |= not item.is_heard
                known = turn.heard.get(item.item_id)
                if known is None or item.heard_from is not None or not item.heard_ms:
                    turn.heard[item.item_id] = item
                else:  # More of it was made than was sent: that says nothing of when it was heard.
                    turn.heard[item.item_id] = replace(
                        known, sent_ms=item.sent_ms, heard_ms=item.heard_ms, is_heard=False
                    )

    def agent_made_more(self, item_id: str, more_ms: int) -> None:
        """An item that was cut had gone on, and nobody heard that."""
        for turn in self._unrecorded:
            if more_ms and item_id in turn.heard:
                cut = turn.heard[item_id]
                turn.heard[item_id] = replace(cut, sent_ms=cut.sent_ms + more_ms)

    # The record.

    def close(
        self,
        now: float,
        answered_at: float | None,
        *,
        awaits_agent: bool = False,
        plays_until: float = 0.0,
    ) -> None:
        """Ends the open turn, if any. `answered_at`: when its first agent audio was sent."""
        turn, self._open = self._open, None
        if turn is None:
            return
        turn.answered_at, turn.awaits_agent = answered_at, awaits_agent
        if len(turn.spoke) == 1:  # They have not stopped, or it was not noticed.
            turn.spoke.append(max(now, turn.spoke[0]))
        turn.plays_until = plays_until
        turn.record_by = max(now, plays_until) + self.limits.transcript_timeout_s
        spoken_at = now if turn.speech_ended_at is None else turn.speech_ended_at
        turn.words_by = spoken_at + self.limits.words_timeout_s

    def ended(self, now: float, *, is_last: bool = False) -> list[TurnEnded]:
        """Takes the records that are complete, late beyond the bound, or the last of the call."""
        if not self._unrecorded:  # The common case: asked after every event.
            return []
        ready = []
        for turn in self._unrecorded:
            is_decided = now >= turn.plays_until or turn.words.keys() <= turn.heard.keys()
            is_complete = not turn.awaited and not turn.awaits_agent and is_decided
            if turn is not self._open and (is_last or is_complete or now >= turn.record_by):
                ready.append(turn)
        self._unrecorded = [turn for turn in self._unrecorded if turn not in ready]
        return [self._record(turn) for turn in ready]

    def _record(self, turn: _Turn) -> TurnEnded:
        self._last_said = {item_id: turn.item(item_id) for item_id in [*turn.words][-_LAST_SAID_MAX:]}
        turn.awaited.discard(_UNCOMMITTED)
        if turn.awaited:
            self._is_late(turn)
        latency_ms = _response_ms(turn)
        if latency_ms is not None:
            self.response_ms.append(latency_ms)
        awaits = tuple(item_id for item_id in turn.utterances if item_id in turn.awaited)
        lived = _Lived(turn, self.call_began_at)
        return TurnEnded(
            turn.number,
            _said(turn),
            _heard(turn),
            latency_ms,
            turn.interrupted,
            awaits,
            speech=lived.speech(),
            items=lived.items(),
            answer=lived.answer(),
        )

    def unrecorded(self) -> list[TurnSaid]:
        """The turns that have no record yet, with what was said in them so far."""
        said = (TurnSaid(turn.number, _said(turn), _heard(turn)) for turn in self._unrecorded)
        return [turn for turn in said if turn.caller or turn.agent]

    def heard_words(self, item_id: str) -> str:
        """What was heard of an item that was cut; nothing of one that is not known."""
        for turn in self._unrecorded:
            if item_id in turn.words:
                return _heard_words(turn.words[item_id].strip(), turn.heard.get(item_id))
        return ""

    def known_of(self, item_id: str) -> tuple[CutItem | None, int, int]:
        """What was heard of an item when it ended or was cut; how many characters were heard, and not.

        Nothing is known of those before the last items of the latest turn that has its record.
        """
        of_open = (turn.item(item_id) for turn in self._unrecorded if item_id in turn.words)
        words, is_whole, heard = next(of_open, None) or self._last_said.get(item_id, ("", True, None))
        if heard is None or heard.is_heard:
            return heard, len(words), 0
        # The text runs ahead of the audio: what was sent stands for its beginning.
        sent = words if is_whole else part_with_time(words, heard.sent_ms)
        count = len(heard_part(sent, heard.heard_ms, heard.sent_ms).removesuffix("…").rstrip())
        return heard, count, len(words) - count

    @property
    def deadline(self) -> float | None:
        """When the next waiting record is late."""
        if (
            not self._unrecorded or self._unrecorded[0] is self._open
        ):  # The common case: asked after every event.
            return None
        return min(turn.record_by for turn in self._unrecorded if turn is not self._open)

    @property
    def present(self) -> int:
        """The number of the turn to which belongs what begins now."""
        return self.turns + (self._open is None)

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


def _said(turn: _Turn) -> str | None:
    """All that the caller said in a turn, in the order in which they spoke; None where nothing is known."""
    known = [words for words in turn.utterances.values() if words is not None]
    return " ".join(filter(None, known)) if known else None


def _heard(turn: _Turn) -> str:
    """What was heard of all that the agent said in a turn."""
    heard = (_heard_words(words.strip(), turn.heard.get(item_id)) for item_id, words in turn.words.items())
    return " ".join(words for words in heard if words)


def _heard_words(words: str, cut: CutItem | None) -> str:
    """The part of `words` that was heard, in proportion to the audio."""
    return words if cut is None or cut.is_heard else heard_part(words, cut.heard_ms, cut.sent_ms)


@dataclass(frozen=True, slots=True)
class _Lived:
    """A turn as facts have it: in milliseconds since the call began."""

    turn: _Turn
    call_began_at: float

    def speech(self) -> tuple[Speech, ...]:
        """When the caller spoke."""
        return (Speech(*map(self._at, self.turn.spoke)),) if self.turn.spoke else ()

    def items(self) -> tuple[SaidItem, ...]:
        """What the agent said, in the order in which it was begun."""
        return tuple(self._item(item_id, words.strip()) for item_id, words in self.turn.words.items())

    def _item(self, item_id: str, words: str) -> SaidItem:
        heard = self.turn.heard.get(item_id)
        if heard is None:  # Nothing is known of its audio.
            return SaidItem(item_id, words, words)
        return SaidItem(
            item_id,
            words,
            _heard_words(words, heard),
            heard.sent_ms,
            heard.heard_ms,
            self._ms(heard.heard_from),
            self._ms(heard.heard_until),
            was_cut=not heard.is_heard,
        )

    def answer(self) -> Answer | None:
        """How the first of its audio came to be."""
        turn = self.turn
        sent = {item.sent_from: item for item in turn.heard.values() if item.sent_from is not None}
        # Where its audio is still under way, only that it was sent is known.
        first = sent[min(sent)] if sent else None
        sent_at = turn.answered_at if first is None else first.sent_from
        if sent_at is None or not turn.began:
            return None
        item_id = next(iter(turn.began)) if first is None else first.item_id
        asked_at, began_at = turn.began[item_id]
        return Answer(
            stopped_ms=self._ms(turn.stopped_at),
            ended_ms=self._ms(turn.speech_ended_at),
            asked_ms=self._ms(asked_at),
            created_ms=self._ms(began_at),
            sent_ms=self._ms(sent_at),
            heard_ms=None if first is None else self._ms(first.heard_from),
        )

    def _ms(self, at: float | None) -> int | None:
        return None if at is None else self._at(at)

    def _at(self, at: float) -> int:
        return round((at - self.call_began_at) * 1000)
