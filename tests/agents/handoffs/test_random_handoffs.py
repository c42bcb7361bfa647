"""A model that does what it likes runs no tool of an agent that rests, and hands over by declared ways only.

The call may be cut at any point: a stream that goes on with the facts has the same agent, in the same place.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from typing import Any, TypeAlias

import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from callbridge import Agent, Call, Flow, Handoff, HandTo, Step, answered, asked
from callbridge.agents.handoffs.graph import agents_from, handoffs_of
from callbridge.agents.handoffs.who_is_on import UNSPOKEN_MAX
from callbridge.call.agent_facts import AgentChanged, FieldKept, StepEntered
from callbridge.call.facts import CallerSpoke, decode, encode
from flow_calls import FlowCall

RAN: list[tuple[str, str]] = []
"""Which tools have run: whose it is, and who was on."""


class Booking(BaseModel):
    """A table."""

    name: str
    guests: int


class Why(BaseModel):
    """Why they are handed over."""

    bill: int


def agent_of(name: str, **more: Any) -> Agent:
    agent = Agent(name=name, can_hang_up=False, **more)

    async def lookup(call: Call) -> str:
        """Look something up."""
        RAN.append((name, call.agent))
        return name

    async def send_on(call: Call) -> HandTo:
        """Hand over by what it answers."""
        return HandTo("desk" if call.agent == "billing" else "clinic")

    async def go_on(call: Call) -> None:
        """Hand over by the call."""
        call.hand_to("clinic" if call.agent == "desk" else "desk")

    for function in (lookup, send_on, go_on):
        agent.tool(function)
    agent.capture(Booking)
    return agent


def find(call: Call) -> str:
    """Find it, in a step."""
    RAN.append(("clinic", call.agent))
    return ""


DESK, BILLING = agent_of("desk"), agent_of("billing")
CLINIC = Agent(
    name="clinic",
    can_hang_up=False,
    flow=Flow(
        Step("one", tools=[find], go=[answered(find, to="two")]),
        Step("two", captures=Booking, go=[asked("one", "again"), asked("three", "they are done")]),
        Step("three", ends=True),
    ),
)
DESK.handoffs += [Handoff(BILLING, input_type=Why), CLINIC]
BILLING.handoffs += [DESK, Handoff(CLINIC, is_enabled=lambda call: len(call.transcript) == 0)]
CLINIC.handoffs.append(DESK)
AGENTS = agents_from(DESK, "desk")
WAYS = {(name, other.name) for name, agent in AGENTS.items() for _, other in handoffs_of(agent)}

Deed: TypeAlias = tuple[str, str]

TOOLS = [
    *("transfer_to_billing", "transfer_to_clinic", "transfer_to_desk", "transfer_to_nobody"),
    *("lookup", "find", "note_booking", "confirm_booking", "go_to_one", "go_to_three", "end_call", ""),
    *("send_on", "go_on"),
]
ARGUMENTS = [
    *("{}", '{"bill": 7}', '{"bill": "7"}', '{"name": "Sam"}', '{"guests": 2}', '{"fields": ["name"]}'),
    *("", "[]", "null", '{"bill": 1e999}', '{"bill": 7, "bill": 8}'),
]
SENSIBLE: list[Deed] = [
    *(("transfer_to_billing", '{"bill": 7}'), ("transfer_to_clinic", "{}"), ("transfer_to_desk", "{}")),
    *(
        ("lookup", "{}"),
        ("send_on", "{}"),
        ("go_on", "{}"),
        ("find", "{}"),
        ("note_booking", '{"name": "Sam"}'),
        ("go_to_one", "{}"),
        ("", "speak"),
    ),
]
DEEDS = st.sampled_from(SENSIBLE) | st.tuples(st.sampled_from(TOOLS), st.sampled_from(ARGUMENTS))


def stands(call: FlowCall) -> tuple[str, list[str], list[str]]:
    """Who is on, in which step, and what the model has. What a form has is told to new sessions alone."""
    return call.agent.agent_on, re.findall(r"# The step .*", call.session.instructions), call.tools


async def walk(deeds: list[Deed], cuts: set[int]) -> list[Any]:
    """All facts of a call that is cut behind some of the deeds."""
    facts: list[Any] = []
    async with asyncio.TaskGroup() as tasks:
        call = await FlowCall(DESK, tasks).begin()
        for number, (tool, arguments) in enumerate(deeds):
            had = {*call.tools}
            if arguments == "speak":
                await call.speak()
            elif number % 5 == 4:  # Two at once.
                await asyncio.gather(call.run(tool, arguments), call.run("transfer_to_desk", "{}"))
            else:
                wanted = len(call.wanted)
                result = await call.run(tool, arguments)
                assert tool in had or not result.outcome.is_answer
                assert not result.is_quiet or any(map(is_answer, call.wanted[wanted:])), "nobody would speak"
            if number in cuts:
                before = stands(call)
                facts += call.facts
                # As they were stored.
                call = FlowCall(DESK, tasks, [decode(encode(fact)) for fact in facts])
                assert stands(call) == before
                await call.begin()
                assert stands(call) == before
        return facts + call.facts


def is_answer(want: object) -> bool:
    """Whether somebody speaks because of it."""
    return bool(getattr(want, "is_answered", False) or getattr(want, "is_answer", False))


def changes_in(facts: list[Any]) -> list[tuple[str, str]]:
    return [(fact.was, fact.agent) for fact in facts if isinstance(fact, AgentChanged)]


@settings(max_examples=60, deadline=None)
@given(st.lists(DEEDS, max_size=25), st.sets(st.integers(0, 25), max_size=3))
def test_no_model_has_the_tools_of_an_agent_that_rests(deeds: list[Deed], cuts: set[int]) -> None:
    RAN.clear()
    with structlog.testing.capture_logs():
        facts = asyncio.run(walk(deeds, cuts))
    assert all(whose == on for whose, on in RAN)
    changes = changes_in(facts)
    assert set(changes) <= WAYS
    assert all(one[1] == two[0] for one, two in itertools.pairwise([("", "desk"), *changes]))
    on, unspoken = "desk", 0
    for fact in facts:
        match fact:
            case CallerSpoke():
                unspoken = 0
            case AgentChanged(agent):
                on, unspoken = agent, unspoken + 1
                assert cuts or unspoken <= UNSPOKEN_MAX  # Behind a cut nobody knows who has spoken.
            case StepEntered():
                assert on == "clinic"
            case _:
                pass


def test_walks_come_through_every_way() -> None:
    """Otherwise they would prove nothing of it."""
    rng, taken, kept = random.Random(3), set[tuple[str, str]](), set[str]()
    with structlog.testing.capture_logs():
        for _ in range(60):
            facts = asyncio.run(walk(rng.choices(SENSIBLE, k=25), set()))
            taken |= set(changes_in(facts))
            kept |= {type(fact).__name__ for fact in facts}
    assert taken == WAYS
    assert {FieldKept.__name__, StepEntered.__name__} <= kept
