"""An agent that somebody else's library runs, as far as the rest of the house sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from callbridge.agents.abilities import Ability
    from callbridge.agents.mcp.connections import Connections
    from callbridge.agents.mcp.lasting import Link, Server
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.wants import Wants


@dataclass(frozen=True, slots=True)
class Guest:
    """What an `Agent` stands for that was made of another library's agent."""

    library: str
    """Whose it is, in words."""
    of: object
    """The user's own object."""
    instructions: str | None
    """What it starts with; None where a function of the user's says it."""
    tools: Mapping[str, Sequence[AnyTool]]
    """By the name of each agent to whom a call may be handed, first who begins: what is known before there is
    one. What is decided in the call (`is_enabled`, MCP servers) may add to it, or take away."""
    in_call: Callable[[Wants, Connections, Collection[str]], Ability]
    """Makes the ability that it is in one call, which gets the process's connections, and names that other
    tools of the call have."""
    servers: Sequence[Server[Link]] = ()
    """MCP servers of its own, as far as they are known before there is a call. They are connected to before
    calls are taken."""
    left_out: Sequence[str] = ()
    """What the library can set and a call has not, in words."""

    @property
    def tool_names(self) -> tuple[str, ...]:
        """Of all its agents, each once."""
        return tuple(dict.fromkeys(tool.name for tools in self.tools.values() for tool in tools))
