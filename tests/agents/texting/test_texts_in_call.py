"""Text messages of a call: to whom they go, with which words, how often, and what is told of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from structlog.testing import capture_logs

from callbridge.agents.agent import Agent
from callbridge.agents.context import Caller, CallerKind
from callbridge.agents.fault import AgentFault
from callbridge.agents.fields.phone_number import PhoneNumber
from callbridge.agents.in_call import AgentInCall
from callbridge.agents.mcp.connections import Connections
from callbridge.agents.outside import OutgoingText, TextResult
from callbridge.agents.texting.in_call import CAME_MAX
from callbridge.agents.texting.texts import TEXT_MAX, Texts
from callbridge.agents.tools.schema import ToolError
from callbridge.call import telephone_facts as tf
from callbridge.call import wants as w
from callbridge.call.actions import RunTool
from callbridge.call.agent_facts import FieldKept, FieldRefused
from callbridge.call.facts import Remembered
from callbridge.call.memory import Told
from callbridge.call.outcomes import TextOutcome, ToolOutcome
from tool_runs import ABOUT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.agents.context import About
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.call.facts import Fact

CALLER, MOBILE = ABOUT.caller.number, "+4915112345678"
TEXTS = Texts(
    templates={"address": "1 Quay Street.", "booked": "Your table: {day}, {booking.guests} guests."},
    to_captured="mobile",
)


@dataclass
class Post:
    """What is outside of the call: notes what it is given, and answers as the test says."""

    outcomes: list[TextResult] = field(default_factory=list)
    sent: list[OutgoingText] = field(default_factory=list)
    hangs: bool = False
    mcp: Connections = field(default_factory=Connections)

    async def send_text(self, text: OutgoingText) -> TextResult:
        self.sent.append(text)
        if self.hangs:
            await asyncio.Event().wait()
        return self.outcomes.pop(0) if self.outcomes else TextResult(TextOutcome.ACCEPTED, "SM1")


@dataclass
class Texting:
    """One stream of a call whose model sends texts."""

    texts: Texts | None = TEXTS
    earlier: Iterable[Fact] = ()
    about: About = ABOUT
    post: Post = field(default_factory=Post)

    def __post_init__(self) -> None:
        self.agent = AgentInCall(Agent(texts=self.texts), self.about, self.earlier, self.post)

    async def asks(self, arguments: str = "", /, **named: Any) -> ToolResult:
        """What the model is answered."""
        async with asyncio.TaskGroup() as tasks:
            self.agent.begin(tasks)
            asked = RunTool("call_1", "send_text", arguments or json.dumps(named), 5.0)
            return await self.agent.run(asked, is_kept=True)

    async def refused(self, arguments: str = "", /, **named: Any) -> str:
        """Why it is refused; nothing is sent."""
        before = list(self.post.sent)
        result = await self.asks(arguments, **named)
        assert (result.outcome, self.post.sent) == (ToolOutcome.REFUSED, before), result
        return str(json.loads(result.output)["error"])

    def tells(self) -> list[str]:
        """What the model is told besides."""
        told = []
        while (want := self.agent.take()) is not None:
            told += [want.text] if isinstance(want, w.AgentTells) else []
        return told


def kept(name: str, value: object, *, is_confirmed: bool = True, form: str = "booking") -> FieldKept:
    return FieldKept(form, name, json.dumps(value), is_confirmed)


# --- To whom --------------------------------------------------------------------------------------------


async def test_a_text_goes_to_the_caller() -> None:
    call = Texting()
    result = await call.asks(words="  Come\tat 5.\x00\r\nBring a bag. ")
    assert json.loads(result.output)["status"] == "accepted"
    (sent,) = call.post.sent
    assert (sent.to, sent.words, sent.template) == (CALLER, "Come at 5.\nBring a bag.", "")


@pytest.mark.parametrize(
    "caller",
    [
        Caller("", CallerKind.ANONYMOUS),
        Caller("sip:anna@example.com", CallerKind.SIP),
        Caller("client:anna", CallerKind.CLIENT),
        Caller("+1", CallerKind.PHONE),
        Caller("+266696687", CallerKind.ANONYMOUS),
    ],
    ids=str,
)
async def test_who_shows_no_number_gets_none(caller: Caller) -> None:
    call = Texting(about=replace(ABOUT, caller=caller))
    assert "cannot be sent a text" in await call.refused(words="Hello")


@pytest.mark.parametrize("number", ["+19002345678", "+449012345678", "+1900234"])
async def test_a_number_that_is_paid_for_being_texted_gets_none(number: str) -> None:
    """Anybody may forge a caller's number, and some earn by each text to theirs."""
    call = Texting(about=replace(ABOUT, caller=Caller(number)))
    assert "short or premium-rate" in await call.refused(words="Hello")


async def test_it_may_go_to_a_number_that_was_captured_and_confirmed() -> None:
    call = Texting()
    assert "has not given and confirmed mobile" in await call.refused(words="Hi", to="captured")
    call.agent.told(kept("mobile", MOBILE, is_confirmed=False))
    await call.refused(words="Hi", to="captured")
    call.agent.told(kept("mobile", MOBILE))
    await call.asks(words="Hi", to="captured")
    assert [text.to for text in call.post.sent] == [MOBILE]
    call.agent.told(kept("mobile", "+4915100000000", is_confirmed=False))
    await call.refused(words="Hi again", to="captured")
    for odd in ("+4915112345678;ext=5", "sip:a@example.com", "+19005550100", "+49110", 5, None):
        call.agent.told(kept("mobile", odd))
        await call.refused(words="Hi again", to="captured")
    call.agent.told(kept("mobile", MOBILE))
    call.agent.told(FieldRefused("booking", "mobile"))
    await call.refused(words="Hi again", to="captured")


_ODD = st.sampled_from(
    [
        MOBILE,
        "+19005550100",
        "caller",
        "captured",
        "booking.mobile",
        f"caller {MOBILE}",
        "",
        None,
        5,
        [MOBILE],
    ]
) | st.text(max_size=20)


@given(
    arguments=st.dictionaries(
        st.sampled_from(["to", "words", "template", "number", "From"]) | st.text(max_size=5),
        _ODD,
        max_size=4,
    ),
    is_confirmed=st.booleans(),
    is_anonymous=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_whatever_the_model_passes_no_other_number_is_reached(
    arguments: dict[str, Any], is_confirmed: bool, is_anonymous: bool
) -> None:
    """Only that of the caller, or the one that was confirmed."""

    async def play() -> None:
        caller = Caller("", CallerKind.ANONYMOUS) if is_anonymous else ABOUT.caller
        about = replace(ABOUT, caller=caller)
        call = Texting(about=about, earlier=[kept("mobile", MOBILE, is_confirmed=is_confirmed)])
        await call.asks(json.dumps(arguments))
        may = ({CALLER} if not is_anonymous else set()) | ({MOBILE} if is_confirmed else set())
        assert {text.to for text in call.post.sent} <= may

    asyncio.run(play())


# --- With which words -----------------------------------------------------------------------------------


async def test_a_template_is_filled_with_what_was_confirmed() -> None:
    call = Texting(earlier=[kept("day", "Friday\n" + "x" * 200), kept("guests", 4, is_confirmed=False)])
    assert "confirmed booking.guests yet" in await call.refused(template="booked")
    call.agent.told(kept("guests", 4))
    await call.asks(template="booked")
    (sent,) = call.post.sent
    assert sent.words == f"Your table: {('Friday ' + 'x' * 200)[:100]}, 4 guests."
    assert sent.template == "booked"


async def test_words_have_a_bound() -> None:
    call = Texting(Texts(words_max=10))
    assert "write at most 10" in await call.refused(words="12345678901")
    assert "no words" in await call.refused(words=" \n\x00")
    none = Texting(Texts(templates={"long": "{a}" * 11}, words_max=0), [kept("a", "x" * 100)])
    assert "pass one of the templates: long" in await none.refused(words="Hi")
    assert f"{TEXT_MAX} can be sent" in await none.refused(template="long")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "either a template or words"),
        ({"words": "a", "template": "address"}, "either a template or words"),
        ({"template": "adress"}, "the templates are: address, booked"),
        ({"words": "a", "to": "+19005550100"}, "can only go to: caller, captured"),
        ({"words": "a", "number": "+19005550100"}, "no argument number"),
        ({"words": ["a"]}, "every argument is a text"),
    ],
)
async def test_what_is_asked_for_wrongly_is_refused_in_words(arguments: dict[str, Any], why: str) -> None:
    assert why in await Texting().refused(**arguments)


async def test_the_model_sees_the_tool_only_where_it_is_switched_on() -> None:
    def parameters(texts: Texts) -> dict[str, Any]:
        (tool,) = [tool for tool in Texting(texts).agent.definitions if tool.name == "send_text"]
        return tool.parameters

    whole, plain = parameters(TEXTS), parameters(Texts(templates={"address": "1 Quay Street."}, words_max=0))
    assert whole["properties"]["to"]["enum"] == ["caller", "captured"]
    assert whole["properties"]["template"]["enum"] == ["address", "booked"]
    assert (whole["required"], plain["required"]) == ([], ["template"])
    assert set(plain["properties"]) == {"template"}
    assert [tool.name for tool in Texting(None).agent.definitions] == ["end_call"]


# --- How often ------------------------------------------------------------------------------------------


async def test_two_are_sent_in_a_call_over_all_its_streams() -> None:
    call = Texting(earlier=[tf.TextAsked("text_1"), tf.TextTold("text_1", TextOutcome.ACCEPTED)])
    assert call.tells() == []
    await call.asks(words="Second")
    assert "2 texts were sent" in await call.refused(words="Third")
    assert len({text.text_id for text in call.post.sent} | {"text_1"}) == 2


async def test_what_was_refused_outside_does_not_count() -> None:
    call = Texting(post=Post([TextResult(TextOutcome.REFUSED, why="too many today")]))
    result = await call.asks(words="First")
    assert (result.outcome, "too many today" in result.output) == (ToolOutcome.REFUSED, True)
    await call.asks(words="First")
    assert "exactly this text was sent" in await call.refused(words="First")
    await call.asks(words="Second")
    await call.refused(words="Third")


async def test_what_may_have_been_sent_is_not_sent_again() -> None:
    call = Texting(post=Post([TextResult(TextOutcome.UNKNOWN)]))
    result = await call.asks(template="address")
    assert (result.outcome, "not known" in result.output) == (ToolOutcome.TIMED_OUT, True)
    assert "Do not send it again" in await call.refused(template="address")
    (sent,) = call.post.sent
    call.agent.texts.news(tf.TextTold(sent.text_id, TextOutcome.UNREACHABLE, "SM1", "30003"))
    await call.asks(template="address")
    assert len(call.post.sent) == 2, "it is known by then that it did not arrive"


async def test_a_run_that_is_stopped_leaves_it_in_doubt() -> None:
    call = Texting(post=Post(hangs=True))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await call.agent.send_text("Hello", "", "caller")
    call.post.hangs = False
    await call.refused(words="Hello there")


async def test_after_a_crash_the_model_is_told_once_that_it_may_have_been_sent() -> None:
    asked = tf.TextAsked("text_1", "address")
    call = Texting(earlier=[asked])
    assert "Do not send it again" in await call.refused(template="address")
    (told,) = call.tells()
    assert "it may have been sent" in told
    assert "'address'" in told
    again = Texting(earlier=[asked, Remembered(Told(1, told))])
    await again.refused(template="address")
    assert again.tells() == []
    await again.asks(words="Something else")
    assert len(again.post.sent) == 1


async def test_what_came_of_it_between_two_streams_is_told_once() -> None:
    known: list[Fact] = [tf.TextAsked("text_1", "address"), tf.TextTold("text_1", TextOutcome.ACCEPTED)]
    late = Texting(earlier=[*known, tf.TextTold("text_1", TextOutcome.BLOCKED, "SM1", "30007")])
    await late.asks(words="Something else")
    (told,) = late.tells()
    assert "30007" in told
    again = Texting(earlier=[*late.earlier, Remembered(Told(1, told))])
    await again.asks(words="Something else")
    assert again.tells() == []


# --- What comes of it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [one for one in TextOutcome if one is not TextOutcome.ACCEPTED])
async def test_each_outcome_is_told_in_words(outcome: TextOutcome) -> None:
    call = Texting(post=Post([TextResult(outcome, code="30034")]))
    result = await call.asks(words="Hello")
    told = json.loads(result.output)
    assert list(told.values())[-1].startswith(("It ", "not "))
    assert result.outcome.is_answer is (outcome is TextOutcome.DELIVERED)


async def test_news_of_a_text_are_told_while_the_call_lives() -> None:
    call = Texting()
    await call.asks(words="Hello")
    (sent,) = call.post.sent
    for outcome in (TextOutcome.ACCEPTED, TextOutcome.UNREACHABLE, TextOutcome.UNREACHABLE):
        call.agent.texts.news(tf.TextTold(sent.text_id, outcome, "SM1", "30003"))
    call.agent.texts.news(tf.TextTold("text_of_nobody", TextOutcome.DELIVERED))
    (told,) = call.tells()
    assert "not delivered" in told
    assert "30003" in told


async def test_of_the_texts_that_come_in_a_call_the_model_is_told_the_first_few() -> None:
    """Each is paid for as the model's input, and whoever knows the number can send any number of them."""
    call = Texting()
    for number in range(CAME_MAX + 5):
        call.agent.texts.came(f"Text {number}")
    told = call.tells()
    assert len(told) == CAME_MAX
    assert f"Text {CAME_MAX - 1}" in told[-1]


async def test_the_users_own_code_sends_within_the_same_bounds() -> None:
    call = Texting()
    assert await call.agent.call.send_text("Hello") is TextOutcome.ACCEPTED
    assert await call.agent.call.send_text(template="address") is TextOutcome.ACCEPTED
    with capture_logs() as log:
        assert await call.agent.call.send_text("Third") is TextOutcome.REFUSED
    assert "2 texts were sent" in log[0]["reason"]
    wrongs: list[dict[str, Any]] = [{}, {"words": "a", "template": "address"}, {"template": "adress"}]
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"either words|the templates are"):
            await call.agent.call.send_text(**wrong)
    bare = Texting(None)
    assert await bare.agent.call.send_text("x" * 301) is TextOutcome.REFUSED
    assert await bare.agent.call.send_text("x" * 300) is TextOutcome.ACCEPTED


async def test_where_nothing_stands_behind_the_process_it_is_refused() -> None:
    agent = AgentInCall(Agent(texts=TEXTS), ABOUT)
    assert await agent.call.send_text("Hello") is TextOutcome.REFUSED


# --- What cannot be -------------------------------------------------------------------------------------


class Booking(BaseModel):
    """A table."""

    mobile: PhoneNumber
    name: str


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"words_max": 0}, "nothing to send"),
        ({"words_max": 1001}, "0 to 1000"),
        ({"templates": {"The Address": "a"}}, "a name has"),
        ({"templates": {"a": " "}}, "characters"),
        ({"templates": {"a": "{0}"}}, "is no field"),
        ({"templates": {"a": "{x.__class__.y}"}}, "is no field"),
        ({"templates": {"a": "{x!r}"}}, "is no field"),
        ({"templates": {"a": "{x"}}, "for a brace itself"),
        ({"templates": {f"a{n}": "a" for n in range(21)}}, "more than 20"),
        ({"to_captured": "+49"}, "name a field"),
    ],
)
def test_what_cannot_be_is_said_at_once(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(AgentFault, match=why):
        Texts(**arguments)


def test_what_it_may_go_to_is_a_telephone_number() -> None:
    Agent(texts=Texts(to_captured="booking.mobile")).capture(Booking)
    with pytest.raises(AgentFault, match="must be a PhoneNumber"):
        Agent(texts=Texts(to_captured="name")).capture(Booking)


def test_the_name_of_its_tool_is_taken() -> None:
    agent = Agent(texts=TEXTS)
    with pytest.raises(ToolError, match="send_text"):

        @agent.tool
        async def send_text(words: str) -> None:
            """Mine."""
