"""What the agent of a call makes happen in it: what it keeps, captures, delivers, and where its flow is.

The core notes these as it notes its own facts and reads none of them: they mean something to `agents/`, to
records and to pages. All that an agent must know to go on, on another stream or in another process, is in
them.
"""

from __future__ import annotations

from typing import Final

from callbridge.call.fact_base import BaseFact


class ValuesSet(BaseFact, frozen=True):
    """The agent's own state of the call has changed."""

    values: str
    """All of it, as JSON text."""


class StepEntered(BaseFact, frozen=True):
    """The flow of the agent has come to another step."""

    step: str
    because: str
    """Which transition led to it, in words; empty for the first one."""
    ends: bool = False
    """The agent says its last words in it."""


class GuestChanged(BaseFact, frozen=True):
    """Of the agents that another library runs together in this call, another one speaks from now on."""

    agent: str
    """Its name there."""
    because: str = ""
    """The tool by which the model has handed the call over; empty where the user's code has."""


class AttemptFailed(BaseFact, frozen=True):
    """A tool of the flow's step has failed, or refused what it was given."""

    step: str
    tool: str


class AgentChanged(BaseFact, frozen=True):
    """The caller was handed over to another agent, within the call. What follows is that one's."""

    agent: str
    was: str
    """Who handed them over."""
    because: str
    """The tool of the model's that has led to it, or what of the agent's own code."""


class FieldKept(BaseFact, frozen=True):
    """The caller has given a value for a field, or confirmed it."""

    form: str
    field: str
    value: str
    """As JSON text."""
    is_confirmed: bool


class FieldRefused(BaseFact, frozen=True):
    """The caller does not want to give a value for a field."""

    form: str
    field: str


class Captured(BaseFact, frozen=True):
    """All fields of a form are there and right. It is delivered behind this fact, once or never."""

    form: str
    data: str
    """The whole object, as JSON text."""


class CaptureDelivered(BaseFact, frozen=True):
    """How the delivery of a captured object ended."""

    form: str
    outcome: str
    """A `ToolOutcome`."""


class CalledBefore(BaseFact, frozen=True):
    """What is remembered of the caller's last call. Kept for as long as the words of this one."""

    ended_at: float
    """When that call ended, in seconds since 1970."""
    summary: str
    values: str
    """Its `call.values`, as JSON text; empty where it had none."""
    goes_on: bool = False
    """It was cut off, and this call goes on where it was: its facts stand behind this one."""


class CallerTexted(BaseFact, frozen=True):
    """A text message that the caller has sent since their last call. Kept as long as this one's words."""

    came_at: int
    """In seconds since 1970."""
    words: str


class McpToolsChanged(BaseFact, frozen=True):
    """An MCP server has other tools than before: it has answered, was lost, or says so."""

    server: str
    """The agent's name for it."""
    tools: int
    """How many it has now."""


OF_ONE_AGENT: Final = (StepEntered, AttemptFailed, GuestChanged, FieldKept, FieldRefused, Captured)
"""They mean something to the agent that was on when they happened, and to no other one of the call."""

OF_AGENTS: Final = (
    *(ValuesSet, StepEntered, AgentChanged, GuestChanged, AttemptFailed),
    *(FieldKept, FieldRefused, Captured, CaptureDelivered),
)
"""Those that whoever goes on with a call needs."""
