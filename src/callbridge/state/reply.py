"""An answer on its way from a thread to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Generic, TypeVar

T = TypeVar("T")


class Reply(Generic[T]):
    """A future that a thread may settle. Made on the loop that will wait for it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[T] = self._loop.create_future()
        self.value: T | None = None
        """The answer as soon as it is known, before the loop has heard of it."""

    def settle(self, value: T) -> None:
        """Hands the answer over, from any thread; the first one counts."""
        if self.value is not None:
            return
        self.value = value
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            self._loop.call_soon_threadsafe(self._tell, value)

    def _tell(self, value: T) -> None:
        if not self._future.done():
            self._future.set_result(value)

    async def settled(self) -> T:
        """The answer, however long it takes."""
        return await self._future

    async def within(self, wait_s: float) -> T | None:
        """The answer, or nothing if it does not come in time."""
        await asyncio.wait([self._future], timeout=wait_s)
        return self.value
