"""What is wrong with a flow, found when its agent is made: all of it, in words."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from callbridge.agents.fault import AgentFault
from callbridge.agents.flow.transitions import (
    OnCapture,
    OnConfidence,
    OnKey,
    OnRefusal,
    OnRequest,
    OnResult,
    Transition,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from callbridge.agents.flow.steps import Plan, Step

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}", re.ASCII)
"""What a diagram and the model's tools take."""


class FlowFault(AgentFault):
    """A flow cannot be as it is written. The text says what to change."""


def faults_of(plan: Plan, agent_tools: Collection[str], person_key: str) -> Iterator[str]:
    """All that is wrong with a flow.

    Args:
        plan: the flow.
        agent_tools: names of the tools that the agent has in every step.
        person_key: the key of the agent's that leads to a human; empty for none.
    """
    yield from _wrong_names(plan)
    yield from _names_twice(plan, agent_tools)
    for way in plan.anywhere:
        yield from (f"anywhere: {fault}" for fault in _faults_of_way(way, plan))
    for step in plan.steps:
        for fault in _faults_of_step(step, plan, agent_tools, person_key):
            yield f"step {step.name}: {fault}"
    yield from _unreachable(plan)


def _wrong_names(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        if not _NAME.fullmatch(step.name):
            yield f"step {step.name!r}: a name is a letter and at most 47 more of a to z, digits and _"


def _names_twice(plan: Plan, agent_tools: Collection[str]) -> Iterator[str]:
    for name in _repeated(step.name for step in plan.steps):
        yield f"step {name}: there are two of that name; rename one"
    for name in _repeated(step.captures.name for step in plan.steps if step.captures is not None):
        yield f"form {name}: two steps capture it; let one do it, and lead the other one there"
    # The same function may stand in many steps.
    tools = {(id(given), tool.name) for step in plan.steps for given, tool in step.made_of}
    for name in _repeated(name for _, name in sorted(tools)):
        yield f"tool {name}: there are two of that name; rename one"
    made = names_of_ways(plan) | names_of_forms(plan)
    for name in sorted({*plan.own_tools, *made} & {*agent_tools}):
        yield f"tool {name}: the agent has one of that name in every step; rename one"
    for name in sorted(made & {*plan.own_tools}):
        yield f"tool {name}: a way or a form of the flow has one of that name; rename the tool"


def names_of_forms(plan: Plan) -> set[str]:
    """The names of the tools by which a model fills the forms."""
    return {name for step in plan.steps if step.captures is not None for name in step.captures.tool_names}


def names_of_ways(plan: Plan) -> set[str]:
    """The names of the tools by which a model asks for ways."""
    ways = (way for step in plan.steps for way in plan.ways(step))
    return {way.tool for way in ways if isinstance(way, OnRequest | OnConfidence) and way.tool}


def _faults_of_step(step: Step, plan: Plan, agent_tools: Collection[str], person_key: str) -> Iterator[str]:
    for way in step.go:
        yield from _faults_of_way(way, plan)
    for name in step.borrowed:
        if name not in plan.own_tools:
            yield f"there is no tool {name}; no step of the flow has one"
    tools = {tool.name for tool in plan.tools(step)} | {*agent_tools}
    for way in step.go:
        if isinstance(way, OnResult) and way.tool not in tools:
            yield f"answered({way.tool!r}): it has no such tool; give it one, or give it to the agent"
        if isinstance(way, OnCapture | OnRefusal) and step.captures is None:
            yield f"{way.words}, to {way.to}: it captures nothing; give it a form with captures="
    if step.ends and step.transfer:
        yield "the call ends in it, and cannot be put through; take away ends= or transfer="
    if step.hand_to and (step.ends or step.transfer):
        yield "the caller is handed over in it; take away hand_to=, or ends= and transfer="
    if not (plan.ways(step) or step.ends or step.transfer or step.hand_to):
        yield "no way leads out of it; give it one with go=, or say ends=True"
    yield from _faults_of_requests(plan.ways(step))
    yield from _faults_of_keys(plan.ways(step), person_key)


def _faults_of_way(way: Transition, plan: Plan) -> Iterator[str]:
    yield from way.faults()
    if way.to not in plan.by_name:
        yield f"{way.words}: there is no step {way.to}"


def _faults_of_requests(ways: Iterable[Transition]) -> Iterator[str]:
    for name in _repeated(way.to for way in ways if isinstance(way, OnRequest)):
        yield f"asked({name!r}) is written twice; say in one of them when the model is to go there"


def _faults_of_keys(ways: Iterable[Transition], person_key: str) -> Iterator[str]:
    keys = [way.keys for way in ways if isinstance(way, OnKey)]
    for key in _repeated(keys):
        yield f"key {key}: it leads to two steps"
    for key in sorted({*keys}):
        if longer := sorted(other for other in {*keys} if other != key and other.startswith(key)):
            yield f"key {key}: it is the beginning of {', '.join(longer)}; nobody could tell them apart"
        if person_key and key.startswith(person_key):
            yield f"key {key}: {person_key} leads to a person, whatever the step"


def _unreachable(plan: Plan) -> Iterator[str]:
    reached, waiting = set[str](), [plan.steps[0].name]
    while waiting:
        name = waiting.pop()
        step = plan.by_name.get(name)
        if step is not None and name not in reached:
            reached.add(name)
            waiting += [way.to for way in plan.ways(step)]
    for name in plan.by_name:
        if name not in reached:
            yield f"step {name}: no way leads to it from {plan.steps[0].name}"


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]
