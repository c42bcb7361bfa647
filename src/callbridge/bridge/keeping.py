"""What a call waits for before it closes: that what was said in it is written down."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from callbridge.call.record_facts import NotKept

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from structlog.typing import FilteringBoundLogger

KEPT_WITHIN_S = 0.25
"""At its end a call waits so long for its last entries to be on disk: whoever goes on with it reads them. A
disk takes a millisecond; one that does not is not waited for, and a fact says so."""


async def nothing_to_keep() -> bool:
    """Where nothing is written down, nothing has to be waited for."""
    return True


class LastEntries:
    """The entries of a call that is about to close.

    Args:
        kept: whether what was observed is written down. Returns when it is, or cannot be.
        note: is told that it was not.
    """

    def __init__(self, kept: Callable[[], Awaitable[bool]], note: Callable[[NotKept], None]) -> None:
        self._kept, self._note = kept, note
        self._has_waited = False

    async def wait(self, log: FilteringBoundLogger) -> None:
        """Waits for them once; again only when a cancellation cut it short."""
        if self._has_waited:
            return
        self._has_waited = True  # Now: if the question itself fails, the legs are closed all the same.
        is_kept, began_at = False, asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(KEPT_WITHIN_S):
                is_kept = await self._kept()
        except TimeoutError:
            log.warning("entries_not_kept_in_time", waited_s=KEPT_WITHIN_S)
        except asyncio.CancelledError:
            self._has_waited = False
            raise
        if not is_kept:
            waited_s = asyncio.get_running_loop().time() - began_at
            self._note(NotKept("end", round(waited_s * 1000)))


def nothing_to_free() -> None:
    """Where calls are not counted, none holds a place."""
