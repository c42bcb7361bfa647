"""What the caller truly heard of each of the model's items, told by both simulators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.bridge.key_tones import key_tones
from callbridge.simulators.truth import heard_call

if TYPE_CHECKING:
    from callbridge.simulators.truth import HeardItem
    from callbridge.testing.call_data import CallData


def heard_items(call: CallData) -> list[HeardItem]:
    """The spoken items of all sessions in their order, each with what was heard of it.

    What the service plays of its own is passed over: its clips, and the tones of keys.

    Raises:
        AudioChangedError: the phone got what the model never sent.
    """
    ended = [(stream.playback, stream.end.at) for stream in call.streams if stream.end is not None]
    items = [item for journal in call.sessions for item in journal.items.values()]
    keys = [stream.keys_heard for stream in call.phone.streams if stream.keys_heard]
    clips = [clip for stream in call.streams for clip in stream.settings.clips]
    tones = [key_tones(each) for keys_of_stream in keys for each in (keys_of_stream, *keys_of_stream)]
    return heard_call(ended, items, (*dict.fromkeys(clips), *dict.fromkeys(tones))).items
