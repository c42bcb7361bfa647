"""`tool`: how a tool is written that is not of a whole agent, but of a step of its flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import Manner, Tool

if TYPE_CHECKING:
    from callbridge.agents.tools.given import AnyTool


def tool(
    *,
    timeout_s: float | None = None,
    irreversible: bool = False,
    confirm: bool = False,
    while_running: str = "",
    waiting_sound: bool = False,
    when_caller_hangs_up: Literal["finish", "cancel"] = "finish",
    answers: Literal["now", "later"] = "now",
) -> Callable[[Callable[..., object]], Tool]:
    """Makes a function a tool: for `Step(tools=[…])`, or for the `tools` of an agent.

    A function with nothing to say about how it is run can stand there as it is.

    Args:
        timeout_s: as in `Agent.tool`, and so all that follows.
        irreversible: it must not happen twice.
        confirm: the caller is asked first.
        while_running: what the agent says meanwhile.
        waiting_sound: what the caller hears meanwhile.
        when_caller_hangs_up: whether it goes on then.
        answers: whether it is waited for.

    Raises:
        ToolError: of what it makes, as in `Agent.tool`.

    Example:
        ```python
        @tool(confirm=True, irreversible=True)
        async def book(slot: str) -> str:
            "Books a slot."
            return await calendar.book(slot)


        step = Step("book", "Book what they have chosen.", tools=[book])
        ```
    """
    manner = Manner(
        timeout_s=timeout_s,
        is_irreversible=irreversible,
        is_confirmed=confirm,
        while_running=while_running,
        has_waiting_sound=waiting_sound,
        stops_at_hangup=when_caller_hangs_up == "cancel",
        is_later=answers == "later",
    )
    return lambda function: Tool(function, manner)


def tool_of(given: Callable[..., object] | AnyTool) -> AnyTool:
    """What was written, as a tool.

    Raises:
        ToolError: it cannot be one.
    """
    return given if isinstance(given, Tool | GivenTool) else Tool(given)
