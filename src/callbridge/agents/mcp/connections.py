"""The connections of a process with MCP servers: one for each, shared by all of its calls.

Why not one for each call: a server takes a second to start or to be reached, which every caller would wait
for, and a hundred calls would be a hundred programs. What a server must know of a caller is in the arguments.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

from callbridge.agents.mcp.lasting import Link, Server, lasting
from callbridge.agents.mcp.servers import OurServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from callbridge.agents.tools.given import GivenTool

    Opened = TypeVar("Opened", bound=Link)

AnyServer: TypeAlias = OurServer | Server[Link]
"""One that an agent of ours names, or that somebody else's agent brings along."""


class Connections:
    """All of them. Without `live_forever` no server is ever there."""

    def __init__(self) -> None:
        self._open: dict[AnyServer, Any] = {}
        self._changed = asyncio.Event()
        self._wanted = asyncio.Event()
        self._unknown: set[AnyServer] = set()
        """Servers that were asked for, and that nobody has connected to."""

    def tools_of(self, server: OurServer) -> tuple[GivenTool, ...]:
        """What it has at the moment; nothing while it is not there."""
        link = self._found(server)
        return () if link is None else link.tools

    def link_of(self, server: Server[Opened]) -> Opened | None:
        """The connection with it; None where there is none."""
        link: Opened | None = self._found(server)
        return link

    def _found(self, server: AnyServer) -> Any:
        """One that is not known yet, as when an agent was loaded anew, is connected to."""
        link = self._open.get(server)
        if link is None:
            self._unknown.add(server)
            self._wanted.set()
        return link

    async def changed(self) -> None:
        """Returns when the tools of any of them are others, or one more is connected to."""
        await self._changed.wait()

    async def tried(self, servers: Iterable[Server[Link]], within_s: float) -> None:
        """Returns when each of these has answered, or could not be opened; or when the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for server in servers:
                    while (link := self.link_of(server)) is None:
                        await self.changed()
                    await link.tried.wait()

    async def live_forever(self, servers: Callable[[], Iterable[AnyServer]]) -> NoReturn:
        """Connects to all of them, and keeps that up.

        Args:
            servers: of all agents of the process, asked for whenever one turns up that is not known. Those
                that no agent has any more are ended then.
        """
        lives: dict[AnyServer, asyncio.Task[NoReturn]] = {}
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._wanted.clear()
                    wanted, self._unknown = {*servers(), *self._unknown}, set()
                    for server in lives.keys() - wanted:
                        lives.pop(server).cancel()
                        self._open.pop(server)
                    for server in wanted - lives.keys():
                        self._open[server] = link = link_to(server, self.tell)
                        lives[server] = tasks.create_task(lasting(link), name=f"MCP server {server.name}")
                        self.tell()
                    await self._wanted.wait()
        finally:
            self._open.clear()

    def tell(self) -> None:
        """Some server has other tools, or is connected to."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def link_to(server: AnyServer, changed: Callable[[], object]) -> Link:
    """A connection with a server, not opened yet.

    Args:
        server: which.
        changed: told when the tools of one of ours are others.
    """
    if not isinstance(server, OurServer):
        return server.link()
    from callbridge.agents.mcp.connection import Connection  # noqa: PLC0415  # An extra.

    return Connection(server, changed)
