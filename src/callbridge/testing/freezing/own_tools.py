"""Which tools are the agent's own: they are what answers in a test as it did."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from callbridge.agents.handoffs.graph import agents_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.agents.agent import Agent

_GIVEN: Final = frozenset({"end_call", "press_keys"})
"""Those of every agent that has not written them itself."""


def own_tools(agent: Agent) -> frozenset[str]:
    """The names of the tools that its author has written, those of all steps and handoffs among them."""
    agents = agents_from(agent, agent.name).values()
    return frozenset(chain.from_iterable(map(_written, agents))) - _GIVEN


def _written(agent: Agent) -> Iterator[str]:
    yield from agent.toolbox.names
    yield from () if agent.flow is None else agent.flow.plan.own_tools
    yield from () if agent.guest is None else agent.guest.tool_names
