"""The agent's side of one call: what it is told, what it wants, and its tools that have not answered.

A tool waits for the disk, runs, and ends with a result.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from callbridge.call.events import ToolFinished
from callbridge.call.record_facts import NotKept

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from callbridge.agents.in_call import AgentInCall
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.call.actions import RunTool
    from callbridge.call.facts import Fact
    from callbridge.call.machine import CallMachine


class AgentSide:
    """The agent of a call, as the bridge sees it.

    Args:
        call: which it serves.
        agent: who has the tools, and runs them.
        kept: whether what was observed is written down. Returns when it is, or cannot be.
        note: takes a fact of the call.
    """

    def __init__(
        self,
        call: CallMachine,
        agent: AgentInCall,
        kept: Callable[[], Awaitable[bool]],
        note: Callable[[Fact], None],
    ) -> None:
        self._call, self._agent, self._kept, self._note = call, agent, kept, note
        self._loop = asyncio.get_running_loop()
        self._asked: dict[tuple[bool, str], tuple[RunTool, float]] = {}
        """By whose it is and its `call_id`, with the time at which each was asked for."""
        self.told, self.take, self.wanted = agent.told, agent.take, agent.wants.written
        self.hang_up = agent.hang_up

    @property
    def runs_tools(self) -> bool:
        """Whether any has not answered."""
        return bool(self._asked)

    async def run(self, tool: RunTool) -> ToolFinished:
        """Runs a tool once it is on disk that it begins, or cannot be."""
        call, self._asked[tool.is_ours, tool.call_id] = self._call, (tool, self._loop.time())
        # Whatever the tool logs, or anybody logs of it, belongs to this call.
        with structlog.contextvars.bound_contextvars(call_sid=call.call_sid, stream_sid=call.stream_sid):
            is_kept = await self._is_kept_within(call.limits.tool_kept_within_s)
            if not is_kept:
                structlog.get_logger().warning("tool_start_not_kept", tool=tool.name)
                _, asked_at = self._asked[tool.is_ours, tool.call_id]
                self._note(NotKept(tool.name, self._ms_since(asked_at)))
            return self._finished(tool, await self._agent.run(tool, is_kept=is_kept))

    def cut_short(self) -> Iterator[ToolFinished]:
        """An answer in place of each that nobody waits for any longer."""
        for tool, _ in tuple(self._asked.values()):
            yield self._finished(tool, self._agent.cut_short(tool))

    def _finished(self, tool: RunTool, result: ToolResult) -> ToolFinished:
        _, asked_at = self._asked.pop((tool.is_ours, tool.call_id))
        return ToolFinished(
            tool.call_id,
            tool.name,
            result.output,
            self._ms_since(asked_at),
            result.wish,
            result.outcome,
            is_ours=tool.is_ours,
            is_momentary=result.is_momentary,
            is_quiet=result.is_quiet,
        )

    def _ms_since(self, moment: float) -> int:
        return round((self._loop.time() - moment) * 1000)

    async def _is_kept_within(self, wait_s: float) -> bool:
        """Whether all that was observed is on disk by then."""
        try:
            async with asyncio.timeout(wait_s):
                return await self._kept()
        except TimeoutError:
            return False
