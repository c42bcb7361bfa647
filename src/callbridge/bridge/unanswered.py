"""The tools of one call that have not answered: each waits for the disk, runs, and ends with a result."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from callbridge.call.events import ToolFinished

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from callbridge.agents.runs import ToolRuns
    from callbridge.agents.tools import ToolResult
    from callbridge.call.actions import RunTool
    from callbridge.call.machine import CallMachine


class Unanswered:
    """The tools that the call has asked for and that have not answered.

    Args:
        call: whose tools they are.
        runs: what runs them.
        kept: whether what was observed is written down. Returns when it is, or cannot be.
    """

    def __init__(self, call: CallMachine, runs: ToolRuns, kept: Callable[[], Awaitable[bool]]) -> None:
        self._call, self._runs, self._kept = call, runs, kept
        self._loop = asyncio.get_running_loop()
        self._asked: dict[str, tuple[RunTool, float]] = {}
        """By `call_id`, with the time at which each was asked for."""
        self.hang_up = runs.hang_up

    @property
    def is_empty(self) -> bool:
        """Whether all have answered."""
        return not self._asked

    async def run(self, tool: RunTool) -> ToolFinished:
        """Runs a tool once it is on disk that it begins, or cannot be."""
        call, self._asked[tool.call_id] = self._call, (tool, self._loop.time())
        # Whatever the tool logs, or anybody logs of it, belongs to this call.
        with structlog.contextvars.bound_contextvars(call_sid=call.call_sid, stream_sid=call.stream_sid):
            is_kept = await self._is_kept_within(call.limits.tool_kept_within_s)
            if not is_kept:
                structlog.get_logger().warning("tool_start_not_kept", tool=tool.name)
            return self._finished(tool, await self._runs.run(tool, is_kept=is_kept))

    def cut_short(self) -> Iterator[ToolFinished]:
        """An answer in place of each that nobody waits for any longer."""
        for tool, _ in tuple(self._asked.values()):
            yield self._finished(tool, self._runs.cut_short(tool))

    def _finished(self, tool: RunTool, result: ToolResult) -> ToolFinished:
        _, asked_at = self._asked.pop(tool.call_id)
        duration_ms = round((self._loop.time() - asked_at) * 1000)
        output, wish, outcome = result.output, result.wish, result.outcome
        return ToolFinished(tool.call_id, tool.name, output, duration_ms, wish, outcome)

    async def _is_kept_within(self, wait_s: float) -> bool:
        """Whether all that was observed is on disk by then."""
        try:
            async with asyncio.timeout(wait_s):
                return await self._kept()
        except TimeoutError:
            return False
