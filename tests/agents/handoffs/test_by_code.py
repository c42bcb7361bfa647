"""Handing over by code: what it answers or calls, and the steps to which a call comes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, Field, computed_field

from callbridge import (
    Agent,
    Call,
    Flow,
    Form,
    Handoff,
    HandTo,
    Step,
    ToolRefused,
    answered,
    asked,
    captured,
    key,
    refused,
)
from callbridge.agents.handoffs.handoff import WORK
from callbridge.agents.menu import work_of
from callbridge.call.agent_facts import AgentChanged
from callbridge.call.facts import ItemHeard, KeysPressed
from callbridge.call.wants import AgentSays, AgentTells, SessionWanted, WishWithdrawn
from callbridge.fields import Digits
from desk_and_billing import DESK, Why, desk_and_billing
from flow_calls import flow_call


def handing(desk: Agent, answer: HandTo) -> None:
    """The desk has a tool that answers so."""

    @desk.tool
    def complain(bill: int) -> HandTo:
        """Pass a complaint on."""
        assert bill
        return answer


async def test_a_tool_hands_over_by_what_it_answers() -> None:
    """The model waits for it, so the first answer behind it is that of the other agent."""
    seen: list[object] = []

    def noted(call: Call, why: Why) -> str:
        seen.append((call.agent, why))
        return "it is open"

    desk, _ = desk_and_billing(input_type=Why, on_handoff=noted, is_enabled=False)
    handing(desk, HandTo("Billing.eu", say="I am sorry.", given=Why(bill=7)))
    async with flow_call(desk) as call:
        await call.agent.prepare("", "")
        assert call.tools == ["lookup", "complain"], "the model alone cannot"
        result = await call.run("complain", '{"bill": 7}')
        told = json.loads(result.output)
        assert (told["assistant"], told["told"], result.is_quiet) == ("Billing.eu", "it is open", True)
        assert call.session.instructions == "You are billing."
        kinds = [type(one) for one in call.wanted if not isinstance(one, AgentTells)]
        assert kinds == [SessionWanted, WishWithdrawn, AgentSays]
        assert call.works == []
        (words,) = [one for one in call.wanted if isinstance(one, AgentSays)]
        assert (words.words, words.is_answer) == ("I am sorry.", True)
    assert seen == [(DESK, Why(bill=7))]
    assert [fact for fact in call.facts if isinstance(fact, AgentChanged)] == [
        AgentChanged("Billing.eu", DESK, "complain")
    ]


@pytest.mark.parametrize("how", ["by what it answers", "by the call"])
async def test_a_key_hands_over_and_the_other_agent_is_told_so(how: str) -> None:
    desk, _ = desk_and_billing()

    @desk.key("2")
    def to_billing(call: Call) -> str:
        if how == "by what it answers":
            return HandTo("Billing.eu")
        call.hand_to("Billing.eu")  # In a thread.
        return "They want to pay."

    async with flow_call(desk) as call:
        await call.agent.prepare("", "")
        await call.happen(KeysPressed("2", turn=1, is_menu=True))
        await call.settle()
        assert call.agent.agent_on == "Billing.eu"
        *of_key, told = [one for one in call.wanted if isinstance(one, AgentTells)]
        assert "you are Billing.eu" in told.text
        assert told.is_answered
        assert [one.is_answered for one in of_key] == ([False] if how == "by the call" else [])
        await call.call("transfer_to_desk")
    assert call.works == [work_of("2"), *([WORK] if how == "by the call" else [])]


async def test_the_agent_that_is_left_says_nothing_of_a_tool_that_hands_over_by_the_call() -> None:
    """Or of one whose answer leads to a step that does. The other one speaks, or this one says why not."""
    is_closed = False

    def may_refuse() -> None:
        if is_closed:
            raise ToolRefused("billing is closed")

    billing = Agent(name="Billing.eu")
    flow = Flow(
        Step("welcome", go=[answered("look_up", to="pay", when=lambda bill: bill == 8)]),
        Step("pay", hand_to="Billing.eu"),
    )

    def look_up(bill: int, call: Call) -> int:
        """Look a bill up."""
        if bill == 7:
            call.hand_to("Billing.eu")
        return bill

    handoff = Handoff(billing, on_handoff=may_refuse)
    desk = Agent(name="desk", tools=[look_up], flow=flow, handoffs=[handoff])
    billing.handoffs[:] = [desk]
    async with flow_call(desk) as call:
        for bill, who in ((7, "Billing.eu"), (8, "Billing.eu"), (7, DESK), (6, DESK)):
            is_closed = who == DESK
            call.wanted.clear()
            result = await call.run("look_up", f'{{"bill": {bill}}}')
            assert (result.output, result.is_quiet) == (str(bill), bill != 6)
            assert call.agent.agent_on == who
            told = [one.is_answered for one in call.wanted if isinstance(one, AgentTells)]
            assert told == ([True] if result.is_quiet else [])
            if who != DESK:
                await call.speak()
                await call.call("transfer_to_desk")


async def test_a_step_of_a_flow_hands_over_once_and_stands_there_when_the_caller_is_back() -> None:
    _, billing = desk_and_billing()
    ways = [asked("pay", "they want to pay")]
    flow = Flow(
        Step("welcome", go=ways), Step("pay", "Ask what else they want.", hand_to="Billing.eu", go=ways)
    )
    desk = Agent(name="desk", flow=flow, handoffs=[Handoff(billing, is_enabled=False)])
    billing.handoffs[:] = [desk]
    async with flow_call(desk) as call:
        assert (await call.run("go_to_pay", "{}")).is_quiet, "the other agent speaks, and not this one"
        assert (call.agent.agent_on, call.works) == ("Billing.eu", [WORK])
        assert [one.is_answered for one in call.wanted if isinstance(one, AgentTells)] == [True]
        await call.call("transfer_to_desk")
        assert "Ask what else they want." in call.session.instructions
        assert (call.agent.agent_on, call.steps) == (DESK, ["welcome", "pay"])
        await call.call("go_to_pay")
        assert call.agent.agent_on == "Billing.eu", "entered again, it leads there again"
    assert [fact.because for fact in call.facts if isinstance(fact, AgentChanged)] == [
        *("step pay", "transfer_to_desk", "step pay")
    ]


class Card(BaseModel):
    """What a payment needs."""

    pin: Digits


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
@pytest.mark.parametrize("how", ["said", "typed", "refused", "pressed"])
async def test_a_form_or_a_key_that_leads_to_a_handoff_is_spoken_about_by_the_other_agent(
    how: str, *, is_open: bool
) -> None:
    """This one says nothing of what came last, and of its delivery, unless it keeps the caller."""

    def may_refuse() -> None:
        if not is_open:
            raise ToolRefused("billing is closed")

    async def paid(card: Card) -> str:
        if card.pin == "7":
            raise ToolRefused("it was paid before")
        return "paid"

    asks = Step("card", captures=Form(Card, then=paid), go=[captured(to="pay"), refused(to="pay")])
    menu = Step("menu", go=[key("1", to="pay")])
    flow = Flow(menu if how == "pressed" else asks, Step("pay", hand_to="billing"))
    desk = Agent(name="desk", flow=flow, handoffs=[Handoff(Agent(name="billing"), on_handoff=may_refuse)])
    for pin in ("4711", "7"):
        async with flow_call(desk) as call:
            if how == "said":
                await call.call("note_card", pin=pin)
                await call.happen(ItemHeard("item_1", 9))
                await call.speak()
                assert (await call.run("confirm_card", '{"fields": ["pin"]}')).is_quiet
            elif how == "refused":
                assert (await call.run("decline_card", '{"field": "pin"}')).is_quiet
            else:
                await call.press(f"{pin}#" if how == "typed" else "1#")
            assert call.agent.agent_on == ("billing" if is_open else "desk")
            *of_form, told = [one for one in call.wanted if isinstance(one, AgentTells)]
            assert ("you are billing" in told.text, told.is_answered) == (is_open, True)
            assert not any(one.is_answered for one in of_form), of_form


async def test_a_handoff_by_code_that_does_not_come_about_is_told() -> None:
    """The function of the handoff may refuse it, and there are as many as there may be."""

    def refuses(call: Call) -> None:
        raise ToolRefused("billing is closed")

    desk, _ = desk_and_billing(on_handoff=refuses)
    handing(desk, HandTo("Billing.eu"))
    async with flow_call(desk) as call:
        assert await call.call("complain", bill=7) == "It did not lead to Billing.eu: billing is closed"
        call.agent.call.hand_to("Billing.eu")
        await call.settle()
        (told,) = [one for one in call.wanted if isinstance(one, AgentTells)]
        assert told == AgentTells("[The caller was not handed over: billing is closed]")
        assert call.agent.agent_on == DESK


class Other(BaseModel):
    """What no handoff asks for."""

    number: int = 0


async def test_a_handoff_by_code_that_cannot_be_is_refused() -> None:
    desk, _ = desk_and_billing(input_type=Why)
    handing(desk, HandTo("sales"))
    async with flow_call(desk) as call:
        hand_to = call.agent.call.hand_to
        with pytest.raises(ValueError, match=r"desk hands over to no sales; it does to Billing\.eu"):
            hand_to("sales")
        with pytest.raises(ValueError, match="bill: Field required"):
            hand_to("Billing.eu")
        with pytest.raises(ValueError, match="number: Extra inputs"):
            hand_to("Billing.eu", given=Other())
        assert "It did not lead to sales" in await call.call("complain", bill=7)
    assert [fact for fact in call.facts if isinstance(fact, AgentChanged)] == []


class Bill(BaseModel):
    """By another name than the model of a call has for it."""

    number: int = Field(alias="bill-number")

    @computed_field  # type: ignore[prop-decorator]  # As pydantic's own documentation has it.
    @property
    def is_old(self) -> bool:
        return self.number < 10


class Sealed(BaseModel):
    """It has no JSON form."""

    bill: Any


async def test_what_is_passed_has_the_form_in_which_a_model_passes_it() -> None:
    passed: list[Bill] = []

    async def noted(given: Bill) -> None:
        passed.append(given)

    desk, _ = desk_and_billing(input_type=Bill, on_handoff=noted)
    handing(desk, HandTo("Billing.eu", given=Bill.model_validate({"bill-number": 7})))
    async with flow_call(desk) as call:
        assert (await call.call("complain", bill=7))["assistant"] == "Billing.eu"
    assert [one.number for one in passed] == [7]


@pytest.mark.parametrize("given", [{"bill": 7}, Sealed(bill=object())])
async def test_what_cannot_be_passed_costs_no_call(given: Any) -> None:
    desk, _ = desk_and_billing(input_type=Why)
    handing(desk, HandTo("Billing.eu", given=given))
    async with flow_call(desk) as call:
        assert "It did not lead to Billing.eu" in await call.call("complain", bill=7)
        assert call.agent.agent_on == DESK
        with pytest.raises(ValueError, match="given="):
            call.agent.call.hand_to("Billing.eu", given=given)


async def test_who_was_handed_over_meanwhile_is_not_handed_on() -> None:
    """By the agent that was left: its tool has run for longer, or what it asked for comes too late."""
    desk, _ = desk_and_billing()
    sales = Agent(name="sales")
    desk.handoffs.append(sales)
    async with flow_call(desk) as call:
        call.agent.call.hand_to("Billing.eu")
        call.agent.call.hand_to("sales")
        await call.settle()
        came, told = [one for one in call.wanted if isinstance(one, AgentTells)]
    assert call.agent.agent_on == "Billing.eu"
    assert came.is_answered, "or nobody would speak"
    assert ("handed over already" in told.text, told.is_answered) == (True, False)
