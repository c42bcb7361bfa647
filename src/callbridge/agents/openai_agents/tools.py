"""Tools and handoffs of the SDK as the model is offered them: with the SDK's schema, run by its session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from agents import FunctionTool, Handoff

from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.schema import ToolError, checked_name
from callbridge.agents.tools.tool import LATER_S_MAX, TIMEOUT_S_MAX, Manner, ToolResult, failed

if TYPE_CHECKING:
    from agents import Tool

    from callbridge.agents.context import Call

Ask: TypeAlias = "Callable[[HostedTool, str, str], Awaitable[ToolResult]]"
"""Has the session do a tool, called by this id with these arguments (JSON text)."""

ENDS_ITSELF_S: Final = 0.5
"""A tool of the SDK that has a time of its own says itself what came of it: it has so much longer with us."""


APPROVED_WITHIN_S: Final = 8.0
"""What somebody has to approve a tool that the caller waits for: then it has still four seconds to run."""

APPROVAL_S_MAX: Final = LATER_S_MAX - TIMEOUT_S_MAX


@dataclass(frozen=True, slots=True)
class Waits:
    """How the caller waits for the tools of a guest."""

    while_running: str = ""
    """What the agent says when one takes longer than a moment."""
    has_waiting_sound: bool = True
    """The caller hears a soft sound meanwhile."""
    approval_s: float | None = None
    """What somebody has to approve a tool, while the agent talks on. None: the caller waits for it."""

    @property
    def approved_within_s(self) -> float:
        """What somebody has, either way."""
        return self.approval_s or APPROVED_WITHIN_S

    def manner_of(self, tool: FunctionTool) -> Manner:
        """How a tool is run."""
        manner = Manner(
            timeout_s=_bound_s(tool.timeout_seconds),
            while_running=self.while_running,
            has_waiting_sound=self.has_waiting_sound,
        )
        if tool.needs_approval is False:
            return manner
        if self.approval_s is None:
            return replace(manner, timeout_s=TIMEOUT_S_MAX)
        return replace(manner, timeout_s=self.approval_s + TIMEOUT_S_MAX, is_later=True)


_AS_USUAL: Final = Waits()


class HostedTool(GivenTool):
    """A tool, or a handoff, that the session of the SDK runs.

    Args:
        tool: as the SDK has it.
        ask: who runs it; without, it is only shown.
        waits: how the caller waits for it.

    Raises:
        ToolError: it is no function, or the model would refuse its name or its schema.
    """

    def __init__(
        self, tool: Tool | Handoff[Any, Any], ask: Ask | None = None, waits: Waits = _AS_USUAL
    ) -> None:
        self._ask = ask
        self.leads_to = ""
        """The agent to whom it hands the call over; empty for a tool."""
        if isinstance(tool, Handoff):
            self.leads_to = tool.agent_name
            # Who asks again in another session is to be led there again.
            manner = Manner(is_momentary=True)
            name = checked_name(tool.tool_name)
            super().__init__(name, tool.tool_description, tool.input_json_schema, _nobody, manner)
        elif isinstance(tool, FunctionTool):
            manner = waits.manner_of(tool)
            name = checked_name(tool.name)
            super().__init__(name, tool.description, tool.params_json_schema, _nobody, manner)
        else:
            raise ToolError(
                f"tool {getattr(tool, 'name', tool)}: a {type(tool).__name__} runs at the vendor, and a call "
                "has functions only; make it a function_tool"
            )

    def doing(self, answer: Callable[[dict[str, Any], Call[Any]], object]) -> Self:
        """The same tool for one call, with what it does there in place of what the SDK would."""
        other: Self = super().doing(answer)  # type: ignore[assignment]  # A copy of itself.
        other._ask = None
        return other

    async def answer_async(self, arguments: str, call: Call[Any], call_id: str = "") -> ToolResult:
        """Has the session do it, with the arguments as the model wrote them. Never raises."""
        if self._ask is None:
            return await super().answer_async(arguments, call, call_id)
        if (fault := self.fault_in(arguments, call)) is not None:
            return fault
        try:
            return await self._ask(self, call_id, arguments)
        except BaseException as error:  # noqa: BLE001  # As with any function of the user's.
            return failed(self.name, error)


def _bound_s(own_s: float | None) -> float | None:
    return None if own_s is None else min(own_s + ENDS_ITSELF_S, TIMEOUT_S_MAX)


def _nobody(_arguments: dict[str, Any], _call: Call[Any]) -> object:
    raise AssertionError("a tool of the SDK that is only shown was run")
