"""The tools that the model has asked for: which run, for which response, and which session knows of them.

When their results are answered is decided in `floor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.call.actions import RunTool
from callbridge.wire import realtime_commands as commands

if TYPE_CHECKING:
    from callbridge.call.events import ToolFinished
    from callbridge.call.floor.responses import LiveResponse
    from callbridge.call.outbox import Outbox
    from callbridge.wire import realtime_events


@dataclass(slots=True)
class Running:
    """A tool that runs."""

    tool: RunTool
    cause: LiveResponse | None
    """The response that called it; None once its session is gone."""
    since: float
    """Since when the caller waits for what comes of it."""
    is_foreign: bool = False
    """The present session has never heard of this call."""


class ToolCalls:
    """The tool calls of one call."""

    def __init__(self, timeout_s: float, out: Outbox) -> None:
        self._timeout_s, self._out = timeout_s, out
        self.running: dict[str, Running] = {}
        """By `call_id`."""
        self._seen: set[str] = set()
        self.untold: list[tuple[Running, ToolFinished]] = []
        """Those that finished while there was no session, with their results."""
        self.used = 0
        self.done_at = float("-inf")
        """When one last answered."""

    @property
    def causes(self) -> list[LiveResponse]:
        """The responses that wait for a tool."""
        return [running.cause for running in self.running.values() if running.cause is not None]

    def add_times(self, times: list[float]) -> None:
        """Adds since when the caller waits for each that runs, or whose result is to be told."""
        if self.running or self.untold:
            times += [running.since for running in self.running.values()]
            times += [running.since for running, _ in self.untold]

    def arguments_of(self, call_id: str) -> str:
        """The arguments of a tool that runs, as the model wrote them."""
        return self.running[call_id].tool.arguments if call_id in self.running else ""

    def start(self, item: realtime_events.Item, cause: LiveResponse | None, now: float) -> None:
        """A whole function call runs beside the audio, once; an interrupted one may lack arguments.

        It is told of as well (Realtime reference, response.output_item.done), with another status. Without a
        status it is whole unless the caller has interrupted it.
        """
        is_whole = item.status == "completed" or (item.status is None and not (cause and cause.is_muted))
        if item.type != "function_call" or not is_whole or not item.call_id:
            return
        if item.call_id in self._seen:
            return
        self._seen.add(item.call_id)
        if cause is not None:
            cause.has_called = True
        tool = RunTool(item.call_id, item.name or "", item.arguments or "{}", self._timeout_s)
        self.running[item.call_id] = Running(tool, cause, now if cause is None else cause.since)
        self._out.do(tool)

    def finish(self, call_id: str) -> Running | None:
        """A tool has answered. None for one that nobody waits for."""
        running = self.running.pop(call_id, None)
        self.used += running is not None
        return running

    def tell(self, running: Running, result: ToolFinished) -> str:
        """Posts a result and answers its item; a session that did not make the call is told of it first.

        A result names its call (Realtime guide, "Function calling").
        """
        tool = running.tool
        if running.is_foreign:
            call = commands.FunctionCall(self._out.next_item_id(), tool.call_id, tool.name, tool.arguments)
            self._out.tell_model(commands.CreateItem(item=call))
        item_id = self._out.next_item_id()
        output = commands.FunctionCallOutput(item_id, result.call_id, result.output)
        self._out.tell_model(commands.CreateItem(item=output))
        return item_id

    def session_lost(self) -> None:
        """The tools run on, for a session that knows nothing of them."""
        for running in self.running.values():
            running.cause, running.is_foreign = None, True

    def forget(self) -> None:
        """Nobody will ask for their results."""
        self.running.clear()
        self.untold.clear()
