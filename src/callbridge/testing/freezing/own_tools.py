"""Which tools are the agent's own: they are what answers in a test as it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from callbridge.agents.agent import Agent

_GIVEN: Final = frozenset({"end_call", "press_keys"})
"""Those of every agent that has not written them itself."""


def own_tools(agent: Agent) -> frozenset[str]:
    """The names of the tools that its author has written, those of all steps among them."""
    of_steps = () if agent.flow is None else agent.flow.plan.own_tools
    of_guest = () if agent.guest is None else agent.guest.tool_names
    return frozenset({*agent.toolbox.names, *of_steps, *of_guest} - _GIVEN)
