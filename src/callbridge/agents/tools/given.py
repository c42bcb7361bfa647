"""Tools whose schema is given, and not read off a function: those of forms, flows, keys and HTTP."""

from __future__ import annotations

import inspect
import json
from copy import copy
from typing import TYPE_CHECKING, Any, TypeAlias

from callbridge.agents.tools.schema import ToolError, faults_of
from callbridge.agents.tools.tool import (
    Manner,
    Tool,
    ToolRefused,
    ToolResult,
    failed,
    refuse_odd_json,
    success,
)
from callbridge.wire.realtime_commands import FunctionTool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callbridge.agents.context import Call

Answer: TypeAlias = "Callable[[dict[str, Any], Call[Any]], object | Awaitable[object]]"
"""Gets the arguments as the model wrote them, an object and nothing more: whoever answers judges them.

What it returns is told to the model, a `ToolResult` as it is. `ToolRefused` is told in its words.
"""


class GivenTool:
    """One of them. It runs on the event loop, so it must not block.

    Args:
        name: what the model calls it.
        description: when to call it.
        schema: JSON Schema of its arguments, of type object.
        answer: what it does.
        manner: how it is run.
        judge: raises ToolRefused where it could not be done with these arguments. Does nothing itself.

    Raises:
        ToolError: the model would refuse its schema.
    """

    is_plain = False

    def __init__(
        self,
        name: str,
        description: str,
        schema: dict[str, Any],
        answer: Answer,
        manner: Manner | None = None,
        judge: Answer | None = None,
    ) -> None:
        if fault := next(faults_of(schema), None):
            raise ToolError(f"tool {name}: {fault}")
        self.name, self._answer, self._judge = name, answer, judge
        self.manner = (manner or Manner()).checked(name)
        self.definition = FunctionTool(name, description, schema)
        """The tool as the session announces it."""

    def doing(self, answer: Answer) -> GivenTool:
        """The same tool for one call, with what it does there. Its schema is not looked at again."""
        other = copy(self)
        other._answer = answer
        return other

    def behind(self, check: Callable[[], None]) -> GivenTool:
        """The same tool behind a check: `check` raises ToolRefused where it may not begin any more."""

        def checked(arguments: dict[str, Any], call: Call[Any]) -> object:
            check()
            return self._answer(arguments, call)

        other = copy(self)
        other._answer = checked
        return other

    def fault_in(self, arguments: str, call: Call[Any]) -> ToolResult | None:
        """What the model is told where it cannot be run with these arguments. Runs nothing, never raises."""
        try:
            read = _read(arguments)
            if self._judge is not None:
                self._judge(read, call)
        except BaseException as error:  # noqa: BLE001  # As below.
            return failed(self.name, error)
        return None

    async def answer_async(self, arguments: str, call: Call[Any], _call_id: str = "") -> ToolResult:
        """Reads `arguments` (JSON text) and answers. Never raises."""
        try:
            answered: Any = self._answer(_read(arguments), call)
            if inspect.isawaitable(answered):
                answered = await answered
            return answered if isinstance(answered, ToolResult) else success(answered)
        except BaseException as error:  # noqa: BLE001  # As with a function of the user's: the call goes on.
            return failed(self.name, error)


AnyTool: TypeAlias = Tool | GivenTool
"""What a model may ask for: a function of the user's, or what has a schema of its own."""


def _read(arguments: str) -> dict[str, Any]:
    refuse_odd_json(arguments)
    try:
        read = json.loads(arguments)
    except (ValueError, RecursionError) as error:
        raise ToolRefused("invalid arguments: this is no JSON text") from error
    if not isinstance(read, dict):
        raise ToolRefused("invalid arguments: they must be an object")
    return read
