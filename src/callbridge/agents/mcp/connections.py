"""The connections of a process with MCP servers: one for each, shared by all of its calls.

Why not one for each call: a server takes a second to start or to be reached, which every caller would wait
for, and a hundred calls would be a hundred programs. What a server must know of a caller is in the arguments.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from callbridge.agents.mcp.connection import Connection
    from callbridge.agents.mcp.servers import OurServer
    from callbridge.agents.tools.given import GivenTool


class Connections:
    """All of them. Without `live_forever` no server is ever there."""

    def __init__(self) -> None:
        self._open: dict[OurServer, Connection] = {}
        self._changed = asyncio.Event()
        self._wanted = asyncio.Event()
        self._unknown: set[OurServer] = set()
        """Servers that were asked for, and that nobody has connected to."""

    def tools_of(self, server: OurServer) -> tuple[GivenTool, ...]:
        """What it has at the moment; nothing while it is not there.

        One that is not known yet, as when an agent was loaded anew, is connected to.
        """
        connection = self._open.get(server)
        if connection is None:
            self._unknown.add(server)
            self._wanted.set()
            return ()
        return connection.tools

    async def changed(self) -> None:
        """Returns when the tools of any of them are others."""
        await self._changed.wait()

    async def live_forever(self, servers: Callable[[], Iterable[OurServer]]) -> NoReturn:
        """Connects to all of them, and keeps that up.

        Args:
            servers: of all agents of the process, asked for whenever one turns up that is not known. Those
                that no agent has any more are ended then.
        """
        lives: dict[OurServer, asyncio.Task[NoReturn]] = {}
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._wanted.clear()
                    wanted, self._unknown = {*servers(), *self._unknown}, set()
                    for server in lives.keys() - wanted:
                        lives.pop(server).cancel()
                        self._open.pop(server)
                    for server in wanted - lives.keys():
                        from callbridge.agents.mcp.connection import Connection  # noqa: PLC0415  # An extra.

                        self._open[server] = connection = Connection(server, self.tell)
                        lives[server] = tasks.create_task(
                            connection.live_forever(), name=f"MCP server {server.name}"
                        )
                    await self._wanted.wait()
        finally:
            self._open.clear()

    def tell(self) -> None:
        """Some server has other tools."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
