"""`[expect]` of a scenario: what `call.expect` offers, by the same names, and its asking.

A method without arguments is written `name = true`; one with a single argument as that, or as a list of
several that must all hold; one with named arguments as a table of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import msgspec

from callbridge.testing.call_data import ComplaintKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.testing.expecting.expectations import Expectations
    from callbridge.testing.persona.judge import Judge

Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
Milliseconds: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class Words(Table, frozen=True):
    """Words, in one turn."""

    text: Text
    turn: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Which; the greeting is the first. In any without it."""


SomeWords: TypeAlias = Text | Words | tuple[Text | Words, ...]


class Tool(Table, frozen=True):
    """Calls of one tool."""

    name: Text
    arguments: dict[str, Any] = {}
    """It was called with at least these."""
    times: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """So often, and 0 for never. At least once without it."""
    at_least: Annotated[int, msgspec.Meta(ge=1)] | None = None
    returned: str | int | float | bool | dict[str, Any] | list[Any] | None = None
    """Each of these calls had this result."""
    failed: bool = False
    """Each of these calls failed, was refused, took too long or was cancelled."""

    def __post_init__(self) -> None:
        if self.times is not None and self.at_least is not None:
            raise ValueError("write times or at_least, not both")


class Latency(Table, frozen=True):
    """Of all answers."""

    p50_ms: Milliseconds | None = None
    p95_ms: Milliseconds | None = None
    """Takes 20 turns."""
    max_ms: Milliseconds | None = None


class Greeting(Table, frozen=True):
    """How the call begins."""

    within_ms: Milliseconds | None = None
    whole: bool = False


class Within(Table, frozen=True):
    """At most so late, or so far off."""

    within_ms: Milliseconds


class AtMost(Table, frozen=True):
    """At most so long."""

    max_ms: Milliseconds


class Duration(Table, frozen=True):
    """Of the call."""

    max_s: Annotated[float, msgspec.Meta(ge=0)] | None = None
    min_s: Annotated[float, msgspec.Meta(ge=0)] | None = None


class Cost(Table, frozen=True):
    """Of the call."""

    max_dollars: Annotated[float, msgspec.Meta(ge=0)]


class Cut(Table, frozen=True):
    """Where an utterance was cut."""

    at_ms: Milliseconds
    tolerance_ms: Milliseconds = 150


class Captured(Table, frozen=True):
    """An object."""

    form: Text
    fields: dict[str, Any] = {}


class Transferred(Table, frozen=True):
    """To whom, and what became of it."""

    to: str | None = None
    outcome: str = "connected"


class TextSent(Table, frozen=True):
    """Which text message, and what became of it."""

    template: str | None = None
    outcome: str | None = None


class Complaints(Table, frozen=True):
    """Which complaints are meant to be there."""

    except_: Annotated[tuple[ComplaintKind, ...], msgspec.Meta(min_length=1)] = msgspec.field(name="except")
    """Kinds of complaints."""


class Expect(Table, frozen=True):
    """What is expected of a call."""

    tool: Tool | tuple[Tool, ...] = ()
    """Calls of a tool, with at least these arguments."""
    tools: tuple[Text, ...] | None = None
    """The model called these tools, in this order, and no others."""
    only_tools: tuple[Text, ...] | None = None
    """The model called no tools but these, however often."""
    no_tools: Literal[True] | None = None
    """The model called no tool."""
    heard: SomeWords = ()
    """These words of the agent reached the caller's ear."""
    not_heard: SomeWords = ()
    said: SomeWords = ()
    """The agent was to say these words, whether they were heard or cut."""
    not_said: SomeWords = ()
    caller_said: SomeWords = ()
    """These words of the caller's stand in the transcript."""
    latency: Latency | None = None
    """From the end of the caller's words to the first audio that they heard."""
    greeting: Greeting | None = None
    """The caller was greeted, so soon after dialling, or to the end of it."""
    first_audio: Within | None = None
    """The agent was heard so soon after the media stream began."""
    barge_in: Within | None = None
    """Whenever the caller spoke into the agent's words, the agent was silent within so much."""
    duration: Duration | None = None
    """From dialling to the end."""
    cost: Cost | None = None
    """By the service's price list."""
    silence: AtMost | None = None
    """Nobody was heard for at most so long, the caller's own turns left out."""
    talk_over: AtMost | None = None
    """Both spoke at once for at most so long without a break."""
    interruptions: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """The caller's voice or keys cut the agent so many times."""
    interrupted_at: Cut | tuple[Cut, ...] = ()
    """So much of an utterance had been heard when it was cut."""
    truncation: Within | None = None
    """Of all that was cut, the model remembers what the caller heard, give or take so much."""
    no_false_barge_ins: Literal[True] | None = None
    """Nothing but the caller's words and keys has cut the agent."""
    no_spurious_answers: Literal[True] | None = None
    """The agent answered nothing but the caller's words and keys."""
    ended: Text | None = None
    """For this reason: `agent_hangup`, `caller_hangup`, `transferred` or another one."""
    ended_by: Literal["agent", "caller"] | None = None
    """Who ended the call, as people do."""
    handed_to: Text | tuple[Text, ...] = ()
    """The caller was handed over to the agent of this name, within the call."""
    step: Text | tuple[Text, ...] = ()
    """The agent's flow came to this step."""
    steps: tuple[Text, ...] | None = None
    """The agent's flow went through these steps, in this order, and through no others."""
    captured: Captured | tuple[Captured, ...] = ()
    """An object of this form was captured, with at least these fields."""
    transferred: Transferred | None = None
    """The caller was put through."""
    keys: Text | tuple[Text, ...] = ()
    """The agent got these keys of the caller's."""
    keys_sent: Text | tuple[Text, ...] = ()
    """The agent sent the tones of these keys."""
    text_sent: TextSent | tuple[TextSent, ...] = ()
    """A text message was sent, and taken by Twilio unless another outcome is named."""
    no_complaints: bool | Complaints = True
    """Neither caller, Twilio, model nor operator has anything to complain about. It is always asked for:
    write `false`, or which complaints are meant to be there."""


NAMES_IN_ORDER: Final = frozenset({"tools", "only_tools", "steps"})
"""What takes all of its names at once."""


def ask(expected: Expect, expect: Expectations, judge: Judge | None = None) -> None:
    """Asks for all of it, and then the judge, if there is one.

    Raises:
        ExpectationError: something is not so. The text has all that is not.
        TextModelMissing: a judge is wanted, and there is no text model.
        TextModelFault: the judge says nothing that can be used.
    """
    with expect.all():
        for name in Expect.__struct_fields__:
            value = getattr(expected, name)
            if value is None or value is False:
                continue
            if name in NAMES_IN_ORDER:
                getattr(expect, name)(*value)
                continue
            for one in value if isinstance(value, tuple) else (value,):
                _ask_one(expect, name, one)
        if judge is not None:  # At last: without a text model the call is skipped, unless it has failed.
            expect.judged(judge)


def _ask_one(expect: Expectations, name: str, value: object) -> None:
    method = getattr(expect, name)
    match value:
        case Tool():
            _ask_tool(expect, value)
        case Captured(form=form, fields=fields):
            method(form, **fields)
        case Table():
            method(**dict(_given(value)))
        case True:
            method()
        case _:
            method(value)


def _given(table: Table) -> Iterator[tuple[str, object]]:
    """What a table says, as the arguments are called."""
    for name in table.__struct_fields__:
        if (value := getattr(table, name)) is not None:
            yield name, value


def _ask_tool(expect: Expectations, tool: Tool) -> None:
    asked = expect.tool(tool.name, **tool.arguments)
    if tool.times == 0:
        asked.never()
        return
    if tool.times is not None:
        asked.times(tool.times)
    elif tool.at_least is not None:
        asked.at_least(tool.at_least)
    if tool.returned is not None:
        asked.returned(tool.returned)
    if tool.failed:
        asked.failed()
    expect.settle()
