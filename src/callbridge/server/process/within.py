"""A question that has to be answered in time: nobody on a telephone waits for a store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

_T = TypeVar("_T")


async def within(seconds: float, question: Awaitable[_T]) -> _T | None:
    """The answer; nothing when it does not come in this time, and then it is not waited for."""
    try:
        async with asyncio.timeout(seconds):
            return await question
    except TimeoutError:
        return None
