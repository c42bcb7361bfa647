"""Webhooks of one call are answered one after the other: the second sees what the first was told."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class OneByOne:
    """The calls whose webhooks are being answered. For one event loop."""

    def __init__(self) -> None:
        # A lock lives as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __repr__(self) -> str:
        return f"<OneByOne calls={len(self._locks)}>"

    @contextlib.asynccontextmanager
    async def of(self, call_sid: str) -> AsyncIterator[None]:
        """Alone with this call, after those who came before."""
        lock = self._locks.get(call_sid)
        if lock is None:
            lock = self._locks[call_sid] = asyncio.Lock()
        async with lock:
            yield
