"""What the real voice model says, as its own transcript has it: a persona hears by it.

It is the service's word for it, and no witness of ours: of an answer that is cut the words run ahead of the
ear. A persona speaks only when the agent is quiet, so it cuts nothing itself.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from callbridge.observe.feed import LiveWords
from callbridge.testing.persona.heard_words import HeardWords

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callbridge.observe.feed import Subscription


class RealWords:
    """The words so far, item by item."""

    def __init__(self) -> None:
        self._items: dict[str, str] = {}

    async def read(self, events: Subscription) -> None:
        """Takes them in until the subscription ends."""
        async for event in events:
            if isinstance(event, LiveWords) and event.by == "agent":
                self._items[event.item_id] = self._items.get(event.item_id, "") + event.words

    def heard(self) -> list[HeardWords]:
        """What was said up to now, in its order."""
        return [HeardWords(item_id, words, is_all=True) for item_id, words in self._items.items()]


@asynccontextmanager
async def real_words(events: Subscription) -> AsyncIterator[RealWords]:
    """Within it the words of live calls are taken in."""
    said = RealWords()
    with events:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(said.read(events), name="words-of-the-model")
            try:
                yield said
            finally:
                events.close()
