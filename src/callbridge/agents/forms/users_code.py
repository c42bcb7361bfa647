"""The user's code that a form calls: when it was captured, and when the caller refused it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.context import Call
from callbridge.agents.fault import AgentFault
from callbridge.agents.texts import call_parameters
from callbridge.agents.tools import Manner, Tool

if TYPE_CHECKING:
    from collections.abc import Callable

_BY_NAME: Final = frozenset({inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY})

_ONCE: Final = Manner(is_irreversible=True)
"""It runs only when it is on disk that it begins."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A function of the user's, and what it asks for."""

    function: Callable[..., object]
    calls: tuple[str, ...]
    """Parameters that are given the call."""
    given: tuple[str, ...]
    """The one that is given what it is called for, if it asks."""

    def work(self, name: str, give: Callable[[], object]) -> Tool:
        """The work that runs it.

        Args:
            name: for the log.
            give: what it is called for.
        """

        async def run(call: Call[Any]) -> object:
            return await self._begin(call, give())  # type: ignore[misc]  # It is a coroutine function.

        def run_plain(call: Call[Any]) -> object:
            return self._begin(call, give())

        work = run if inspect.iscoroutinefunction(self.function) else run_plain
        work.__name__, work.__doc__ = name, f"Runs the code of {name}."
        return Tool(work, _ONCE)

    def _begin(self, call: Call[Any], given: object) -> object:
        return self.function(**dict.fromkeys(self.calls, call), **dict.fromkeys(self.given, given))


def handler_of(function: Callable[..., object], where: str) -> Handler:
    """How `function` is called.

    Raises:
        AgentFault: it asks for something that it cannot be given.
    """
    calls = call_parameters(function)
    others = [one for one in inspect.signature(function).parameters.values() if one.name not in calls]
    given = tuple(one.name for one in others if one.default is one.empty and one.kind in _BY_NAME)
    if len(given) > 1 or any(one.kind is one.POSITIONAL_ONLY for one in others):
        raise AgentFault(
            f"{where}: the function is given the call, in a parameter annotated Call, and one thing more; "
            f"take away the other parameters: {', '.join(one.name for one in others)}"
        )
    return Handler(function, calls, given)
