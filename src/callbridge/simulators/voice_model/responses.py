"""One response: its ladder of events, when each is due, and how it is cut short.

A pure schedule. It puts its items into the conversation and its facts into a `ResponseRecord`; whether
a response may start, and what becomes of its events, is the session's to decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from callbridge.simulators.voice_model.conversation import Conversation, Item
from callbridge.simulators.voice_model.faults import Fault
from callbridge.simulators.voice_model.ladder import (
    Calling,
    Delivery,
    McpCalling,
    Part,
    Requesting,
    Speech,
    Step,
    Track,
    Writing,
    arguments_text,
)
from callbridge.simulators.voice_model.mcp import fields_of
from callbridge.simulators.voice_model.voices import tone
from callbridge.wire.audio import BYTES_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from callbridge.simulators.voice_model.ids import Ids
    from callbridge.simulators.voice_model.journal import ResponseRecord
    from callbridge.simulators.voice_model.mcp import McpServers
    from callbridge.simulators.voice_model.schema import Json
    from callbridge.simulators.voice_model.script import Answer, Call, McpCall, Say
    from callbridge.simulators.voice_model.usage import Meter

ENDLESS_BYTES = 600 * 1000 * BYTES_PER_MS
"""Where an endless answer ends all the same: ten minutes, what Twilio's buffer holds."""

ITEM_GAP_S = 0.04
"""Between the items of a response."""


@dataclass(slots=True, kw_only=True)
class Order:
    """What a response was asked for, session settings and its own put together."""

    output_format: Json
    voice: Any
    modalities: list[str]
    max_output_tokens: int | str
    metadata: Json | None
    prompt: Json
    """Instructions and tools, for the counting of tokens."""
    context: tuple[Item, ...] | None = None
    """Input of its own in place of the conversation."""
    conversation_id: str | None = None
    """None for a response outside the conversation."""
    is_phased: bool = False
    """Its messages tell their phase, and the last of them is still open when a call begins."""
    reasoning_tokens: int = 0
    """Thought that is not said; 0 also for models that do not reason."""
    after_s: float = 0.0
    """Time to think."""
    delivery: Delivery


class ResponseRun:
    """A response under way."""

    def __init__(
        self,
        answer: Answer,
        order: Order,
        record: ResponseRecord,
        *,
        conversation: Conversation,
        meter: Meter,
        ids: Ids,
        mcp: McpServers,
        now: float,
    ) -> None:
        self.answer = answer
        self.order = order
        self.record = record
        self.is_over = False
        self.is_interrupted = False
        """The caller has spoken; the response is closed a little later."""
        self._conversation = conversation
        self._meter = meter
        self._ids = ids
        self._mcp = mcp
        self._due = now
        self._now = now
        self._items: list[Item] = []
        self._open: list[Part] = []
        """Items that are begun and not done, oldest first."""
        self._calls_under_way: dict[str, tuple[Item, McpCall, Json]] = {}
        """By the item, what its call will come to, and its place."""
        self._steps: Generator[Step] = self._ladder()

    @property
    def is_out_of_band(self) -> bool:
        """Whether it is outside the conversation, and VAD has nothing to do with it."""
        return self.order.conversation_id is None

    @property
    def deadline(self) -> float:
        """When the next event is due."""
        return self._due

    @property
    def sent_ms(self) -> int:
        """Audio that was sent, over all items."""
        return self.order.delivery.sent_bytes // BYTES_PER_MS

    @property
    def has_called(self) -> bool:
        """Whether a function call was completed."""
        return any(item.type == "function_call" and item.status == "completed" for item in self._items)

    def advance(self, now: float) -> Iterator[Json | Fault]:
        """What is due by `now`. Lazy: a fault that ends the session leaves the rest unsaid."""
        self._now = now
        while not self.is_over and self._due <= now:
            step = next(self._steps, None)
            if step is None:
                self.is_over = True
            elif isinstance(step, float):
                self._due += step
            else:
                yield self._noted(step)

    def cancel(self, reason: str, now: float) -> Iterator[Json | Fault]:
        """Close what is open and end: `turn_detected` or `client_cancelled`."""
        self._now = now
        self._steps.close()
        speech = next((part for part in self._open if isinstance(part, Speech)), None)
        yield from self._events(self._close("incomplete"), now)
        yield from self._events(self._done("cancelled", reason), now)
        if speech is not None:
            yield from self._events(speech.late(self.answer.late_deltas), now)
        self.is_over = True

    def repeat_next_delta(self) -> None:
        """Send the next audio delta twice."""
        self.order.delivery.repeats += 1

    # --- The ladder ---------------------------------------------------------------------------

    def _ladder(self) -> Generator[Step]:
        yield {"type": "response.created", "response": self._body()}
        yield from self._faults_at("start")
        if self.answer.silent:
            yield math.inf
        yield self.order.after_s
        for index, make_part in enumerate(self._parts()):
            if index:
                yield ITEM_GAP_S
            # Made only now: an interruption in the gap must not find an item that was never added.
            part = make_part()
            self._open.append(part)
            yield from self._opening(part)
            is_cut = self._breaks_off()
            if index == self._overlapping and not is_cut:
                continue
            yield from self._close(self._item_status(is_cut=is_cut))
            if is_cut:
                break
        yield self._until_done_s()
        yield from self._faults_at("end")
        yield from self._done(self.answer.status, self._reason())

    def _opening(self, part: Part) -> Iterator[Step]:
        for step in part.opening():
            yield step
            if isinstance(step, float) and self._breaks_off():
                return

    def _until_done_s(self) -> float:
        after_ms = self.answer.done_after_ms
        return math.inf if after_ms == "never" else after_ms / 1000

    @property
    def _overlapping(self) -> int | None:
        """The message that is done only when the call after it has begun."""
        answer = self.answer
        has_next = answer.say and (answer.calls or answer.mcp) and not answer.calls_first
        return len(answer.say) - 1 if has_next and self.order.is_phased else None

    def _breaks_off(self) -> bool:
        stop_ms = self.answer.stop_after_ms
        return stop_ms is not None and self.sent_ms >= stop_ms

    def _item_status(self, *, is_cut: bool) -> str:
        return "incomplete" if is_cut and self.answer.status != "completed" else "completed"

    def _parts(self) -> list[Callable[[], Part]]:
        spoken = [partial(self._speech, say) for say in self.answer.speeches]
        if self.answer.endless:
            spoken[-1] = partial(self._speech, self.answer.speeches[-1], is_endless=True)
        called: list[Callable[[], Part]] = [partial(self._call, call) for call in self.answer.calls]
        for call in self.answer.mcp:
            called.append(partial(self._mcp_call, call))
            if self._mcp.needs_approval(call):
                called.append(partial(self._mcp_request, call))
        return [*called, *spoken] if self.answer.calls_first else [*spoken, *called]

    def _done(self, status: str, reason: str) -> Iterator[Step]:
        self.record.status, self.record.reason = status, reason
        self.record.done_at = self._now
        self.record.usage = self._usage()
        self._meter.spend(self.record.usage["total_tokens"], self._now)
        yield {"type": "response.done", "response": self._body()}

    def _close(self, status: str) -> Iterator[Step]:
        while self._open:
            yield from self._open.pop(0).closing(status)

    def _faults_at(self, place: str) -> Iterator[Step]:
        yield from (fault for fault in self.answer.faults if fault.at == place)

    # --- Items --------------------------------------------------------------------------------

    def _speech(self, say: Say, *, is_endless: bool = False) -> Part:
        item = self._item("message", role="assistant")
        item.phase = self._phase()
        track = self._track(item)
        if self.order.modalities == ["text"] or say.form == "text":
            return Writing(item, say.text, track, self.order.delivery)
        item.audio = b"" if say.form == "transcript" else say.audio or tone(say.text)
        item.is_spoken = True
        repeats = ENDLESS_BYTES // len(item.audio) + 1 if is_endless else 1
        kind = self.order.output_format["type"]
        return Speech(item, say.text, track, self.order.delivery, kind, repeats=repeats)

    def _phase(self) -> str:
        if not self.order.is_phased:
            return ""
        is_last = len(self._items) == len(self._parts())
        return "final_answer" if is_last else "commentary"

    def _call(self, call: Call) -> Part:
        fields = {"call_id": call.call_id or self._ids.make("call"), "name": call.name, "arguments": ""}
        item = self._item("function_call", fields=fields)
        arguments = arguments_text(call.arguments, call.raw_arguments)
        return Calling(item, arguments, self._track(item), self.order.delivery)

    def _mcp_call(self, call: McpCall) -> Part:
        item = self._item("mcp_call", fields=fields_of(call))
        track = self._track(item)
        self._calls_under_way[item.id] = item, call, track.event("")
        waits = self._mcp.needs_approval(call)
        return McpCalling(item, call.text, track, self.order.delivery, waits=waits)

    def _mcp_request(self, call: McpCall) -> Part:
        """Of the call before it."""
        item, call, place = self._calls_under_way.pop(self._items[-1].id)
        del place["type"]
        fields = {"server_label": call.server, "name": call.name, "arguments": call.text}
        request = self._item("mcp_approval_request", fields=fields)
        self._mcp.waits(request.id, item, call, place)
        return Requesting(request, self._track(request))

    def mcp_begins(self, item_id: str) -> None:
        """A call is under way: the server goes on with it by itself."""
        item, call, place = self._calls_under_way.pop(item_id)
        del place["type"]
        self._mcp.begins(item, call, place)

    def _item(self, kind: str, role: str = "", fields: Json | None = None) -> Item:
        item = Item(self._ids.make("item"), kind, role, status="in_progress", fields=dict(fields or {}))
        self._items.append(item)
        self.record.item_ids.append(item.id)
        return item

    def _track(self, item: Item) -> Track:
        track = Track(self.record.id, len(self._items) - 1, is_mirrored=not self.is_out_of_band)
        if not self.is_out_of_band:
            track.previous_item_id = self._conversation.add(item)
            # Recorded sessions: null when the item before it is the first of the conversation.
            track.previous_when_done = None if self._conversation.has_two else track.previous_item_id
        return track

    # --- Events -------------------------------------------------------------------------------

    def _events(self, steps: Iterator[Step], now: float) -> Iterator[Json | Fault]:
        self._now = now
        for step in steps:
            # When a response is cut, nothing waits any more.
            if not isinstance(step, float):
                yield self._noted(step)

    def _noted(self, step: Json | Fault) -> Json | Fault:
        is_audio = not isinstance(step, Fault) and step["type"] == "response.output_audio.delta"
        if is_audio and self.record.first_audio_at is None:
            self.record.first_audio_at = self._now
        return step

    def _usage(self) -> Json:
        context = self.order.context
        before = self._conversation.items() if context is None else context
        known = [item for item in before if item not in self._items]
        thought = self.order.reasoning_tokens if self._items else 0
        return self._meter.usage(self.order.prompt, known, self._items, reasoning_tokens=thought)

    def _reason(self) -> str:
        if self.answer.status == "incomplete":
            return self.answer.reason
        return self.answer.error.code if self.answer.status == "failed" else ""

    def _body(self) -> Json:
        return {
            "object": "realtime.response",
            "id": self.record.id,
            "status": self.record.status,
            "status_details": self._status_details(),
            "output": [item.as_json() for item in self._items],
            "conversation_id": self.order.conversation_id,
            "output_modalities": self.order.modalities,
            "max_output_tokens": self.order.max_output_tokens,
            "audio": {"output": {"format": self.order.output_format, "voice": self.order.voice}},
            "usage": self.record.usage or None,
            "metadata": self.order.metadata,
        }

    def _status_details(self) -> Json | None:
        status = self.record.status
        if status in {"cancelled", "incomplete"}:
            return {"type": status, "reason": self.record.reason}
        if status == "failed":
            error = self.answer.error
            details = {"type": error.type, "code": error.code, "message": error.text}
            return {"type": "failed", "error": details}
        return None
