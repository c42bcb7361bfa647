"""A wire before a server of this machine, which holds back, swallows and refuses, as networks do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

from ports import free_port


class Wire:
    """Passes bytes on, both ways, unless it is told otherwise. Its context is the time in which it listens.

    Args:
        server_port: of the server behind it, on loopback.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self.port = free_port()
        self.requests, self.answers = asyncio.Event(), asyncio.Event()
        """Which way is open. What comes while it is not is passed on when it is, however late."""
        self.connections = 0
        """That were ever taken."""
        self._listener: asyncio.Server | None = None
        self._connected: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.refuse()

    async def mend(self) -> None:
        """All is well again: what was swallowed arrives now, as after any partition."""
        self._open_both_ways()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._connect, "127.0.0.1", self.port)

    def swallow(self) -> None:
        """Connections stay open, new ones are taken, and nothing comes of it: as when a cable is pulled."""
        self.requests.clear()
        self.answers.clear()

    async def refuse(self) -> None:
        """Connections are reset, and no new one is taken: as by a firewall that says so."""
        listener, self._listener = self._listener, None
        self._open_both_ways()
        if listener is not None:
            listener.close()
        for writer, task in list(self._connected.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._connected.values(), return_exceptions=True)

    def _open_both_ways(self) -> None:
        self.requests.set()
        self.answers.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connected[writer] = task
        self.connections += 1
        server_writer = None
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_pass_on(reader, server_writer, self.requests), name="wire")
                ways.create_task(_pass_on(server_reader, writer, self.answers), name="wire")
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()  # A server that is not there does not listen: the same for who asks.
        finally:
            del self._connected[writer]
            if server_writer is not None:
                server_writer.transport.abort()


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
