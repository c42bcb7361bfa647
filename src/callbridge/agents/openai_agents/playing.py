"""What was heard, for a playback tracker of the user's: told by the ledger at an item's end or cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call import facts

if TYPE_CHECKING:
    from agents.realtime import RealtimePlaybackTracker


class Tracked:
    """A tracker of the SDK's, in one stream."""

    def __init__(self, tracker: RealtimePlaybackTracker) -> None:
        self._tracker = tracker

    def told(self, fact: facts.Fact) -> None:
        """Something has happened in the call."""
        match fact:
            case facts.ItemHeard(item_id, sent_ms=sent_ms):
                self._tracker.on_play_ms(item_id, 0, sent_ms)
            case facts.Interrupted(truncated):
                for item_id, heard_ms in truncated:
                    self._tracker.on_play_ms(item_id, 0, heard_ms)
                self._tracker.on_interrupted()
            case facts.GuardrailTripped(item_id=item_id, was_cut=True, heard_ms=heard_ms):
                self._tracker.on_play_ms(item_id, 0, heard_ms)
                self._tracker.on_interrupted()
            case _:
                pass
