"""Handing over within a call: who is on, what the model has, what rests and is there again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from callbridge import (
    Agent,
    AgentFault,
    Call,
    Destination,
    EndCall,
    Flow,
    Handoff,
    Recording,
    Step,
    ToolRefused,
    Transfer,
    tool,
)
from callbridge.agents.handoffs.graph import agents_from, unused_in
from callbridge.agents.menu import work_of
from callbridge.agents.tools.runs import AT_ONCE_MAX
from callbridge.call.actions import RunTool
from callbridge.call.agent_facts import AgentChanged, ValuesSet
from callbridge.call.facts import ItemHeard, KeysPressed, StreamStarted, encode
from callbridge.call.outcomes import ToolOutcome, TransferOutcome
from callbridge.call.telephone_facts import TransferEnded
from callbridge.call.wants import AgentSays, AgentTells, AnswerStopped, SessionWanted, WishSet, WishWithdrawn
from callbridge.fields import PersonName
from callbridge.wire.realtime_commands import FunctionTool
from desk_and_billing import DESK, FLOW, Why, desk_and_billing
from flow_calls import flow_call
from leftovers import until
from transfer_calls import Calling

TELLS_OF_ONE = AgentTells("[The caller pressed 1 on the telephone keypad.]", is_callers=True)


# --- What the model has ---------------------------------------------------------------------------------


async def test_the_session_is_that_of_who_is_on() -> None:
    desk, _ = desk_and_billing()
    async with flow_call(desk) as call:
        await call.agent.prepare("", "")
        assert call.tools == ["lookup", "transfer_to_billing_eu"]
        (handoff,) = [one for one in call.session.tools if one.name == "transfer_to_billing_eu"]
        assert isinstance(handoff, FunctionTool)
        assert "Questions about bills." in handoff.description
        assert await call.call("lookup") == f"the desk for {DESK}"
        told = await call.call("transfer_to_billing_eu")
        assert told["assistant"] == "Billing.eu"
        assert call.session.instructions == "You are billing."
        assert call.tools == ["lookup", "transfer_to_desk"]
        assert await call.call("lookup") == "billing for Billing.eu"
        assert "there is no tool" in (await call.call("transfer_to_billing_eu"))["error"]
        await call.call("transfer_to_desk")
        assert (call.agent.call.agent, call.session.instructions) == (DESK, "You are the desk.")
    assert [fact for fact in call.facts if isinstance(fact, AgentChanged)] == [
        AgentChanged("Billing.eu", DESK, "transfer_to_billing_eu"),
        AgentChanged(DESK, "Billing.eu", "transfer_to_desk"),
    ]


async def test_the_session_is_wanted_before_the_words_of_the_new_agent() -> None:
    """So the first answer behind the handoff comes from it; what the left one wished is no more."""
    desk, _ = desk_and_billing(say="This is billing.")
    async with flow_call(desk) as call:
        await call.agent.prepare("", "")
        result = await call.run("transfer_to_billing_eu", "{}")
        assert result.is_quiet
        kinds = [type(one) for one in call.wanted if not isinstance(one, AgentTells)]
        assert kinds == [SessionWanted, WishWithdrawn, AgentSays]
        (says,) = [one for one in call.wanted if isinstance(one, AgentSays)]
        assert (says.words, says.is_answer) == ("This is billing.", True), "the caller waits for it"
        told = json.loads(result.output)["what_next"]
        assert 'You say now: "This is billing."' in told, "so that the model can, if it must"


async def test_the_input_is_typed_and_goes_to_the_users_function() -> None:
    seen: list[object] = []

    async def noted(call: Call, why: Why) -> str:
        seen.append((call.agent, why))
        call.values["bill"] = why.bill
        if why.bill > 9:
            raise ToolRefused("there is no such bill: ask for it again")
        return f"bill {why.bill} is paid"

    desk, billing = desk_and_billing(input_type=Why, on_handoff=noted, description="Bills.")
    async with flow_call(desk) as call:
        (handoff,) = [one for one in call.session.tools if one.name == "transfer_to_billing_eu"]
        assert isinstance(handoff, FunctionTool)
        assert handoff.parameters["required"] == ["bill"]
        for wrong in ({}, {"bill": "7"}, {"bill": 7, "more": 1}):
            refused = await call.call("transfer_to_billing_eu", **wrong)
            assert "invalid arguments" in refused["error"]
        refused = await call.call("transfer_to_billing_eu", bill=10)
        assert (refused["error"], call.agent.agent_on) == ("there is no such bill: ask for it again", DESK)
        told = await call.call("transfer_to_billing_eu", bill=7, is_urgent=True)
        assert told["told"] == "bill 7 is paid"
        assert seen[1:] == [(DESK, Why(bill=7, is_urgent=True))]
        assert [fact.values for fact in call.facts if isinstance(fact, ValuesSet)] == [
            '{"bill":10}',
            '{"bill":7}',
        ]
    assert billing.values is None


async def test_a_function_that_raises_keeps_the_caller() -> None:
    def broken() -> None:
        raise KeyError("a secret")

    desk, _ = desk_and_billing(on_handoff=broken)
    async with flow_call(desk) as call:
        with capture_logs() as log:
            assert await call.call("transfer_to_billing_eu") == {"error": "the tool failed: KeyError"}
        assert [line["event"] for line in log] == ["tool_raised"]
        assert call.agent.agent_on == DESK
        with capture_logs():
            await call.call("transfer_to_billing_eu")  # It may be tried again.


async def test_a_handoff_that_is_not_enabled_is_not_there() -> None:
    def with_bill(call: Call) -> bool:
        return bool(call.values["bill"])  # Raises at first.

    desk, _ = desk_and_billing(is_enabled=with_bill)

    @desk.tool
    async def note_bill(call: Call, bill: int) -> None:
        """Note the bill."""
        call.values["bill"] = bill

    async with flow_call(desk) as call:
        with capture_logs() as log:
            assert call.tools == ["lookup", "note_bill"]
            assert "there is no tool" in (await call.call("transfer_to_billing_eu"))["error"]
        assert {line["event"] for line in log} == {"handoff_predicate_raised"}
        await call.call("note_bill", bill=3)
        assert call.tools == ["lookup", "note_bill", "transfer_to_billing_eu"]


# --- What rests -----------------------------------------------------------------------------------------


class Booking(BaseModel):
    """A table."""

    name: PersonName
    guests: int


async def test_a_form_rests_and_what_was_asked_must_be_asked_again() -> None:
    desk, billing = desk_and_billing()
    delivered = []

    async def booked(booking: Booking) -> None:
        delivered.append(booking)

    desk.capture(Booking, then=booked)
    billing.capture(Booking)
    heard = ItemHeard("item_1", 9)
    async with flow_call(desk) as call:
        await call.call("note_booking", name="Sam")
        await call.happen(heard)  # The name is read back, and they say something else.
        await call.call("transfer_to_billing_eu")
        await call.speak()
        assert "Sam" not in call.session.instructions, "a form of the same name is another one"
        await call.call("transfer_to_desk")
        await call.speak()
        refused = await call.call("confirm_booking", fields=["name"])
        assert "not confirmed" in refused["error"]
        await call.happen(heard)
        await call.speak()
        await call.call("confirm_booking", fields=["name"])
        assert "complete" in await call.call("note_booking", guests=2)
    assert delivered == [Booking(name="Sam", guests=2)]


async def test_a_delivery_of_a_form_belongs_to_the_agent_that_is_left() -> None:
    """Both have a form of one name, and a function for it."""
    desk, billing = desk_and_billing()
    delivered: list[str] = []

    class Note(BaseModel):
        """A note."""

        text: str

    async def at_desk(note: Note) -> None:
        delivered.append(f"desk {note.text}")

    async def at_billing(note: Note) -> None:
        delivered.append(f"billing {note.text}")

    desk.capture(Note, then=at_desk)
    billing.capture(Note, then=at_billing)
    async with flow_call(desk) as call:
        for name, arguments in (("note_note", '{"text": "x"}'), ("transfer_to_billing_eu", "{}")):
            result = await call.agent.run(asked_for(name, arguments), is_kept=True)
            assert result.outcome.is_answer
        await call.settle()  # The work is taken when the other agent is on.
        assert call.agent.agent_on == "Billing.eu"
    assert delivered == ["desk x"]


def asked_for(name: str, arguments: str) -> Any:
    return RunTool(f"call_{name}", name, arguments, 5.0)


def wishes(wanted: list[Any]) -> list[type]:
    return [type(one) for one in wanted if isinstance(one, WishSet | WishWithdrawn)]


async def test_a_flow_rests_in_its_step_and_ends_no_call_meanwhile() -> None:
    desk, billing = desk_and_billing()
    desk = Agent(name="desk", flow=FLOW, handoffs=[billing])
    billing.handoffs[:] = [desk]
    async with flow_call(desk) as call:
        await call.call("go_to_cards")
        await call.call("go_to_bye")
        assert [one for one in call.wanted if isinstance(one, WishSet)]
        del call.wanted[:]
        await call.call("transfer_to_billing_eu")
        assert [type(one) for one in call.wanted if isinstance(one, WishSet | WishWithdrawn)] == [
            WishWithdrawn
        ]
        assert "go_to" not in str(call.tools)
        await call.speak()
        del call.wanted[:]
        await call.call("transfer_to_desk")
        assert wishes(call.wanted) == [WishWithdrawn, WishSet]
        assert call.steps == ["welcome", "cards", "bye"], "it is not entered again"
        assert "# The step of the conversation: bye" in call.session.instructions


async def test_a_flow_begins_when_its_agent_comes_on() -> None:
    desk = Agent(name="desk", handoffs=[Agent(name="clinic", flow=FLOW)])
    async with flow_call(desk) as call:
        assert call.steps == []
        await call.call("transfer_to_clinic")
        assert call.way == [("welcome", "")]


async def test_a_recording_leaves_out_the_steps_of_any_agent() -> None:
    desk = Agent(name="desk", recording=Recording(consent="none"))
    clinic = Agent(name="clinic", flow=FLOW, handoffs=[desk])
    desk.handoffs.append(clinic)
    async with flow_call(desk) as call:
        assert call.agent.recording is not None
        call.agent.recording.allow({})
        for name in ("transfer_to_clinic", "go_to_cards", "transfer_to_desk", "transfer_to_clinic"):
            await call.call(name)
            await call.speak()
    kinds = [fact.kind for fact in call.facts if fact.kind.startswith(("recording", "agent", "step"))]
    assert kinds == [
        *("agent_changed", "step_entered", "step_entered", "recording_paused"),
        *("agent_changed", "recording_resumed", "agent_changed", "recording_paused"),
    ]


async def test_a_tool_that_answers_later_is_told_of_whoever_is_on() -> None:
    desk, _ = desk_and_billing()
    may_end = asyncio.Event()

    @desk.tool(answers="later")
    async def order() -> str:
        """Order it."""
        await may_end.wait()
        return "ordered"

    async with flow_call(desk) as call:
        await call.agent.run(asked_for("order", "{}"), is_kept=True)
        may_end.set()
        await call.agent.run(asked_for("transfer_to_billing_eu", "{}"), is_kept=True)
        await call.settle()
    assert any("ordered" in one.text for one in call.wanted if isinstance(one, AgentTells))


async def test_a_question_of_one_agent_is_no_question_of_another() -> None:
    desk, billing = desk_and_billing()
    done = []
    for agent in (desk, billing):

        @agent.tool(confirm=True)
        async def cancel(call: Call) -> None:
            """Cancel it."""
            done.append(call.agent)

    async with flow_call(desk) as call:
        assert "not done yet" in (await call.call("cancel"))["error"]
        await call.happen(ItemHeard("item_1", 9))
        await call.speak()
        await call.call("transfer_to_billing_eu")
        assert "not done yet" in (await call.call("cancel"))["error"]
    assert done == []


async def test_a_tool_that_was_held_up_is_not_run_for_an_agent_that_rests() -> None:
    """Its guardrail takes its time, and meanwhile the caller is handed over."""
    desk, _ = desk_and_billing()
    done, may_pass = [], asyncio.Event()

    @desk.tool
    async def cancel(call: Call) -> None:
        """Cancel it."""
        done.append(call.agent)

    @desk.tool_guardrail
    async def slow(tool: str, _arguments: dict[str, Any]) -> bool:
        if tool == "cancel":
            await may_pass.wait()
        return False

    async with flow_call(desk) as call:
        waiting = asyncio.ensure_future(call.run("cancel", "{}"))
        await asyncio.sleep(0)
        await call.call("transfer_to_billing_eu")
        may_pass.set()
        assert "handed over" in (await waiting).output
    assert done == []


async def test_a_form_notes_nothing_behind_the_fact_that_its_agent_was_left() -> None:
    """It waited for a place. The other agent has a form of the same name, whose value it would become."""
    may_hand_over, may_answer = asyncio.Event(), asyncio.Event()

    async def noted() -> None:
        await may_hand_over.wait()

    desk, billing = desk_and_billing(on_handoff=noted)

    @desk.tool
    async def look_up(shelf: int) -> None:
        """Look it up."""
        await may_answer.wait()

    for agent in (desk, billing):
        agent.capture(Booking)
    async with flow_call(desk) as call, asyncio.TaskGroup() as tasks:
        asked = [("look_up", f'{{"shelf": {number}}}') for number in range(AT_ONCE_MAX - 1)]
        asked += [("transfer_to_billing_eu", "{}"), ("note_booking", '{"guests": 2}')]
        runs = [tasks.create_task(call.agent.run(asked_for(*one), is_kept=True)) for one in asked]
        assert await until(lambda: len(call.agent._tools._running) == len(dict(asked))), "the form waits, too"
        may_hand_over.set()
        result = await runs[-1]
        may_answer.set()
        await call.settle()
    assert (result.outcome, call.agent.agent_on) == (ToolOutcome.REFUSED, "Billing.eu")
    assert "the caller was handed over" in result.output
    assert [fact.kind for fact in call.facts] == ["stream_started", "agent_changed"]


@pytest.mark.parametrize("wish", [EndCall("The order is cancelled."), Transfer("office", reason="an order")])
async def test_a_tool_that_still_runs_does_its_work_and_wishes_nothing_for_the_call(wish: str) -> None:
    """What was done is done, and its values are those of the call; the caller stays with whom they are."""
    desk, billing = desk_and_billing()
    desk = Agent(
        name="desk",
        can_hang_up=False,
        transfers=[Destination("office", "+14155550100")],
        handoffs=[billing],
    )
    billing.handoffs[:] = [desk]
    may_end = asyncio.Event()

    @desk.tool
    async def cancel(call: Call) -> str:
        """Cancel the order."""
        await may_end.wait()
        call.values["cancelled"] = call.agent
        return wish

    async with flow_call(desk) as call:
        waiting = asyncio.ensure_future(call.run("cancel", "{}"))
        await asyncio.sleep(0)
        await call.call("transfer_to_billing_eu")
        may_end.set()
        result = await waiting
    told = json.loads(result.output)
    assert (told.get("answered"), result.wish) == (wish if isinstance(wish, EndCall) else None, None)
    assert "they are with you since" in told["not_done"]
    assert wishes(call.wanted) == [WishWithdrawn]
    assert call.agent.call.values == {"cancelled": "Billing.eu"}


async def test_who_is_handed_over_meanwhile_is_not_put_through() -> None:
    """A function of the agent's that is left still says whom to ring."""
    may_answer = asyncio.Event()

    async def on_duty() -> str:
        await may_answer.wait()
        return "+14155550100"

    people = [Destination("office", on_duty, within=["+1415"], says="I put you through.")]
    desk = Agent(name="desk", transfers=people, handoffs=[Agent(name="other")])
    async with flow_call(desk) as call:
        waiting = asyncio.ensure_future(call.run("transfer", '{"to": "office", "reason": "a bill"}'))
        await asyncio.sleep(0)
        await call.call("transfer_to_other")
        may_answer.set()
        assert "handed over meanwhile" in (await waiting).output
    assert [type(one) for one in call.wanted if isinstance(one, WishSet | AgentSays)] == []


async def test_keys_of_the_menu_are_those_of_who_is_on() -> None:
    desk, _ = desk_and_billing()

    @desk.key("1")
    async def hours() -> str:
        return "open"

    async with flow_call(desk) as call:
        await call.happen(KeysPressed("1", turn=1, is_menu=True))
        assert call.works == [work_of("1")]
        await call.call("transfer_to_billing_eu")
        await call.happen(KeysPressed("1", turn=2, is_menu=True))
        assert call.works == [work_of("1")]
        assert call.wanted[-1] == AgentTells(
            "[The caller pressed 1 on the telephone keypad.]", is_callers=True
        )
    assert call.agent.reads_keys


async def test_who_put_the_caller_through_has_them_back() -> None:
    """Its function for what failed runs, and not that of the agent that rests."""
    failed = []
    people = [Destination("office", "+14155550100")]
    other = Agent(name="other", transfers=people)
    desk = Agent(name="desk", transfers=people, handoffs=[other])
    for agent in (desk, other):

        @agent.transfer_failed
        async def again(call: Call) -> None:
            failed.append(call.agent)

    async with asyncio.TaskGroup() as tasks:
        calling = Calling(desk, tasks)
        calling.tells(StreamStarted("", ""))
        await calling.asks("transfer_to_other")
        calling.tells(TransferEnded("t1", "office", TransferOutcome.BUSY, 900))
        await calling.works()
    assert failed == ["other"]
    assert [result.name for result in calling.agent.transfers()] == ["office"], "of the call, and once"


async def test_the_last_words_of_the_agent_that_is_left_are_looked_at_by_its_own_guardrails() -> None:
    desk, billing = desk_and_billing()
    looked_at = asyncio.Queue[str]()

    @desk.guardrail(every=1000, say="I take that back.")
    async def no_prices(text: str) -> bool:
        """No prices."""
        looked_at.put_nowait(text)
        return "dollars" in text

    @billing.guardrail(every=1000)
    async def nothing_at_all(text: str) -> bool:
        looked_at.put_nowait(f"billing: {text}")
        return True

    async with flow_call(desk) as call, asyncio.timeout(10):
        await call.agent.prepare("", "")
        hears = call.agent.hearer
        assert hears is not None
        hears("agent", "item_1", "It costs")
        await call.call("transfer_to_billing_eu")
        assert await looked_at.get() == "It costs"
        hears("agent", "item_1", " nine dollars.")  # Code may hand over in the middle of them.
        assert await looked_at.get() == "It costs nine dollars."
        await call.agent.wants.written()
        await call.settle()
        call.agent.hang_up()
    (stopped,) = [one for one in call.wanted if isinstance(one, AnswerStopped)]
    assert (stopped.item_id, looked_at.empty()) == ("item_1", True)


# --- What cannot be so ----------------------------------------------------------------------------------


class Other(BaseModel):
    number: int = 0


def test_agents_that_cannot_be_so_are_refused() -> None:
    billing = Agent(name="billing")

    @tool()
    async def transfer_to_billing() -> str:
        """Mine."""
        return ""

    hands_over = Flow(Step("pay", hand_to="billing"))
    nameless = Agent(name="desk", handoffs=[Agent()])
    itself = Agent(name="desk")
    itself.handoffs.append(itself)
    cases: list[tuple[Agent, str]] = [
        (nameless, "has no name"),
        (itself, "leads to itself"),
        (Agent(handoffs=[billing, Handoff(billing)]), "two tools named transfer_to_billing"),
        (Agent(handoffs=[billing], tools=[transfer_to_billing]), "two tools named transfer_to_billing"),
        (
            Agent(handoffs=[Agent(name="a", handoffs=[Agent(name="billing")]), billing]),
            "two agents are called",
        ),
        (Agent(handoffs=[Agent(name="a", values=Other)]), "they are shared"),
        (Agent(handoffs=[Agent(name="a", handoff_description="x" * 501)]), "more than 500 characters"),
        (Agent(flow=hands_over), "step pay: there is no handoff to billing; there are: none"),
        (Agent(flow=hands_over, handoffs=[Handoff(billing, input_type=Why)]), "a step has none"),
        (Agent(handoffs=["billing"]), "is no agent"),  # type: ignore[list-item]
        (Agent(handoffs=[Agent(name=f"agent_{number}") for number in range(32)]), "33 agents, and may to 32"),
    ]
    for agent, why in cases:
        with pytest.raises(AgentFault, match=why):
            agents_from(agent, "first")


def test_handoffs_that_cannot_be_so_are_refused() -> None:
    async def asks(more: str) -> None: ...

    async def is_open() -> bool:
        return True

    billing = Agent(name="billing")
    for given, why in (
        ({"on_handoff": asks}, "say which with input_type"),
        ({"is_enabled": is_open}, "a plain function"),
        ({"input_type": str}, "write a pydantic model"),
        ({"say": "x" * 501}, "at most 500"),
    ):
        with pytest.raises(AgentFault, match=why):
            Handoff(billing, **given)


def test_what_does_not_count_is_named() -> None:
    desk = Agent(name="desk", voice="cedar", language="de", spend_max=1)
    other = Agent(name="other", voice="marin", language="de", spend_max=2, person_key="0")
    assert unused_in(other, desk) == ["voice", "spend_max", "person_key"]
    assert unused_in(Agent(name="plain"), desk) == []


def test_what_is_shown() -> None:
    assert json.loads(encode(AgentChanged("a", "b", "c")))["kind"] == "agent_changed"
    assert repr(Handoff(Agent(name="billing"))) == "<Handoff to billing>"
