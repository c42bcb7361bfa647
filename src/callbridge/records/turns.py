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
    ended_ms: int | None = None
    """When that was noted."""
    caller: str | None = None
    speech: dict[int, Span] = field(default_factory=dict)
    """By when each stretch began."""
    keys: list[str] = field(default_factory=list)
    interrupted: facts.Interrupted | None = None
    tools: list[ToolUse] = field(default_factory=list)
    heard: dict[str, facts.ItemHeard] = field(default_factory=dict)
    """Items that were heard to their end."""

    @property
    def item_ids(self) -> set[str]:
        """The items of its record."""
        return set() if self.record is None else {item.item_id for item in self.record.items}


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
        self._of_item: dict[str, _Draft] = {}
        """The turns by the items of their records."""

    def read(self) -> None:
        """All of them."""
        cuts: list[facts.Interrupted] = []
        heard: list[tuple[facts.ItemHeard, int]] = []
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
                case facts.ItemHeard() as item if item.began_ms is not None:
                    heard.append((item, timed.at_ms))
                case _:
                    pass
        for cut in cuts:
            self._cut(cut)
        for item, at_ms in heard:
            self._heard(item, at_ms)
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
        draft.record, draft.ended_ms = record, at_ms
        self._of_item.update(dict.fromkeys((item.item_id for item in record.items), draft))
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
        for item_id in (*dict(cut.truncated), *cut.deleted):
            draft = self._of_item.get(item_id)
            if draft is not None and draft.interrupted is None:
                draft.interrupted = cut

    def _heard(self, heard: facts.ItemHeard, at_ms: int) -> None:
        """Of an item that no record has, or whose turn was recorded while it was still heard."""
        open_then = (draft for draft in self._in_order() if draft.ended_ms is None or draft.ended_ms >= at_ms)
        draft = self._of_item.get(heard.item_id) or next(open_then, None)
        if draft is None:
            draft = self._draft(max(self.drafts, default=0) + 1, at_ms)
        draft.heard[heard.item_id] = heard

    def _in_order(self) -> list[_Draft]:
        return sorted(self.drafts.values(), key=lambda draft: draft.number)

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
    agent = tuple(_spoken(draft))
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


def _spoken(draft: _Draft) -> Iterable[Spoken]:
    """The items. Older records have only what was heard of all of them together."""
    record = draft.record
    unrecorded = [item for item in draft.heard.values() if item.item_id not in draft.item_ids]
    spoken = [
        Spoken(item.item_id, "", "", item.sent_ms, item.sent_ms, _span(item, draft)) for item in unrecorded
    ]
    if record is None:
        return spoken
    if record.items:
        return [*(_item(item, draft) for item in record.items), *spoken]
    of_old = Spoken("", record.agent, record.agent, was_cut=record.interrupted)
    return [*spoken, of_old] if record.agent else spoken


def _item(item: SaidItem, draft: _Draft) -> Spoken:
    """One item. Its turn may have been recorded while it was still heard: then later facts know more."""
    heard = draft.heard.get(item.item_id)
    known = item if item.sent_ms or heard is None else heard
    heard_ms, was_cut = item.heard_ms, item.was_cut
    if not item.sent_ms and heard is not None:
        heard_ms = heard.sent_ms
    elif not item.sent_ms and draft.interrupted is not None:
        heard_ms, was_cut = dict(draft.interrupted.truncated).get(item.item_id, 0), True
    return Spoken(
        item.item_id,
        item.words,
        item.heard,
        sent_ms=known.sent_ms,
        heard_ms=heard_ms,
        span=_span(known, draft),
        was_cut=was_cut,
    )


def _span(item: SaidItem | facts.ItemHeard, draft: _Draft) -> Span | None:
    if item.began_ms is None or item.ended_ms is None:
        return None
    began_ms = max(item.began_ms + draft.offset_ms, 0)
    return Span(began_ms, max(item.ended_ms + draft.offset_ms, began_ms))


def _latency(record: facts.TurnEnded | None, draft: _Draft, tools: Sequence[ToolUse]) -> Latency | None:
    if record is None or record.answer is None:
        return None
    heard_from = {
        item_id: item.began_ms for item_id, item in draft.heard.items() if item.began_ms is not None
    }
    answer = record.answer.first_heard(record.items, heard_from)
    ran = [
        Span(tool.began_ms, tool.began_ms + tool.duration_ms)
        for tool in tools
        if tool.duration_ms is not None and not tool.is_ours
    ]
    return latency_of(_moved(answer, draft.offset_ms), ran)


def _moved(answer: Answer, offset_ms: int) -> Answer:
    """The same in the time of the call."""
    moved = {name: getattr(answer, name) for name in answer.__struct_fields__}
    return msgspec.structs.replace(
        answer, **{name: at_ms + offset_ms for name, at_ms in moved.items() if at_ms is not None}
    )
