"""The turns of a call, from the facts of its streams: who said what, what was heard, which tools ran.

A turn has its place by when its speech began, though its words may come much later. One that has no record
yet, because it goes on or its process was killed, is told from what is known of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from callbridge.call import facts
from callbridge.records.latency import latency_of
from callbridge.records.story import Span, Spoken, Turn
from callbridge.records.stream_facts import StreamFacts
from callbridge.records.tool_uses import ToolDraft, tools_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.call.lived import Answer, SaidItem, Speech
    from callbridge.records.story import Latency, ToolUse


@dataclass(slots=True)
class _Draft:
    """What is known of one turn."""

    number: int
    at_ms: int
    """When the first fact of it was noted."""
    offset_ms: int
    """Of its stream."""
    record: facts.TurnEnded | None = None
    caller: str | None = None
    speech: dict[int, Span] = field(default_factory=dict)
    """By when each stretch began."""
    keys: list[str] = field(default_factory=list)
    interrupted: facts.Interrupted | None = None
    tools: list[ToolUse] = field(default_factory=list)
    heard: list[facts.ItemHeard] = field(default_factory=list)
    """Items that no record has."""


def turns_of(streams: Sequence[StreamFacts]) -> tuple[Turn, ...]:
    """The turns of all streams of a call, in order. Their numbers go on from stream to stream."""
    drafts: list[_Draft] = []
    for stream in streams:
        of_stream = _Reading(stream, drafts)
        of_stream.read()
        drafts += sorted(of_stream.drafts.values(), key=lambda draft: draft.number)
    turns: list[Turn] = []
    for draft in drafts:
        number = max(draft.number, turns[-1].number + 1 if turns else 1)
        turns.append(_turn(draft, number))
    return tuple(turns)


class _Reading:
    """Goes through the facts of one stream.

    Args:
        stream: which.
        earlier: the turns of the streams before it: late words may belong there.
    """

    def __init__(self, stream: StreamFacts, earlier: Sequence[_Draft]) -> None:
        self._stream, self._earlier = stream, earlier
        self.drafts: dict[int, _Draft] = {}

    def read(self) -> None:
        """All of them."""
        cuts: list[facts.Interrupted] = []
        for timed in self._stream.facts:
            match timed.fact:
                case facts.CallerSpoke() as spoke if spoke.record:
                    draft = self._draft(spoke.record, timed.at_ms)
                    if spoke.speech is not None:
                        self._spoke(draft, spoke.speech)
                case facts.KeysPressed() as pressed if pressed.record:
                    self._draft(pressed.record, timed.at_ms).keys.append(pressed.keys)
                case facts.TurnEnded() as record:
                    self._ended(record, timed.at_ms)
                case facts.CallerWordsCame() as came:
                    self._came(came, timed.at_ms)
                case facts.Interrupted() as cut:
                    cuts.append(cut)
                case _:
                    pass
        for cut in cuts:
            self._cut(cut)
        self._heard_without_record()
        for tool in tools_of(self._stream):
            self._used(tool)

    def _draft(self, number: int, at_ms: int) -> _Draft:
        if number not in self.drafts:
            self.drafts[number] = _Draft(number, at_ms, self._stream.offset_ms)
        return self.drafts[number]

    def _spoke(self, draft: _Draft, speech: Speech) -> None:
        began_ms = self._stream.ms(speech.began_ms)
        draft.speech[began_ms] = Span(began_ms, max(self._stream.ms(speech.ended_ms), began_ms))

    def _ended(self, record: facts.TurnEnded, at_ms: int) -> None:
        draft = self._draft(record.turn, at_ms)
        draft.record = record
        if record.caller is not None:
            draft.caller = record.caller
        if record.speech:
            draft.speech.clear()
        for speech in record.speech:
            self._spoke(draft, speech)

    def _came(self, came: facts.CallerWordsCame, at_ms: int) -> None:
        """The turn is one of this stream, or of an earlier one whose session goes on."""
        awaiting = (
            draft
            for draft in (*self.drafts.values(), *reversed(self._earlier))
            if draft.record is not None and came.item_id in draft.record.awaits
        )
        same = (draft for draft in reversed(self._earlier) if draft.number == came.turn)
        draft = next(awaiting, None) or self.drafts.get(came.turn) or next(same, None)
        (draft or self._draft(came.turn, at_ms)).caller = came.caller or None

    def _cut(self, cut: facts.Interrupted) -> None:
        """The turn whose answer was cut is that which has its items."""
        item_ids = {item_id for item_id, _ in cut.truncated} | set(cut.deleted)
        for draft in self.drafts.values():
            items = () if draft.record is None else draft.record.items
            if draft.interrupted is None and any(item.item_id in item_ids for item in items):
                draft.interrupted = cut

    def _heard_without_record(self) -> None:
        """What was heard in turns that have no record: each in the latest that was open by then."""
        recorded = {
            item.item_id
            for draft in self.drafts.values()
            if draft.record is not None
            for item in draft.record.items
        }
        for timed in self._stream.facts:
            heard = timed.fact
            if not isinstance(heard, facts.ItemHeard) or heard.began_ms is None or heard.item_id in recorded:
                continue
            latest = max(self.drafts.values(), key=lambda draft: draft.number, default=None)
            if latest is None or latest.record is not None:
                number = 1 if latest is None else latest.number + 1
                latest = self._draft(number, timed.at_ms)
            latest.heard.append(heard)

    def _used(self, tool: ToolDraft) -> None:
        """In the turn that it names; where none is named, in that which went on."""
        number = tool.turn
        if not number:
            before = (draft for draft in self.drafts.values() if draft.at_ms <= tool.use.began_ms)
            number = max((draft.number for draft in before), default=0)
        self._draft(number, tool.use.began_ms).tools.append(tool.use)


# --- One turn -------------------------------------------------------------------------------------------


def _turn(draft: _Draft, number: int) -> Turn:
    record = draft.record
    spans = tuple(draft.speech[began_ms] for began_ms in sorted(draft.speech))
    agent = tuple(_unrecorded(draft) if record is None else _spoken(record, draft))
    known = [*spans, *(spoken.span for spoken in agent if spoken.span is not None)]
    tools = tuple(draft.tools)
    return Turn(
        number,
        began_ms=min((span.began_ms for span in known), default=draft.at_ms),
        caller=draft.caller,
        spans=spans,
        keys="".join(draft.keys),
        agent=agent,
        heard="" if record is None else record.agent,
        tools=tools,
        was_interrupted=draft.interrupted is not None or (record is not None and record.interrupted),
        barge_in_ms=None if draft.interrupted is None else draft.interrupted.after_ms,
        latency=_latency(record, draft, tools),
    )


def _spoken(record: facts.TurnEnded, draft: _Draft) -> Iterable[Spoken]:
    """The items; older facts have only what was heard of all of them together."""
    if record.items:
        return [_item(item, draft) for item in record.items]
    return [Spoken("", record.agent, record.agent, was_cut=record.interrupted)] if record.agent else []


def _unrecorded(draft: _Draft) -> Iterable[Spoken]:
    """What is known of items before the record of their turn: that they were heard to their end."""
    return [
        Spoken(item.item_id, "", "", item.sent_ms, item.sent_ms, _span(item, draft)) for item in draft.heard
    ]


def _span(item: SaidItem | facts.ItemHeard, draft: _Draft) -> Span | None:
    if item.began_ms is None or item.ended_ms is None:
        return None
    began_ms = max(item.began_ms + draft.offset_ms, 0)
    return Span(began_ms, max(item.ended_ms + draft.offset_ms, began_ms))


def _item(item: SaidItem, draft: _Draft) -> Spoken:
    return Spoken(
        item.item_id,
        item.words,
        item.heard,
        sent_ms=item.sent_ms,
        heard_ms=item.heard_ms,
        span=_span(item, draft),
        was_cut=item.was_cut,
    )


def _latency(record: facts.TurnEnded | None, draft: _Draft, tools: Sequence[ToolUse]) -> Latency | None:
    if record is None or record.answer is None:
        return None
    ran = [
        Span(tool.began_ms, tool.began_ms + tool.duration_ms)
        for tool in tools
        if tool.duration_ms is not None and not tool.is_ours
    ]
    return latency_of(_moved(record.answer, draft.offset_ms), ran)


def _moved(answer: Answer, offset_ms: int) -> Answer:
    """The same in the time of the call."""
    moved = {name: getattr(answer, name) for name in answer.__struct_fields__}
    return msgspec.structs.replace(
        answer, **{name: at_ms + offset_ms for name, at_ms in moved.items() if at_ms is not None}
    )
