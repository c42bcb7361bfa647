"""What reached the caller's ear, in words: of each item of the model so much as was heard of its audio. Pure.

The words of an item are taken to follow each other evenly in its audio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from callbridge.simulators.truth import AudioChangedError, heard_call
from callbridge.simulators.voice_model.ladder import TRANSCRIPT_LEAD
from callbridge.wire.audio import BYTES_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.simulators.phone import PhoneStream
    from callbridge.simulators.truth import HeardItem
    from callbridge.simulators.voice_model import Item, Journal


class HeardWords(msgspec.Struct, frozen=True):
    """What was heard of one item."""

    item_id: str
    words: str
    is_all: bool
    """Whether it was heard to its end; of one that is still being said it is not yet."""


def heard_words(
    streams: Iterable[PhoneStream], sessions: Iterable[Journal], now: float, clips: Sequence[bytes] = ()
) -> list[HeardWords]:
    """What was heard up to now, in its order; nothing of items of which nothing was.

    Args:
        streams: of the phone.
        sessions: of the model.
        now: on their clock.
        clips: sounds that the service plays of its own.
    """
    items = [item for journal in sessions for item in journal.items.values()]
    playbacks = [
        (stream.playback, stream.end.at if stream.end else now) for stream in streams if stream.opened_at
    ]
    try:
        found = heard_call(playbacks, items, clips).items
    except AudioChangedError:
        return []  # The call says so by itself: it is a complaint of its own.
    by_id = {item.id: item for item in items}
    return [_heard(heard, by_id[heard.item_id]) for heard in found if heard.heard_ms > 0]


def _heard(heard: HeardItem, item: Item) -> HeardWords:
    words = item.transcript.split()
    share = min(1.0, heard.heard_ms * BYTES_PER_MS / max(1, len(item.audio)))
    # The transcript runs ahead of the audio: of an item that broke off there is more of it than was sent.
    sent = item.sent_bytes / max(1, len(item.audio))
    told = 1.0 if item.status == "completed" else min(1.0, sent + TRANSCRIPT_LEAD)
    count = min(len(words), round(share / told * len(words)))
    return HeardWords(heard.item_id, " ".join(words[:count]), is_all=share >= 1.0)
