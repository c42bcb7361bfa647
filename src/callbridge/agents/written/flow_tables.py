"""The tables of an agent's file that say which steps its conversations have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from callbridge.agents.written.tables import Words, Written


class WrittenWay(Written):
    """A way out of a step: where it leads, and one thing that it is taken for."""

    to: Words
    """The step to which it leads."""
    asked: Words | None = None
    """The caller wants it: when that is, for the model. `the caller wants an appointment`"""
    captured: Literal[True] | None = None
    """What the step captures is complete; or, with `where`, it is as wanted so far."""
    refused: Words | Literal[True] | None = None
    """The caller does not want to give this field of what the step captures; `true` for any, needed or
    not."""
    answered: Words | None = None
    """This tool has answered; with `where`, as wanted."""
    unreached: Literal[True] | None = None
    """The caller was put through to somebody, and nobody took the call."""
    failed: Annotated[int, Field(ge=1)] | None = None
    """So many attempts have failed since the step was entered."""
    visited: Annotated[int, Field(ge=2)] | None = None
    """The step is entered for the so-manieth time."""
    key: Annotated[str, StringConstraints(pattern=r"^[0-9*]+$")] | None = None
    """The caller presses it on their telephone."""
    sure_of: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,48}$")] | None = None
    """Somebody is sure enough of this, see `at_least` and `below`: `intent`."""
    where: Words | None = None
    """A JMESPath expression over the answer of the tool, or over the fields that were captured so far."""
    at_least: Annotated[float, Field(ge=0, le=1)] | None = None
    """How sure, from 0 to 1: from here on."""
    below: Annotated[float, Field(ge=0, le=1)] | None = None
    """The same: up to here, and not quite."""
    source: Literal["model", "transcript"] | None = None
    """Who is sure: the voice model, unless it is said, or the model that writes down the caller's words."""


class WrittenStep(Written):
    """One state of the conversation."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,47}$")]
    """Its name, as ways lead to it."""
    instructions: str = ""
    """What the model is told while it is in this step, beside `who`."""
    tools: list[Words] = Field(default_factory=list)
    """The tools that the model has in this step. A tool that no step names it has in every one."""
    captures: Words | None = None
    """What is captured in this step, a name under `capture`."""
    transfers: list[Words] | None = None
    """To whom the model may put the caller through in this step; by default to everybody that the agent
    has."""
    transfer: Words | None = None
    """To whom the caller is put through as soon as the step is entered."""
    hand_to: Words | None = None
    """The agent to whom the caller is handed over as soon as the step is entered, a name under `handoffs`."""
    go: list[WrittenWay] = Field(default_factory=list)
    """The ways out. Where more than one could be taken, it is the first."""
    ends: bool = False
    """Whether the agent says its last words in this step, and hangs up."""
    recorded: bool = True
    """Whether a recording of the call holds what is said in this step; `false` for card data, say."""
