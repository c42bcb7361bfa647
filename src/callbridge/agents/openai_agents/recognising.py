"""Whether something is an agent of the Agents SDK, found out without importing the SDK."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.realtime import RealtimeAgent, RealtimeRunner
    from typing_extensions import TypeIs

    from callbridge.agents.agent import Agent

    Guest: TypeAlias = RealtimeAgent[Any] | RealtimeRunner
    """What the SDK has that can answer a call: an agent, or a runner with one and its configuration."""

SDK: Final = "agents"
"""What the package `openai-agents` is imported as."""

INSTALL: Final = "pip install 'callbridge[openai-agents]'"

_GUESTS: Final = frozenset(
    {("agents.realtime.agent", "RealtimeAgent"), ("agents.realtime.runner", "RealtimeRunner")}
)


_TEXT_AGENT: Final = ("agents.agent", "Agent")


def kind_of(value: object) -> str:
    """What somebody has named who named no agent, in a word or a few."""
    kind = type(value)
    if (kind.__module__, kind.__qualname__) == _TEXT_AGENT:
        return "text agent of the OpenAI Agents SDK (make it a RealtimeAgent, or a tool of one)"
    return kind.__name__


def is_guest(value: object) -> TypeIs[Guest]:
    """Whether `value` is a `RealtimeAgent` or a `RealtimeRunner`, or of a class made of one."""
    return any((kind.__module__, kind.__qualname__) in _GUESTS for kind in type(value).__mro__)


def maker() -> Callable[..., Agent]:
    """What makes an agent of one: `callbridge.openai_agents.guest`. The SDK is imported with it.

    Raises:
        ImportError: there is no SDK, or one that is too old. The text says what to install.
    """
    try:
        found: Callable[..., Agent] = import_module("callbridge.agents.openai_agents.hosting").guest
    except ImportError as error:
        if (error.name or "").partition(".")[0] != SDK:
            raise
        raise ImportError(f"the OpenAI Agents SDK is not installed, or is too old: {INSTALL}") from error
    return found
