"""What users have of the SDK stays as it is: their own tests pass beside calls. And our page's example."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("agents.realtime", reason="the OpenAI Agents SDK is an extra: callbridge[openai-agents]")

from agents import function_tool
from agents.realtime import (
    RealtimeAgent,
    RealtimeModelSendToolOutput,
    RealtimeModelToolCallEvent,
    RealtimeRunner,
)
from agents.realtime.testing import RealtimeStep, ScriptedRealtimeModel

from callbridge.testing import Calls, Line, Says
from documented import module_of

if TYPE_CHECKING:
    from agents.realtime import RealtimeModelSendEvent


@function_tool
def lookup_order(order_id: str) -> str:
    """Look up an order by ID."""
    return f"Order {order_id} has shipped."


async def scripted(agent: RealtimeAgent) -> None:
    """A test of a user's, as the documentation of the SDK has it."""
    called = RealtimeModelToolCallEvent("lookup_order", "call_1", '{"order_id":"order_123"}')

    def is_output(event: RealtimeModelSendEvent) -> bool:
        return (
            isinstance(event, RealtimeModelSendToolOutput) and event.output == "Order order_123 has shipped."
        )

    model = ScriptedRealtimeModel([RealtimeStep(expect=is_output)], connect_events=[called])
    runner = RealtimeRunner(agent, model=model, config={"async_tool_calls": False, "tracing_disabled": True})
    async with await runner.run():
        pass
    model.assert_complete()


async def test_a_scripted_test_passes_before_and_after_a_call(line: Line) -> None:
    agent = RealtimeAgent(name="Orders", instructions="You know orders.", tools=[lookup_order])
    await scripted(agent)
    call = await line.call(
        agent,
        caller=["My order?"],
        model=["Hello.", Calls("lookup_order", order_id="order_123"), "It is sent."],
    )
    call.expect.tool("lookup_order").returned("Order order_123 has shipped.")
    call.expect.no_complaints()
    await scripted(agent)


async def test_the_shop_of_our_page(line: Line) -> None:
    call = await line.call(
        module_of("docs/openai-agents.md", "Saying more").agent,
        caller=["My money, please.", "Thank you."],
        model=[
            Calls("refund", amount=20),
            "It is on its way.",
            Says("Goodbye.", then=Calls("end_call")),
        ],
    )
    call.expect.greeting(whole=True)
    call.expect.tool("refund", amount=20).returned("20 dollars are on their way")
    call.expect.ended_by("agent")
    call.expect.no_complaints()
