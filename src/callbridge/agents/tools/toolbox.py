"""The tools of one agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.agents.tools.schema import ToolError

if TYPE_CHECKING:
    from collections.abc import Collection

    from callbridge.agents.tools.given import AnyTool

TOOLS_MAX: Final = 128
"""OpenAI takes no more in a session."""


class Toolbox:
    """The tools of one agent, by name."""

    def __init__(self) -> None:
        self._tools: dict[str, AnyTool] = {}
        self.reserved: set[str] = set()
        """Names of tools that a call may have beside these."""

    def reserve(self, names: Collection[str]) -> None:
        """Keeps `names` for tools that a call may have beside these, as forms do.

        Raises:
            ToolError: one is taken.
        """
        if taken := ", ".join(name for name in names if name in self._tools or name in self.reserved):
            raise ToolError(f"there is a tool named {taken} already; rename one")
        self.reserved |= set(names)

    def is_taken(self, name: str) -> bool:
        """Whether a tool of the agent's has this name, or may come to have it in a call."""
        return name in self._tools or name in self.reserved

    def add(self, tool: AnyTool) -> None:
        """Adds `tool`.

        Raises:
            ToolError: the name is taken, or there are too many.
        """
        if tool.name in self._tools or tool.name in self.reserved:
            raise ToolError(f"there are two tools named {tool.name}; rename one")
        if len(self._tools) >= TOOLS_MAX:
            raise ToolError(f"tool {tool.name}: the model takes no more than {TOOLS_MAX} tools")
        self._tools[tool.name] = tool

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of their adding."""
        return tuple(self._tools)

    @property
    def tools(self) -> tuple[AnyTool, ...]:
        """The tools, in the same order."""
        return tuple(self._tools.values())
