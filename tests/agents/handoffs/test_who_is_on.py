"""Who is on: how often that may change, one change at a time, and the same on another stream."""

from __future__ import annotations

import asyncio
from typing import Any

from structlog.testing import capture_logs

from callbridge import Agent
from callbridge.agents.handoffs.who_is_on import HANDOFFS_MAX, UNSPOKEN_MAX
from callbridge.call.agent_facts import AgentChanged, StepEntered
from callbridge.call.facts import TurnEnded, decode, encode
from desk_and_billing import DESK, FLOW, desk_and_billing
from flow_calls import flow_call


async def test_agents_do_not_send_the_caller_to_each_other_for_ever() -> None:
    desk, _ = desk_and_billing()
    to = ["transfer_to_billing_eu", "transfer_to_desk"]
    async with flow_call(desk) as call:
        for number in range(UNSPOKEN_MAX):
            assert "assistant" in await call.call(to[number % 2])
        refused = await call.call(to[UNSPOKEN_MAX % 2])
        assert "speak with them first" in refused["error"]
        for number in range(UNSPOKEN_MAX, HANDOFFS_MAX):
            await call.speak()
            assert "assistant" in await call.call(to[number % 2])
        await call.speak()
        refused = await call.call(to[HANDOFFS_MAX % 2])
        assert "not any more" in refused["error"]


async def test_only_one_of_two_handoffs_at_once_is_made() -> None:
    desk, _ = desk_and_billing()
    sales = Agent(name="sales")
    desk.handoffs.append(sales)
    async with flow_call(desk) as call:
        results = await asyncio.gather(
            call.run("transfer_to_billing_eu", "{}"), call.run("transfer_to_sales", "{}")
        )
    assert sorted(result.outcome.value for result in results) == ["answered", "refused"]
    assert len([fact for fact in call.facts if isinstance(fact, AgentChanged)]) == 1


async def test_a_handoff_that_comes_behind_the_end_is_none() -> None:
    may_end = asyncio.Event()

    async def noted() -> None:
        await may_end.wait()

    desk, _ = desk_and_billing(on_handoff=noted)
    async with flow_call(desk) as call:
        waiting = asyncio.ensure_future(call.run("transfer_to_billing_eu", "{}"))
        await asyncio.sleep(0)
        call.agent.hang_up()
        may_end.set()
        assert not (await waiting).outcome.is_answer
    assert call.agent.agent_on == DESK


async def test_another_stream_goes_on_with_the_agent_that_was_on() -> None:
    desk, _ = desk_and_billing()
    clinic = Agent(name="clinic", instructions="You are the clinic.", flow=FLOW, handoffs=[desk])
    desk.handoffs.append(clinic)
    async with flow_call(desk) as call:
        await call.call("transfer_to_clinic")
        await call.call("go_to_cards")
        stored = [decode(encode(fact)) for fact in call.facts]
        async with flow_call(desk, [*stored, TurnEnded(1, "a card", "", None, interrupted=False)]) as again:
            await again.agent.prepare("", "")
            assert (again.agent.agent_on, again.tools) == ("clinic", call.tools)
            assert again.steps == [], "it stands there"
            assert "You are the clinic." in again.session.instructions
            assert "cards" in again.session.instructions
            for tool_name in ("transfer_to_desk", "transfer_to_clinic", "transfer_to_desk"):
                assert "assistant" in await again.call(tool_name)
            assert "speak with them first" in (await again.call("transfer_to_clinic"))["error"]


async def test_an_agent_that_is_gone_leaves_the_caller_where_they_were() -> None:
    """A deploy came in between. What happened with that one is no step of another's flow."""
    desk = Agent(name="desk", flow=FLOW)
    gone: list[Any] = [
        AgentChanged("gone", DESK, "transfer_to_gone"),
        StepEntered("cards", ""),
    ]
    with capture_logs() as log:
        async with flow_call(desk, [StepEntered("welcome", ""), *gone]) as call:
            assert "# The step of the conversation: welcome" in call.session.instructions
    assert [(line["event"], line["name"]) for line in log] == [("agent_not_known", "gone")]
