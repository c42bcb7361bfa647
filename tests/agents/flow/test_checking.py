"""What is wrong with a flow is found when its agent is made, all of it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from callbridge import (
    Agent,
    AgentFault,
    Call,
    Flow,
    FlowFault,
    Form,
    Step,
    answered,
    asked,
    captured,
    confidence,
    failed,
    key,
    refused,
    tool,
    visited,
)
from callbridge.agents.tools.schema import ToolError
from flow_calls import flow_call

if TYPE_CHECKING:
    from callbridge.agents.flow.transitions import Transition


class Booking(BaseModel):
    """An appointment."""

    day: str


END = Step("end", ends=True)


def look() -> str:
    """Looks."""
    return ""


def find() -> str:
    """Finds."""
    return ""


def other(text: str) -> str:
    """Does something else under the same name."""
    return text


def sure_of_it() -> str:
    """Has the name of a tool that the flow makes."""
    return ""


other.__name__ = "look"


def flow(*go: Transition) -> Flow:
    """A flow whose first step has these ways, and one that is right."""
    return Flow(Step("start", go=[asked("end", "bye"), *go]), END)


FAULTS: dict[str, tuple[Flow, str]] = {
    "unreachable": (
        Flow(Step("start", go=[asked("end", "bye")]), END, Step("lost", go=[key("1", to="end")])),
        "step lost: no way leads to it from start",
    ),
    "dead end": (
        Flow(Step("start", go=[asked("stuck", "so")]), Step("stuck")),
        "step stuck: no way leads out of it; give it one with go=, or say ends=True",
    ),
    "an end that hands over": (
        Flow(Step("start", hand_to="billing", ends=True)),
        "step start: the caller is handed over in it; take away hand_to=, or ends= and transfer=",
    ),
    "unknown step": (flow(key("1", to="nowhere")), "step start: key 1: there is no step nowhere"),
    "unknown step anywhere": (
        Flow(Step("start", go=[asked("end", "bye")]), END, anywhere=[key("0", to="nowhere")]),
        "anywhere: key 0: there is no step nowhere",
    ),
    "unknown tool": (
        flow(answered("look", to="end")),
        "step start: answered('look'): it has no such tool; give it one, or give it to the agent",
    ),
    "unknown borrowed tool": (
        Flow(Step("start", tools=["look"], go=[asked("end", "bye")]), END),
        "step start: there is no tool look; no step of the flow has one",
    ),
    "two steps": (
        Flow(Step("start", go=[asked("end", "bye")]), END, Step("end", ends=True)),
        "step end: there are two of that name; rename one",
    ),
    "two tools": (
        Flow(Step("start", tools=[look], go=[asked("end", "bye")]), Step("end", tools=[other], ends=True)),
        "tool look: there are two of that name; rename one",
    ),
    "a tool of the agent's": (
        Flow(Step("start", tools=[find], go=[asked("end", "bye")]), END),
        "tool find: the agent has one of that name in every step; rename one",
    ),
    "a tool like a way": (
        Flow(
            Step("start", go=[confidence("it", below=0.5, to="end")]),
            Step("end", tools=[sure_of_it], ends=True),
        ),
        "tool sure_of_it: a way or a form of the flow has one of that name; rename the tool",
    ),
    "a form twice": (
        Flow(
            Step("start", captures=Booking, go=[captured(to="end")]),
            Step("end", captures=Booking, ends=True),
        ),
        "form booking: two steps capture it; let one do it, and lead the other one there",
    ),
    "no form": (
        flow(captured(to="end")),
        "step start: captured, to end: it captures nothing; give it a form with captures=",
    ),
    "nothing to refuse": (
        flow(refused("day", to="end")),
        "step start: refused: day, to end: it captures nothing; give it a form with captures=",
    ),
    "a key twice": (
        flow(key("1", to="end"), key("1", to="start")),
        "step start: key 1: it leads to two steps",
    ),
    "a key within another": (
        flow(key("1", to="end"), key("12", to="start")),
        "step start: key 1: it is the beginning of 12; nobody could tell them apart",
    ),
    "the person's key": (
        flow(key("*", to="end")),
        "step start: key *: * leads to a person, whatever the step",
    ),
    "no key": (
        flow(key("A", to="end")),
        "step start: key('A', to='end'): write digits and *; with # a caller says: I am done",
    ),
    "asked twice": (
        flow(asked("end", "bye bye")),
        "step start: asked('end') is written twice; say in one of them when the model is to go there",
    ),
    "asked without words": (
        flow(asked("start", " ")),
        "step start: asked('start'): say in words when the model is to go there",
    ),
    "no bound": (
        flow(confidence("it", to="end")),
        "step start: confidence('it', to='end'): say from where on it counts, with at_least or below",
    ),
    "a bound beyond": (
        flow(confidence("it", at_least=70, to="end")),
        "step start: confidence('it', to='end'): confidence goes from 0 to 1",
    ),
    "bounds that cross": (
        flow(confidence("it", at_least=0.7, below=0.7, to="end")),
        "step start: confidence('it', to='end'): nothing is at least 0.7 and below 0.7",
    ),
    "a confidence that cannot be asked for": (
        flow(confidence("the intent", below=0.7, to="end")),
        "step start: confidence('the intent', to='end'): name it with letters, digits and _",
    ),
    "never failed": (
        flow(failed(0, to="end")),
        "step start: failed(0, to='end'): nothing fails less than once",
    ),
    "never visited": (
        flow(visited(1, to="end")),
        "step start: visited(1, to='end'): the step would never be stayed in; write 2 or more",
    ),
    "a name": (
        Flow(Step("the start", go=[asked("end", "bye")]), END),
        "step 'the start': a name is a letter and at most 47 more of a to z, digits and _",
    ),
}


@pytest.mark.parametrize(("flow", "words"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_told_in_words(flow: Flow, words: str) -> None:
    with pytest.raises(FlowFault) as caught:
        Agent(flow=flow, tools=[find], person_key="*")
    assert str(caught.value) == f"the flow cannot be as it is written:\n- {words}"


def test_all_faults_are_told_at_once() -> None:
    steps = Step("start", go=[key("1", to="nowhere")]), Step("lost"), Step("lost", go=[captured(to="start")])
    with pytest.raises(FlowFault) as caught:
        Agent(flow=Flow(*steps))
    assert str(caught.value).splitlines()[1:] == [
        "- step lost: there are two of that name; rename one",
        "- step start: key 1: there is no step nowhere",
        "- step lost: no way leads out of it; give it one with go=, or say ends=True",
        "- step lost: captured, to start: it captures nothing; give it a form with captures=",
        "- step lost: no way leads to it from start",
    ]


def test_what_is_right_passes() -> None:
    """One function in two steps, a tool of the agent's that is waited for, and ways from anywhere."""
    right = Flow(
        Step("start", tools=[look], go=[answered(find, to="more"), answered("look", to="more")]),
        Step("more", tools=[look, "look"], captures=Booking, go=[captured(to="end")]),
        END,
        anywhere=[asked("more", "the caller wants more")],
    )
    assert Agent(flow=right, tools=[find]).flow is right


def test_a_tool_of_a_step_has_its_name_for_itself() -> None:
    """Also among tools that the agent is given later."""
    agent = Agent(flow=Flow(Step("start", tools=[look], ends=True)))
    with pytest.raises(ToolError, match="there are two tools named look; rename one"):
        agent.tool(other)


def test_a_key_of_a_step_has_no_other_meaning() -> None:
    agent = Agent(flow=Flow(Step("start", go=[key("12", to="end")]), END))
    with pytest.raises(AgentFault, match="key '1': it leads to a step of the flow"):
        agent.key("1")


def test_a_form_of_a_step_has_its_name_for_itself() -> None:
    agent = Agent(flow=Flow(Step("start", captures=Form(Booking, name="visit"), ends=True)))
    with pytest.raises(AgentFault, match="there are two forms named visit"):
        agent.capture(Booking, name="visit")


def test_a_handler_gets_the_call_and_nothing_else() -> None:
    def enter(call: Call, why: str) -> None: ...

    with pytest.raises(ToolError, match="enter, parameter why: it is given the call and nothing else"):
        Step("start", on_enter=enter)


async def test_a_tool_of_a_step_may_be_run_in_a_manner_of_its_own() -> None:
    @tool(confirm=True, timeout_s=3)
    def book(slot: str) -> str:
        """Books."""
        return slot

    async with flow_call(
        Agent(flow=Flow(Step("start", tools=[book], ends=True)), tools=[tool()(look)])
    ) as call:
        assert {"book", "look"} <= {*call.tools}
        assert "ask whether it is right" in (await call.call("book", slot="10:00"))["error"]


def test_a_flow_has_a_step() -> None:
    with pytest.raises(FlowFault, match="a flow needs a step"):
        Flow()
