"""The tables of an agent's file that say to which other agents it may hand its callers over."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import StringConstraints

from callbridge.agents.written.tables import Written

AgentName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,48}$")]
"""What logs and records call an agent."""

HandoffWords: TypeAlias = Annotated[str, StringConstraints(max_length=500)]


class WrittenHandoff(Written):
    """Another agent of the folder, to whom this one may hand its callers over within the call."""

    description: HandoffWords = ""
    """What it is for, for the model. Without it, the `handoff_description` of the other one."""
    say: HandoffWords = ""
    """What the caller hears first of the other agent, exactly. Without it that one finds its words."""
