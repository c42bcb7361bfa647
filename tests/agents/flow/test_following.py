"""A flow in a call: each kind of way, what a step brings, and what is known of it on a later stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from callbridge import (
    Agent,
    Call,
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
from callbridge.agents.fields.ready import At, Ready
from callbridge.agents.flow.following import HALTED, STEPS_UNSPOKEN_MAX
from callbridge.call.agent_facts import AttemptFailed, StepEntered
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.rating import CallerWordsRated
from callbridge.call.wants import AgentTells, KeysWanted, WishSet, WishWithdrawn
from callbridge.call.wishes import HangUp
from flow_calls import FlowCall, flow_call

END = Step("end", "Say goodbye.", ends=True)
Doing = Callable[[FlowCall], Awaitable[object]]


def find_slot(day: str) -> dict[str, list[str]]:
    """Looks for free slots."""
    if day == "never":
        raise ValueError(day)
    return {"slots": [] if day == "Sunday" else ["10:00"]}


class Booking(BaseModel):
    """An appointment."""

    name: str
    day: str
    wish: str = ""


class Other(BaseModel):
    """Something else."""

    x: int


class Pin(Ready):
    """Four digits, by keypad."""

    @property
    def description(self) -> str:
        return "four digits"

    @property
    def keys(self) -> KeysWanted:
        return KeysWanted(length_max=4, are_digits=True)

    def read(self, said: object, at: At) -> str:  # noqa: ARG002 - as all of them
        if not isinstance(said, str) or len(said) != 4:
            raise ValueError("it has four digits")
        return said

    def read_back(self, value: str, at: At) -> str:  # noqa: ARG002 - so here
        return ""


class Secret(BaseModel):
    """What lets a caller in."""

    pin: Annotated[str, Pin()]


def nothing_is_free(result: dict[str, list[str]]) -> bool:
    return not result["slots"]


def names_are_known(values: dict[str, Any]) -> bool:
    return values.get("name") == "Samantha"


def agent_of(*go: Any, **step: Any) -> Agent:
    """An agent whose first step has these ways out."""
    return Agent(flow=Flow(Step("start", "Begin.", go=go, **step), END))


async def note(call: FlowCall, **values: str) -> None:
    await call.call("note_booking", **values)


WAYS: dict[str, tuple[Agent, Doing, Doing, str]] = {
    "the caller's request": (
        agent_of(asked("end", "the caller says goodbye")),
        lambda call: call.run("go_to_end", '{"why": 1}'),
        lambda call: call.call("go_to_end"),
        "asked: the caller says goodbye",
    ),
    "a complete form": (
        agent_of(captured(to="end"), captures=Booking),
        lambda call: note(call, name="Samantha"),
        lambda call: note(call, day="Monday", wish="soon"),
        "captured",
    ),
    "a value that was kept": (
        agent_of(captured(to="end", when=names_are_known), captures=Booking),
        lambda call: note(call, name="Sam"),
        lambda call: note(call, name="Samantha"),
        "captured: names are known",
    ),
    "as many values": (
        agent_of(captured(to="end", when=lambda values: len(values) > 1), captures=Booking),
        lambda call: note(call, name="Sam"),
        lambda call: note(call, day="Monday"),
        "captured as wanted",
    ),
    "a refused field": (
        agent_of(refused("day", to="end"), captures=Booking),
        lambda call: call.call("decline_booking", field="wish"),
        lambda call: call.call("decline_booking", field="day"),
        "refused: day",
    ),
    "any refused field": (
        agent_of(refused(to="end"), captures=Booking),
        lambda call: note(call, name="Sam"),
        lambda call: call.call("decline_booking", field="name"),
        "refused",
    ),
    "a tool's answer": (
        agent_of(answered(find_slot, to="end"), tools=[find_slot]),
        lambda call: call.call("find_slot", day="never"),
        lambda call: call.call("find_slot", day="Monday"),
        "find_slot answered",
    ),
    "a tool's answer of a kind": (
        agent_of(answered("find_slot", to="end", when=nothing_is_free), tools=[find_slot]),
        lambda call: call.call("find_slot", day="Monday"),
        lambda call: call.call("find_slot", day="Sunday"),
        "find_slot answered: nothing is free",
    ),
    "failures of a tool": (
        agent_of(failed(2, to="end"), tools=[find_slot]),
        lambda call: call.call("find_slot", day="never"),
        lambda call: call.run("find_slot", '{"dya": "Monday"}'),
        "failed 2 times",
    ),
    "what a form refused": (
        agent_of(failed(2, to="end"), captures=Booking),
        lambda call: note(call, name="Sam", dya="Monday"),
        lambda call: call.call("note_booking", name="Sam", day=1),
        "failed 2 times",
    ),
    "confidence": (
        agent_of(confidence("intent", at_least=0.7, to="end")),
        lambda call: call.call("sure_of_intent", confidence=0.69),
        lambda call: call.call("sure_of_intent", confidence=0.7),
        "model sure of intent: at least 0.7",
    ),
    "too little confidence": (
        agent_of(confidence("intent", at_least=0.2, below=0.7, to="end")),
        lambda call: call.call("sure_of_intent", confidence=0.7),
        lambda call: call.call("sure_of_intent", confidence=0.2),
        "model sure of intent: at least 0.2 and below 0.7",
    ),
    "an unsure transcript": (
        agent_of(confidence("words", below=0.5, to="end", source="transcript")),
        lambda call: call.happen(CallerWordsRated("item_1", 50)),
        lambda call: call.happen(CallerWordsRated("item_2", 49)),
        "transcript sure of words: below 0.5",
    ),
    "a key": (
        agent_of(key("2", to="end")),
        lambda call: call.press("1"),
        lambda call: call.press("2#"),
        "key 2",
    ),
}


@pytest.mark.parametrize(("agent", "not_yet", "then", "because"), WAYS.values(), ids=WAYS)
async def test_a_way_is_taken_when_its_condition_holds_and_not_before(
    agent: Agent, not_yet: Doing, then: Doing, because: str
) -> None:
    async with flow_call(agent) as call:
        await not_yet(call)
        assert call.way == [("start", "")]
        await then(call)
        assert call.way == [("start", ""), ("end", because)]
        assert "# The step of the conversation: end\n\nSay goodbye." in call.session.instructions


async def test_a_step_has_its_own_tools_and_the_model_is_told_so() -> None:
    """What another step has is no tool: the model hears which there are."""
    agent = Agent(
        can_hang_up=False,
        flow=Flow(
            Step("start", tools=[find_slot], go=[asked("form", "they know the day")]),
            Step("form", captures=Booking, go=[captured(to="start"), asked("start", "they changed it")]),
        ),
    )
    async with flow_call(agent) as call:
        assert call.tools == ["find_slot", "go_to_form"]
        await call.call("go_to_form")
        assert call.tools == ["note_booking", "confirm_booking", "decline_booking", "go_to_start"]
        assert "- name\n- day\n- wish (may be left out)" in call.session.instructions
        told = await call.call("find_slot", day="Monday")
        assert told["error"].startswith("there is no tool find_slot; the tools are: note_booking, ")
        assert call.steps == ["start", "form"]


async def test_failures_count_from_the_entry_of_the_step_and_visits_from_the_beginning() -> None:
    agent = Agent(
        flow=Flow(
            Step("start", tools=[find_slot], go=[visited(3, to="end"), failed(2, to="again")]),
            Step("again", "Ask again.", tools=["find_slot"], go=[answered("find_slot", to="start")]),
            END,
        )
    )
    async with flow_call(agent) as call:
        for _ in range(2):
            await call.speak()
            await call.call("find_slot", day="never")
            assert call.steps[-1] == "start"
            await call.call("find_slot", day="never")
            assert call.steps[-1] == "again"
            await call.call("find_slot", day="Monday")
        assert call.steps == ["start", "again", "start", "again", "start", "end"]
        assert call.way[-1] == ("end", "entered 3 times")
        assert call.facts.count(AttemptFailed("start", "find_slot")) == 4


async def test_the_first_of_several_ways_is_taken_and_no_second_for_the_same_thing() -> None:
    agent = Agent(
        flow=Flow(
            Step(
                "start", tools=[find_slot], go=[answered(find_slot, to="one"), answered(find_slot, to="two")]
            ),
            Step("one", tools=[find_slot], go=[answered(find_slot, to="two")]),
            Step("two", go=[asked("start", "again")]),
        )
    )
    async with flow_call(agent) as call:
        await call.call("find_slot", day="Monday")
        assert call.steps == ["start", "one"]


async def test_of_two_ways_that_one_response_asks_for_one_is_taken() -> None:
    """The second was asked for in a step that has been left."""
    agent = Agent(
        flow=Flow(
            Step("start", go=[asked("one", "they want one"), confidence("it", at_least=0.5, to="two")]),
            Step("one", go=[asked("two", "they want two"), confidence("it", at_least=0.1, to="two")]),
            Step("two", go=[asked("start", "again")]),
        )
    )
    async with flow_call(agent) as call:
        first, second = await asyncio.gather(
            call.run("go_to_one", "{}"), call.run("sure_of_it", '{"confidence": 0.9}')
        )
        assert (first.outcome, second.outcome) == (ToolOutcome.ANSWERED, ToolOutcome.REFUSED)
        assert "has left the step start" in second.output
        assert call.steps == ["start", "one"]


async def test_what_was_captured_before_leads_on_at_once() -> None:
    """Values outlive their step; a caller who comes back to it is not stuck there."""
    agent = Agent(
        flow=Flow(
            Step("form", captures=Booking, go=[captured(to="menu")]),
            Step("menu", go=[asked("form", "the caller wants to book"), key("9", to="form")]),
        )
    )
    async with flow_call(agent) as call:
        await note(call, name="Sam", day="Monday", wish="soon")
        await call.call("go_to_form")
        assert call.steps == ["form", "menu", "form", "menu"]
        await call.press("9")
        assert call.steps == ["form", "menu", "form", "menu", "form", "menu"]


async def test_ways_in_a_circle_end_until_the_caller_speaks() -> None:
    """The model is told, the fact is there, and a word of the caller opens the way again."""
    circle = [captured(to="two", when=lambda _: True)], [captured(to="one", when=lambda _: True)]
    agent = Agent(
        flow=Flow(
            Step("one", captures=Booking, go=[*circle[0], asked("two", "they want it")]),
            Step("two", captures=Other, go=circle[1]),
        )
    )
    async with flow_call(agent) as call:
        assert len(call.steps) == STEPS_UNSPOKEN_MAX
        assert [note.event for note in call.warnings] == ["flow_halted"]
        assert HALTED in call.session.instructions
        assert call.steps[-1] == "two"
        await call.speak()
        assert HALTED not in call.session.instructions
        await call.call("note_other", x=1)
        assert len(call.steps) == 2 * STEPS_UNSPOKEN_MAX


async def test_a_last_step_ends_the_call_behind_its_words() -> None:
    """A caller who goes on may still be led elsewhere: then the call does not end."""
    agent = Agent(
        can_hang_up=False,
        flow=Flow(
            Step("start", go=[asked("end", "they say goodbye")]),
            Step("end", "Say goodbye.", go=[asked("start", "they want more")], ends=True),
        ),
    )
    async with flow_call(agent) as call:
        assert "end_call" not in call.tools
        await call.call("go_to_end")
        assert [wanted for wanted in call.wanted if isinstance(wanted, WishSet)] == [WishSet(HangUp())]
        result = await call.run("end_call", "{}")
        assert result.wish == HangUp()
        await call.call("go_to_start")
        assert WishWithdrawn() in call.wanted
        assert "end_call" not in call.tools


async def test_keys_of_a_menu_are_not_waited_behind_and_a_form_has_its_digits_first() -> None:
    agent = Agent(
        flow=Flow(
            Step("menu", go=[key("1", to="pin"), key("2", to="end")]),
            Step("pin", captures=Secret, go=[captured(to="end")]),
            END,
            anywhere=[key("0", to="end")],
        )
    )
    async with flow_call(agent) as call:
        assert call.wanted == [KeysWanted(length_max=1)]
        await call.press("1")
        told = [wanted.text for wanted in call.wanted if isinstance(wanted, AgentTells)]
        assert told == [
            "[The caller pressed 1 on the telephone keypad. That leads to the step pin of the conversation.]"
        ]
        assert KeysWanted(length_max=4, are_digits=True) in call.wanted
        await call.press("0000")
        assert call.steps == ["menu", "pin", "end"]
    async with flow_call(agent) as call:
        await call.press("0")
        assert call.way[-1] == ("end", "key 0")


async def test_handlers_and_words_of_a_step_are_run_as_works() -> None:
    """A handler at each entry; a function for the instructions until it has answered once."""
    entered: list[str] = []

    async def enter(call: Call) -> None:
        entered.append(call.sid)

    def words(call: Call) -> str:
        return f"You serve {call.caller.number}."

    agent = Agent(
        flow=Flow(
            Step("start", words, meanwhile="Wait.", on_enter=enter, go=[asked("more", "they want more")]),
            Step("more", go=[asked("start", "they want it again")]),
        )
    )
    async with flow_call(agent) as call:
        assert "You serve +14155550100." in call.session.instructions
        await call.speak()
        await call.call("go_to_more")
        await call.call("go_to_start")
        assert call.works == ["flow_enter_start", "flow_words_start", "flow_enter_start"]
        assert entered == ["CA1", "CA1"]


async def test_words_that_cannot_be_found_leave_what_was_said_meanwhile() -> None:
    def words() -> str:
        raise RuntimeError

    agent = Agent(flow=Flow(Step("start", words, meanwhile="Wait.", go=[asked("end", "bye")]), END))
    async with flow_call(agent) as call:
        assert (call.works, "Wait." in call.session.instructions) == (["flow_words_start"], True)


async def test_a_predicate_that_raises_does_not_hold() -> None:
    async with flow_call(
        agent_of(answered(find_slot, to="end", when=lambda r: r["no"]), tools=[find_slot])
    ) as call:
        assert await call.call("find_slot", day="Monday") == {"slots": ["10:00"]}
        assert call.steps == ["start"]


async def test_a_later_stream_goes_on_in_the_step() -> None:
    """Nothing is entered twice; the words are found again, and the goodbye is owed again."""
    agent = Agent(
        flow=Flow(
            Step("start", tools=[find_slot], go=[failed(2, to="last")]),
            Step("last", lambda: "Say goodbye.", on_enter=lambda: None, ends=True),
        )
    )
    async with flow_call(agent) as first:
        await first.call("find_slot", day="never")
    async with flow_call(agent, first.facts) as second:
        assert second.steps == []
        await second.call("find_slot", day="never")
        assert second.steps == ["last"]
    async with flow_call(agent, [*first.facts, *second.facts]) as third:
        assert (third.steps, third.works) == ([], ["flow_words_last"])
        assert "Say goodbye." in third.session.instructions
        assert WishSet(HangUp()) in third.wanted


async def test_the_fact_of_a_step_says_whether_it_ends_the_call() -> None:
    """Who hangs up in such a one is not cut off."""
    async with flow_call(agent_of(asked("end", "the caller says goodbye"))) as call:
        await call.call("go_to_end")
        entered = [fact for fact in call.facts if isinstance(fact, StepEntered)]
        assert [(fact.step, fact.ends) for fact in entered] == [("start", False), ("end", True)]


async def test_a_step_that_this_program_does_not_know_is_passed_over() -> None:
    """A deploy may have renamed it."""
    async with flow_call(agent_of(key("2", to="end")), [StepEntered("gone", "")]) as call:
        assert call.steps == ["start"]
