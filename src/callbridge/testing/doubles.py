"""What runs in a test in place of a tool: an answer, a delay, a fault. The model is offered the real tool.

Its name, its schema and how it is run (its timeout, its confirmation) stay those of the agent, and arguments
that it would refuse it refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, assert_never

import msgspec

from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import ToolRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callbridge.agents.agent import Agent
    from callbridge.agents.context import Call
    from callbridge.agents.tools.given import AnyTool

Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Double(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="does"):
    """What a tool does in a test."""


class Returns(Double, frozen=True, tag="returns"):
    """The tool answers with this."""

    value: Any = None
    """Whatever the tool could return, `callbridge.EndCall(…)` and `callbridge.Transfer(…)` among it."""
    after_s: Seconds = 0.0
    """By the clock of the call."""


class Refuses(Double, frozen=True, tag="refuses"):
    """The tool refuses, as one that raises `callbridge.ToolRefused`: the model is told why."""

    why: str
    after_s: Seconds = 0.0


class Raises(Double, frozen=True, tag="raises"):
    """The tool raises. The model is told that it failed, and the call has a complaint: `tool_failed`."""

    error: Any = "the tool is broken"
    """An exception; or the text of a `RuntimeError`."""
    after_s: Seconds = 0.0


class Hangs(Double, frozen=True, tag="hangs"):
    """The tool never answers: its timeout ends it. The call has a complaint: `tool_failed`."""


AnyDouble: TypeAlias = Returns | Refuses | Raises | Hangs

DoubleOf: TypeAlias = "AnyDouble | Sequence[AnyDouble] | Callable[..., object] | object"
"""What stands for one tool: a double; several, one for each time that it is called, the last for all others;
a function with the tool's parameters, plain or async; or else a value that it returns."""


class Doubles:
    """The doubles of one call.

    Args:
        by_name: what stands for which tool.
        agents: whose tools these are.

    Raises:
        ValueError: no agent has a tool of that name.
    """

    def __init__(self, by_name: Mapping[str, DoubleOf], agents: Iterable[Agent]) -> None:
        self._agents = tuple(agents)
        known = {name for agent in self._agents for name in _tools_of(agent)}
        for name in by_name:
            if name not in known:
                has = ", ".join(sorted(known)) or "none"
                raise ValueError(f"tools={{{name!r}: …}}: there is no such tool; the agent has: {has}")
        self._left = {name: _listed(double) for name, double in by_name.items()}

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """For the length of a call: the agents' own are as they were afterwards."""
        before = [(agent, agent.doubles) for agent in self._agents]
        for agent in self._agents:
            agent.doubles = {name: partial(self._double_of, name) for name in self._left}
        try:
            yield
        finally:
            for agent, doubles in before:
                agent.doubles = doubles

    def _double_of(self, name: str, real: AnyTool) -> GivenTool:
        """The tool as the model knows it, that does what the test says."""

        def judge(arguments: dict[str, Any], call: Call[Any]) -> None:
            fault = real.fault_in(json.dumps(arguments), call)
            if fault is not None:
                raise ToolRefused(json.loads(fault.output)["error"])

        async def answer(arguments: dict[str, Any], call: Call[Any]) -> object:
            judge(arguments, call)
            return await self._done(name, arguments)

        told = real.definition
        return GivenTool(name, told.description, dict(told.parameters), answer, real.manner, judge)

    async def _done(self, name: str, arguments: dict[str, Any]) -> object:
        left = self._left[name]
        double = left[0] if len(left) == 1 else left.pop(0)
        if not isinstance(double, Double):
            answered = double(**arguments) if callable(double) else double
            return await answered if inspect.isawaitable(answered) else answered
        return await _does(double)  # type: ignore[arg-type]  # There are no other ones.


async def _does(double: AnyDouble) -> object:
    match double:
        case Returns(value, after_s):
            await asyncio.sleep(after_s)
            return value
        case Refuses(why, after_s):
            await asyncio.sleep(after_s)
            raise ToolRefused(why)
        case Raises(error, after_s):
            await asyncio.sleep(after_s)
            raise error if isinstance(error, BaseException) else RuntimeError(str(error))
        case Hangs():
            return await asyncio.get_running_loop().create_future()
        case _:
            assert_never(double)


def _listed(double: DoubleOf) -> list[Any]:
    if isinstance(double, list | tuple) and double and all(isinstance(one, Double) for one in double):
        return list(double)
    return [double]


def _tools_of(agent: Agent) -> set[str]:
    """Those that run code of the user's: not what a flow or a form has of its own."""
    of_steps = () if agent.flow is None else agent.flow.plan.own_tools
    of_guest = () if agent.guest is None else agent.guest.tool_names
    return {*agent.toolbox.names, *of_steps, *of_guest}
