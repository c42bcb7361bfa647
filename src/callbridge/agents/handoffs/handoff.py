"""`Handoff`: another agent to whom one may hand its caller over, and what the model is told of it."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from pydantic import BaseModel, ValidationError

from callbridge.agents.asking import answer_of
from callbridge.agents.fault import AgentFault
from callbridge.agents.forms.users_code import handler_of
from callbridge.agents.texts import given_to
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import Manner, ToolRefused, in_words, success

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.agents.context import Call

WORK: Final = "hand over"
"""What the agent's own code, or a step of its flow, has asked for. No tool can be called so."""

WORDS_MAX: Final = 500
"""Characters of a description, which the model reads with every answer, and of what is said."""

CALLBACK_S: Final = 4.0
"""What `on_handoff` has. The caller waits meanwhile, and behind it for the other agent's instructions."""

HANDOFF_S: Final = 10.0
"""The callback blocks and awaits at most twice `CALLBACK_S`; the other agent gets ready in two seconds, one
after the other at the worst."""

_MANNER: Final = Manner(timeout_s=HANDOFF_S, is_momentary=True)
"""What it answers holds at that moment."""

_NO_ARGUMENTS: Final[dict[str, Any]] = {"type": "object", "properties": {}, "additionalProperties": False}

_TEXT: Final = (
    "Hand the conversation over to {name}, another assistant of the same line. {description}It goes on with "
    "the caller at once and knows all that was said; no telephone rings. Say nothing of it, and nothing else "
    "in the same answer."
)


def tool_name_of(agent: str) -> str:
    """The tool by which a model hands over to an agent of this name."""
    return f"transfer_to_{re.sub(r'[^A-Za-z0-9_]', '_', agent).lower()}"


class HandedTo(Protocol):
    """Who may be handed over to: an `Agent`."""

    name: str
    handoff_description: str


class Handoff:
    """Another agent to whom an agent may hand its caller over, within the call: `Agent(handoffs=[…])`.

    The model gets a tool `transfer_to_NAME`, as the OpenAI Agents SDK names it. Who stands in `handoffs` as
    an agent alone is one of these with nothing more to say.

    Args:
        agent: the `Agent` that goes on with the caller. It needs a name (`Agent(name=…)`).
        description: what it is for, for the model; by default its `handoff_description`.
        input_type: a pydantic model of what the model has to pass. What does not fit is refused in words.
        on_handoff: a function of yours that runs before. It is given the call, in a parameter annotated
            `Call`, and the input, may be async, and has 4 s. If it raises, the caller stays with this
            agent, and the model is told; the text of a `ToolRefused` in its words. What it returns the other
            agent is told.
        is_enabled: whether the model has this tool at the moment: a plain function of the call, asked after
            whatever happens, so it must be quick.
        say: what the caller hears first of the other agent, exactly. Without it that one finds its words.

    Raises:
        AgentFault: something of this cannot be so.
        ToolError: the model of a call would refuse the schema of the input.

    Example:
        ```python
        class Why(BaseModel):
            "What the other agent should know."
            bill: int

        async def noted(call: Call, why: Why) -> None:
            call.values["bill"] = why.bill

        orders.handoffs.append(Handoff(billing, input_type=Why, on_handoff=noted))
        ```
    """

    def __init__(
        self,
        agent: HandedTo,
        *,
        description: str = "",
        input_type: type[BaseModel] | None = None,
        on_handoff: Callable[..., object] | None = None,
        is_enabled: bool | Callable[..., bool] = True,
        say: str = "",
    ) -> None:
        self.agent, self.say = agent, say.strip()
        self.input_type = _checked_input(input_type)
        self._description = description.strip()
        self._is_enabled = is_enabled
        where = f"handoff to {agent.name or 'an agent without a name'}"
        if max(len(self._description), len(self.say)) > WORDS_MAX:
            raise AgentFault(f"{where}: description and say have at most {WORDS_MAX} characters")
        if inspect.iscoroutinefunction(is_enabled):
            raise AgentFault(f"{where}: is_enabled is asked all the time; make it a plain function")
        self._callback = None if on_handoff is None else handler_of(on_handoff, where, "on_handoff")
        if self._callback is not None and self._callback.takes_more and input_type is None:
            raise AgentFault(f"{where}: on_handoff asks for an input; say which with input_type=…")
        self._tool: GivenTool | None = None

    @property
    def tool_name(self) -> str:
        """What the model calls it."""
        return tool_name_of(self.agent.name)

    @property
    def description(self) -> str:
        """What the other agent is for."""
        return self._description or self.agent.handoff_description

    @property
    def tool(self) -> GivenTool:
        """The tool by which the model asks for it. What that does is said in each call."""
        if self._tool is None:
            description = f"{self.description.rstrip('.')}. " if self.description else ""
            text = _TEXT.format(name=self.agent.name, description=description)
            schema = _NO_ARGUMENTS if self.input_type is None else _schema_of(self.input_type)
            self._tool = GivenTool(self.tool_name, text, schema, lambda _, __: None, _MANNER)
        return self._tool

    def is_open(self, call: Call[Any]) -> bool:
        """Whether the model may ask for it now. A function that raises has not said so."""
        if isinstance(self._is_enabled, bool):
            return self._is_enabled
        try:
            return bool(self._is_enabled(**given_to(self._is_enabled, call)))
        except Exception as error:  # noqa: BLE001  # A user's code may raise anything.
            log = structlog.get_logger()
            log.warning("handoff_predicate_raised", tool=self.tool_name, error=type(error).__name__)
            return False

    def read(self, arguments: dict[str, Any]) -> BaseModel | None:
        """What the model passes.

        Raises:
            ToolRefused: it does not fit.
        """
        if self.input_type is None:
            if arguments:
                raise ToolRefused(f"{self.tool_name} takes no arguments")
            return None
        try:
            return self.input_type.model_validate_json(json.dumps(arguments), strict=True, extra="forbid")
        except ValidationError as error:
            raise ToolRefused(f"invalid arguments: {in_words(error)}") from error

    async def call_back(self, call: Call[Any], given: BaseModel | None) -> str:
        """Runs the user's function; what it has to say to the other agent, if anything.

        Raises:
            TimeoutError: it took longer than it has.
            ToolRefused: what it answers cannot be told.
            Exception: whatever it raises.
        """
        if self._callback is None:
            return ""
        function, arguments = self._callback.function, self._callback.given(call, given)
        answered = success(await answer_of(function, arguments, CALLBACK_S))
        if not answered.outcome.is_answer:
            raise ToolRefused(answered.output)
        return "" if answered.output == "null" else answered.output

    def __repr__(self) -> str:
        return f"<Handoff to {self.agent.name or 'an agent without a name'}>"


def _checked_input(input_type: type[BaseModel] | None) -> type[BaseModel] | None:
    given: object = input_type
    if given is not None and not (isinstance(given, type) and issubclass(given, BaseModel)):
        raise AgentFault(f"input_type={given!r}: write a pydantic model")
    return input_type


def _schema_of(input_type: type[BaseModel]) -> dict[str, Any]:
    schema = input_type.model_json_schema()
    schema.pop("title", None)
    return {**schema, "additionalProperties": False}
