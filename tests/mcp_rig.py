"""A real MCP server beside a test, over both ways, and one connection with it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import SecretStr

import mcp_server
from callbridge.agents.mcp.connection import Connection
from callbridge.agents.mcp.lasting import lasting
from callbridge.agents.mcp.servers import McpServer, OurServer
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callbridge.agents.tools.tool import ToolResult

WAIT_S = 30.0
"""No test is meant to take as long; a server needs a second to start on a busy machine."""


@dataclass
class Linked:
    """One connection, and what its tools were, one list after the other."""

    connection: Connection = field(init=False)
    seen: list[list[str]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self) -> None:
        """They are others."""
        self.seen.append([tool.name for tool in self.connection.tools])
        self._changed.set()

    async def changes(self) -> list[str]:
        """The next ones, within the time."""
        async with asyncio.timeout(WAIT_S):
            await self._changed.wait()
        self._changed.clear()
        return self.seen[-1]

    async def run(self, name: str, **arguments: Any) -> ToolResult:
        """What a tool answers, within the time."""
        async with asyncio.timeout(WAIT_S):
            return await self.connection.run(name, arguments)


class InNetwork:
    """A server in the network, which may be away. Within it none is left behind.

    Args:
        flags: of its command line.
    """

    def __init__(self, *flags: str) -> None:
        self._flags, self._port = flags, free_port()
        self._process: asyncio.subprocess.Process | None = None

    def url(self, path: str = "/mcp") -> str:
        """Its address, also while it is away."""
        return f"http://127.0.0.1:{self._port}{path}"

    async def start(self) -> None:
        """It runs, or is about to. One that ran before is no more."""
        await self.end()
        command = mcp_server.command(*self._flags, "--http", str(self._port))
        self._process = await asyncio.create_subprocess_exec(*command)

    async def end(self) -> None:
        """It does not run."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self.end()


@contextlib.asynccontextmanager
async def served(way: Literal["stdio", "http"], *flags: str, **more: Any) -> AsyncIterator[OurServer]:
    """A server, as an agent names it. Over HTTP it runs already, or is about to."""
    if way == "stdio":
        program, *arguments = mcp_server.command(*flags)
        environment = {"TILL_TOKEN": SecretStr(mcp_server.TOKEN)}
        yield _ours(McpServer.stdio(program, args=arguments, env=environment, name="shop", **more))
        return
    async with InNetwork(*flags) as shop:
        await shop.start()
        headers = {"Authorization": SecretStr(f"Bearer {mcp_server.TOKEN}")}
        yield _ours(McpServer.http(shop.url(), headers=headers, name="shop", **more))


@contextlib.asynccontextmanager
async def linked(server: McpServer) -> AsyncIterator[Linked]:
    """A connection with it, looked after until the end."""
    link = Linked()
    link.connection = Connection(_ours(server), link.note)
    life = asyncio.create_task(lasting(link.connection))
    try:
        yield link
    finally:
        life.cancel()
        async with asyncio.timeout(WAIT_S):
            with contextlib.suppress(asyncio.CancelledError):
                await life


def _ours(server: McpServer) -> OurServer:
    assert isinstance(server, OurServer)
    return server
