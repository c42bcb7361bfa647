"""What was recorded of a call, where the settings have it. Blocking: a store may be far away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.console.lanes import Sound, one_sound
from callbridge.records.recording.reading import stereo
from callbridge.server.process.keeping.recording_links import store_of

if TYPE_CHECKING:
    from callbridge.records.story import CallStory
    from callbridge.server.config.settings import Settings


def stored_sound(settings: Settings, story: CallStory) -> Sound | None:
    """Both sides of a call on its time line; None where nothing of it is stored.

    Raises:
        FileNotFoundError: it is not in its store any more.
        StoreAwayError: the store cannot be reached.
        ImportError: a library is not installed; says how to do that.
        ValueError: no recordings are made, or this one cannot be read.
    """
    if not story.recordings:
        return None
    began_ms = {
        str(happening.detail.get("name")): happening.at_ms
        for happening in story.happenings
        if happening.kind == "recording_began"
    }
    store = store_of(settings)
    return one_sound(
        Sound.of_stereo(stereo(name, store.get(name)), began_ms.get(name.rpartition(".")[0], 0))
        for name in story.recordings
    )
