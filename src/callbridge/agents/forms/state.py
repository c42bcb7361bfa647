"""Where a form stands in a call: what is kept, confirmed and left out. Folded from facts alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from callbridge.agents.tools.confirming import Question, ToolsCalled
from callbridge.call import agent_facts as af
from callbridge.call.facts import StreamStarted

if TYPE_CHECKING:
    from callbridge.agents.forms.plan import FormField, FormPlan
    from callbridge.call.facts import Fact


@dataclass(slots=True)
class Kept:
    """What the caller has given for a field."""

    value: Any
    """In its JSON form."""
    is_confirmed: bool
    question: Question
    """Whether it is right, open since the value was kept."""


class FormState:
    """A form in one call."""

    def __init__(self, plan: FormPlan) -> None:
        self._plan = plan
        self.kept: dict[str, Kept] = {}
        self._tools = ToolsCalled()
        self._left_out: set[str] = set()
        """Fields that the caller does not want to give."""
        self.is_captured = False
        """The object is whole. Nothing changes any more."""
        self.outcome: str | None = None
        """How its delivery ended; None while that is not known."""

    # --- What holds ---

    @property
    def refused(self) -> str | None:
        """The needed field that the caller did not want to give; with it the form has ended."""
        return next((name for name in self._left_out if self._plan.fields[name].is_needed), None)

    @property
    def is_open(self) -> bool:
        """Whether it is still being filled."""
        return not self.is_captured and self.refused is None

    @property
    def missing(self) -> list[FormField]:
        """Fields that are neither kept nor left out, in the order of asking."""
        fields = self._plan.fields
        return [fields[name] for name in fields if name not in self.kept and name not in self._left_out]

    @property
    def unconfirmed(self) -> dict[str, Kept]:
        """What the caller has not yet said yes to."""
        kept = {name: self.kept.get(name) for name in self._plan.fields}
        return {name: one for name, one in kept.items() if one is not None and not one.is_confirmed}

    @property
    def values(self) -> dict[str, Any]:
        """What is kept, in the order of asking."""
        return {name: self.kept[name].value for name in self._plan.fields if name in self.kept}

    def has(self, name: str, value: Any) -> bool:
        """Whether exactly this is kept. In JSON, unlike in Python, `1` is not `true`."""
        kept = self.kept.get(name)
        return kept is not None and json.dumps(kept.value) == json.dumps(value)

    # --- What happens ---

    def told(self, fact: Fact) -> None:
        """Something has happened in this stream."""
        self._tools.told(fact)
        self.listen(fact)

    def listen(self, fact: Fact) -> None:
        """Something was heard, said or pressed: it may be a question, or the answer to one."""
        for kept in self.kept.values():
            kept.question.told(fact)
            # What another agent has asked, or was told, is none of this one's; and each stream counts anew.
            if isinstance(fact, af.AgentChanged | StreamStarted):
                kept.question = Question(self._tools.count)

    def apply(self, fact: Fact) -> None:
        """Folds any fact of the call."""
        match fact:
            case af.FieldKept(form, name, value, is_confirmed) if self._is_mine(form, name):
                self._keep(name, json.loads(value), is_confirmed=is_confirmed)
            case af.FieldRefused(form, name) if self._is_mine(form, name):
                self.kept.pop(name, None)
                self._left_out.add(name)
            case af.Captured(self._plan.name):
                self.is_captured = True
            case af.CaptureDelivered(self._plan.name, outcome) if self.is_captured:
                self.outcome = outcome
            case _:
                self.told(fact)

    def _keep(self, name: str, value: Any, *, is_confirmed: bool) -> None:
        self._left_out.discard(name)
        if self.has(name, value):
            self.kept[name].is_confirmed = is_confirmed
        else:
            self.kept[name] = Kept(value, is_confirmed, Question(self._tools.count))

    def _is_mine(self, form: str, name: str) -> bool:
        """Whether the fact is of a field of this form. An earlier program may have had others."""
        return form == self._plan.name and name in self._plan.fields
