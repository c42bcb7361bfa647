"""Which functions may be guardrails."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from callbridge import Agent, AgentFault, Call, guardrail, tool_guardrail
from callbridge.agents.guardrails.guardrail import SAY_MAX, Guardrail, ToolGuardrail
from tool_runs import in_call


def no_prices(text: str) -> bool:
    """Prices are told
    by the shop alone.

    Not this.
    """
    return "$" in text


def of_call(call: Call, words: str) -> None:
    """Whatever its parameters are called."""


def with_default(text: str, strict: bool = True) -> None: ...


def no_text() -> None: ...


def too_many(text: str, more: str) -> None: ...


def small_sums(tool: str, arguments: dict[str, object]) -> None: ...


async def test_a_guardrail_is_given_the_text_and_the_call_if_it_asks() -> None:
    call = in_call(Agent()).call
    assert Guardrail(no_prices).given("Hello.", call) == {"text": "Hello."}
    assert Guardrail(of_call).given("Hello.", call) == {"call": call, "words": "Hello."}
    assert Guardrail(with_default).given("Hello.", call) == {"text": "Hello."}
    assert ToolGuardrail(small_sums).given("pay", {"sum": 1}, call) == {
        "tool": "pay",
        "arguments": {"sum": 1},
    }
    assert Guardrail(no_prices).about == "Prices are told by the shop alone."


@pytest.mark.parametrize(
    ("make", "function", "why"),
    [
        (Guardrail, no_text, "guardrail no_text: it takes the text, and the call"),
        (Guardrail, too_many, "guardrail too_many: it takes the text, and the call"),
        (Guardrail, small_sums, "guardrail small_sums: it takes the text, and the call"),
        (ToolGuardrail, no_prices, "guardrail no_prices: it takes the tool's name and its arguments"),
        (Guardrail, functools.partial(no_prices), "it is no function with a name"),
        (guardrail(every=0), no_prices, "every=0"),
        (guardrail(say="x" * (SAY_MAX + 1)), no_prices, "say less"),
        (Guardrail, lambda text: text == "x", "it is no function with a name"),
    ],
)
def test_what_cannot_be_one_is_a_fault_that_says_why(
    make: Callable[..., Any], function: Callable[..., Any], why: str
) -> None:
    with pytest.raises(AgentFault, match=why.replace("(", r"\(")):
        make(function)


def test_an_agent_has_them_as_decorators_and_as_a_list() -> None:
    agent = Agent(guardrails=[guardrail(say="No.")(no_prices), of_call, tool_guardrail(small_sums)])
    agent.guardrail(every=5)(with_default)
    assert [one.name for one in agent.guardrails.of_words] == ["no_prices", "of_call", "with_default"]
    assert [one.name for one in agent.guardrails.of_tools] == ["small_sums"]
    assert len(agent.abilities) == 1
    for add in (agent.guardrail(), agent.tool_guardrail):
        with pytest.raises(AgentFault, match="there are two of this name"):
            add(small_sums if add == agent.tool_guardrail else no_prices)


async def test_an_agent_with_guardrails_of_tools_alone_listens_to_nobody() -> None:
    """Each of its words would be looked at for nothing."""
    assert in_call(Agent(guardrails=[tool_guardrail(small_sums)])).hearer is None
    assert in_call(Agent(guardrails=[no_prices])).hearer is not None
