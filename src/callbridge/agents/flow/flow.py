"""`Flow`: an agent that is a state machine, as users write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callbridge.agents.flow.checking import FlowFault, faults_of, names_of_forms, names_of_ways
from callbridge.agents.flow.drawing import mermaid
from callbridge.agents.flow.following import FlowInCall
from callbridge.agents.flow.steps import Plan, Step
from callbridge.agents.flow.transitions import OnConfidence, OnKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from callbridge.agents.capture import Form
    from callbridge.agents.context import About
    from callbridge.agents.flow.transitions import Transition
    from callbridge.agents.wants import Wants


class Flow:
    """An agent that is a state machine. It begins with the first step.

    The model sees the instructions and the tools of one step at a time. It may ask for the ways that the step
    has, and for no other; what else leads on is decided here, by what happens in the call.

    Args:
        steps: all of them.
        anywhere: ways that every step has behind its own: the key for a person, say.

    Raises:
        FlowFault: there is no step. Whatever else is wrong `Agent` says, when it is given the flow.

    Example:
        ```python
        flow = Flow(
            Step("welcome", "Find out what they want.", go=[asked("bye", "the caller has all they wanted")]),
            Step("bye", "Thank them for their call.", ends=True),
        )
        agent = Agent(instructions="You answer for Harbour Clinic.", flow=flow)
        ```
    """

    def __init__(self, *steps: Step, anywhere: Iterable[Transition] = ()) -> None:
        if not steps:
            raise FlowFault("a flow needs a step: Flow(Step(...), ...)")
        self.plan = Plan(steps, tuple(anywhere))
        """The same as data."""

    def check(self, agent_tools: Collection[str] = (), person_key: str = "") -> None:
        """Refuses a flow that cannot be.

        Args:
            agent_tools: names of the tools that the agent has in every step.
            person_key: the key of the agent's that leads to a human.

        Raises:
            FlowFault: what is wrong with it, all of it.
        """
        if faults := list(faults_of(self.plan, agent_tools, person_key)):
            raise FlowFault("\n- ".join(["the flow cannot be as it is written:", *faults]))

    @property
    def tool_names(self) -> frozenset[str]:
        """The names of the tools of all steps, those of their ways and forms among them."""
        return frozenset(self.plan.own_tools) | names_of_ways(self.plan) | names_of_forms(self.plan)

    @property
    def unrecorded(self) -> frozenset[str]:
        """The names of the steps that no recording holds."""
        return frozenset(step.name for step in self.plan.steps if not step.recorded)

    @property
    def form_names(self) -> frozenset[str]:
        """The names of the forms of all steps."""
        return frozenset(form.name for form in self.forms)

    @property
    def forms(self) -> tuple[Form[Any], ...]:
        """The forms of all steps."""
        return tuple(step.captures for step in self.plan.steps if step.captures is not None)

    @property
    def transfers(self) -> Mapping[str, Sequence[str]]:
        """The destinations that steps name, by step: whom the model may ask for there."""
        return {step.name: step.transfers for step in self.plan.steps if step.transfers is not None}

    @property
    def entered_transfers(self) -> Mapping[str, str]:
        """To whom the caller is put through when a step is entered, by step."""
        return {step.name: step.transfer for step in self.plan.steps if step.transfer}

    @property
    def hands_to(self) -> Mapping[str, str]:
        """To which agent the caller is handed over when a step is entered, by step."""
        return {step.name: step.hand_to for step in self.plan.steps if step.hand_to}

    @property
    def keys(self) -> frozenset[str]:
        """The keys with which its ways by keypad begin."""
        ways = (way for step in self.plan.steps for way in self.plan.ways(step))
        return frozenset(way.keys[0] for way in ways if isinstance(way, OnKey))

    @property
    def rates_words(self) -> bool:
        """Whether a way depends on how sure the transcriber is of the caller's words."""
        ways = (way for step in self.plan.steps for way in self.plan.ways(step))
        return any(isinstance(way, OnConfidence) and way.source == "transcript" for way in ways)

    def in_call(self, wants: Wants, about: About) -> FlowInCall:
        """The flow in one call."""
        return FlowInCall(self.plan, wants, about)

    def mermaid(self) -> str:
        """The flow as a drawing: the text of a `stateDiagram-v2` of Mermaid."""
        return mermaid(self.plan)

    def __repr__(self) -> str:
        return f"<Flow {', '.join(step.name for step in self.plan.steps)}>"
