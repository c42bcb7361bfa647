"""A model that does what it likes never leaves the declared steps, nor takes a way that is not declared.

The call may be cut at any point: a stream that goes on with the facts stands where the cut one stood.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from typing import Any, TypeAlias

import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from callbridge import (
    Agent,
    Flow,
    Step,
    answered,
    asked,
    captured,
    confidence,
    failed,
    key,
    refused,
    visited,
)
from callbridge.agents.flow.following import STEPS_UNSPOKEN_MAX
from callbridge.call.agent_facts import StepEntered
from callbridge.call.facts import CallerSpoke, KeysPressed, decode, encode
from flow_calls import FlowCall


class Booking(BaseModel):
    """An appointment."""

    name: str
    day: str = ""


def find_slot(day: str) -> dict[str, list[str]]:
    """Looks for free slots."""
    if day == "never":
        raise ValueError(day)
    return {"slots": [] if day == "Sunday" else ["10:00"]}


def pay(amount: int) -> str:
    """Pays."""
    return str(amount)


FLOW = Flow(
    Step(
        "welcome",
        go=[asked("book", "they want to book"), key("2", to="pay"), confidence("it", below=0.3, to="ask")],
    ),
    Step("ask", go=[visited(2, to="person"), confidence("it", at_least=0.3, to="welcome")]),
    Step(
        "book",
        tools=[find_slot],
        captures=Booking,
        go=[
            captured(to="pay", when=lambda values: values.get("name") == "Sunday"),
            captured(to="pay"),
            refused("day", to="welcome"),
            failed(2, to="person"),
            answered(find_slot, to="ask", when=lambda result: not result["slots"]),
        ],
    ),
    Step("pay", tools=[pay], go=[answered(pay, to="done"), failed(1, to="book"), visited(3, to="book")]),
    Step("person", "A person calls back.", ends=True),
    Step("done", "Goodbye.", go=[asked("welcome", "they want more")], ends=True),
    anywhere=[asked("person", "they want a person"), key("0", to="person")],
)
AGENT = Agent(flow=FLOW)
PLAN = FLOW.plan
DECLARED = {(step.name, way.to, way.words) for step in PLAN.steps for way in PLAN.ways(step)}

Deed: TypeAlias = tuple[str, str, str]

TOOLS = [
    *("go_to_book", "go_to_person", "go_to_welcome", "go_to_done", "go_to_nowhere", "sure_of_it"),
    *("find_slot", "pay", "note_booking", "decline_booking", "flow_enter_book", "end_call", ""),
]
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    ["Sunday", "Monday", "never", 0.1, 0.5, 7, -1, True, None, {}, "x" * 99]
)
ARGUMENTS = st.dictionaries(
    st.sampled_from(["day", "amount", "confidence", "field", "name", "step"]), VALUES, max_size=3
)


def sensible(tool: str, **arguments: object) -> Deed:
    return "call", tool, json.dumps(arguments)


SENSIBLE: list[Deed] = [
    *(sensible(f"go_to_{step}") for step in ("book", "welcome")),
    *(sensible("sure_of_it", confidence=sure) for sure in (0.1, 0.9)),
    *(sensible("find_slot", day=day) for day in ("Monday", "Sunday", "never")),
    *(sensible("pay", amount=amount) for amount in (3, "all")),
    *(sensible("note_booking", name=name) for name in ("Sunday", "Sam")),
    sensible("note_booking", day="Monday"),
    sensible("decline_booking", field="day"),
    ("press", "2", ""),
    ("speak", "", ""),
]
"""What a model and a caller do who know their flow."""

DEEDS = st.sampled_from(SENSIBLE) | st.one_of(
    st.tuples(st.just("call"), st.sampled_from(TOOLS), ARGUMENTS.map(json.dumps)),
    st.tuples(st.just("call"), st.sampled_from(TOOLS), st.sampled_from(["", "[]", "{", "null", "[" * 9999])),
    st.tuples(st.just("press"), st.text("0123456789*#", min_size=1, max_size=3), st.just("")),
    st.tuples(st.just("both"), st.sampled_from(TOOLS), st.sampled_from(TOOLS)),
)


LEAVES = sensible("go_to_person"), ("press", "0", "")
"""What ends most walks."""


async def do(call: FlowCall, deed: Deed) -> None:
    match deed:
        case "call", tool, arguments:
            await call.run(tool, arguments)
        case "both", one, other:
            await asyncio.gather(call.run(one, "{}"), call.run(other, '{"confidence": 0.1}'))
        case "press", keys, _:
            await call.press(keys)
        case _:
            await call.speak()


def stands(call: FlowCall) -> tuple[str, list[str]]:
    """What the model of a stream is told, and has."""
    return call.session.instructions, call.tools


async def walk(deeds: list[Deed], cuts: set[int]) -> list[Any]:
    """All facts of a call that is cut behind some of the deeds."""
    facts: list[Any] = []
    async with asyncio.TaskGroup() as tasks:
        call = await FlowCall(AGENT, tasks).begin()
        for number, deed in enumerate(deeds):
            await do(call, deed)
            if number in cuts:
                before = stands(call)
                facts += call.facts
                # As they were stored.
                call = FlowCall(AGENT, tasks, [decode(encode(fact)) for fact in facts])
                assert stands(call) == before
                await call.begin()
        return facts + call.facts


def ways_in(facts: list[Any]) -> set[tuple[str, str, str]]:
    """Which ways were taken, from where."""
    entered = [fact for fact in facts if isinstance(fact, StepEntered)]
    assert entered[0] == StepEntered("welcome", "")
    return {(one.step, two.step, two.because) for one, two in itertools.pairwise(entered)}


@settings(max_examples=150, deadline=None)
@given(st.lists(DEEDS, max_size=25), st.sets(st.integers(0, 25), max_size=3))
def test_no_walk_leaves_the_flow(deeds: list[Deed], cuts: set[int]) -> None:
    with structlog.testing.capture_logs():
        facts = asyncio.run(walk(deeds, cuts))
    assert ways_in(facts) <= DECLARED
    unspoken = 0
    for fact in facts:
        if isinstance(fact, CallerSpoke | KeysPressed):
            unspoken = 0
        elif isinstance(fact, StepEntered):
            unspoken += 1
            assert unspoken <= STEPS_UNSPOKEN_MAX


def test_walks_come_through_every_way() -> None:
    """Otherwise they would prove nothing of it."""
    rng, taken = random.Random(7), set[tuple[str, str, str]]()
    with structlog.testing.capture_logs():
        for _ in range(120):
            deeds = [*rng.choices(SENSIBLE, k=rng.randint(0, 30)), rng.choice(LEAVES)]
            facts = asyncio.run(walk(deeds, set()))
            taken |= ways_in(facts)
    assert taken == DECLARED
