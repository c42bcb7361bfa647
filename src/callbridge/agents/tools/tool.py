"""Functions that the model may ask for: arguments read strictly, results and errors as words.

A tool never raises into the call. Whatever goes wrong becomes text for the model, so that it can react.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import traceback
from collections.abc import AsyncIterator, Awaitable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

import structlog
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_json

from callbridge.agents.texts import call_parameters
from callbridge.agents.tools.schema import (
    ToolError,
    arguments_model,
    description_of,
    name_of,
    refuse_generator,
)
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.wishes import HangUp, Wish
from callbridge.wire.realtime_commands import FunctionTool

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from callbridge.agents.context import Call

OUTPUT_BYTES_MAX: Final = 8 * 1024
"""A longer result is replaced by an error: the model reads it again with every later response."""

WORDS_MAX: Final = 1000
"""Characters of an error: a validator may quote what it was given."""

TIMEOUT_S_MAX: Final = 12.0
"""The longest that a tool may take. A caller who has heard nothing for 15 s is given to the fallback plan
(`Limits.give_up_after_s`): 12 s, a quarter for the disk, and the rest for the model's next words."""

_FRAMES_LOGGED: Final = 20


LATER_S_MAX: Final = 300.0
"""The same of a tool that answers later: the caller talks on with the agent meanwhile."""


class ToolRefused(ValueError):  # noqa: N818  # What is refused is no error of the program.
    """What the model asked for is not done. The text is for it: why not, and what to do instead."""


class EndCall(str):
    """A tool's result that ends the call once the agent's last words were heard. The model gets the text."""

    __slots__ = ()


class Transfer(str):
    """A tool's result that puts the caller through to one of the agent's destinations, named here.

    Args:
        name: of the destination: `sales`.
        say: what the caller is told before, exactly; without it the destination's own words, or the model's.
        reason: why, for the briefing of who is rung.
        summary: what the call was about, for the same.
    """

    __slots__ = ("reason", "say", "summary")

    say: str
    reason: str
    summary: str

    def __new__(cls, name: str, *, say: str = "", reason: str = "", summary: str = "") -> Self:
        """The name, with what belongs to it."""
        made = super().__new__(cls, name)
        made.say, made.reason, made.summary = _text(say), _text(reason), _text(summary)
        return made


class HandTo(str):
    """A tool's result that hands the caller over to another agent, named here: one of its `handoffs`.

    Args:
        name: of the agent: `billing`.
        say: what the caller hears first of it, exactly; without it the words of the `Handoff`, or its own.
        given: what is passed to it, where the `Handoff` asks for an input.
    """

    __slots__ = ("given", "say")

    say: str
    given: BaseModel | None

    def __new__(cls, name: str, *, say: str = "", given: BaseModel | None = None) -> Self:
        """The name, with what belongs to it."""
        made = super().__new__(cls, name)
        made.say, made.given = _text(say), given
        return made


def _text(given: object) -> str:
    """What a user's code has given for a text: it may be None, or a number, and the call goes on."""
    return "" if given is None else str(given)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the model is told, how it came about, and what the agent wants done to the call afterwards."""

    output: str
    outcome: ToolOutcome = ToolOutcome.ANSWERED
    wish: Wish | None = None
    is_momentary: bool = False
    """See `Manner`."""
    is_quiet: bool = False
    """The model need not speak about it: it is told, and waits for what it hears next."""
    transfer: Transfer | None = None
    """To whom the caller is to be put through. Who that is, and whether they are there, is found out yet."""
    hand_to: HandTo | None = None
    """The agent that is to go on with the caller. Whether it may is found out yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a tool is run."""

    timeout_s: float | None = None
    """How long it may take; None for as long as the settings say."""
    is_irreversible: bool = False
    """It must not be done twice, nor be forgotten: it runs only once its start is on disk, and not again when
    it is not known how an earlier run ended."""
    is_confirmed: bool = False
    """It runs only once the caller was asked, and has answered."""
    while_running: str = ""
    """What the agent says when it takes longer than a moment."""
    has_waiting_sound: bool = False
    """The caller hears a soft sound while it takes longer than a moment."""
    stops_at_hangup: bool = False
    """It is stopped when the call ends; otherwise it has some seconds to finish."""
    is_later: bool = False
    """The model is told at once that it has begun, and what came of it when it is done."""
    awaits_answer: bool = False
    """It depends on what the caller has said just now. The words of something short are waited for: they say
    whether it was a "yes" or a cough."""
    is_momentary: bool = False
    """What it answers depends on what has happened by then, as with the tools of a form. Others, asked for
    again because a session was lost, are answered with the result that is known; this one runs again."""

    def checked(self, name: str) -> Manner:
        """The manner itself.

        Raises:
            ToolError: it cannot be run so.
        """
        longest_s = LATER_S_MAX if self.is_later else TIMEOUT_S_MAX
        if self.timeout_s is not None and not 0 < self.timeout_s <= longest_s:
            raise ToolError(f"tool {name}: timeout_s={self.timeout_s:g}; set it above 0, to {longest_s:g}")
        return self


class Tool:
    """One function of the agent.

    Args:
        function: with type hints and a docstring.
        manner: how it is run.
        name: of one that no model sees; by default that of the function, which then says in its docstring
            what it is for.

    Raises:
        ToolError: it cannot be a tool as it is written.
    """

    def __init__(
        self, function: Callable[..., object], manner: Manner | None = None, *, name: str = ""
    ) -> None:
        self.name = name or name_of(function)
        refuse_generator(function, self.name)
        self.manner = (manner or Manner()).checked(self.name)
        self.is_plain = not inspect.iscoroutinefunction(function)
        """It may block, so it runs in a thread."""
        self._function = function
        self._calls = call_parameters(function)
        """The parameters that are given the call."""
        description, texts = (name, {}) if name else description_of(function, self.name)
        self._arguments, schema = arguments_model(function, texts)
        self.definition = FunctionTool(self.name, description, schema)
        """The tool as the session announces it."""

    @property
    def function_name(self) -> str:
        """What the user has called it, whatever the model does."""
        return getattr(self._function, "__name__", self.name)

    def doing(self, function: Callable[..., object]) -> Tool:
        """The same tool for one call: `function` has the same parameters, and is not read again."""
        other = copy(self)
        other._function = function
        return other

    def behind(self, check: Callable[[], None]) -> Tool:
        """The same tool behind a check: `check` raises ToolRefused where it may not begin any more."""

        def checked(**given: object) -> object:
            check()
            return self._function(**given)

        return self.doing(checked)

    def answer(self, arguments: str, call: Call[Any]) -> ToolResult | Awaitable[object]:
        """Reads `arguments` (JSON text), calls a plain function, puts its result into words. Never raises.

        A plain function around an async one, as decorators make it, answers with something to be awaited.
        """
        try:
            result = self._function(**self._read(arguments), **dict.fromkeys(self._calls, call))
            return result if isinstance(result, Awaitable) else success(result)
        except BaseException as error:  # noqa: BLE001  # A user's code may raise anything; the call goes on.
            return failed(self.name, error)

    async def answer_async(self, arguments: str, call: Call[Any], _call_id: str = "") -> ToolResult:
        """The same of an async function."""
        try:
            result: Any = self._function(**self._read(arguments), **dict.fromkeys(self._calls, call))
            return success(await result)
        except BaseException as error:  # noqa: BLE001  # SystemExit would end the process, and every call with it.
            return failed(self.name, error)

    def fault_in(self, arguments: str, _call: Call[Any]) -> ToolResult | None:
        """What the model is told where it cannot be run with these arguments. Runs nothing, never raises."""
        try:
            self._read(arguments)
        except BaseException as error:  # noqa: BLE001  # A type of the user's may raise anything, too.
            return failed(self.name, error)
        return None

    async def finish(self, awaited: Awaitable[object]) -> ToolResult:
        """What comes of something that a plain function has answered with."""
        try:
            return success(await awaited)
        except BaseException as error:  # noqa: BLE001  # As above.
            return failed(self.name, error)

    def _read(self, arguments: str) -> dict[str, Any]:
        """The arguments by name: nothing is converted, added, guessed or passed over."""
        refuse_odd_json(arguments)
        try:
            parsed = self._arguments.model_validate_json(arguments, strict=True, extra="forbid")
        except ValidationError as error:
            raise ToolRefused(f"invalid arguments: {in_words(error)}") from error
        return {str(field.alias): getattr(parsed, key) for key, field in type(parsed).model_fields.items()}


def failed(name: str, error: BaseException) -> ToolResult:
    """What the model is told when a tool raised.

    The kind of an error only: its text may hold the caller's words.
    """
    match error:
        case ToolRefused():
            return failure(str(error), ToolOutcome.REFUSED)
        case asyncio.CancelledError():
            return failure("the tool was cancelled before it had answered", ToolOutcome.CANCELLED)
        case TimeoutError():
            return failure("the tool timed out")
    where = "".join(traceback.format_tb(error.__traceback__, limit=-_FRAMES_LOGGED))
    log = structlog.get_logger()
    kind = type(error).__name__
    log.warning("tool_raised", tool=name, error=kind, exception=f"{where}{kind}")
    return failure(f"the tool failed: {type(error).__name__}")


def failure(why: str, outcome: ToolOutcome = ToolOutcome.FAILED) -> ToolResult:
    """What the model is told when it gets no answer."""
    words = why if len(why) <= WORDS_MAX else f"{why[:WORDS_MAX]} …"
    return ToolResult(json.dumps({"error": words}), outcome)


def success(result: object) -> ToolResult:
    """What the model is told of a value that a tool has answered with; a `ToolResult` as it is."""
    if isinstance(result, ToolResult):
        return result
    if isinstance(result, Transfer):
        return ToolResult("", transfer=result)
    if isinstance(result, HandTo):
        return ToolResult("", hand_to=result)
    if isinstance(result, Iterator | AsyncIterator):  # Its body is not run here: it may never end.
        return failure(f"the tool answered with a {type(result).__name__}, which is no value; use a list")
    try:
        output = result if isinstance(result, str) else to_json(result).decode()
    except PydanticSerializationError:
        return failure(f"the tool answered with a {type(result).__name__}, which has no JSON form")
    if len(output.encode()) > OUTPUT_BYTES_MAX:
        return failure(f"the tool's answer is longer than {OUTPUT_BYTES_MAX} bytes; ask for less")
    if not isinstance(result, str):
        try:
            refuse_odd_json(output)
        except ToolRefused as error:
            why = str(error).removeprefix("invalid arguments: ")
            return failure(f"the tool's answer has no JSON form: {why}")
    return ToolResult(str(output), wish=HangUp() if isinstance(result, EndCall) else None)


# --- JSON, as it is meant -----------------------------------------------------------------------------


def refuse_odd_json(text: str) -> None:
    """Refuses what JSON does not have, and what two readers would read in two ways.

    Other faults are for who reads it: they know its fields.
    """
    try:
        json.loads(text, object_pairs_hook=_once, parse_constant=_not_a_number, parse_float=_finite)
    except ToolRefused:
        raise
    except (ValueError, RecursionError):
        return


def _once(pairs: list[tuple[str, object]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ToolRefused("invalid arguments: the same name stands twice in one object")


def _not_a_number(word: str) -> NoReturn:
    raise ToolRefused(f"invalid arguments: {word} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ToolRefused("invalid arguments: a number is too large")
    return number


def in_words(error: ValidationError) -> str:
    """What is wrong with arguments, field by field."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}" for fault in faults)
