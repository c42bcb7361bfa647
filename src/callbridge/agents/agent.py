"""The agent: what answers the telephone. A plain object that lives in the user's own module."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

from callbridge.agents.toolbox import Toolbox
from callbridge.agents.tools import EndCall, Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Function = TypeVar("Function", bound=Callable[..., object])


class Agent:
    """Who answers.

    What is left out is filled from the settings (`CALLBRIDGE_AGENT_INSTRUCTIONS`,
    `CALLBRIDGE_AGENT_GREETING`, `CALLBRIDGE_REALTIME_VOICE`).

    Args:
        instructions: who the agent is and how it behaves.
        greeting: its first words, said exactly.
        voice: a voice of the model.
        tools: functions with type hints and a docstring. More may be added with the `tool` decorator.
        can_hang_up: whether the agent may end the call by itself, after a goodbye.
        greeting_interruptible: whether the caller's first word stops the greeting. Otherwise it is heard: the
            caller is listened to meanwhile, and answered behind it.

    Example:
        ```python
        agent = Agent(instructions="You answer for Harbour Bakery.", greeting="Harbour Bakery, hello!")

        @agent.tool
        async def opening_hours(day: str) -> str:
            "When the shop is open on a day of the week."
            return "7 to 18"
        ```
    """

    def __init__(
        self,
        *,
        instructions: str | None = None,
        greeting: str | None = None,
        voice: str | None = None,
        tools: Iterable[Callable[..., object]] = (),
        can_hang_up: bool = True,
        greeting_interruptible: bool = False,
    ) -> None:
        self.instructions = instructions
        self.greeting = greeting
        self.voice = voice
        self.greeting_interruptible = greeting_interruptible
        self.toolbox = Toolbox()
        if can_hang_up:
            self.toolbox.add(Tool(end_call))
        for function in tools:
            self.tool(function)

    @overload
    def tool(self, function: Function) -> Function: ...

    @overload
    def tool(
        self,
        *,
        timeout_s: float | None = None,
        irreversible: bool = False,
        finishes_after_hangup: bool = True,
    ) -> Callable[[Function], Function]: ...

    def tool(
        self,
        function: Function | None = None,
        *,
        timeout_s: float | None = None,
        irreversible: bool = False,
        finishes_after_hangup: bool = True,
    ) -> Function | Callable[[Function], Function]:
        """Makes `function` a tool of this agent. Usable as a decorator, with or without what follows.

        Args:
            function: with type hints and a docstring.
            timeout_s: seconds that it may take, at most 12. None: `CALLBRIDGE_TOOL_SECONDS`.
            irreversible: it must not happen twice, like a payment: it runs only once its start is on disk,
                and not again as long as it is not known how an earlier run ended.
            finishes_after_hangup: whether it goes on, for at most 8 s, when the caller hangs up. An
                irreversible one always does.

        Raises:
            ToolError: a parameter has no type hint, the docstring is missing, the name is taken, or the model
                would refuse its schema.
        """

        def add(function: Function) -> Function:
            self.toolbox.add(
                Tool(
                    function,
                    timeout_s=timeout_s,
                    irreversible=irreversible,
                    finishes_after_hangup=finishes_after_hangup,
                )
            )
            return function

        return add if function is None else add(function)

    def __repr__(self) -> str:
        return f"<Agent with tools: {', '.join(self.toolbox.names) or 'none'}>"


async def end_call() -> EndCall:  # Not in a thread: it is over at once.
    """End the telephone call. Say goodbye in the same answer, before you call this."""
    return EndCall("The call ends when your last words were heard, unless the caller speaks again.")
