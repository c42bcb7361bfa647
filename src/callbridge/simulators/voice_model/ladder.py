"""The events of one output item, from `response.output_item.added` to its `.done`s, in order.

A part yields steps: an event to send, a number of seconds to wait, or a fault to commit. It keeps what
it has sent so far, so that it can be closed at any wait, complete or cut short.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Protocol

import msgspec

from callbridge.simulators.voice_model.faults import Fault
from callbridge.simulators.voice_model.formats import WIRE_BYTES, encode
from callbridge.simulators.voice_model.schema import Json
from callbridge.wire.audio import BYTES_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from callbridge.simulators.voice_model.conversation import Item

Step = Json | float | Fault
"""An event, a wait in seconds, or a fault."""

TRANSCRIPT_LEAD = 0.25
"""The transcript runs ahead of the audio by this share of the item."""

WORDS_PER_SECOND = 3.0
"""Speech; text and arguments come at this rate times the pace."""

ARGUMENT_CHARACTERS = 9
"""Characters of arguments in a delta. No divisor of anything, so that JSON is cut in odd places."""


class Part(Protocol):
    """One output item as it is being made."""

    item: Item

    def opening(self) -> Iterator[Step]:
        """From `output_item.added` to the last delta."""

    def closing(self, status: str) -> Iterator[Step]:
        """The `.done` events, after all of it or after what there is."""


class Track:
    """Where an item stands in its response, and the events that every item has."""

    def __init__(self, response_id: str, output_index: int, *, is_mirrored: bool) -> None:
        self.response_id = response_id
        self.output_index = output_index
        self.is_mirrored = is_mirrored
        """Whether the item goes into the conversation, which mirrors it as `conversation.item.*`."""
        self.previous_item_id: str | None = None
        self.previous_when_done: str | None = None
        """What `conversation.item.done` gives as the item before."""

    def added(self, item: Item) -> Iterator[Step]:
        """The item is there, still without content."""
        yield self.event("response.output_item.added", item=item.as_json())
        if self.is_mirrored:
            yield _mirror("conversation.item.added", item, self.previous_item_id)

    def done(self, item: Item, status: str) -> Iterator[Step]:
        """The item is as it will stay."""
        item.status = status
        if self.is_mirrored and not item.deleted:
            yield _mirror("conversation.item.done", item, self.previous_when_done)
        yield self.event("response.output_item.done", item=item.as_json())

    def event(self, kind: str, **fields: object) -> Json:
        """An event about the item, with its place in the response."""
        return {
            "type": kind,
            "response_id": self.response_id,
            "output_index": self.output_index,
            **fields,
        }


def _mirror(kind: str, item: Item, previous_item_id: str | None) -> Json:
    return {"type": kind, "previous_item_id": previous_item_id, "item": item.as_json()}


class Delivery:
    """How fast, in what pieces, and with what faults audio is sent in one response."""

    def __init__(
        self, *, pace: float, delta_bytes: tuple[int, int], faults: tuple[Fault, ...], random: Random
    ) -> None:
        self.pace = pace
        self._delta_bytes = delta_bytes
        self._faults = sorted(
            (fault for fault in faults if isinstance(fault.at, int)), key=lambda fault: fault.at
        )
        self._random = random
        self.sent_bytes = 0
        """Audio of the response so far, in 8 kHz samples."""
        self.repeats = 0
        """Deltas that a fault wants sent twice."""

    def piece(self) -> int:
        """Samples of the next delta: never whole frames of 160, as nobody may count on them."""
        size = self._random.randint(*self._delta_bytes)
        return size + 1 if size % 160 == 0 else size

    def seconds(self, samples: int) -> float:
        """How long these samples take to come."""
        return samples / (BYTES_PER_MS * 1000) / self.pace

    def due_faults(self) -> Iterator[Fault]:
        """Faults whose place in the audio is reached."""
        while self._faults and self._place(self._faults[0]) <= self.sent_bytes:
            yield self._faults.pop(0)

    def _place(self, fault: Fault) -> int:
        assert isinstance(fault.at, int)  # the others were left out at the start
        return fault.at * BYTES_PER_MS


class Speech:
    """A spoken message: audio and its transcript."""

    def __init__(
        self, item: Item, text: str, track: Track, delivery: Delivery, kind: str, *, repeats: int = 1
    ) -> None:
        self.item = item
        self._words = _words(text)
        self._said = 0
        self._track = track
        self._delivery = delivery
        self._format = kind
        self._wire = encode(item.audio, kind) * repeats
        item.audio *= repeats

    def opening(self) -> Iterator[Step]:
        """From `output_item.added` to the last delta."""
        yield from self._track.added(self.item)
        yield self._event("response.content_part.added", part={"type": "audio", "transcript": ""})
        if not self.item.audio:
            yield from self._transcript_alone()
        while self.item.sent_bytes < len(self.item.audio):
            yield from self._transcript_ahead()
            yield from self._delivery.due_faults()
            start, piece = self.item.sent_bytes, self._delivery.piece()
            yield from self._audio(piece)
            yield self._delivery.seconds(self.item.sent_bytes - start)
        yield from self._transcript_ahead()

    def closing(self, status: str) -> Iterator[Step]:
        """The `.done` events, for what was said so far."""
        said = self.item.transcript
        if self.item.truncated_at_ms is None:
            self.item.content = [{"type": "output_audio", "transcript": said}]
        yield self._event("response.output_audio.done")
        yield self._event("response.output_audio_transcript.done", transcript=said)
        part = {"type": "audio", "transcript": said}
        yield self._event("response.content_part.done", part=part)
        yield from self._track.done(self.item, status)

    def late(self, count: int) -> Iterator[Step]:
        """Deltas that come after the item was closed: on their way when it was interrupted."""
        at = self.item.sent_bytes
        for _ in range(count):
            piece = self._delivery.piece()
            if at < len(self.item.audio):
                yield self._delta(at, at + piece)
            at += piece

    def _audio(self, piece: int) -> Iterator[Step]:
        start = self.item.sent_bytes
        end = min(start + piece, len(self.item.audio))
        self.item.sent_bytes = end
        self._delivery.sent_bytes += end - start
        yield self._delta(start, end)
        while self._delivery.repeats:
            self._delivery.repeats -= 1
            yield self._delta(start, end)

    def _transcript_ahead(self) -> Iterator[Step]:
        share = self.item.sent_bytes / max(1, len(self.item.audio))
        ahead = min(1.0, share + TRANSCRIPT_LEAD)
        while self._said < len(self._words) * ahead:
            word = self._words[self._said]
            self._said += 1
            self.item.transcript += word
            yield self._event("response.output_audio_transcript.delta", delta=word)

    def _transcript_alone(self) -> Iterator[Step]:
        for word in self._words:
            self.item.transcript += word
            yield self._event("response.output_audio_transcript.delta", delta=word)
            yield 1 / (WORDS_PER_SECOND * self._delivery.pace)
        self._said = len(self._words)

    def _delta(self, start: int, end: int) -> Json:
        width = WIRE_BYTES[self._format]
        audio = base64.b64encode(self._wire[start * width : end * width]).decode()
        return self._event("response.output_audio.delta", delta=audio)

    def _event(self, kind: str, **fields: object) -> Json:
        return self._track.event(kind, item_id=self.item.id, content_index=0, **fields)


class Writing:
    """A message of text alone, for `output_modalities: ["text"]`."""

    def __init__(self, item: Item, text: str, track: Track, delivery: Delivery) -> None:
        self.item = item
        self._words = _words(text)
        self._text = ""
        self._track = track
        self._delivery = delivery

    def opening(self) -> Iterator[Step]:
        """From `output_item.added` to the last delta."""
        yield from self._track.added(self.item)
        yield self._event("response.content_part.added", part={"type": "text", "text": ""})
        for word in self._words:
            self._text += word
            yield self._event("response.output_text.delta", delta=word)
            yield 1 / (WORDS_PER_SECOND * self._delivery.pace)

    def closing(self, status: str) -> Iterator[Step]:
        """The `.done` events, for what was said so far."""
        self.item.transcript = self._text
        self.item.content = [{"type": "output_text", "text": self._text}]
        yield self._event("response.output_text.done", text=self._text)
        part = {"type": "text", "text": self._text}
        yield self._event("response.content_part.done", part=part)
        yield from self._track.done(self.item, status)

    def _event(self, kind: str, **fields: object) -> Json:
        return self._track.event(kind, item_id=self.item.id, content_index=0, **fields)


class Calling:
    """A function call."""

    def __init__(self, item: Item, arguments: str, track: Track, delivery: Delivery) -> None:
        self.item = item
        self._arguments = arguments
        self._track = track
        self._delivery = delivery

    def opening(self) -> Iterator[Step]:
        """From `output_item.added` to the last delta."""
        yield from self._track.added(self.item)
        for start in range(0, len(self._arguments), ARGUMENT_CHARACTERS):
            piece = self._arguments[start : start + ARGUMENT_CHARACTERS]
            self.item.fields["arguments"] += piece
            yield self._event("response.function_call_arguments.delta", delta=piece)
            yield 1 / (WORDS_PER_SECOND * self._delivery.pace)

    def closing(self, status: str) -> Iterator[Step]:
        """The `.done` events, for what was said so far."""
        # Emitted for interrupted calls too, with what there is of the arguments.
        fields = self.item.fields
        yield self._event(
            "response.function_call_arguments.done",
            name=fields["name"],
            arguments=fields["arguments"],
        )
        yield from self._track.done(self.item, status)

    def _event(self, kind: str, **fields: object) -> Json:
        call_id = self.item.fields["call_id"]
        return self._track.event(kind, item_id=self.item.id, call_id=call_id, **fields)


class McpCalling:
    """A call of a tool of an MCP server. What comes of it comes later: `McpServers.begins`.

    Args:
        item: its item.
        arguments: as the model writes them.
        track: where it stands.
        delivery: how fast it is written.
        waits: it does not run before it is approved.
    """

    def __init__(self, item: Item, arguments: str, track: Track, delivery: Delivery, *, waits: bool) -> None:
        self.item = item
        self._arguments, self._track, self._delivery, self._waits = arguments, track, delivery, waits
        self._is_asked = False

    def opening(self) -> Iterator[Step]:
        """From `output_item.added` to the beginning of the call."""
        yield from self._track.added(self.item)
        for start in range(0, len(self._arguments), ARGUMENT_CHARACTERS):
            piece = self._arguments[start : start + ARGUMENT_CHARACTERS]
            self.item.fields["arguments"] += piece
            yield self._event("response.mcp_call_arguments.delta", delta=piece)
            yield 1 / (WORDS_PER_SECOND * self._delivery.pace)
        self._is_asked = True
        yield self._event("response.mcp_call_arguments.done", arguments=self.item.fields["arguments"])
        if not self._waits:
            started = self._event("response.mcp_call.in_progress")
            yield {name: value for name, value in started.items() if name != "response_id"}

    def closing(self, status: str) -> Iterator[Step]:
        """The `.done` events of one that was cut short before it was asked for."""
        if not self._is_asked:
            yield from self._track.done(self.item, status)

    def _event(self, kind: str, **fields: object) -> Json:
        return self._track.event(kind, item_id=self.item.id, **fields)


class Requesting:
    """A request to approve a call: whole from its beginning."""

    def __init__(self, item: Item, track: Track) -> None:
        self.item, self._track = item, track

    def opening(self) -> Iterator[Step]:
        """The item."""
        yield from self._track.added(self.item)

    def closing(self, status: str) -> Iterator[Step]:
        """It is as it will stay."""
        yield from self._track.done(self.item, status)


def arguments_text(arguments: dict[str, object], raw: str) -> str:
    """Arguments as the model writes them: JSON, or whatever the script says it wrote."""
    return raw or msgspec.json.encode(arguments).decode()


def _words(text: str) -> list[str]:
    """Words with the space before them, as the API streams them."""
    first, *rest = text.split() or [""]
    return [first, *(f" {word}" for word in rest)]
