"""Makes a roster of what a user has written: an agent, a mapping of numbers, or a function that chooses.

An agent is called as it says itself, else as the variable that holds it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from callbridge.agents.agent import Agent, AgentError, is_agent_name
from callbridge.agents.choosing.choice import Choose, Roster
from callbridge.agents.texts import function_in

Answering: TypeAlias = "Agent | Mapping[str, Agent] | Choose | Roster"
"""Who answers: an agent, agents by called number, a function that chooses, or a roster."""

ONE_AGENT: Final = "default"
"""What one agent is called that has neither a name nor a variable."""

USUAL: Final = ("agent", "default")
"""The variable of the agent that answers where the function cannot say who does."""

WHAT_MAY_ANSWER: Final = (
    "an Agent, a mapping of called numbers to agents, a function that chooses one, or a Roster"
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
    if isinstance(answering, Agent):
        return Roster({answering.name or name: answering})
    if isinstance(answering, Mapping):
        return _by_number(answering, variables or {})
    if _is_function(answering):
        return _of_function(answering, _around(answering) if variables is None else variables)
    raise AgentError(f"a {type(answering).__name__} answers no call: give {WHAT_MAY_ANSWER}")


def _is_function(answering: object) -> bool:
    """A class can be called, too: `agent = callbridge.Agent` is a common slip."""
    return callable(answering) and not isinstance(answering, type)


def _by_number(numbers: Mapping[Any, Any], variables: Mapping[str, object]) -> Roster:
    names = _names_in(variables)
    agents: dict[str, Agent] = {}
    by_number: dict[str, str] = {}
    for number, agent in numbers.items():
        if not isinstance(number, str) or not isinstance(agent, Agent):
            raise AgentError(f"{number!r}: {agent!r} is no called number, as text, with its agent")
        name = agent.name or names.get(id(agent), "")
        if not name:
            raise AgentError(f"the agent for {number} has no name: give it Agent(name=…), or a variable")
        add_to(agents, name, agent)
        by_number[number] = name
    first = next(iter(by_number.values()), "")
    return Roster(agents, default=by_number.get("*", first), numbers=by_number)


def _of_function(choose: Choose, variables: Mapping[str, object]) -> Roster:
    """The agents with which the function can answer: those of its module, and those that it closes over."""
    agents: dict[str, Agent] = {}
    for name, agent in _agents_in(variables):
        if all(known is not agent for known in agents.values()):
            add_to(agents, agent.name or name, agent)
    if not agents:
        where = getattr(choose, "__module__", None) or "its module"
        raise AgentError(f"what chooses has no agent to answer with: make them variables of {where}")
    usual = next((variables[name] for name in USUAL if isinstance(variables.get(name), Agent)), None)
    default = next((name for name, agent in agents.items() if agent is usual), next(iter(agents)))
    return Roster(agents, default=default, choose=choose)


def _around(choose: Choose) -> Mapping[str, object]:
    """The variables that a function sees."""
    function = function_in(choose)
    if not inspect.isfunction(function):
        return {}
    return {**function.__globals__, **inspect.getclosurevars(function).nonlocals}


def _names_in(variables: Mapping[str, object]) -> dict[int, str]:
    """The first name of each agent, by its identity."""
    names: dict[int, str] = {}
    for name, agent in _agents_in(variables):
        names.setdefault(id(agent), name)
    return names


def _agents_in(variables: Mapping[str, object]) -> Iterator[tuple[str, Agent]]:
    """Every agent with a name for it: of its variable, or of its key where it stands in a mapping.

    Those that have a variable of their own first: by it they are known, wherever else they stand.
    """
    yield from ((name, value) for name, value in variables.items() if isinstance(value, Agent))
    for value in variables.values():
        if isinstance(value, dict):
            pairs = ((key if isinstance(key, str) else "", agent) for key, agent in value.items())
        elif isinstance(value, list | tuple):
            pairs = (("", agent) for agent in value)
        else:
            continue
        for key, agent in pairs:
            if isinstance(agent, Agent):
                yield (key if is_agent_name(key) else ""), agent


def add_to(agents: dict[str, Agent], name: str, agent: Agent) -> None:
    """One more agent, which has a name that no other one has."""
    if not name:
        raise AgentError(f"{agent!r} has no name: give it Agent(name=…), or a variable of its own")
    if agents.setdefault(name, agent) is not agent:
        raise AgentError(f"two agents are called {name}: give each a name of its own, Agent(name=…)")
