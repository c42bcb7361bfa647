"""The tools of MCP servers in one call, as an ability of its agent."""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import structlog

from callbridge.agents.tools.toolbox import TOOLS_MAX
from callbridge.call.agent_facts import McpToolsChanged

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from callbridge.agents.context import Call
    from callbridge.agents.mcp.connections import Connections
    from callbridge.agents.mcp.servers import OurServer
    from callbridge.agents.tools.given import AnyTool, GivenTool
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import Fact

_NO_WORKS: Final[Mapping[str, AnyTool]] = MappingProxyType({})


class McpInCall:
    """What the agent has of its servers in this call.

    Args:
        servers: of the agent, in its order: of two tools with one name the first one's counts.
        connections: of the process.
        taken: names of the agent's own tools, which no server's takes.
        wants: of the call.
    """

    instructions = ""
    works = _NO_WORKS
    keys = None

    def __init__(
        self,
        servers: Sequence[OurServer],
        connections: Connections,
        taken: Collection[str],
        wants: Wants,
    ) -> None:
        self._servers, self._connections, self._wants = servers, connections, wants
        self._taken = frozenset(taken)
        self._has: dict[OurServer, tuple[GivenTool, ...]] = {}
        """As the call has them: it changes with a fact, like everything of an ability."""
        self._coming: dict[OurServer, tuple[GivenTool, ...]] = {
            server: connections.tools_of(server) for server in servers
        }
        self._watch: asyncio.Task[None] | None = None
        self._settle()

    @property
    def tools(self) -> Sequence[AnyTool]:
        """Those that have a name of their own, as many as a session takes."""
        return self._tools

    def _settle(self) -> None:
        self._has |= self._coming
        self._coming.clear()
        tools: dict[str, GivenTool] = {}
        left_out: list[str] = []
        for server in self._servers:
            for tool in self._has[server]:
                is_taken = tool.name in self._taken or tool.name in tools
                if is_taken or len(tools) + len(self._taken) >= TOOLS_MAX:
                    left_out.append(f"{tool.name} of {server.name}")
                else:
                    tools[tool.name] = tool
        if left_out:
            remedy = f"give the server a prefix, or choose with tools=; a session has {TOOLS_MAX} at most"
            structlog.get_logger().warning("mcp_tools_left_out", tools=left_out[:10], remedy=remedy)
        self._tools = tuple(tools.values())

    # --- What happens ---

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Changes are seen from now on."""
        self._watch = tasks.create_task(self._watch_forever(), name="MCP servers")

    def hang_up(self) -> None:
        """Nobody is told of them any more."""
        if self._watch is not None:
            self._watch.cancel()

    async def _watch_forever(self) -> None:
        while True:
            for server in self._servers:
                tools = self._connections.tools_of(server)
                if tools != self._coming.get(server, self._has[server]):
                    self._coming[server] = tools
                    self._wants.add(McpToolsChanged(server.name, len(tools)))
            await self._connections.changed()

    def restore(self, _fact: Fact) -> None:
        """What was there on another stream says nothing of what is there now."""

    def told(self, fact: Fact) -> None:
        """The call has taken notice of a change."""
        if isinstance(fact, McpToolsChanged):
            self._settle()

    def answered(self, _tool: str, _result: ToolResult, _call: Call[Any]) -> None:
        """What a tool has answered changes none of them."""

    def pressed(self, _keys: str) -> str | None:
        """Keys mean nothing to them."""
        return None
