"""Which items of the agent the caller has heard to their end, told once for each: an echo proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.ear.playout import OURS

if TYPE_CHECKING:
    from collections.abc import Collection

    from callbridge.call.ear.playout import CutItem, Playout


class HeardItems:
    """Those of one call."""

    def __init__(self, playout: Playout) -> None:
        self._playout = playout
        self._told: set[str] = set()

    def take(self, unfinished: Collection[str], now: float) -> list[CutItem]:
        """Those that are heard, and were not taken before, each with what was sent and heard of it.

        Args:
            unfinished: items of which more is to come: what was sent of them is not all.
            now: monotonic seconds.
        """
        if not self._playout.is_drained:
            return []
        in_play = [item for item in self._playout.heard_items(now) if not item.item_id.startswith(OURS)]
        heard = [
            item for item in in_play if item.item_id not in self._told and item.item_id not in unfinished
        ]
        self._told = {item.item_id for item in in_play if item.item_id in self._told}
        self._told |= {item.item_id for item in heard}
        return heard
