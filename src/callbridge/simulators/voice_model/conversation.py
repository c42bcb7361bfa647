"""The conversation: its items in their order, and what a client may do to them.

Items are kept when they are deleted, so that what the model once knew can be compared with what the
caller heard. Knows no events and no time.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from callbridge.simulators.voice_model.formats import encode
from callbridge.simulators.voice_model.schema import ClientError, Json
from callbridge.wire.audio import BYTES_PER_MS

ROOT = "root"
"""As `previous_item_id`: to the front."""

_WITHOUT_STATUS = frozenset(
    {"function_call_output", "mcp_list_tools", "mcp_call", "mcp_approval_request", "mcp_approval_response"}
)
"""Items that the API shows without `status`. None has an `object`, whatever the schema says."""


@dataclass(slots=True)
class Item:
    """One item. What the client made is kept as it was made."""

    id: str
    type: str
    role: str = ""
    """`system`, `user` or `assistant`; empty when it is not a message."""
    status: str = "completed"
    fields: Json = field(default_factory=dict)
    """Further fields of calls and outputs: `name`, `arguments`, `call_id`, `output`."""
    content: list[Json] = field(default_factory=list)
    """Content parts of a message, without audio bytes."""
    audio: bytes = b""
    """8 kHz µ-law: what the caller said, or all that the assistant was going to say."""
    sent_bytes: int = 0
    """Assistant: how much of `audio` has gone out."""
    transcript: str = ""
    """Assistant: what was said so far. Caller: what was understood."""
    truncated_at_ms: int | None = None
    is_spoken: bool = False
    """Whether it is model output audio."""
    phase: str = ""
    """Messages of models that tell: `commentary` before a call or another message, else `final_answer`."""
    deleted: bool = False

    @property
    def audio_ms(self) -> int:
        """Audio that the model remembers: what was sent, up to where it was cut."""
        if not self.is_spoken:
            return len(self.audio) // BYTES_PER_MS
        sent_ms = self.sent_bytes // BYTES_PER_MS
        return sent_ms if self.truncated_at_ms is None else min(sent_ms, self.truncated_at_ms)

    def as_json(self) -> Json:
        """The item as events carry it."""
        item: Json = {"id": self.id, "type": self.type}
        if self.type not in _WITHOUT_STATUS:
            item["status"] = self.status
        if self.type == "message":
            # A copy: an event must not change when its item does.
            item |= {"role": self.role, "content": [dict(part) for part in self.content]}
        if self.phase:
            item["phase"] = self.phase
        return item | self.fields

    def with_audio(self, format_kind: str) -> Json:
        """The item as `conversation.item.retrieved` carries it: audio included."""
        item = self.as_json()
        for part in item.get("content", []):
            if part["type"] in {"input_audio", "output_audio"}:
                kept = self.audio[: self.audio_ms * BYTES_PER_MS]
                part["audio"] = base64.b64encode(encode(kept, format_kind)).decode()
        return item


class Conversation:
    """Items in order."""

    def __init__(self) -> None:
        self.ever: dict[str, Item] = {}
        """Every item that there ever was, by id."""
        self._order: list[Item] = []

    def items(self) -> tuple[Item, ...]:
        """The items that the model knows, first to last."""
        return tuple(self._order)

    def add(self, item: Item, previous_item_id: str | None = None) -> str | None:
        """Put an item after another one, or at the end, and return the id of the one before it.

        Raises:
            ClientError: the id is taken, or there is no item `previous_item_id`.
        """
        if item.id in self.ever and not self.ever[item.id].deleted:
            raise ClientError(
                "item_create_duplicate_item_id",
                f"Error adding item: an item with id '{item.id}' already exists.",
            )
        place = self._place_after(previous_item_id)
        self._order.insert(place, item)
        self.ever[item.id] = item
        return self._order[place - 1].id if place else None

    def truncate(
        self, item_id: str, content_index: int, audio_end_ms: int, *, refuses_zero: bool = False
    ) -> None:
        """Cut what the assistant said, and forget its transcript.

        Args:
            item_id: of a spoken message.
            content_index: 0.
            audio_end_ms: what is left of it.
            refuses_zero: whether one of which nothing would be left is refused.

        Raises:
            ClientError: no such item, not speech of the model, or shorter than that already.
        """
        item = self._find(item_id, "item_truncate_invalid_item_id", "truncating")
        if not item.is_spoken or (refuses_zero and audio_end_ms == 0):
            raise ClientError(None, "Only model output audio messages can be truncated")
        if content_index != 0:
            raise ClientError(
                "invalid_value",
                f"Invalid 'content_index': item '{item_id}' has no content part {content_index}.",
                "content_index",
            )
        if audio_end_ms > item.audio_ms:
            raise ClientError(
                "invalid_value",
                f"Audio content of {item.audio_ms}ms is already shorter than {audio_end_ms}ms",
                "audio_end_ms",
            )
        item.truncated_at_ms = audio_end_ms
        # "There must be no text in the context that hasn't been heard by the user."
        item.content = [{"type": "output_audio"}]

    @property
    def has_two(self) -> bool:
        """Whether it has two items and no more."""
        return len(self._order) == 2

    def delete(self, item_id: str) -> None:
        """Take an item out. Raises ClientError when there is none."""
        item = self._find(item_id, "item_delete_invalid_item_id", "deleting")
        item.deleted = True
        self._order.remove(item)

    def retrieve(self, item_id: str) -> Item:
        """The item of this id. Raises ClientError when there is none."""
        return self._find(item_id, "item_retrieve_invalid_item_id", "retrieving")

    def refer(self, item_id: str, param: str) -> Item:
        """The item that an `item_reference` means. Raises ClientError when there is none."""
        return self._find(item_id, "item_not_found", "resolving", param)

    def has_call(self, call_id: str) -> bool:
        """Whether a function call with this id is in the conversation."""
        return any(item.type == "function_call" and item.fields["call_id"] == call_id for item in self._order)

    def has_asked(self, request_id: str) -> bool:
        """Whether there is a request for an approval with this id."""
        return any(item.type == "mcp_approval_request" and item.id == request_id for item in self._order)

    def _place_after(self, previous_item_id: str | None) -> int:
        if previous_item_id is None:
            return len(self._order)
        if previous_item_id == ROOT:
            return 0
        previous = self._find(previous_item_id, "item_not_found", "adding", "previous_item_id")
        return self._order.index(previous) + 1

    def _find(self, item_id: str, code: str, doing: str, param: str | None = None) -> Item:
        item = self.ever.get(item_id)
        if item is None or item.deleted:
            message = f"Error {doing} item: the item with id '{item_id}' does not exist."
            raise ClientError(code, message, param)
        return item
