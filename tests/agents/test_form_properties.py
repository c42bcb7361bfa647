"""Forms in calls that nobody wrote: a hostile model, a caller of any kind, and streams that break off.

What has happened is judged by the facts alone, with rules that are written down here once more. A stream may
be cut at any moment; the next one has what was on disk, which is all that came before the last work began.
"""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import BaseModel

from callbridge.agents.capture import Form
from callbridge.agents.fields.ready import ReadBack
from callbridge.call import agent_facts as af
from callbridge.call import facts
from callbridge.call.facts import Fact
from form_rig import FormCall


class Visit(BaseModel):
    """A visit."""

    why: Literal["check-up", "pain"]
    name: Annotated[str, ReadBack()]
    email: Annotated[str, ReadBack()]
    note: Annotated[str, ReadBack()] = ""


NEEDED, READ_BACK = {"why", "name", "email"}, {"name", "email", "note"}

RIGHT = st.fixed_dictionaries(
    {},
    optional={
        "why": st.sampled_from(["check-up", "pain"]),
        "name": st.sampled_from(["Anna", "Anne"]),
        "email": st.sampled_from(["anna@example.com", "anne@example.com"]),
        "note": st.sampled_from(["by the back door", "none"]),
    },
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("x" * 9000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([*Visit.model_fields, "admin", ""])
WRONG = st.one_of(
    st.dictionaries(NAMES, JSON, max_size=3).map(json.dumps),
    st.fixed_dictionaries({"fields": JSON}).map(json.dumps),
    st.fixed_dictionaries({"field": JSON}).map(json.dumps),
    st.sampled_from(["", "{", "null", "[1]", '{"name": NaN}', '{"name": "A", "name": "B"}', "[" * 5000]),
)
TOOLS = ("note_visit", "confirm_visit", "decline_visit")


class Walk(RuleBasedStateMachine):
    """One call, over as many streams as it takes."""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner(debug=False)
        self.delivered: list[BaseModel] = []
        self.form = Form(Visit, then=self.deliver)
        self.facts: list[Fact] = []
        """Of earlier streams, as far as they were on disk."""
        self.on_disk = 0
        """How many facts of this stream are there for certain."""
        self.stream = self.new_stream()

    async def deliver(self, whole: Visit) -> str:
        self.delivered.append(whole)
        return "done"

    def new_stream(self) -> FormCall:
        async def make() -> FormCall:
            return FormCall(self.form, self.facts)

        return self.runner.run(make())

    def call(self, tool: str, arguments: str) -> None:
        if tool in self.stream.tools:
            self.runner.run(self.stream.result(tool, arguments))

    # --- The model ---

    @rule(given=RIGHT)
    def note(self, given: dict[str, str]) -> None:
        self.call("note_visit", json.dumps(given))

    @rule(names=st.lists(NAMES, max_size=4))
    def confirm(self, names: list[str]) -> None:
        self.call("confirm_visit", json.dumps({"fields": names}))

    @rule(given=RIGHT)
    def do_as_told(self, given: dict[str, str]) -> None:
        """Fills in what is missing, and reads all of it back: without this hardly a walk gets to its end."""
        ability = self.stream.ability
        given = {"why": "pain", "name": "Anna", "email": "anna@example.com"} | given
        self.note({name: value for name, value in given.items() if name not in ability.values})
        self.hear()
        self.speak()
        self.confirm(list(ability.values))

    @rule(given=RIGHT, does_speak=st.booleans())
    def confirm_what_nobody_was_asked(self, given: dict[str, str], *, does_speak: bool) -> None:
        self.note(given)
        if does_speak:
            self.speak()
        self.confirm(list(given))

    @rule(name=st.sampled_from(["note", "note", "note", "email", "admin"]))
    def decline(self, name: str) -> None:
        self.call("decline_visit", json.dumps({"field": name}))

    @rule(tool=st.sampled_from(TOOLS), arguments=WRONG)
    def write_nonsense(self, tool: str, arguments: str) -> None:
        self.call(tool, arguments)

    # --- The caller ---

    @rule()
    def hear(self) -> None:
        self.stream.happens(facts.ItemHeard("item"))

    @rule()
    def speak(self) -> None:
        self.stream.happens(facts.CallerSpoke(1, 400))

    @rule(keys=st.sampled_from(["1", "1#", "2", "4711#"]))
    def press(self, keys: str) -> None:
        self.stream.presses(keys)

    # --- The process ---

    @precondition(lambda self: self.stream.works)
    @rule()
    def run_what_was_asked_for(self) -> None:
        self.on_disk = len(self.stream.facts)
        self.runner.run(self.stream.deliver())

    @rule(data=st.data())
    def cut(self, data: st.DataObject) -> None:
        kept = data.draw(st.integers(self.on_disk, len(self.stream.facts)))
        self.facts = [*self.facts, *self.stream.facts[:kept]]
        self.on_disk = 0
        self.stream = self.new_stream()

    # --- What must hold ---

    @invariant()
    def what_was_delivered_was_captured_and_confirmed(self) -> None:
        if not hasattr(self, "stream"):
            return
        captured = judge([*self.facts, *self.stream.facts])
        assert len(self.delivered) <= 1
        assert [whole.model_dump_json() for whole in self.delivered] in ([], captured)
        assert {tool.name for tool in self.stream.ability.tools} in (set(), set(TOOLS))
        assert self.stream.ability.is_captured == bool(captured)

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.close()


def judge(happened: list[Fact]) -> list[str]:
    """What was captured: at most one object. Fails where a fact should not be there."""
    values: dict[str, Any] = {}
    confirmed: set[str] = set()
    heard: set[str] = set()
    answered: set[str] = set()
    captured: list[str] = []
    refused: set[str] = set()
    for fact in happened:
        is_yes = isinstance(fact, facts.KeysPressed) and fact.keys.rstrip("#") == "1"
        if isinstance(fact, facts.ItemHeard):
            heard = set(values)
        elif isinstance(fact, facts.CallerSpoke) or is_yes:
            answered |= heard
        elif isinstance(fact, af.FieldKept):
            assert not captured, "nothing changes behind the capture"
            assert not refused & NEEDED, "nor behind a refusal"
            name, value = fact.field, json.loads(fact.value)
            assert fact.form == "visit"
            Visit.__pydantic_validator__.validate_assignment(Visit.model_construct(), name, value)
            if fact.is_confirmed and name in READ_BACK:
                assert values[name] == value, "what is confirmed is what was read back"
                assert name in answered
            else:
                heard.discard(name)
                answered.discard(name)
            values[name] = value
            refused.discard(name)
            confirmed = confirmed | {name} if fact.is_confirmed else confirmed - {name}
        elif isinstance(fact, af.FieldRefused):
            assert not captured
            values.pop(fact.field, None)
            refused.add(fact.field)
        elif isinstance(fact, af.Captured):
            assert not captured
            assert not refused & NEEDED
            assert NEEDED <= set(values) <= confirmed
            assert set(values) | refused == set(Visit.model_fields)
            captured.append(fact.data)
            assert json.loads(fact.data) == {"note": "", **values}
    return captured


TestWalk = Walk.TestCase
