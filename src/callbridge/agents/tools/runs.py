"""The runs of one call's tools: how many at a time, how long, and what is told of each.

Whatever a tool does, `run` answers within its time, and never raises. What is left of it then, a thread that
hangs or a coroutine that tidies up, keeps its place among the runs of the call until it has ended.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any

from callbridge.agents.tools.leash import Leash
from callbridge.agents.tools.threads import THREADS, Threads, ThreadsBusy
from callbridge.agents.tools.tool import Tool, ToolResult, failure
from callbridge.call.outcomes import ToolOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from callbridge.agents.context import Call
    from callbridge.agents.tools.given import AnyTool
    from callbridge.call.actions import RunTool

AT_ONCE_MAX = 4
"""Runs of one call at a time. A model asks for two or three together; the rest wait within their time."""


class ToolRuns:
    """The runs of one call. For its event loop alone.

    Args:
        call: what the tools are given that ask for it.
        tasks: owns what runs on the loop, and may end before it does.
        threads: where plain tools run.
    """

    def __init__(self, call: Call[Any], tasks: asyncio.TaskGroup, threads: Threads = THREADS) -> None:
        self._call, self._tasks, self._threads = call, tasks, threads
        loop = asyncio.get_running_loop()
        self._hung_up: asyncio.Future[None] = loop.create_future()
        self._never: asyncio.Future[None] = loop.create_future()
        self._freed: asyncio.Future[None] = loop.create_future()
        """Done when a place is given back; then there is another one."""
        self._taken: set[asyncio.Future[Any]] = set()
        """The runs that have a place of the call."""
        self._overdue: set[asyncio.Future[Any]] = set()
        """Those of them that are past their time: nobody knows when they end."""

    def hang_up(self) -> None:
        """The call is over: nothing begins any more, and what does not want to finish ends."""
        if not self._hung_up.done():
            self._hung_up.set_result(None)

    def cut_short(self, tool: AnyTool | None) -> ToolResult:
        """What is to be said of a run that nobody waits for any longer."""
        if tool is not None and tool.is_plain:
            return _unfinished("had not answered when the call ended")
        return _stopped()

    async def run(self, tool: AnyTool, asked: RunTool, *, is_kept: bool = True) -> ToolResult:
        """Runs the tool that the model asked for; whatever goes wrong is an answer.

        Args:
            tool: the one that `asked` names.
            asked: its arguments, and its time where it has no limit of its own.
            is_kept: whether it is on disk that it begins.
        """
        if tool.manner.is_irreversible and (why := why_not(asked, is_kept=is_kept)):
            return failure(why, ToolOutcome.REFUSED)
        limit_s = tool.manner.timeout_s or asked.timeout_s
        ends_at = asyncio.get_running_loop().time() + limit_s
        stop = self._never if asked.is_ours else self._hung_up
        if (instead := await self._wait_for_place(ends_at, stop)) is not None:
            return instead
        if isinstance(tool, Tool) and tool.is_plain:
            return await self._run_plain(tool, asked, ends_at, limit_s)
        work = partial(tool.answer_async, asked.arguments, self._call, asked.call_id)
        return await self._run_async(tool, work, ends_at, limit_s)

    async def _wait_for_place(self, ends_at: float, stop: asyncio.Future[None]) -> ToolResult | None:
        """What is answered when there is no place in time, or before `stop`: the call stays for its works."""
        while len(self._taken) >= AT_ONCE_MAX > len(self._overdue) and not stop.done():
            if not await self._wait(self._freed, stop, ends_at):
                break
        if stop.done():
            return failure("the call has ended; the tool was not run", ToolOutcome.REFUSED)
        return _busy() if len(self._taken) >= AT_ONCE_MAX else None

    # --- Plain functions ---

    async def _run_plain(self, tool: Tool, asked: RunTool, ends_at: float, limit_s: float) -> ToolResult:
        try:
            work = partial(tool.answer, asked.arguments, self._call)
            thread = self._threads.start(work, f"tool {tool.name}")
        except ThreadsBusy:
            return _busy()
        self._take_place(thread)
        stop = self._stop_of(tool)
        if not await self._wait(thread, stop, ends_at):
            self._overdue.add(thread)
            return (
                self.cut_short(tool) if stop.done() else _unfinished(f"has not answered within {limit_s:g} s")
            )
        answered = thread.result()
        if isinstance(answered, Awaitable):
            return await self._run_async(tool, partial(tool.finish, answered), ends_at, limit_s)
        return answered

    # --- Async functions ---

    async def _run_async(
        self,
        tool: AnyTool,
        work: Callable[[], Coroutine[Any, Any, ToolResult]],
        ends_at: float,
        limit_s: float,
    ) -> ToolResult:
        leash, stop = Leash(work), self._stop_of(tool)
        task = self._tasks.create_task(_awaited(leash), name=f"work of {tool.name}")
        self._take_place(task)
        try:
            is_done = await self._wait(task, stop, ends_at)
        except asyncio.CancelledError:
            leash.end()
            raise
        if is_done and not task.cancelled():
            return task.result()
        leash.end()
        if not is_done:
            self._overdue.add(task)
        if is_done or stop.done():
            return _stopped()
        why = f"the tool took longer than {limit_s:g} s and was stopped; a part of it may have been done"
        return failure(why, ToolOutcome.TIMED_OUT)

    # --- Places ---

    def _stop_of(self, tool: AnyTool) -> asyncio.Future[None]:
        manner = tool.manner
        return self._hung_up if manner.stops_at_hangup and not manner.is_irreversible else self._never

    async def _wait(self, work: asyncio.Future[Any], stop: asyncio.Future[None], ends_at: float) -> bool:
        """Whether `work` is done before its time is over, and before `stop`."""
        left_s = ends_at - asyncio.get_running_loop().time()
        await asyncio.wait({work, stop}, timeout=max(left_s, 0.0), return_when=asyncio.FIRST_COMPLETED)
        return work.done()

    def _take_place(self, run: asyncio.Future[Any]) -> None:
        """`run` has a place of the call until it has ended."""
        self._taken.add(run)
        run.add_done_callback(self._give_back)

    def _give_back(self, run: asyncio.Future[Any]) -> None:
        self._taken.discard(run)
        self._overdue.discard(run)
        freed, self._freed = self._freed, run.get_loop().create_future()
        freed.set_result(None)


async def _awaited(leash: Leash) -> ToolResult:
    answered: ToolResult = await leash
    return answered


def why_not(asked: RunTool, *, is_kept: bool) -> str:
    """Why an irreversible tool is not run; empty when it is."""
    if not is_kept:
        return "the tool was not run: it could not be written down first. Try again in a moment"
    if asked.is_repeated:
        return (
            "the tool was not run again: it was started with the same arguments before, and its outcome is "
            "not known. Do not say that it failed; find out, or let the caller know that it is not certain"
        )
    return ""


def _busy() -> ToolResult:
    return failure("too many tools run at the moment; this one was not run", ToolOutcome.BUSY)


def _stopped() -> ToolResult:
    why = "the call broke off, and the tool was stopped; a part of it may have been done"
    return failure(why, ToolOutcome.CANCELLED)


def _unfinished(why: str) -> ToolResult:
    """A plain function cannot be stopped: what it does is not known, and it must not be called a failure."""
    told = (
        f"the tool {why}. It goes on, and may still take effect: do not say that it failed, and do not call "
        "it again"
    )
    return ToolResult(json.dumps({"unfinished": told}), ToolOutcome.TIMED_OUT)
