"""Which items of the agent the caller has heard to their end, told once for each: an echo proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.ear.playout import OURS

if TYPE_CHECKING:
    from collections.abc import Collection

    from callbridge.call.ear.playout import Playout


class HeardItems:
    """Those of one call."""

    def __init__(self, playout: Playout) -> None:
        self._playout = playout
        self._told: set[str] = set()

    def take(self, unfinished: Collection[str]) -> list[str]:
        """Those that are heard, and were not taken before.

        Args:
            unfinished: items of which more is to come: what was sent of them is not all.
        """
        if not self._playout.is_drained:
            return []
        in_play = self._playout.items_in_play
        heard = [
            item
            for item in in_play
            if item not in self._told and item not in unfinished and not item.startswith(OURS)
        ]
        self._told = {item for item in in_play if item in self._told} | set(heard)
        return heard
