"""A form in one call: the tools by which the model fills it, and the delivery of what was captured.

Nothing that the model writes is trusted. What it calls wrongly is refused in words, and changes nothing.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.context import Call
from callbridge.agents.fields.ready import At
from callbridge.agents.forms import words
from callbridge.agents.forms.state import FormState
from callbridge.agents.tools.confirming import YES_KEY
from callbridge.agents.tools.tool import ToolRefused
from callbridge.call import agent_facts, facts
from callbridge.call import wants as w
from callbridge.call.outcomes import ToolOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from callbridge.agents.context import About
    from callbridge.agents.forms.plan import FormField, FormPlan, Happening
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import Fact

READ_BACK_MAX: Final = 2000
"""Characters that are read back at once: minutes of spelling."""

_OURS = agent_facts.FieldKept | agent_facts.FieldRefused | agent_facts.Captured | agent_facts.CaptureDelivered
"""Written here, and known before they come back."""

_IN_DOUBT = frozenset({ToolOutcome.TIMED_OUT, ToolOutcome.CANCELLED})
"""What the user's code has done till then may be all of it."""


class FormInCall:
    """An ability of the agent (`agents.abilities`).

    Args:
        plan: the form.
        opening: what the model is told of it at first.
        wants: where facts and the delivery go.
        about: what is known of the call.
    """

    def __init__(self, plan: FormPlan, opening: words.Opening, wants: Wants, about: About) -> None:
        self._plan, self._wants, self._about = plan, wants, about
        self._state = FormState(plan)
        self._object: BaseModel | None = None
        """What is delivered; None on a stream that has not captured it."""
        answers = {"note": self._noted, "confirm": self._confirmed, "decline": self._declined}
        self._tools = [tool.doing(answers[verb]) for verb, tool in opening.tools.items()]
        self.works: Mapping[str, AnyTool] = {
            plan.work_name(happening): handler.work(partial(self._given, happening))
            for happening, handler in plan.handlers.items()
        }
        """The user's code, by name."""
        self._text: str | None = opening.instructions
        """The instructions, as they stay; None where they are to be made anew."""
        self._unread: list[Fact] = []
        """Facts that were written and have not come back."""

    # --- Where it stands ---

    @property
    def is_open(self) -> bool:
        """Whether it is still being filled."""
        return self._state.is_open

    @property
    def is_captured(self) -> bool:
        """Whether all of it is there and right. It is delivered then, or was."""
        return self._state.is_captured

    @property
    def refused(self) -> str | None:
        """The needed field that the caller did not want to give; None where they gave all, or may yet."""
        return self._state.refused

    @property
    def values(self) -> Mapping[str, Any]:
        """What is kept, confirmed or not, in JSON forms."""
        return self._state.values

    @property
    def confirmed(self) -> Mapping[str, Any]:
        """Those of the values that the caller has confirmed, or need not."""
        unconfirmed = self._state.unconfirmed
        return {name: value for name, value in self._state.values.items() if name not in unconfirmed}

    # --- The ability ---

    @property
    def instructions(self) -> str:
        """How to fill it; behind that what came of it."""
        if self._text is None:
            self._text = words.instructions(self._plan, self._state)
        return self._text

    @property
    def tools(self) -> Sequence[AnyTool]:
        """To note, confirm and decline. None once it has ended."""
        return self._tools if self.is_open else ()

    @property
    def keys(self) -> w.KeysWanted | None:
        """As the next field wants them."""
        return None if (field := self._next()) is None else field.ready.keys

    def restore(self, fact: Fact) -> None:
        """Folds what happened before. What was captured then is not delivered again."""
        self._state.apply(fact)
        self._text = None

    def told(self, fact: Fact) -> None:
        """Something has happened."""
        if isinstance(fact, _OURS):
            self._unread.clear()
            return
        self._state.told(fact)
        if isinstance(fact, facts.SessionReplaced):
            self._text = None  # What was kept was told to another session.

    def take_noted(self) -> Sequence[Fact]:
        """What was noted and has not been told yet, for whom a fact counts as soon as it is written."""
        noted, self._unread = self._unread, []
        return noted

    def pressed(self, keys: str) -> str | None:
        """Digits for the next field, or a yes; None where keys mean nothing to it."""
        unconfirmed = self._state.unconfirmed
        if keys.rstrip("#*") == YES_KEY and any(kept.question.is_answered for kept in unconfirmed.values()):
            return "[The caller pressed 1 on the telephone keypad: yes.]"
        field, wanted = self._next(), self.keys
        if field is None or wanted is None:
            return None
        at = self._at(Call(self._about, {}))
        try:
            value = field.read(keys.removesuffix(wanted.end), at)
        except ValueError as error:
            return f"[The caller typed {field.name} on the telephone keypad, which is not right: {error}]"
        self._keep(field, value, is_confirmed=True)  # Keys are not misheard.
        answer = self._answer({"kept": {field.name: value}}, at)
        return f"[The caller typed {field.name} on the telephone keypad. {_json(answer)}]"

    def answered(self, tool: str, result: ToolResult, call: Call[Any]) -> None:  # noqa: ARG002 - the same for all
        """The user's code has ended: that is a fact, and the model is told what came of it."""
        if tool not in self.works:
            return
        is_capture = tool == self._plan.work_name("captured")
        if is_capture:
            self._note(agent_facts.CaptureDelivered(self._plan.name, result.outcome.value))
        if not result.outcome.is_answer:
            is_certain = result.outcome not in _IN_DOUBT
            told = words.not_done(self._plan, result.output, is_certain=is_certain)
            self._wants.add(w.AgentTells(told, is_answered=not result.is_quiet))
        elif result.output != "null":
            told = words.outcome(self._plan, result.output)
            self._wants.add(w.AgentTells(told, is_answered=not result.is_quiet))
        elif is_capture:
            self._wants.add(w.AgentTells(words.outcome(self._plan, "it is passed on."), is_answered=False))

    # --- Tools ---

    def _noted(self, arguments: dict[str, Any], call: Call[Any]) -> object:
        self._refuse_ended()
        given = {self._field(name).name: said for name, said in arguments.items() if said is not None}
        if not given:
            raise ToolRefused(f"nothing was noted; pass at least one of: {', '.join(self._plan.fields)}")
        at = self._at(call)
        kept, invalid = {}, {}
        for name, said in given.items():
            try:
                kept[name] = self._plan.fields[name].read(said, at)
            except ValueError as error:
                invalid[name] = str(error)
        for name, value in kept.items():
            field = self._plan.fields[name]
            self._keep(field, value, is_confirmed=not field.read_back(value, at))
        return self._answer(words.noted(kept, invalid), at, invalid)

    def _confirmed(self, arguments: dict[str, Any], call: Call[Any]) -> object:
        self._refuse_ended()
        names = _only(arguments, "fields").get("fields")
        if not isinstance(names, list) or not names:
            raise ToolRefused("fields must be a list of the names of what the caller has confirmed")
        fields = [self._field(name) for name in names]
        if strange := [field.name for field in fields if field.name not in self._state.kept]:
            note = self._plan.tool_name("note")
            raise ToolRefused(f"nothing is noted for {', '.join(strange)}; call {note} first")
        unconfirmed, at = self._state.unconfirmed, self._at(call)
        asked = [field for field in fields if field.name in unconfirmed]
        answered = [field for field in asked if unconfirmed[field.name].question.is_answered]
        if asked and not answered:
            read_backs = "; ".join(self._read_backs(at, asked).values())
            raise ToolRefused(
                "not confirmed: the caller has not answered yet. Read it back, wait for the answer, and call "
                f"this again after a yes. Say: {read_backs}"
            )
        for field in answered:
            self._keep(field, unconfirmed[field.name].value, is_confirmed=True)
        confirmed = [name for name in names if name not in self._state.unconfirmed]
        return self._answer({"confirmed": confirmed}, at)

    def _declined(self, arguments: dict[str, Any], call: Call[Any]) -> object:
        self._refuse_ended()
        field = self._field(_only(arguments, "field", "why").get("field"))
        self._note(agent_facts.FieldRefused(self._plan.name, field.name))
        if field.is_needed:
            self._ask_for("refused")
            return words.ended(self._plan, field.name)
        return self._answer({"left_out": field.name}, self._at(call))

    # --- What follows ---

    def _answer(
        self, told: Mapping[str, Any], at: At, invalid: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """What the model is told behind something that was noted; the form may be whole with it."""
        state, refusal = self._state, ""
        if not state.missing and not state.unconfirmed:
            try:
                self._capture(self._plan.whole(state.values))
            except ValueError as error:
                refusal = str(error)
            else:
                is_delivered = self._plan.work_name("captured") in self.works
                return {**told, **words.complete(self._plan, is_delivered_now=is_delivered)}
        read_backs = self._read_backs(at, [self._plan.fields[name] for name in state.unconfirmed])
        standing = words.standing(state, read_backs, refusal)
        next_ = words.what_next(self._plan, state, read_backs, invalid or (), refusal)
        return {**told, **standing, "what_next": next_}

    def _capture(self, whole: BaseModel) -> None:
        """The fact comes first: with it on disk nobody delivers a second time."""
        self._object = whole
        data = whole.model_dump_json()
        self._note(agent_facts.Captured(self._plan.name, data))
        self._ask_for("captured")

    def _ask_for(self, happening: Happening) -> None:
        name = self._plan.work_name(happening)
        if name in self.works:
            self._wants.add(w.WorkAsked(self._wants.new_id("work"), name))

    def _given(self, happening: Happening) -> object:
        return self._object if happening == "captured" else self._state.refused

    def _keep(self, field: FormField, value: Any, *, is_confirmed: bool) -> None:
        """Keeps a value, unless exactly this is kept already: then a yes stays a yes."""
        if self._state.has(field.name, value) and not is_confirmed:
            return
        self._note(agent_facts.FieldKept(self._plan.name, field.name, _json(value), is_confirmed))

    def _note(self, fact: Fact) -> None:
        self._state.apply(fact)
        self._wants.add(fact)
        self._unread.append(fact)
        if not self.is_open:
            self._text = None

    # --- What it is asked ---

    def _field(self, name: object) -> FormField:
        field = self._plan.fields.get(name) if isinstance(name, str) else None
        if field is None:
            raise ToolRefused(f"there is no such field; the fields are: {', '.join(self._plan.fields)}")
        return field

    def _refuse_ended(self) -> None:
        if not self.is_open:
            raise ToolRefused(
                f"the {words.title(self._plan)} has ended; nothing of it can be changed any more"
            )

    def _next(self) -> FormField | None:
        """The field that is asked for next."""
        return next(iter(self._state.missing), None) if self.is_open else None

    def _read_backs(self, at: At, fields: Sequence[FormField]) -> dict[str, str]:
        """What is to be read back now, by field. What is too much for once comes later."""
        kept, told = self._state.kept, dict[str, str]()
        for field in fields:
            text = field.read_back(kept[field.name].value, at)[:READ_BACK_MAX]
            if told and len(text) + sum(map(len, told.values())) > READ_BACK_MAX:
                break
            told[field.name] = text
        return told

    def _at(self, call: Call[Any]) -> At:
        return At(
            language=self._about.language,
            region=_region_of(self._about.called),
            time_zone=self._about.time_zone,
            now=call.local_time,
        )


def _only(arguments: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The arguments, if there are no others than these."""
    if strange := ", ".join(sorted(set(arguments) - set(names))):
        raise ToolRefused(f"there is no argument {strange[:100]}; pass only: {', '.join(names)}")
    return arguments


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _region_of(number: str) -> str:
    """The country of a number that was called: its callers give their own as one does there."""
    # It brings the numbers of all countries along, and an agent's module needs none of them.
    import phonenumbers  # noqa: PLC0415 - see above

    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or "US"
    except phonenumbers.NumberParseException:
        return "US"  # A SIP address.
