"""Guardrails of tools: they look before anything is done, and before the caller is asked about it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from callbridge import Agent, Call, tool_guardrail
from callbridge.agents.guardrails import tools as looking
from callbridge.agents.tools.confirming import ASK_FIRST
from callbridge.call.actions import RunTool
from callbridge.call.outcomes import ToolOutcome
from tool_runs import in_call

if TYPE_CHECKING:
    from callbridge import ToolGuardrail
    from callbridge.agents.tools.tool import ToolResult

PAID: list[int] = []


@tool_guardrail
def small_sums(tool: str, arguments: dict[str, Any], call: Call) -> str | None:
    """Nothing large."""
    assert call.sid == "CA1"
    return "Nothing above 100 dollars." if tool == "pay" and arguments["dollars"] > 100 else None


def shop(*guardrails: ToolGuardrail, confirm: bool = False) -> Agent:
    """An agent that takes payments."""
    agent = Agent(guardrails=[small_sums, *guardrails])
    PAID.clear()

    @agent.tool(confirm=confirm)
    async def pay(dollars: int) -> str:
        """Takes a payment."""
        PAID.append(dollars)
        return "paid"

    return agent


async def pays(agent: Agent, arguments: str) -> ToolResult:
    called = in_call(agent)
    async with asyncio.TaskGroup() as tasks:
        called.begin(tasks)
        return await called.run(RunTool("call_1", "pay", arguments, 5.0), is_kept=True)


async def test_a_tool_that_is_refused_does_not_run_and_the_model_is_told_why() -> None:
    refused = await pays(shop(), '{"dollars": 101}')
    assert (refused.outcome, PAID) == (ToolOutcome.REFUSED, [])
    assert "Nothing above 100 dollars." in refused.output
    assert (await pays(shop(), '{"dollars": 100}')).output == "paid"


async def test_the_caller_is_not_asked_about_what_is_refused() -> None:
    agent = shop(confirm=True)
    assert "Nothing above" in (await pays(agent, '{"dollars": 101}')).output
    assert ASK_FIRST in (await pays(agent, '{"dollars": 99}')).output


async def test_arguments_that_are_no_object_are_for_the_tool_to_refuse() -> None:
    for arguments in ("[1]", "{", "7"):
        assert (await pays(shop(), arguments)).outcome is ToolOutcome.REFUSED
    assert PAID == []


async def test_each_is_given_arguments_of_its_own() -> None:
    @tool_guardrail
    def takes_away(tool: str, arguments: dict[str, Any]) -> None:
        arguments["of"].clear()

    @tool_guardrail
    async def needs(tool: str, arguments: dict[str, Any]) -> bool:
        await asyncio.sleep(0)
        return arguments != {"of": {"dollars": 5}}

    call = in_call(shop()).call
    assert await looking.refusal_of((takes_away, needs), "pay", '{"of": {"dollars": 5}}', call) is None


@pytest.mark.parametrize("is_late", [True, False])
async def test_nothing_is_done_where_it_cannot_be_found_out_whether_it_may(
    is_late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "LOOK_S", 0.05)

    @tool_guardrail
    async def broken(tool: str, arguments: dict[str, Any]) -> None:
        await asyncio.Event().wait() if is_late else arguments["other"]

    with capture_logs() as logged:
        refused = await pays(shop(broken), '{"dollars": 5}')
    assert (refused.outcome, PAID) == (ToolOutcome.REFUSED, [])
    assert "could not be found out" in refused.output
    assert [(line["event"], line["guardrail"]) for line in logged] == [("guardrail_failed", "broken")]


async def test_arguments_that_no_guardrail_can_be_given_cost_no_call() -> None:
    """JSON reads them, and Python does not copy them."""
    deep = 2 * sys.getrecursionlimit() // 3

    @tool_guardrail
    def fine(tool: str, arguments: dict[str, Any]) -> None: ...

    refused = await pays(shop(fine), f'{{"dollars": {"[" * deep}{"]" * deep}}}')
    assert (refused.outcome, PAID) == (ToolOutcome.REFUSED, [])
    assert "could not be found out" in refused.output


async def test_true_alone_is_told_in_the_words_of_its_docstring() -> None:
    @tool_guardrail
    def never(tool: str, arguments: dict[str, Any]) -> bool:
        """No payments by telephone."""
        return True

    assert "No payments by telephone." in (await pays(shop(never), '{"dollars": 5}')).output


async def test_whatever_the_model_may_call_is_looked_at() -> None:
    """The tools of a form, too, and the one that hangs up."""
    seen = []

    @tool_guardrail
    def sees(tool: str, arguments: dict[str, Any]) -> bool:
        seen.append(tool)
        return True

    class Booking(BaseModel):
        """A table."""

        guests: int

    agent = Agent(guardrails=[sees])
    agent.capture(Booking)
    called = in_call(agent)
    async with asyncio.TaskGroup() as tasks:
        called.begin(tasks)
        names = [tool.name for tool in called.definitions]
        for name in names:
            answer = await called.run(RunTool("call_1", name, "{}", 5.0), is_kept=True)
            assert answer.outcome is ToolOutcome.REFUSED
    assert seen == names
    assert len(names) > 1
