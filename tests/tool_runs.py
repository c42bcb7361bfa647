"""A tool that is run as a call runs it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from callbridge.call.actions import RunTool

if TYPE_CHECKING:
    from callbridge.agents.toolbox import Toolbox
    from callbridge.agents.tools import ToolResult

TIMEOUT_S = 5.0
"""Long enough that no tool runs into it by accident."""


async def run_tool(
    toolbox: Toolbox, name: str, arguments: str = "{}", timeout_s: float = TIMEOUT_S
) -> ToolResult:
    """What the tool `name` answers, in a call of its own."""
    async with asyncio.TaskGroup() as tasks:
        return await toolbox.runs(tasks).run(RunTool("call_1", name, arguments, timeout_s))
