"""The user's code that a form calls: when it was captured, and when the caller refused it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.context import Call
from callbridge.agents.fault import AgentFault
from callbridge.agents.texts import call_parameters
from callbridge.agents.tools.tool import Manner, Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BY_NAME: Final = frozenset({inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY})

_ONCE: Final = Manner(is_irreversible=True)
"""It runs only when it is on disk that it begins."""


class Handler:
    """A function of the user's, and what it asks for.

    Args:
        function: what they have written.
        calls: its parameters that are given the call.
        given: the one that is given what it is called for, if it asks.
        name: for the log.
    """

    def __init__(
        self, function: Callable[..., object], calls: Iterable[str], given: Iterable[str], name: str
    ) -> None:
        self.function, self._calls, self._given = function, tuple(calls), tuple(given)
        self._tool = Tool(self._run(lambda: None), _ONCE, name=name)
        """Of no call: to read a signature takes a millisecond."""

    @property
    def takes_more(self) -> bool:
        """Whether it asks for what it is called for, beside the call."""
        return bool(self._given)

    def given(self, call: Call[Any], what: object) -> dict[str, object]:
        """What it is called with."""
        return {**dict.fromkeys(self._calls, call), **dict.fromkeys(self._given, what)}

    def work(self, give: Callable[[], object]) -> Tool:
        """The work that runs it in one call; `give` says what it is called for."""
        return self._tool.doing(self._run(give))

    def _run(self, give: Callable[[], object]) -> Callable[..., object]:
        async def run(call: Call[Any]) -> object:
            return await self._begin(call, give())  # type: ignore[misc]  # It is a coroutine function.

        def run_plain(call: Call[Any]) -> object:
            return self._begin(call, give())

        return run if inspect.iscoroutinefunction(self.function) else run_plain

    def _begin(self, call: Call[Any], given: object) -> object:
        return self.function(**self.given(call, given))


def handler_of(function: Callable[..., object], where: str, name: str) -> Handler:
    """How `function` is called.

    Args:
        function: what the user has written.
        where: for who reads what is wrong with it.
        name: for the log.

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
    return Handler(function, calls, given, name)
