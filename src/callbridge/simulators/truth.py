"""What the caller truly heard of each of the model's items, from the journals of both simulators.

The phone knows bytes and no items, the model items and no ears. A bridge that passes audio through unchanged
and in order may only leave out whole pieces (late audio of an interrupted answer), so each payload that the
phone got is found again in the model's items, in order. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.wire.mulaw import BYTES_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.simulators.phone.playback import Playback
    from callbridge.simulators.voice_model.conversation import Item


class AudioChangedError(Exception):
    """The phone got audio that the model never sent, or in another order."""


@dataclass(slots=True)
class HeardItem:
    """One spoken item of the model, and what became of it at the phone."""

    item_id: str
    sent_ms: float
    """What the model sent."""
    truncated_at_ms: int | None
    """Where the bridge told the model to cut it."""
    is_deleted: bool
    received_ms: float = 0.0
    """What reached the phone."""
    heard_ms: float = 0.0

    @property
    def was_heard_to_its_end(self) -> bool:
        """Whether all that the model sent was heard."""
        return self.heard_ms >= self.sent_ms


def heard_items(playback: Playback, items: Iterable[Item], at: float) -> list[HeardItem]:
    """The spoken items in their order, each with what was heard of it until `at`.

    Raises:
        AudioChangedError: a payload cannot be found where it should be.
    """
    spoken = [item for item in items if item.is_spoken]
    found = [
        HeardItem(item.id, item.sent_bytes / BYTES_PER_MS, item.truncated_at_ms, item.deleted)
        for item in spoken
    ]
    index = offset = 0
    for number, payload in enumerate(playback.payloads):
        index, offset = _find(payload.audio, spoken, index, offset, number)
        offset += len(payload.audio)
        found[index].received_ms += len(payload.audio) / BYTES_PER_MS
        found[index].heard_ms += payload.heard_bytes(at) / BYTES_PER_MS
    return found


def _find(audio: bytes, spoken: Sequence[Item], index: int, offset: int, number: int) -> tuple[int, int]:
    """Where `audio` stands: at `offset` of the item in play, or at the start of a later one."""
    for later in range(index, len(spoken)):
        begin = offset if later == index else 0
        if spoken[later].audio[begin : begin + len(audio)] == audio:
            return later, begin
    raise AudioChangedError(f"payload {number} ({len(audio)} bytes) is not what the model sent there")
