"""A wire before a server that holds back what goes one way, and lets it go later, however late."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class StallingProxy:
    """Passes bytes on, both ways, unless it is told to hold them.

    Args:
        port: of the server behind it, on loopback.
    """

    def __init__(self, port: int) -> None:
        self.port = 0
        self._server_port = port
        self.requests, self.answers = asyncio.Event(), asyncio.Event()
        """Which way is open; both are at first."""
        self.requests.set()
        self.answers.set()
        self.connections = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """For as long as it listens."""
        listener = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.requests.set()
            self.answers.set()
            listener.close()
            await listener.wait_closed()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with contextlib.suppress(OSError):
                behind, to_behind = await asyncio.open_connection("127.0.0.1", self._server_port)
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(_pass_on(reader, to_behind, self.requests))
                    ways.create_task(_pass_on(behind, writer, self.answers))
        finally:
            writer.close()


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_open: asyncio.Event
) -> None:
    """What has come is passed on, also when whoever sent it is gone."""
    with contextlib.suppress(OSError):
        while content := await reader.read(65536):
            await is_open.wait()
            writer.write(content)
            await writer.drain()
        await is_open.wait()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
