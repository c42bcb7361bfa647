"""The tools of MCP servers in one call, as an ability of its agent."""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import structlog

from callbridge.agents.mcp.listing import NAMED_MAX
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
        self._left_out: frozenset[str] = frozenset()
        """Tools that the call has not, each with the reason: that is said once."""
        self._settle()

    @property
    def tools(self) -> Sequence[AnyTool]:
        """Those that have a name of their own, as many as a session takes."""
        return self._tools

    def _settle(self) -> None:
        self._has |= self._coming
        self._coming.clear()
        whose = dict.fromkeys(self._taken, "the agent")
        tools: list[GivenTool] = []
        left_out: list[str] = []
        for server in self._servers:
            for tool in self._has[server]:
                if len(whose) >= TOOLS_MAX:
                    why = f"a session has {TOOLS_MAX} tools at most; choose with tools="
                elif tool.name in whose:
                    why = f"{whose[tool.name]} has one of this name; give the server a prefix"
                else:
                    tools.append(tool)
                    whose[tool.name] = server.name
                    continue
                left_out.append(f"{tool.name} of {server.name}: {why}")
        if news := [one for one in left_out if one not in self._left_out]:
            structlog.get_logger().warning("mcp_tools_left_out", tools=news[:NAMED_MAX], count=len(news))
        self._tools, self._left_out = tuple(tools), frozenset(left_out)

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
