"""An agent of the OpenAI Agents SDK as people write them: what it costs is measured beside one of ours.

It has about as many tools as the ordinary one, and a colleague to whom it may hand the call over.
"""

from __future__ import annotations

from typing import Any, Literal

from agents import GuardrailFunctionOutput, OutputGuardrail, function_tool
from agents.realtime import RealtimeAgent, realtime_handoff

Course = Literal["starter", "main", "dessert"]


@function_tool
async def opening_hours(day: Literal["weekday", "saturday", "sunday"]) -> str:
    """When the restaurant is open."""
    return {"weekday": "17 to 23", "saturday": "12 to 24", "sunday": "12 to 22"}[day]


@function_tool
async def dishes(course: Course, limit: int = 2) -> list[str]:
    """What is served today."""
    card = {"starter": ["soup", "salad"], "main": ["plaice", "goulash"], "dessert": ["almond cake"]}
    return card[course][:limit]


@function_tool
async def reservation(code: str) -> str:
    """Finds a reservation."""
    return f"{code}: four guests"


@function_tool(needs_approval=True)
async def cancel_reservation(code: str) -> str:
    """Cancels a reservation."""
    return f"{code} is cancelled"


async def _promises_nothing(_context: Any, _agent: Any, said: str) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered="for free" in said)


async def _instructions(context: Any, _agent: Any) -> str:
    return f"You answer the telephone of the Harbour Kitchen. The caller is {context.context.caller.number}."


_kitchen = RealtimeAgent[Any](name="kitchen", instructions="You are the cook.", tools=[dishes])

agent = RealtimeAgent[Any](
    name="desk",
    instructions=_instructions,
    tools=[opening_hours, dishes, reservation, cancel_reservation],
    handoffs=[realtime_handoff(_kitchen)],
    output_guardrails=[OutputGuardrail(_promises_nothing)],
)
