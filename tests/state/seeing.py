"""Waits for what other processes have written: nothing tells of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callbridge.state.state import State

WITHIN_S = 20.0


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Asks again and again: nothing tells of a row that another thread has written."""
    async with asyncio.timeout(WITHIN_S):
        while not await is_so():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


async def all_seen(*states: State) -> None:
    """Returns when each knows all others."""

    async def is_seen_by_all() -> bool:
        return all([len(await state.others()) == len(states) - 1 for state in states])

    await until(is_seen_by_all)
