"""Tools that the model's side runs: whether it may, as an ability of the agent in one call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.asking import answer_of
from callbridge.agents.tools.confirming import ASK_FIRST, Confirmations
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import Manner, ToolRefused, failure, success
from callbridge.call.mcp import APPROVE
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.wants import McpDecided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.agents.context import Call
    from callbridge.agents.mcp.servers import ModelsServer
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import Fact

DECIDES_WITHIN_S: Final = 3.0
"""For a function of the user's. The caller waits, and the tool has not begun yet."""

_REFUSED: Final = "the agent does not allow this; do not try again"
_FAILED: Final = "nobody could decide about it; it was not done"


class McpApprovals:
    """Decides about each tool of these servers that the model's side wants to run.

    Args:
        servers: of the agent.
        wants: of the call.
    """

    instructions = ""
    tools: Sequence[AnyTool] = ()
    keys = None

    def __init__(self, servers: Sequence[ModelsServer], wants: Wants) -> None:
        self._servers = {server.name: server for server in servers}
        self._wants, self._confirmations = wants, Confirmations()
        decide = GivenTool(
            APPROVE,
            "Decides whether a tool of an MCP server may be run.",
            {"type": "object", "properties": {}},
            self._decide,
            Manner(timeout_s=2 * DECIDES_WITHIN_S),
        )
        self.works: Mapping[str, AnyTool] = MappingProxyType({APPROVE: decide})

    async def _decide(self, asked: dict[str, Any], call: Call[Any]) -> ToolResult:
        """One decision; whatever goes wrong with it is a no."""
        why = _FAILED
        try:
            why = await self._why_not(asked, call)
        except ToolRefused as refused:
            why = str(refused)
        finally:
            self._wants.add(McpDecided(asked["request"], is_given=not why, reason=why))
        return failure(why, ToolOutcome.REFUSED) if why else success("approved")

    async def _why_not(self, asked: dict[str, Any], call: Call[Any]) -> str:
        """Why it may not be run; empty when it may."""
        server, tool, arguments = self._servers.get(asked["server"]), asked["tool"], asked["arguments"]
        if server is None or not tool:
            return _REFUSED
        if server.allowed is not None and tool not in server.allowed:
            return _REFUSED
        if server.approval == "never":  # It was not to be asked for.
            return ""
        if not callable(server.approval):
            may_run = self._confirmations.may_run(f"{server.name}.{tool}", arguments)
            return "" if may_run else ASK_FIRST
        try:
            read = json.loads(arguments)
        except (ValueError, RecursionError):
            return "the arguments are no JSON text"
        is_given = await answer_of(partial(server.approval, tool, read, call), {}, DECIDES_WITHIN_S)
        return "" if is_given is True else _REFUSED

    # --- What happens ---

    def restore(self, fact: Fact) -> None:
        """As with every tool: what was asked before another stream is asked again."""

    def told(self, fact: Fact) -> None:
        """Something was heard, said or pressed."""
        self._confirmations.told(fact)

    def answered(self, _tool: str, _result: ToolResult, _call: Call[Any]) -> None:
        """A decision is told by itself."""

    def pressed(self, _keys: str) -> str | None:
        """Keys mean nothing to it."""
        return None
