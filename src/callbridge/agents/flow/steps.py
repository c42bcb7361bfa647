"""The steps of a flow and the ways between them, as data, in no call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from callbridge.agents.capture import Form
from callbridge.agents.texts import call_parameters
from callbridge.agents.tools.of_steps import tool_of
from callbridge.agents.tools.schema import ToolError
from callbridge.agents.tools.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping

    from pydantic import BaseModel

    from callbridge.agents.flow.transitions import Transition
    from callbridge.agents.texts import Text
    from callbridge.agents.tools.given import AnyTool

    Handler = Callable[..., Awaitable[object] | object]


class Step:
    """One state of the conversation: what the agent is about, what it can do, and where it goes from there.

    Args:
        name: of letters, digits and _. It stands in facts, in the drawing, and in the model's tools.
        instructions: what the model is told while it is in this step, beside what the agent is told anyway. A
            function of the call is run when the step is entered.
        meanwhile: what the model is told until such a function has answered, and when it fails.
        tools: what the model has in this step, beside the tools of the agent: functions with type hints and a
            docstring, or what `tool` has made of them. A name means a tool of another step.
        captures: a pydantic model that is filled in this step, or a `Form` of one. What was said for it is
            kept when the step is left.
        go: the ways out. Where more than one could be taken, it is the first.
        on_enter: run whenever the step is entered, and not waited for. It may ask for the call.
        ends: whether the agent says its last words in this step, and hangs up.
        transfers: the names of those to whom the model may put the caller through in this step; by default
            all that the agent has.
        transfer: the name of one to whom the caller is put through as soon as the step is entered.
        hand_to: the name of another agent, one of `Agent(handoffs=…)`, to whom the caller is handed over as
            soon as the step is entered. When they are back, the conversation stands in this step.
        recorded: whether a recording of the call holds what is said in this step. `False` for card data, say.

    Raises:
        AgentFault: nobody can be asked for what it captures.
        ToolError: a function cannot be a tool as it is written.
    """

    def __init__(
        self,
        name: str,
        instructions: Text = "",
        *,
        meanwhile: str = "",
        tools: Iterable[Callable[..., object] | AnyTool | str] = (),
        captures: Form[Any] | type[BaseModel] | None = None,
        go: Iterable[Transition] = (),
        on_enter: Handler | None = None,
        ends: bool = False,
        transfers: Iterable[str] | None = None,
        transfer: str = "",
        hand_to: str = "",
        recorded: bool = True,
    ) -> None:
        given = list(tools)
        self.name, self.go, self.ends = name, tuple(go), ends
        self.transfers = None if transfers is None else tuple(transfers)
        self.transfer, self.hand_to, self.recorded = transfer, hand_to, recorded
        self.captures = Form(captures) if isinstance(captures, type) else captures
        self.text = instructions if isinstance(instructions, str) else meanwhile
        """What the model is told as long as nothing else is known."""
        self.borrowed = tuple(one for one in given if isinstance(one, str))
        """Tools of other steps, by name."""
        self.made_of = [(one, tool_of(one)) for one in given if not isinstance(one, str)]
        """What was given for a tool, and the tool."""
        self.enter_work = None if on_enter is None else _work(f"flow_enter_{name}", on_enter)
        """What is run when it is entered."""
        self.words_work = None if isinstance(instructions, str) else _work(f"flow_words_{name}", instructions)
        """What finds its instructions."""

    @property
    def own_tools(self) -> tuple[AnyTool, ...]:
        """The tools that were given to it itself."""
        return tuple(tool for _, tool in self.made_of)

    def __repr__(self) -> str:
        return f"<Step {self.name}>"


@dataclass(frozen=True)
class Plan:
    """Steps, the first of which is where every call begins, and the ways that all of them have."""

    steps: tuple[Step, ...]
    anywhere: tuple[Transition, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Step]:
        """The steps."""
        return {step.name: step for step in self.steps}

    @cached_property
    def own_tools(self) -> Mapping[str, AnyTool]:
        """The tools of all steps, by name."""
        return {tool.name: tool for step in self.steps for tool in step.own_tools}

    def ways(self, step: Step) -> tuple[Transition, ...]:
        """The ways out of a step, its own first."""
        return (*step.go, *(way for way in self.anywhere if way.to != step.name))

    def tools(self, step: Step) -> tuple[AnyTool, ...]:
        """What the model has in a step, without the tools of its form and of the ways out of it."""
        own = self.own_tools
        return (*step.own_tools, *(own[name] for name in step.borrowed if name in own))


def _work(name: str, function: Handler) -> Tool:
    """A function of the user's that no model asks for, as something that is run like a tool."""
    parameters = inspect.signature(function).parameters.values()
    needed = {one.name for one in parameters if one.default is one.empty} - set(call_parameters(function))
    if needed:
        what = getattr(function, "__name__", repr(function))
        raise ToolError(
            f"{what}, parameter {', '.join(sorted(needed))}: it is given the call and nothing else; annotate "
            "the parameter with Call, or give it a default"
        )
    return Tool(function, name=name)
