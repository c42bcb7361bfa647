"""What the caller truly heard of each of the model's items, from the journals of both simulators.

The phone knows bytes and no items, the model items and no ears. A bridge that passes audio through unchanged
and in order may only leave out whole pieces (late audio of an interrupted answer) and put in whole pieces of
clips of its own, so each payload that the phone got is found again in the model's items, in order, or in a
clip. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callbridge.simulators.phone.playback import is_piece
from callbridge.wire.audio import BYTES_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.simulators.phone.playback import Payload, Playback
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
    heard_from: float = math.inf
    """When the caller began to hear it, on the phone's clock; never, as long as they have not."""
    heard_until: float = -math.inf
    """When they last heard it."""

    @property
    def was_heard_to_its_end(self) -> bool:
        """Whether all that the model sent was heard."""
        return self.heard_ms >= self.sent_ms


@dataclass(slots=True)
class HeardCall:
    """All that the caller was sent in a call, told apart."""

    items: list[HeardItem]
    """The model's, in their order."""
    clip_ms: float = 0.0
    """Clips of the bridge that reached the phone."""
    clip_heard_ms: float = 0.0


def heard_items(
    playback: Playback, items: Iterable[Item], at: float, clips: Sequence[bytes] = ()
) -> list[HeardItem]:
    """The spoken items in their order, each with what was heard of it until `at`.

    Args:
        playback: of the one stream of the call.
        items: of the model's journal; of all journals, one after the other, when a call had several sessions.
        at: on the phone's clock.
        clips: what the bridge plays of its own, whole. A payload that equals one, or a piece of one that
            begins at a multiple of 20 ms and is as long as one or reaches its end, is passed over.

    Raises:
        AudioChangedError: a payload cannot be found where it should be.
    """
    return heard_call([(playback, at)], items, clips).items


def heard_call(
    playbacks: Iterable[tuple[Playback, float]], items: Iterable[Item], clips: Sequence[bytes] = ()
) -> HeardCall:
    """What was heard in all streams of a call, each with the moment up to which it counts.

    Raises:
        AudioChangedError: a payload cannot be found where it should be.
    """
    search = _Search([item for item in items if item.is_spoken], clips)
    for playback, at in playbacks:
        for payload in playback.payloads:
            search.place(payload, at)
    return search.found


@dataclass(slots=True)
class _Search:
    """Goes through payloads and items together, forwards only."""

    spoken: list[Item]
    clips: Sequence[bytes]
    found: HeardCall = field(init=False)
    index: int = 0
    """The item in play, and how far into it the last payload reached."""
    offset: int = 0
    number: int = 0
    """Payloads so far."""

    def __post_init__(self) -> None:
        self.found = HeardCall(
            [
                HeardItem(item.id, item.sent_bytes / BYTES_PER_MS, item.truncated_at_ms, item.deleted)
                for item in self.spoken
            ]
        )

    def place(self, payload: Payload, at: float) -> None:
        """Find the place of one payload, and count it there."""
        audio = payload.audio
        received_ms = len(audio) / BYTES_PER_MS
        heard_ms = payload.heard_bytes(at) / BYTES_PER_MS
        # An item that goes on is more likely than a clip, and a clip than an item that was passed over.
        if not self._goes_on(audio) and any(is_piece(audio, clip) for clip in self.clips):
            self.found.clip_ms += received_ms
            self.found.clip_heard_ms += heard_ms
        else:
            self.index, begin = self._find(audio)
            self.offset = begin + len(audio)
            item = self.found.items[self.index]
            item.received_ms += received_ms
            if heard_ms:
                item.heard_ms += heard_ms
                item.heard_from = min(item.heard_from, payload.plays_from)
                item.heard_until = payload.plays_from + heard_ms / 1000
        self.number += 1

    def _goes_on(self, audio: bytes) -> bool:
        return self.index < len(self.spoken) and self.spoken[self.index].audio.startswith(audio, self.offset)

    def _find(self, audio: bytes) -> tuple[int, int]:
        """Where `audio` stands: at `offset` of the item in play, or at the start of a later one."""
        for later in range(self.index, len(self.spoken)):
            begin = self.offset if later == self.index else 0
            if self.spoken[later].audio.startswith(audio, begin):
                return later, begin
        raise AudioChangedError(
            f"payload {self.number} ({len(audio)} bytes) is not what the model sent there, and no known clip"
        )
