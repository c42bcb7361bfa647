"""Makes a roster of what a user has written: an agent, a mapping of numbers, or a function that chooses.

An agent is called as it says itself, else as the variable that holds it. One of the OpenAI Agents SDK is an
agent, too: it becomes one of ours that stands for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from callbridge.agents.agent import Agent
from callbridge.agents.arguments import is_agent_name
from callbridge.agents.choosing.choice import Choose, Roster
from callbridge.agents.choosing.guests import Guests
from callbridge.agents.fault import AgentError
from callbridge.agents.openai_agents.recognising import kind_of
from callbridge.agents.texts import function_in

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from callbridge.agents.openai_agents.recognising import Guest

Answering: TypeAlias = "Agent | Guest | Mapping[str, Agent | Guest] | Choose | Roster"
"""Who answers: an agent, agents by called number, a function that chooses, or a roster."""

ONE_AGENT: Final = "default"
"""What one agent is called that has neither a name nor a variable."""

USUAL: Final = ("agent", "default")
"""The variable of the agent that answers where the function cannot say who does."""

WHAT_MAY_ANSWER: Final = (
    "an Agent, a RealtimeAgent or RealtimeRunner of the OpenAI Agents SDK, a mapping of called numbers to "
    "agents, a function that chooses one, or a Roster"
)


def roster_of(
    answering: Answering, variables: Mapping[str, object] | None = None, name: str = ONE_AGENT
) -> Roster:
    """The roster of what was given.

    Args:
        answering: who answers.
        variables: those of the module in which the agents are.
        name: what one agent is called that does not say so itself.

    Raises:
        AgentError: it is nothing of that kind, or two agents have one name, or one has none.
    """
    if isinstance(answering, Roster):
        return answering
    guests = Guests()
    if (agent := guests.agent_in(answering)) is not None:
        return Roster({agent.name or name: agent})
    if isinstance(answering, Mapping):
        return _by_number(answering, variables or {}, guests)
    if _is_function(answering):
        choose: Choose = answering
        return _of_function(choose, _around(choose) if variables is None else variables, guests)
    raise AgentError(f"a {kind_of(answering)} answers no call: give {WHAT_MAY_ANSWER}")


def _is_function(answering: object) -> TypeIs[Choose]:
    """A class can be called, too: `agent = callbridge.Agent` is a common slip."""
    return callable(answering) and not isinstance(answering, type)


def _by_number(numbers: Mapping[Any, Any], variables: Mapping[str, object], guests: Guests) -> Roster:
    names = _names_in(variables, guests)
    agents: dict[str, Agent] = {}
    by_number: dict[str, str] = {}
    for number, value in numbers.items():
        agent = guests.agent_in(value)
        if not isinstance(number, str) or agent is None:
            raise AgentError(f"{number!r}: {value!r} is no called number, as text, with its agent")
        name = agent.name or names.get(id(agent), "")
        if not name:
            raise AgentError(f"the agent for {number} has no name: give it Agent(name=…), or a variable")
        add_to(agents, name, agent)
        by_number[number] = name
    first = next(iter(by_number.values()), "")
    return Roster(agents, default=by_number.get("*", first), numbers=by_number)


def _of_function(choose: Choose, variables: Mapping[str, object], guests: Guests) -> Roster:
    """The agents with which the function can answer: those of its module, and those that it closes over."""
    agents: dict[str, Agent] = {}
    for name, agent in _agents_in(variables, guests):
        if all(known is not agent for known in agents.values()):
            add_to(agents, agent.name or name, agent)
    if not agents:
        where = getattr(choose, "__module__", None) or "its module"
        raise AgentError(f"what chooses has no agent to answer with: make them variables of {where}")
    usual = next((found for name in USUAL if (found := guests.agent_in(variables.get(name)))), None)
    default = next((name for name, agent in agents.items() if agent is usual), next(iter(agents)))
    return Roster(agents, default=default, choose=choose)


def _around(choose: Choose) -> Mapping[str, object]:
    """The variables that a function sees."""
    function = function_in(choose)
    if not inspect.isfunction(function):
        return {}
    return {**function.__globals__, **inspect.getclosurevars(function).nonlocals}


def _names_in(variables: Mapping[str, object], guests: Guests) -> dict[int, str]:
    """The first name of each agent, by its identity."""
    names: dict[int, str] = {}
    for name, agent in _agents_in(variables, guests):
        names.setdefault(id(agent), name)
    return names


def _agents_in(variables: Mapping[str, object], guests: Guests) -> Iterator[tuple[str, Agent]]:
    """Every agent with a name for it: of its variable, or of its key where it stands in a mapping.

    Those that have a variable of their own first: by it they are known, wherever else they stand.
    """
    for name, value in variables.items():
        if (agent := guests.agent_in(value)) is not None:
            yield name, agent
    for value in variables.values():
        if isinstance(value, dict):
            pairs = ((key if isinstance(key, str) else "", one) for key, one in value.items())
        elif isinstance(value, list | tuple):
            pairs = (("", one) for one in value)
        else:
            continue
        for key, one in pairs:
            if (agent := guests.agent_in(one)) is not None:
                yield (key if is_agent_name(key) else ""), agent


def add_to(agents: dict[str, Agent], name: str, agent: Agent) -> None:
    """One more agent, which has a name that no other one has."""
    if not name:
        raise AgentError(f"{agent!r} has no name: give it Agent(name=…), or a variable of its own")
    if agents.setdefault(name, agent) is not agent:
        raise AgentError(f"two agents are called {name}: give each a name of its own, Agent(name=…)")
