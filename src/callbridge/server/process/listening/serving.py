"""The service inside a program that has an event loop of its own: the demo, the tests, a user's tests."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Iterator


class GuestServer(uvicorn.Server):
    """uvicorn that leaves the signals to its host program, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()
        self._ticking: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen."""
        await super().startup(sockets)
        self.is_listening.set()

    async def main_loop(self) -> None:
        """Serves until it is stopped."""
        async with asyncio.TaskGroup() as tasks:
            self._ticking = tasks.create_task(super().main_loop(), name="uvicorn ticks")

    def stop(self) -> None:
        """Ends it now: by itself uvicorn looks every tenth of a second whether it was told to."""
        self.should_exit = True
        if self._ticking is not None:
            self._ticking.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the host program."""
        yield


@contextlib.asynccontextmanager
async def serving(config: uvicorn.Config, listener: socket.socket) -> AsyncIterator[GuestServer]:
    """Serves on `listener` for the length of the context; calls that are still on are cut at its end."""
    server = GuestServer(config)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.serve(sockets=[listener]), name="uvicorn")
        await server.is_listening.wait()
        try:
            yield server
        finally:
            server.stop()
            # If the host fails, the group would cancel it: its sockets open, and no word to its calls.
            await asyncio.wait([running])
