"""The tools that the model has asked for: which run, for which response, and which session knows of them.

When their results are answered is decided in `turns`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.call.actions import Action, RunTool, ToolFinished
from callbridge.wire import realtime_commands as commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.call.responses import Response
    from callbridge.wire import realtime


@dataclass(slots=True)
class Running:
    """A tool that runs."""

    tool: RunTool
    cause: Response | None
    """The response that called it; nothing once its session is gone."""
    is_foreign: bool = False
    """The present session has never heard of this call."""


class ToolCalls:
    """The tool calls of one call."""

    def __init__(
        self,
        timeout_s: float,
        do: Callable[[Action], None],
        send: Callable[[commands.AnyCommand], str],
        next_item_id: Callable[[], str],
    ) -> None:
        self._timeout_s = timeout_s
        self._do, self._send, self._next_item_id = do, send, next_item_id
        self._running: dict[str, Running] = {}
        self._seen: set[str] = set()
        self.untold: list[tuple[Running, ToolFinished]] = []
        """Those that finished while there was no session, with their results."""

    def __len__(self) -> int:
        """How many run."""
        return len(self._running)

    @property
    def causes(self) -> list[Response]:
        """The responses that wait for a tool."""
        return [running.cause for running in self._running.values() if running.cause is not None]

    def arguments_of(self, call_id: str) -> str:
        """The arguments of a tool that runs, as the model wrote them."""
        return self._running[call_id].tool.arguments if call_id in self._running else ""

    def start(self, item: realtime.Item, cause: Response | None) -> None:
        """A whole function call runs beside the audio, once; an interrupted one may lack arguments."""
        if item.type != "function_call" or item.status != "completed" or not item.call_id:
            return
        if item.call_id in self._seen:
            return
        self._seen.add(item.call_id)
        tool = RunTool(item.call_id, item.name or "", item.arguments or "{}", self._timeout_s)
        self._running[item.call_id] = Running(tool, cause)
        self._do(tool)

    def finish(self, call_id: str) -> Running | None:
        """A tool has answered. Nothing for one that nobody waits for."""
        return self._running.pop(call_id, None)

    def tell(self, running: Running, result: ToolFinished) -> str:
        """Posts a result and answers its item; a session that did not make the call is told of it first."""
        tool = running.tool
        if running.is_foreign:
            call = commands.FunctionCall(self._next_item_id(), tool.call_id, tool.name, tool.arguments)
            self._send(commands.CreateItem(item=call))
        item_id = self._next_item_id()
        output = commands.FunctionCallOutput(item_id, result.call_id, result.output)
        self._send(commands.CreateItem(item=output))
        return item_id

    def session_lost(self) -> None:
        """The tools run on, for a session that knows nothing of them."""
        for running in self._running.values():
            running.cause, running.is_foreign = None, True

    def forget(self) -> None:
        """Nobody will ask for their results."""
        self._running.clear()
        self.untold.clear()
