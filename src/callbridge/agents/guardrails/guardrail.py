"""What users write: a function that looks at words of the agent, or at a tool that it is about to use."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from callbridge.agents.fault import AgentFault
from callbridge.agents.texts import call_parameters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callbridge.agents.context import Call

    Verdict: TypeAlias = bool | str | None
    Looks: TypeAlias = Callable[..., Verdict | Awaitable[Verdict]]
    Function = TypeVar("Function", bound=Callable[..., object])

EVERY: Final = 30
"""Characters between two looks: two seconds of speech."""

SAY_MAX: Final = 500
"""Characters of a corrective sentence."""

_NAME: Final = re.compile(r"\w[\w .-]{0,63}")


class Guardrail:
    """Looks at what the agent says while it says it, and may stop it. Made by `guardrail`.

    Args:
        function: gets the text, and the call in a parameter annotated `Call`.
        every: characters between two looks.
        say: what is said, exactly, in place of what was stopped; empty: the model finds a better answer.
        waits: says of a text that grows whether the verdict depends on what follows: it is not looked at
            before there is more of it, or its end. A function that blocks for no time, and raises nothing. By
            default nothing is waited for.

    Raises:
        AgentFault: it cannot be one.
    """

    def __init__(
        self,
        function: Looks,
        *,
        every: int = EVERY,
        say: str = "",
        waits: Callable[[str], bool] = lambda _text: False,
    ) -> None:
        self.function, self.every, self.say, self.waits = function, every, say, waits
        self.name, self.about = _name_of(function), _about(function)
        (self._text,) = _parameters(function, self.name, ("the text",))
        self._calls = call_parameters(function)
        if every < 1:
            raise AgentFault(f"guardrail {self.name}: every={every}; it looks every 1 character or more")
        if len(say) > SAY_MAX:
            raise AgentFault(f"guardrail {self.name}: say= is longer than {SAY_MAX} characters; say less")

    def given(self, text: str, call: Call[Any]) -> dict[str, object]:
        """What the function is called with."""
        return {self._text: text, **dict.fromkeys(self._calls, call)}

    def __repr__(self) -> str:
        return f"<Guardrail {self.name}>"


class ToolGuardrail:
    """Looks at a tool that the model wants to use, before it runs. Made by `tool_guardrail`.

    Args:
        function: gets the tool's name and its arguments, and the call in a parameter annotated `Call`.

    Raises:
        AgentFault: it cannot be one.
    """

    def __init__(self, function: Looks) -> None:
        self.function = function
        self.name, self.about = _name_of(function), _about(function)
        asks_for = ("the tool's name", "its arguments")
        self._tool, self._arguments = _parameters(function, self.name, asks_for)
        self._calls = call_parameters(function)

    def given(self, tool: str, arguments: dict[str, Any], call: Call[Any]) -> dict[str, object]:
        """What the function is called with."""
        return {self._tool: tool, self._arguments: arguments, **dict.fromkeys(self._calls, call)}

    def __repr__(self) -> str:
        return f"<ToolGuardrail {self.name}>"


AnyGuardrail: TypeAlias = Guardrail | ToolGuardrail


class Guardrails:
    """Those of one agent."""

    def __init__(self) -> None:
        self.of_words: list[Guardrail] = []
        self.of_tools: list[ToolGuardrail] = []

    def add(self, given: Looks | AnyGuardrail) -> None:
        """One more. A function as it is looks at words.

        Raises:
            AgentFault: it cannot be one, or the record would not know it from another of its name.
        """
        added = given if isinstance(given, Guardrail | ToolGuardrail) else Guardrail(given)
        names = {one.name for one in self.of_words} | {one.name for one in self.of_tools}
        if added.name in names:
            raise AgentFault(f"guardrail {added.name}: there are two of this name; rename one function")
        if isinstance(added, Guardrail):
            self.of_words.append(added)
        else:
            self.of_tools.append(added)


def guardrail(*, every: int = EVERY, say: str = "") -> Callable[[Looks], Guardrail]:
    """Makes a function look at what agents say, while they say it: for `Agent(guardrails=[…])`.

    The function gets the text so far of what the agent is saying, and the call in a parameter annotated
    `Call`. It may be async, and has 2 s; one that is late or raises stops nothing. It answers None or False
    where all is well. True, or a sentence, stops the agent: the caller hears no more of it, and the model
    remembers no more than they have heard. A function with no need for what follows can stand there as it is.

    Args:
        every: characters between two looks; the end of an answer is looked at in any case.
        say: what is said then, exactly; a sentence that the function answers comes before it. Without either
            the model is told why, and asked for another answer. The docstring of the function is what it is
            told.

    Raises:
        AgentFault: it has other parameters.

    Example:
        ```python
        @guardrail(say="I am not allowed to tell you prices.")
        def no_prices(text: str) -> bool:
            "Prices are told by the shop alone."
            return "$" in text or "dollar" in text


        agent = Agent(guardrails=[no_prices])
        ```
    """
    return lambda function: Guardrail(function, every=every, say=say)


def tool_guardrail(function: Looks) -> ToolGuardrail:
    """Makes a function look at every tool that the model wants to use: for `Agent(guardrails=[…])`.

    The function gets the tool's name and its arguments, and the call in a parameter annotated `Call`. It may
    be async, and has 1 s. It answers None or False where all is well. True, or words, refuse it: the tool
    does not run, and the model is told these. So it is, too, where the function is late or raises.

    Raises:
        AgentFault: it has other parameters.

    Example:
        ```python
        @tool_guardrail
        def small_sums(tool: str, arguments: dict[str, object]) -> str | None:
            if tool == "pay" and float(arguments["dollars"]) > 100:
                return "Nothing above 100 dollars. Offer to have somebody call back."
            return None


        agent = Agent(guardrails=[small_sums])
        ```
    """
    return ToolGuardrail(function)


def _name_of(function: object) -> str:
    name = getattr(function, "__name__", "")
    if not callable(function) or not _NAME.fullmatch(name):
        raise AgentFault(f"guardrail {function!r}: it is no function with a name; write one with def")
    return name


def _about(function: object) -> str:
    """The first paragraph of its docstring: what it does not want said, in words for the model."""
    about, _, _ = (inspect.getdoc(function) or "").partition("\n\n")
    return " ".join(about.split())


def _parameters(function: Callable[..., object], name: str, asks_for: tuple[str, ...]) -> list[str]:
    """The parameters that are given something else than the call, in order."""
    calls = call_parameters(function)
    found = [one for one in inspect.signature(function).parameters.values() if one.name not in calls]
    by_name = [one.name for one in found if one.kind in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY}]
    needed = by_name[: len(asks_for)]
    rest = [one for one in found if one.name not in needed and one.default is one.empty]
    if len(needed) < len(asks_for) or rest:
        parameters = " and ".join(asks_for)
        raise AgentFault(f"guardrail {name}: it takes {parameters}, and the call (annotated Call) if it asks")
    return needed
