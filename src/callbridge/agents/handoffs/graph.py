"""Who may be handed over to whom: all agents that a call can come to, and what cannot be so.

Agents may lead to each other in circles, so this is looked at when all are there: when they are loaded, and
again for each call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.agents.agent import Agent
from callbridge.agents.fault import AgentFault
from callbridge.agents.handoffs.handoff import WORDS_MAX, Handoff

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

AGENTS_MAX: Final = 32
"""In one call. Each has its abilities made when a call begins."""

_OF_SESSION: Final = (
    *("voice", "model", "turn_detection", "reasoning_effort", "tool_timeout_s", "language", "time_zone"),
)
"""What a session keeps that stands. The vendor changes no voice that has spoken; the rest goes with it."""

_OF_CALL: Final = ("spend_max", "person_key", "summarise", "analysis", "recording")
"""What is the call's, and not that of who is on."""


def handoffs_of(agent: Agent) -> Iterator[tuple[Handoff, Agent]]:
    """To whom an agent may hand over, and how.

    Raises:
        AgentFault: there stands something else.
    """
    given: Iterable[object] = agent.handoffs  # A user may have written anything.
    for one in given:
        other = one.agent if isinstance(one, Handoff) else one
        if not isinstance(other, Agent):
            raise AgentFault(f"handoffs: {other!r} is no agent; write an Agent, or Handoff(agent, …)")
        yield one if isinstance(one, Handoff) else Handoff(other), other


def agents_from(first: Agent, name: str) -> dict[str, Agent]:
    """All agents that a call can come to, by name; the one that takes it is the first.

    Args:
        first: who takes the call.
        name: by which it is known.

    Raises:
        AgentFault: two have one name or one has none, a tool's name is taken, they disagree on what they
            share, or there are too many.
    """
    found = {name: first}
    queue = [first]
    for agent in queue:
        for other in _checked(agent):
            if other is not first and found.setdefault(other.name, other) is not other:
                raise AgentFault(f"two agents are called {other.name}: give each a name, Agent(name=…)")
            if all(other is not known for known in queue):
                queue.append(other)
    if len(found) > AGENTS_MAX:
        raise AgentFault(f"handoffs: a call can come to {len(found)} agents, and may to {AGENTS_MAX}")
    for other in queue[1:]:
        _check_shared(first, other)
    return found


def _checked(agent: Agent) -> Iterator[Agent]:
    """To whom it may hand over, each by a tool of its own."""
    names = set[str]()
    where = f"handoffs of {agent.name or 'an agent'}"
    for handoff, other in handoffs_of(agent):
        if other is agent:
            raise AgentFault(f"{where}: it leads to itself; take that away")
        if not other.name:
            raise AgentFault(f"{where}: {other!r} has no name; give it one, Agent(name=…)")
        if len(handoff.description) > WORDS_MAX:
            raise AgentFault(f"{where}: what {other.name} is for has more than {WORDS_MAX} characters")
        if handoff.tool_name in names or agent.toolbox.is_taken(handoff.tool_name):
            raise AgentFault(f"{where}: there are two tools named {handoff.tool_name}; rename one")
        names.add(handoff.tool_name)
        yield other
    _check_steps(agent)


def _check_steps(agent: Agent) -> None:
    """Steps of its flow hand over to those only to whom it may, and have nothing to pass."""
    asks = {other.name: handoff.input_type is not None for handoff, other in handoffs_of(agent)}
    for step, name in ({} if agent.flow is None else agent.flow.hands_to).items():
        if name not in asks:
            known = ", ".join(asks) or "none; give the agent some with handoffs="
            raise AgentFault(f"step {step}: there is no handoff to {name}; there are: {known}")
        if asks[name]:
            raise AgentFault(f"step {step}: the handoff to {name} asks for an input, and a step has none")


def _check_shared(first: Agent, other: Agent) -> None:
    """The values of a call, and its recording, are those of all its agents."""
    if other.values is not None and other.values is not first.values:
        its = "a dictionary" if first.values is None else first.values.__name__
        raise AgentFault(
            f"agent {other.name}: its values are {other.values.__name__}, and those of the agent that takes "
            f"the call are {its}; they are shared, so give both the same values=…"
        )
    tools = () if first.recording is None else first.recording.tool_names
    if other.recording is None and (taken := [name for name in tools if other.toolbox.is_taken(name)]):
        raise AgentFault(
            f"agent {other.name}: a recorded call has a tool {taken[0]} of its own; rename yours"
        )


def unused_in(other: Agent, first: Agent) -> list[str]:
    """What an agent says of itself that does not count where it is handed over to: see `docs/agents.md`."""
    session = [what for what in _OF_SESSION if _differs(what, other, first)]
    return session + [what for what in _OF_CALL if getattr(other, what) and _differs(what, other, first)]


def _differs(what: str, other: Agent, first: Agent) -> bool:
    own = getattr(other, what)
    return own is not None and own != getattr(first, what)
