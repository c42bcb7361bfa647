"""A flow in one call: in which step it is, and when it goes on.

What it decides is a fact, `StepEntered`; where it stands follows from facts alone, so that it stands there
again on another stream and in another process. At most one way is taken for each thing that happens. A step
that was entered is such a thing: what holds already leads on at once, within a bound.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog

from callbridge.agents.flow import transitions as t
from callbridge.agents.handoffs.handoff import WORK as HAND_OVER
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import EndCall, Manner, ToolRefused, ToolResult
from callbridge.agents.transfers.in_call import WORK as TRANSFER
from callbridge.call import agent_facts, facts
from callbridge.call import wants as w
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.rating import CallerWordsRated
from callbridge.call.telephone_facts import TransferEnded
from callbridge.call.wishes import HangUp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from callbridge.agents.context import About, Call
    from callbridge.agents.flow.steps import Plan, Step
    from callbridge.agents.flow.transitions import Predicate, Transition
    from callbridge.agents.forms.in_call import FormInCall
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import Fact

STEPS_UNSPOKEN_MAX: Final = 8
"""So many steps may follow each other without a word or a key of the caller. Flows that are meant need two or
three; ways that lead in a circle would go on for ever."""

HALTED: Final = (
    f"The conversation has gone through {STEPS_UNSPOKEN_MAX} steps while the caller said nothing. It stays "
    "in this step until they have: speak with them first."
)

_LAST_WORDS: Final = (
    "Say your last words now: the call ends behind them. Should the caller go on, answer them, and call "
    "end_call when nothing more is to be said."
)

_HERE: Final = Manner(is_momentary=True)
"""What such a tool answers depends on the step."""

_Leads: TypeAlias = agent_facts.FieldKept | agent_facts.FieldRefused | agent_facts.Captured
"""What a form notes, and ways wait for."""

_NO_ARGUMENTS: Final[dict[str, Any]] = {"type": "object", "properties": {}, "additionalProperties": False}
_CONFIDENCE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "confidence": {"type": "number", "minimum": 0, "maximum": 1, "description": "0: a guess. 1: certain."}
    },
    "required": ["confidence"],
    "additionalProperties": False,
}


class FlowInCall:
    """The ability that follows a flow.

    Args:
        plan: the flow.
        wants: where its facts and its wants go.
        about: what is known of the call.
    """

    def __init__(self, plan: Plan, wants: Wants, about: About) -> None:
        self._plan, self._wants = plan, wants
        self._forms: dict[str, FormInCall] = {
            step.captures.name: step.captures.in_call(wants, about)
            for step in plan.steps
            if step.captures is not None
        }
        self._works: dict[str, AnyTool] = {
            work.name: work for step in plan.steps for work in (step.enter_work, step.words_work) if work
        }
        self._ways = {step.name: plan.ways(step) for step in plan.steps}
        self._tools = {step.name: (*plan.tools(step), *self._tools_of_ways(step)) for step in plan.steps}
        self._texts: dict[str, str] = {}
        """What functions have answered, by the name of their work."""
        self._is_halt_noted = False
        # All that follows is folded from facts.
        self._step, self._has_begun = plan.steps[0], False
        self._visits: Counter[str] = Counter()
        self._failures = 0
        self._is_unreached = False
        """Nobody took the call to whom the caller was to be put through since the step was entered."""
        self._unspoken = 0
        """Steps that were entered since the caller was heard of."""
        self._kept: dict[str, dict[str, Any]] = {name: {} for name in self._forms}
        self._captured: set[str] = set()

    # --- What the model is told, and has ---

    @property
    def instructions(self) -> str:
        """The words of the step, and of its form."""
        step, form = self._step, self._form
        text = step.text if step.words_work is None else self._texts.get(step.words_work.name, step.text)
        parts = [f"# The step of the conversation: {step.name}", text]
        parts += [form.instructions] if form is not None else []
        parts += [_LAST_WORDS] if step.ends else []
        parts += [HALTED] if self._is_halted else []
        return "\n\n".join(filter(None, parts))

    @property
    def tools(self) -> Sequence[AnyTool]:
        """Those of the step, of its form, and of the ways out of it."""
        form = self._form
        return self._tools[self._step.name] if form is None else (*form.tools, *self._tools[self._step.name])

    @property
    def works(self) -> Mapping[str, AnyTool]:
        """What is run when steps are entered; and what the forms ask for, also of steps that were left."""
        works = dict(self._works)
        for form in self._forms.values():
            works |= form.works
        return works

    @property
    def keys(self) -> w.KeysWanted | None:
        """Those of the form come first. A key of the step leads on at once: nothing is awaited behind it."""
        form = self._form
        if form is not None and (keys := form.keys) is not None:
            return keys
        menu = [len(way.keys) for way in self._step.go if isinstance(way, t.OnKey)]
        return w.KeysWanted(length_max=max(menu)) if menu else None

    @property
    def _form(self) -> FormInCall | None:
        captures = self._step.captures
        return None if captures is None else self._forms[captures.name]

    @property
    def _is_halted(self) -> bool:
        return self._unspoken >= STEPS_UNSPOKEN_MAX

    # --- What happens ---

    def restore(self, fact: Fact) -> None:
        """Something happened on an earlier stream."""
        self._apply(fact)
        for form in self._forms.values():
            form.restore(fact)

    def told(self, fact: Fact) -> None:
        """Something has happened: what the flow itself has decided is known already, but leads on."""
        self._follow_forms()
        for form in self._forms.values():
            form.told(fact)
        match fact:
            case facts.StreamStarted() | agent_facts.AgentChanged():
                self._apply(fact)
                self._begin()
            case agent_facts.StepEntered(step) if step == self._step.name:
                self._go_if(self._holds_at_entry)
            case agent_facts.StepEntered() | agent_facts.AttemptFailed():
                pass
            case agent_facts.FieldKept() | agent_facts.FieldRefused() | agent_facts.Captured():
                pass
            case TransferEnded():
                self._apply(fact)
                self._go_if(lambda way: isinstance(way, t.OnUnreached) and self._is_unreached)
            case CallerWordsRated(confidence_percent=percent):
                self._go_if(lambda way: _is_sure(way, "transcript", percent / 100))
            case _:
                self._apply(fact)

    def _follow_forms(self) -> None:
        """Goes where leads what the forms have noted, also before it comes back.

        So it is known behind a tool of theirs whether the caller is handed over: then nothing is said of it.
        """
        for form in self._forms.values():
            for fact in form.take_noted():
                self._apply(fact)
                if isinstance(fact, _Leads):
                    self._go_if(partial(self._follows, fact))

    def _apply(self, fact: Fact) -> None:
        """Where the flow stands behind this fact."""
        match fact:
            case agent_facts.StepEntered(name) if name in self._plan.by_name:
                self._step, self._has_begun, self._failures = self._plan.by_name[name], True, 0
                self._is_unreached = False
                self._visits[name] += 1
                self._unspoken += 1
            case agent_facts.AttemptFailed(step) if step == self._step.name:
                self._failures += 1
            case TransferEnded(outcome=outcome):
                self._is_unreached = outcome is not TransferOutcome.CONNECTED
            case agent_facts.AgentChanged():  # It was another agent that wanted to put the caller through.
                self._is_unreached = False
            case agent_facts.FieldKept(form, field, value) if form in self._kept:
                self._kept[form][field] = _read(value)
            case agent_facts.FieldRefused(form, field) if form in self._kept:
                self._kept[form].pop(field, None)
            case agent_facts.Captured(form):
                self._captured.add(form)
            case facts.CallerSpoke() | facts.KeysPressed():
                self._unspoken, self._is_halt_noted = 0, False
            case _:
                pass

    def answered(self, tool: str, result: ToolResult, call: Call[Any]) -> None:
        """A tool has ended, or a work."""
        self._follow_forms()
        is_failure = self._is_failure(tool, result)
        for form in self._forms.values():
            form.answered(tool, result, call)
        if tool in self._works:
            if result.outcome.is_answer and tool.startswith("flow_words_"):
                self._texts[tool] = result.output
        elif is_failure:
            self._attempt_failed(tool)
        elif result.outcome.is_answer:
            self._go_if(lambda way: isinstance(way, t.OnResult) and _fits(way, tool, result))

    def pressed(self, keys: str) -> str | None:
        """A form that asks for digits has them first; then the ways of the step; then the form again."""
        form = self._form
        if form is not None and form.keys is not None and (told := form.pressed(keys)) is not None:
            self._follow_forms()
            return told
        pressed = keys.rstrip("#")
        if self._go_if(lambda way: isinstance(way, t.OnKey) and way.keys == pressed):
            return (
                f"[The caller pressed {' '.join(pressed)} on the telephone keypad. "
                f"That leads to the step {self._step.name} of the conversation.]"
            )
        return None if form is None else form.pressed(keys)

    # --- Ways ---

    def _go_if(self, holds: Callable[[Transition], bool]) -> bool:
        """Takes the first way out of the step of which that is so. Whether there was one."""
        way = next((way for way in self._ways[self._step.name] if holds(way)), None)
        return way is not None and self._take(way)

    def _take(self, way: Transition) -> bool:
        if self._is_halted:
            if not self._is_halt_noted:
                self._wants.add(facts.warned("flow_halted", step=self._step.name, steps=self._unspoken))
            self._is_halt_noted = True
            return False
        self._enter(way.to, way.words)
        return True

    def _enter(self, name: str, because: str) -> None:
        if self._step.ends and self._has_begun:
            self._wants.add(w.WishWithdrawn())
        entered = agent_facts.StepEntered(name, because, self._plan.by_name[name].ends)
        self._apply(entered)
        self._wants.add(entered)
        if self._step.enter_work is not None:
            self._ask(self._step.enter_work.name)
        if self._step.transfer:
            self._ask(TRANSFER, {"to": self._step.transfer})
        if self._step.hand_to:
            self._ask(HAND_OVER, {"to": self._step.hand_to, "because": f"step {name}"})
        self._stand()

    def _begin(self) -> None:
        """A stream has begun, or the caller was handed over to the agent of this flow.

        What was done before at the entry of the step is done; its words are not.
        """
        if not self._has_begun:
            self._enter(self._step.name, "")
        else:
            self._stand()
            self._go_if(self._holds_at_entry)

    def _stand(self) -> None:
        """What belongs to being in the step."""
        work = self._step.words_work
        if work is not None and work.name not in self._texts:
            self._ask(work.name)
        if self._step.ends:
            self._wants.add(w.WishSet(HangUp()))

    def _ask(self, work: str, given: Mapping[str, str] | None = None) -> None:
        self._wants.add(w.WorkAsked(self._wants.new_id("flow"), work, json.dumps(given or {})))

    def _holds_at_entry(self, way: Transition) -> bool:
        match way:
            case t.OnVisits(times=times):
                return self._visits[self._step.name] >= times
            case t.OnCapture(when=when):
                return self._is_captured(when)
            case t.OnUnreached():
                return self._is_unreached
            case _:
                return False

    def _follows(self, fact: _Leads, way: Transition) -> bool:
        """Whether that of the step's form is what the way waits for."""
        if self._step.captures is None or fact.form != self._step.captures.name:
            return False
        if isinstance(fact, agent_facts.FieldRefused):
            return isinstance(way, t.OnRefusal) and way.field in {"", fact.field}
        return isinstance(way, t.OnCapture) and self._is_captured(way.when)

    def _is_captured(self, when: Predicate | None) -> bool:
        assert self._step.captures is not None, "checked when the agent was made"
        form = self._step.captures.name
        return form in self._captured if when is None else _says(when, dict(self._kept[form]))

    # --- Attempts ---

    def _attempt_failed(self, tool: str) -> None:
        failed = agent_facts.AttemptFailed(self._step.name, tool)
        self._apply(failed)
        self._wants.add(failed)
        self._go_if(lambda way: isinstance(way, t.OnFailures) and self._failures >= way.times)

    def _is_failure(self, tool: str, result: ToolResult) -> bool:
        """Whether that was an attempt of the step's, and failed. What a form tells as invalid has failed."""
        step, form = self._step, self._form
        if form is not None and tool in {one.name for one in form.tools}:
            told = _read(result.output)
            return result.outcome.is_fault or (isinstance(told, dict) and bool(told.get("invalid")))
        return result.outcome.is_fault and tool in {one.name for one in self._plan.tools(step)}

    # --- The tools by which the model asks for a way ---

    def _tools_of_ways(self, step: Step) -> list[AnyTool]:
        tools: dict[str, AnyTool] = {}
        for way in self._plan.ways(step):
            if isinstance(way, t.OnRequest):
                tools.setdefault(way.tool, self._request_tool(step, way))
            elif isinstance(way, t.OnConfidence) and way.source == "model":
                tools.setdefault(way.tool, self._confidence_tool(step, way))
        if step.ends:
            tools["end_call"] = GivenTool("end_call", _END, _NO_ARGUMENTS, lambda _, __: EndCall(_ENDS))
        return list(tools.values())

    def _request_tool(self, step: Step, way: t.OnRequest) -> GivenTool:
        def go(arguments: dict[str, Any], _call: Call[Any]) -> dict[str, str]:
            self._refuse_from(step)
            if arguments:
                raise ToolRefused(f"{way.tool} takes no arguments")
            if not self._take(way):
                raise ToolRefused(HALTED)
            return {"step": way.to}

        return GivenTool(way.tool, f"Call this when {way.description}.", _NO_ARGUMENTS, go, _HERE)

    def _confidence_tool(self, step: Step, way: t.OnConfidence) -> GivenTool:
        def judge(arguments: dict[str, Any], _call: Call[Any]) -> dict[str, str]:
            self._refuse_from(step)
            confidence = _confidence_in(arguments)
            self._go_if(lambda other: _is_sure(other, "model", confidence, way.of))
            return {"step": self._step.name}

        of = way.of.replace("_", " ")
        text = f"Say how sure you are of the caller's {of}. Call this as soon as you can judge it."
        return GivenTool(way.tool, text, _CONFIDENCE, judge, _HERE)

    def _refuse_from(self, step: Step) -> None:
        """A tool that was asked for in a step may run when that was left."""
        if step is not self._step:
            raise ToolRefused(
                f"the conversation has left the step {step.name}; it is in {self._step.name} now"
            )


_END: Final = "End the telephone call. Say goodbye in the same answer, before you call this."
_ENDS: Final = "The call ends when your last words were heard, unless the caller speaks again."


def _confidence_in(arguments: dict[str, Any]) -> float:
    confidence = arguments.get("confidence")
    if arguments.keys() != {"confidence"} or isinstance(confidence, bool):
        raise ToolRefused("invalid arguments: pass confidence, a number from 0 to 1, and nothing else")
    if not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise ToolRefused("invalid arguments: confidence is a number from 0 to 1")
    return float(confidence)


def _is_sure(way: Transition, source: str, confidence: float, of: str = "") -> bool:
    """Whether the way waits for so much confidence of that source; of something, where it is asked for."""
    if not isinstance(way, t.OnConfidence):
        return False
    return way.source == source and of in {"", way.of} and way.holds(confidence)


def _fits(way: t.OnResult, tool: str, result: ToolResult) -> bool:
    return way.tool == tool and (way.when is None or _says(way.when, _read(result.output)))


def _read(text: str) -> Any:
    """What stands in a text of JSON, or the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _says(predicate: Predicate, value: object) -> bool:
    """Whether it is so. A predicate that raises has not said so: the call goes on."""
    try:
        return bool(predicate(value))
    except Exception as error:  # noqa: BLE001  # A user's code may raise anything.
        name = getattr(predicate, "__qualname__", repr(predicate))
        structlog.get_logger().warning("flow_predicate_raised", predicate=name, error=type(error).__name__)
        return False
