"""What the model is told of a form: instructions, the schemas of its tools, and what they answer.

The instructions stay the same while a form is filled. Each change of a session would make the model read all
of it anew, and wait for it; so what has been kept is told by the answers of the tools.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.forms.state import FormState
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import Manner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callbridge.agents.context import Call
    from callbridge.agents.forms.plan import FormField, FormPlan, Verb

_VALUE_SHOWN: Final = 200
"""Characters of a value that the model is told of."""

_WHY_SHOWN: Final = 600
"""Characters of what is wrong: a validator may quote what it was given."""


# --- Tools ---------------------------------------------------------------------------------------------


def _schemas(plan: FormPlan) -> dict[Verb, dict[str, Any]]:
    name = {"type": "string", "enum": list(plan.fields)}
    why = {"type": "string", "description": "The caller's reason in a few words, if they gave one."}
    return {
        "note": _object({name: field.ready.schema() for name, field in plan.fields.items()}),
        "confirm": _object({"fields": {"type": "array", "items": name}}, "fields"),
        "decline": _object({"field": name, "why": why}, "field"),
    }


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {})


def _when_to(plan: FormPlan) -> dict[Verb, str]:
    form = title(plan)
    return {
        "note": f"Note what the caller has just said for the {form}, or corrected: these fields alone, as "
        "the caller said them. Call it at once, for each thing. Its answer says what to do next.",
        "confirm": f"Call this when you have read back noted values of the {form}, and the caller has "
        "answered that they are right. Never before they have answered.",
        "decline": f"Call this when the caller does not want to give something for the {form}, or has none.",
    }


@dataclass(frozen=True, slots=True)
class Opening:
    """What the model is told of a form that nobody has begun to fill: the same in every call."""

    tools: Mapping[Verb, GivenTool]
    """They answer nothing yet."""
    instructions: str


_AT_THE_MOMENT: Final = Manner(is_momentary=True)
_MANNERS: Final[Mapping[Verb, Manner]] = {
    "note": _AT_THE_MOMENT,
    "confirm": Manner(is_momentary=True, awaits_answer=True),
    "decline": _AT_THE_MOMENT,
}


def opening(plan: FormPlan) -> Opening:
    """How a form begins.

    Raises:
        ToolError: the model would refuse the schema of a field.
    """
    when_to, schemas = _when_to(plan), _schemas(plan)
    tools = {
        verb: GivenTool(plan.tool_name(verb), when_to[verb], schemas[verb], _no_answer, _MANNERS[verb])
        for verb in schemas
    }
    return Opening(tools, instructions(plan, FormState(plan)))


def _no_answer(_arguments: dict[str, Any], _call: Call[Any]) -> None:
    raise AssertionError("only a call answers")


# --- Instructions --------------------------------------------------------------------------------------


def title(plan: FormPlan) -> str:
    """The form's name, as one says it."""
    return plan.name.replace("_", " ")


def instructions(plan: FormPlan, state: FormState) -> str:
    """What the model is told while the form is filled, and behind it."""
    heading = f"# Form: {title(plan)}"
    if state.refused is not None:
        return (
            f"{heading}\nThe caller did not want to give: {state.refused}. So nothing comes of this "
            f"{title(plan)}. Do not ask for it again."
        )
    if state.is_captured:
        return (
            f"{heading}\nComplete, as the caller has confirmed it: {_shown(state.values)} "
            "It cannot be changed any more. Do not ask for any of it again."
        )
    return "\n".join(filter(None, (heading, plan.about, *_order(plan), _how_to(plan), _reminder(state))))


def _order(plan: FormPlan) -> Iterable[str]:
    yield "You need these from the caller. Ask for one at a time, in this order:"
    for name, field in plan.fields.items():
        yield f"- {name}{'' if field.is_needed else ' (may be left out)'}"


def _how_to(plan: FormPlan) -> str:
    note, confirm, decline = (plan.tool_name(verb) for verb in ("note", "confirm", "decline"))
    return (
        f"Whenever the caller says one of them, asked for or not, or corrects one, call {note} at once and "
        "do what its answer says. Never guess, complete or make up a value. What you are to read back, say "
        f"in exactly the words that you are given, ask whether it is right, and wait. After a yes call "
        f"{confirm}; after a correction call {note} again. If the caller does not want to give something, do "
        f"not press them: call {decline}. The {title(plan)} is done only when an answer says so."
    )


def _reminder(state: FormState) -> str:
    """What was noted before the model's present session; empty when nothing was."""
    if not state.kept:
        return ""
    open_ones, asked_for = ", ".join(state.unconfirmed), ", ".join(field.name for field in state.missing)
    noted = f"Noted before: {_shown(state.values)}"
    if open_ones:
        return f"{noted} Not confirmed yet: {open_ones}. Note them again as they stand to be told what next."
    return f"{noted} Still to ask: {asked_for}." if asked_for else f"{noted} Note one of them again to go on."


def _shown(values: Mapping[str, Any]) -> str:
    shown = (
        f"{name} = {json.dumps(value, ensure_ascii=False)[:_VALUE_SHOWN]}" for name, value in values.items()
    )
    return f"{'; '.join(shown)}."


# --- Answers -------------------------------------------------------------------------------------------


def noted(kept: Mapping[str, Any], invalid: Mapping[str, str]) -> dict[str, Any]:
    """What came of what the model noted. It knows long values: it has just written them."""
    told = {name: value if len(json.dumps(value)) <= _VALUE_SHOWN else "…" for name, value in kept.items()}
    wrong = {name: why[:_WHY_SHOWN] for name, why in invalid.items()}
    return ({"kept": told} if told else {}) | ({"invalid": wrong} if wrong else {})


def standing(state: FormState, read_backs: Mapping[str, str], refusal: str) -> dict[str, Any]:
    """Where an open form stands.

    Args:
        state: where it stands.
        read_backs: what is to be read back, in the words for it, by field.
        refusal: why the whole was not taken, though every field is there; empty when it was not tried.
    """
    missing = {"still_missing": [field.name for field in state.missing]}
    read_back = {"read_back": dict(read_backs)} if read_backs else {}
    return missing | read_back | ({"not_accepted": refusal[:_WHY_SHOWN]} if refusal else {})


def what_next(
    plan: FormPlan, state: FormState, read_backs: Iterable[str], invalid: Iterable[str], refusal: str
) -> str:
    """What the model is to do now that something was noted."""
    if wrong := ", ".join(invalid):
        return f"Tell the caller in a few words what is wrong with {wrong}, and ask for it again."
    if open_ones := list(read_backs):
        confirm = plan.tool_name("confirm")
        return (
            "Say what stands under read_back in exactly these words, ask whether it is right, and wait for "
            f"the caller's answer. After a yes call {confirm} with fields {json.dumps(open_ones)}."
        )
    if refusal:
        return "Tell the caller what is wrong, ask what they want to change, and note it."
    return ask_for(state.missing[0])


def ask_for(field: FormField) -> str:
    """The next question."""
    by_keys = " They may also type it on the telephone keypad." if field.ready.keys is not None else ""
    if field.is_needed:
        return f"Ask for {field.name}.{by_keys}"
    return f"Ask for {field.name}, which the caller may leave out.{by_keys}"


def complete(plan: FormPlan, *, is_delivered_now: bool) -> dict[str, str]:
    """The form is whole."""
    if is_delivered_now:
        then = "It is being passed on, and you will be told what came of it. Until then say only that."
    else:
        then = "Tell the caller that it is noted."
    return {"complete": f"All of the {title(plan)} is there and confirmed.", "what_next": then}


def ended(plan: FormPlan, field: str) -> dict[str, str]:
    """A needed field is refused."""
    next_ = f"Accept that, and tell the caller that without it you cannot take the {title(plan)}."
    return {"ended": f"The {title(plan)} is given up: {field} is needed.", "what_next": next_}


def outcome(plan: FormPlan, answer: str) -> str:
    """The user's code has answered with this."""
    return f"[What came of the {title(plan)}: {answer}]"


def not_done(plan: FormPlan, why: str, *, is_certain: bool) -> str:
    """The user's code has not answered, and is not run again. `is_certain`: it has done nothing."""
    if not is_certain:
        return (
            f"[It is not certain that the {title(plan)} was passed on: {why} Tell the caller openly. Say "
            "neither that it is done nor that it failed, and do not ask for the data again.]"
        )
    return (
        f"[The {title(plan)} could not be passed on: {why} Tell the caller openly. Do not say that it is "
        "done, and do not ask for the data again.]"
    )
