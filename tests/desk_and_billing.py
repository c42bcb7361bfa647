"""Two agents of one line that lead to each other, and a flow for one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from callbridge import Agent, Call, Flow, Handoff, Step, asked

if TYPE_CHECKING:
    from collections.abc import Callable

DESK = "desk"

FLOW = Flow(
    Step("welcome", "Welcome them.", go=[asked("cards", "they have a card")]),
    Step("cards", "Take the card.", recorded=False, go=[asked("bye", "they are done")]),
    Step("bye", "Say goodbye.", ends=True),
)


class Why(BaseModel):
    """What billing should know."""

    bill: int
    is_urgent: bool = False


def lookup_of(name: str) -> Callable[..., object]:
    async def lookup(call: Call) -> str:
        return f"{name} for {call.agent}"

    lookup.__doc__ = f"Look something up at {name}."
    return lookup


def desk_and_billing(**handoff: Any) -> tuple[Agent, Agent]:
    """Two agents that lead to each other."""
    desk = Agent(
        name="desk", instructions="You are the desk.", tools=[lookup_of("the desk")], can_hang_up=False
    )
    billing = Agent(
        name="Billing.eu",
        instructions="You are billing.",
        tools=[lookup_of("billing")],
        can_hang_up=False,
        handoffs=[desk],
        handoff_description="Questions about bills.",
    )
    desk.handoffs.append(Handoff(billing, **handoff) if handoff else billing)
    return desk, billing
