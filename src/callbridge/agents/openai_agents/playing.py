"""What was heard, for a playback tracker of the user's: told by the ledger at an item's end or cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from callbridge.call import facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.realtime import RealtimePlaybackTracker


class Tracked:
    """A tracker of the SDK's, in one stream. One that raises, or is not made, is in the log and told no more.

    Args:
        make: makes it.
    """

    def __init__(self, make: Callable[[], RealtimePlaybackTracker]) -> None:
        self._tracker: RealtimePlaybackTracker | None = None
        try:
            self._tracker = make()
        except (Exception, SystemExit) as error:  # noqa: BLE001  # The user's code.
            self._failed(error)

    def told(self, fact: facts.Fact) -> None:
        """Something has happened in the call."""
        if self._tracker is None:
            return
        try:
            _tell(self._tracker, fact)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # The user's code.
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        self._tracker = None
        structlog.get_logger().warning("openai_agents_tracker_failed", reason=type(error).__name__)


def _tell(tracker: RealtimePlaybackTracker, fact: facts.Fact) -> None:
    match fact:
        case facts.ItemHeard(item_id, sent_ms=sent_ms):
            tracker.on_play_ms(item_id, 0, sent_ms)
        case facts.Interrupted(truncated):
            for item_id, heard_ms in truncated:
                tracker.on_play_ms(item_id, 0, heard_ms)
            tracker.on_interrupted()
        case facts.GuardrailTripped(item_id=item_id, was_cut=True, heard_ms=heard_ms):
            tracker.on_play_ms(item_id, 0, heard_ms)
            tracker.on_interrupted()
        case _:
            pass
