"""Functions of the user's that answer with a value: called with the call if they ask for it, within a time.

Instructions and greetings may be such functions, and so is what chooses an agent.
"""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args, get_origin, get_type_hints

import structlog

from callbridge.agents.asking import ASKED, answer_of
from callbridge.agents.context import Call
from callbridge.agents.tools.threads import ThreadsBusy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.agents.tools.threads import Threads

Text: TypeAlias = str | Callable[..., str | Awaitable[str]]
"""A text, or a function of the call (or of nothing) that gives it; it may be async."""

TEXT_TIMEOUT_S: Final = 1.0
"""What a function has that is to say what an agent is told. The caller waits meanwhile."""

SUMMARY_TIMEOUT_S: Final = 5.0
"""What a function has that summarises a call: a small model answers in two. No caller waits for it."""


def is_call(hint: object) -> bool:
    """Whether a parameter with this type hint is given the call."""
    return hint is Call or get_origin(hint) is Call


def call_parameters(function: Callable[..., object]) -> tuple[str, ...]:
    """The parameters of `function` that are given the call. A hint that cannot be read is none."""
    try:
        hints: Mapping[str, Any] = get_type_hints(function_in(function))
    except (NameError, AttributeError, SyntaxError, TypeError):
        return ()
    return tuple(name for name, hint in hints.items() if name != "return" and any(_calls_in(hint)))


def given_to(function: Callable[..., object], call: Call[Any]) -> dict[str, Call[Any]]:
    """What a function is given that answers about the call, and about nothing else.

    The one thing that it asks for is the call, also where no hint says so (a lambda), or where it cannot be
    read (`Call` imported for the type checker alone).
    """
    names = call_parameters(function)
    if not names:
        asked = [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is parameter.empty and parameter.kind in _BY_NAME
        ]
        names = tuple(asked) if len(asked) == 1 else ()
    return dict.fromkeys(names, call)


_BY_NAME: Final = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


def function_in(called: Callable[..., object]) -> Any:
    """The function that a user has written, in what may be a partial one, or an object to be called."""
    while isinstance(called, functools.partial):
        called = called.func
    if not inspect.isroutine(called):
        called = type(called).__call__
    called = inspect.unwrap(called)
    return getattr(called, "__func__", called)


def _calls_in(hint: object) -> list[bool]:
    return [is_call(part) for part in (hint, *get_args(hint)) if is_call(part)]


class NoAnswer(Exception):  # noqa: N818  # Not an error of ours: whoever asked goes on without.
    """A function of the user's has not answered. `why` is for the log, and tells nothing of the call."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


async def asked_about(call: Call[Any], function: Callable[..., Any], timeout_s: float) -> Any:
    """What a function of the user's answers about a call.

    Raises:
        NoAnswer: it was late, raised, or could not be run.
    """
    return await asked_with(given_to(function, call), function, timeout_s, ASKED)


async def asked_with(
    given: Mapping[str, Any], function: Callable[..., Any], timeout_s: float, threads: Threads
) -> Any:
    """What a function of the user's answers to what it is given.

    Raises:
        NoAnswer: it was late, raised, or could not be run.
    """
    try:
        return await answer_of(function, given, timeout_s, threads)
    except TimeoutError:
        raise NoAnswer(f"it took longer than {timeout_s:g} s") from None
    except ThreadsBusy:
        raise NoAnswer("too many plain functions run at once") from None
    except (Exception, SystemExit) as error:
        # It may raise anything; the caller is answered all the same.
        raise NoAnswer(f"it raised {type(error).__name__}{_place_of(error)}") from error


def _place_of(error: BaseException) -> str:
    """Where something was raised. What it says may be about the caller."""
    frames = traceback.extract_tb(error.__traceback__)
    return "".join(f" at {frame.filename}:{frame.lineno}" for frame in frames[-1:])


async def text_of(text: Text | None, call: Call[Any], default: str, what: str) -> str:
    """What the agent is to be told or to say; `default` where it leaves that open, or its function fails.

    Args:
        text: a text, or a function that gives it.
        call: what the function is given.
        default: what the settings say.
        what: `instructions` or `greeting`, for the log.
    """
    if text is None or isinstance(text, str):
        return default if text is None else text
    found = await _text_from(text, call, TEXT_TIMEOUT_S, what)
    return default if found is None else found


async def summary_of(function: Callable[..., Any], call: Call[Any]) -> str | None:
    """What the user's function makes of a call that is over; None where it fails, with a line in the log."""
    return await _text_from(function, call, SUMMARY_TIMEOUT_S, "summary")


async def _text_from(
    function: Callable[..., Any], call: Call[Any], timeout_s: float, what: str
) -> str | None:
    try:
        found = await asked_about(call, function, timeout_s)
        if isinstance(found, str):
            return found
        why = f"it gave a {type(found).__name__}, and no text"
    except NoAnswer as none:
        why = none.why
    structlog.get_logger().warning("agent_text_failed", text=what, reason=why)
    return None
