"""An agent puts its caller through: what the model, tools and handlers may ask for, and what comes of it."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from callbridge import (
    Agent,
    Call,
    Destination,
    Flow,
    Step,
    Transfer,
    TransferOutcome,
    TransferResult,
    by,
    unreached,
)
from callbridge import key as pressed
from callbridge.agents.transfers import briefing as briefing_module
from callbridge.call import agent_facts, facts, wishes
from callbridge.call import telephone_facts as tf
from callbridge.call import wants as w
from callbridge.call.facts import EndReason
from callbridge.call.memory import ToolStarted
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.wishes import Resume
from transfer_calls import Calling

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callbridge.agents.tools.tool import ToolResult

SALES, SUPPORT = "+14155550100", "sip:support@pbx.example.com"
ENDED = TransferOutcome.NO_ANSWER
STREAM, SPOKE = facts.StreamStarted("", ""), facts.CallerSpoke(1, 700)


@pytest.fixture(name="group")
async def _group() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        yield tasks


def refusal(result: ToolResult) -> str:
    assert result.outcome is ToolOutcome.REFUSED
    assert result.wish is None
    return str(json.loads(result.output)["error"])


def asked(number: int = 1, name: str = "sales") -> tf.TransferAsked:
    return tf.TransferAsked(f"t{number}", wishes.Transfer(name, SALES))


def ended(number: int = 1, outcome: TransferOutcome = ENDED) -> tf.TransferEnded:
    return tf.TransferEnded(f"t{number}", "sales", outcome, 25_000)


# --- The tool -------------------------------------------------------------------------------------------


async def test_the_model_names_somebody_and_the_wish_has_the_rest(group: asyncio.TaskGroup) -> None:
    sales = Destination(
        "sales", SALES, when="the caller wants to buy", ring_s=25, extension="ww1#", shows="line", warm=True
    )
    calling = Calling(Agent(transfers=[sales, Destination("support", SUPPORT)]), group)
    (tool,) = (tool for tool in calling.agent.definitions if tool.name == "transfer")
    assert calling.choices() == ["sales", "support"]
    assert "when the caller wants to buy" in json.dumps(tool.parameters)
    assert "in English for sales" not in json.dumps(tool.parameters)  # The agent has no language of its own.
    result = await calling.asks(to="sales", reason="a  cake\n", summary="They want a cake.")
    assert result.wish == wishes.Transfer(
        "sales", SALES, 25, "ww1#", "line", True, True, "They want a cake.", "en", "a cake"
    )
    assert "one short sentence" in result.output
    assert refusal(await calling.asks(to="support", reason="x")).startswith("the caller is being put through")
    calling.tells(SPOKE)  # "Oh, wait": that withdraws the wish.
    found = await calling.asks(to="support", reason="x", summary="y")
    assert found.wish == wishes.Transfer("support", SUPPORT, language="en", reason="x")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"to": "Sales"},
        {"to": SALES},
        {"to": ["sales"]},
        {"to": "sales", "reason": 5},
        {"to": "sales", "reason": "x", "number": SALES},
    ],
)
async def test_what_is_asked_for_wrongly_rings_nobody(
    arguments: dict[str, Any], group: asyncio.TaskGroup
) -> None:
    calling = Calling(Agent(transfers=[Destination("sales", SALES)]), group)
    assert SALES not in refusal(await calling.asks(**arguments))
    assert calling.told == []  # Nothing beside the answer.
    assert (await calling.asks(to="sales", reason="x")).wish is not None


async def test_exact_words_are_said_in_place_of_the_models(group: asyncio.TaskGroup) -> None:
    calling = Calling(Agent(transfers=[Destination("sales", SALES, says="One moment, sales.")]), group)
    result = await calling.asks(to="sales", reason="x")
    assert result.wish is None
    wish = wishes.Transfer("sales", SALES, language="en", reason="x")
    said, done = calling.told
    assert (said.words, done) == ("One moment, sales.", w.WishSet(wish, is_said=True))


async def test_five_in_a_call_and_one_at_a_time(group: asyncio.TaskGroup) -> None:
    """Also those of earlier streams count; one that was on when a stream broke off is not on any more."""
    agent = Agent(transfers=[Destination("sales", SALES)])
    before = [STREAM, *(one for n in range(3) for one in (asked(n), ended(n)))]
    calling = Calling(agent, group, *before, asked(3))
    calling.tells(STREAM)
    assert (await calling.asks(to="sales", reason="x")).wish is not None
    calling.tells(asked(4))
    assert "already" in refusal(await calling.asks(to="sales", reason="x"))
    calling.tells(ended(4))
    assert "5 times" in refusal(await calling.asks(to="sales", reason="x"))


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("2026-11-30T08:59", "They are there again on Monday at 09:00."),
        ("2026-12-04T17:00", "They are there again on Monday at 09:00."),
        ("2026-12-24T17:00", "They are there again on Monday, 04 January at 09:00."),
        ("2026-11-30T09:00", ""),
    ],
)
async def test_outside_of_their_hours_nobody_is_rung(
    now: str, words: str, group: asyncio.TaskGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Call, "local_time", dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC))
    days = ", ".join(f"!12-{day}" for day in range(25, 32))
    sales = Destination("sales", SALES, hours=f"Mo-Fr 9:00-17:00, {days}, !01-01")
    calling = Calling(Agent(transfers=[sales]), group)
    result = await calling.asks(to="sales", reason="x")
    if not words:
        assert result.wish is not None
        return
    assert refusal(result).endswith(words)
    assert calling.agent.call.transfers == (TransferResult("sales", TransferOutcome.CLOSED),)


# --- Who is rung ----------------------------------------------------------------------------------------


async def test_a_rule_follows_what_was_captured_then_the_values(group: asyncio.TaskGroup) -> None:
    rule = by("city", {"Berlin": "+493012345", "Köln": "+4922112345"})
    calling = Calling(Agent(transfers=[Destination("branch", rule)]), group)
    assert refusal(await calling.asks(to="branch", reason="x")).endswith("ask the caller for city first")
    calling.agent.call.values["city"] = "köln "
    wish = (await calling.asks(to="branch", reason="x")).wish
    assert isinstance(wish, wishes.Transfer)
    assert wish.address == "+4922112345"
    calling.tells(SPOKE, agent_facts.FieldKept("where", "city", '"Berlin"', is_confirmed=True))
    wish = (await calling.asks(to="branch", reason="x")).wish
    assert isinstance(wish, wishes.Transfer)
    assert wish.address == "+493012345"
    calling.tells(SPOKE, agent_facts.Captured("where", '{"city": "Bonn"}'))
    assert refusal(await calling.asks(to="branch", reason="x")).endswith("nobody is there for this city")


async def test_without_a_value_the_rule_has_another_address(group: asyncio.TaskGroup) -> None:
    vip = by("is_vip", {True: SALES}, otherwise="client:anna")
    calling = Calling(Agent(transfers=[Destination("desk", vip)]), group)
    wish = (await calling.asks(to="desk", reason="x")).wish
    assert isinstance(wish, wishes.Transfer)
    assert wish.address == "client:anna"


async def late() -> str:
    await asyncio.Event().wait()
    return SALES


def broken() -> str:
    raise LookupError(SALES)


def of_caller(call: Call) -> str:
    return call.caller.number.replace("0123", "0100")


async def of_shop() -> str:
    return "+14155550109"


@pytest.mark.parametrize("function", [of_caller, of_shop])
async def test_a_function_of_the_users_says_who_is_rung(function: Any, group: asyncio.TaskGroup) -> None:
    calling = Calling(Agent(transfers=[Destination("sales", function, within=["+1415555"])]), group)
    wish = (await calling.asks(to="sales", reason="x")).wish
    assert isinstance(wish, wishes.Transfer)
    assert wish.address in {SALES, "+14155550109"}


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (late, "longer than"),
        (broken, "LookupError"),
        (lambda: "+493012345", "not within its bounds"),
        (lambda: "911", "8 to 15"),
        (lambda: None, "a text"),
        (lambda: "+14155550199", "this agent again"),
    ],
)
async def test_a_function_that_fails_rings_nobody(
    function: Any, reason: str, group: asyncio.TaskGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is told that it did not work, the log why: neither has an address."""
    monkeypatch.setattr("callbridge.agents.transfers.resolving.ASKED_S", 0.01 if function is late else 2.0)
    calling = Calling(Agent(transfers=[Destination("sales", function, within=["+1415555"])]), group)
    with capture_logs() as logs:
        assert "could not be found out" in refusal(await calling.asks(to="sales", reason="x"))
    (log,) = logs
    assert reason in log["reason"]
    assert "+" not in log["reason"].replace("has + and", "").replace("like +14155550100", "")


# --- What they hear -------------------------------------------------------------------------------------


async def heard(group: asyncio.TaskGroup, briefing: Any = None, language: str = "", **said: str) -> str:
    """The briefing of a caller who has given a name."""
    sales = Destination("sales", SALES, asks=True, briefing=briefing, language=language or None)
    calling = Calling(Agent(transfers=[sales]), group)
    calling.agent.call.values.update(guests=3, name="Anne", flags=["new", None], notes=None)
    calling.tells(agent_facts.FieldKept("visit", "name", '"Anna"', is_confirmed=False))
    wish = (await calling.asks(to="sales", **({"reason": ""} | said))).wish
    assert isinstance(wish, wishes.Transfer)
    return wish.briefing


@pytest.mark.parametrize(
    ("briefing", "said", "words"),
    [
        (None, {"reason": "a cake", "summary": "They want\na cake."}, "They want a cake."),
        (None, {"reason": "a cake"}, "a cake"),
        (None, {}, "There is a call for you."),
        ("{name} calls about {reason}.", {"reason": "a cake"}, "Anna calls about a cake."),
        ("{name} is there. It is about {reason}.", {}, "Anna is there."),
        ("{notes} {nothing}", {"reason": "a cake"}, "a cake"),
        ("{guests}, {flags}.", {}, "3, new."),
        ("{caller} calls.", {}, "1 4 1, 5 5 5, 5 0 1, 2 3 calls."),
        (lambda call: f"{call.values['name']} again.", {}, "Anne again."),
        (lambda: 5, {"reason": "a cake"}, "a cake"),
        (None, {"summary": "Call +1 (415) 555-0123 or 4155550123."}, "Call … or …."),
        (None, {"summary": "Order 123456789, on 2026-11-28."}, "Order 123456789, on 2026-11-28."),
        (None, {"summary": "\ud800\u202eword"}, "? word"),
    ],
)
async def test_what_the_person_hears(
    briefing: Any, said: dict[str, str], words: str, group: asyncio.TaskGroup
) -> None:
    assert await heard(group, briefing, **said) == words


async def test_a_briefing_is_bounded_and_in_their_language(group: asyncio.TaskGroup) -> None:
    assert await heard(group, language="de") == "Sie haben einen Anruf."
    long = await heard(group, lambda: "word " * 500)
    assert len(long) <= briefing_module.BRIEFING_MAX
    assert long.endswith("word…")


async def test_who_is_not_asked_hears_nothing(group: asyncio.TaskGroup) -> None:
    calling = Calling(Agent(transfers=[Destination("sales", SALES)], language="de"), group)
    wish = (await calling.asks(to="sales", reason="x", summary="secret")).wish
    assert wish == wishes.Transfer("sales", SALES, language="en", reason="x")


# --- The user's code ------------------------------------------------------------------------------------


def shop(**more: Any) -> Agent:
    """Tools, keys and a handler that put callers through."""
    agent = Agent(transfers=[Destination("sales", SALES, **more), Destination("support", SUPPORT)])

    @agent.tool
    async def buy(words: str) -> Transfer:
        """Sell something."""
        return Transfer("sales", say=words, reason="an order")

    @agent.key("1")
    def one() -> Transfer:
        return Transfer("sales")

    @agent.key("2")
    def two(call: Call) -> None:
        call.transfer("sales", "I put you through.", reason="key 2")

    @agent.key("3")
    def three() -> Transfer:
        return Transfer("nobody")

    return agent


async def test_a_tool_ends_with_a_transfer(group: asyncio.TaskGroup) -> None:
    calling = Calling(shop(), group)
    wish = wishes.Transfer("sales", SALES, language="en", reason="an order")
    result = await calling.asks("buy", words="")
    assert (result.wish, result.outcome) == (wish, ToolOutcome.ANSWERED)
    calling.tells(SPOKE)
    result = await calling.asks("buy", words="Sales, one moment.")
    assert (result.wish, result.is_momentary) == (None, True)
    assert [said.words for said in calling.of(w.AgentSays)] == ["Sales, one moment."]
    assert calling.of(w.WishSet) == [w.WishSet(wish, is_said=True)]


async def test_a_transfer_with_a_text_that_is_none_goes_through(group: asyncio.TaskGroup) -> None:
    """A look-up may have found nothing, or a number; that ends no call."""
    agent = shop()

    @agent.tool
    async def complain() -> Transfer:
        """Complain."""
        return Transfer("sales", say=None, reason=7, summary=None)  # type: ignore[arg-type]  # As some code does.

    result = await Calling(agent, group).asks("complain")
    assert result.wish == wishes.Transfer("sales", SALES, language="en", reason="7")


async def test_a_key_puts_through(group: asyncio.TaskGroup) -> None:
    calling = Calling(shop(), group)
    calling.tells(facts.KeysPressed("1", 1, is_menu=True))
    await calling.works()
    assert calling.of(w.WishSet) == [w.WishSet(wishes.Transfer("sales", SALES, language="en"))]
    calling.tells(facts.KeysPressed("2", 1, is_menu=True))
    await calling.works()
    wish = wishes.Transfer("sales", SALES, language="en", reason="key 2")
    assert calling.of(w.WishSet)[1:] == [w.WishSet(wish, is_said=True)]
    assert [said.words for said in calling.of(w.AgentSays)] == ["I put you through."]
    calling.tells(facts.KeysPressed("3", 1, is_menu=True))
    await calling.works()
    assert "there are: sales, support" in calling.of(w.AgentTells)[-1].text
    with pytest.raises(ValueError, match="no destination 'nobody'; the agent has: sales, support"):
        calling.agent.call.transfer("nobody")


async def test_a_captured_object_and_a_tool_that_answers_later_put_through(group: asyncio.TaskGroup) -> None:
    agent = shop()

    class Order(BaseModel):
        """An order."""

        bread: str

    @agent.capture(Order).captured
    async def ordered(order: Order) -> Transfer:
        return Transfer("sales", reason=order.bread)

    @agent.tool(answers="later")
    async def look() -> Transfer:
        """Look who is there."""
        return Transfer("support", say="Support is there.")

    calling = Calling(agent, group)
    await calling.asks("note_order", bread="rye")
    await calling.works()
    assert [done.wish.reason for done in calling.of(w.WishSet)] == ["rye"]
    calling.tells(SPOKE)
    await calling.asks("look")
    await calling.works()
    assert [done.wish.name for done in calling.of(w.WishSet)] == ["sales", "support"]
    assert not calling.of(w.AgentTells)[-1].is_answered  # The words are there.


async def test_a_tool_that_finds_nobody_there_has_answered_all_the_same(group: asyncio.TaskGroup) -> None:
    calling = Calling(shop(hours="Mo closed"), group)
    result = await calling.asks("buy", words="")
    assert (result.wish, result.outcome) == (None, ToolOutcome.ANSWERED)
    assert "outside of their hours" in result.output
    calling.tells(facts.KeysPressed("2", 1, is_menu=True))
    await calling.works()
    assert "outside of their hours" in calling.of(w.AgentTells)[-1].text
    assert [result.outcome for result in calling.agent.call.transfers] == [TransferOutcome.CLOSED] * 2


async def test_an_agent_without_people_tells_its_tools_so(group: asyncio.TaskGroup) -> None:
    agent = Agent()

    @agent.tool
    async def buy() -> Transfer:
        """Sell something."""
        return Transfer("sales")

    calling = Calling(agent, group)
    assert "no destinations" in (await calling.asks("buy")).output
    assert calling.choices() is None
    assert calling.agent.call.transfers == ()


# --- What became of it ----------------------------------------------------------------------------------


def failing(**more: Any) -> tuple[Agent, list[TransferResult]]:
    """An agent whose own code tries somebody else."""
    agent, seen = shop(**more), list[TransferResult]()

    @agent.transfer_failed
    def failed(call: Call, result: TransferResult) -> str:
        seen.append(result)
        call.transfer("support", "I try somebody else.")
        return "Support is rung."

    return agent, seen


@pytest.mark.parametrize("outcome", TransferOutcome)
async def test_the_users_code_is_told_of_what_failed(
    outcome: TransferOutcome, group: asyncio.TaskGroup
) -> None:
    agent, seen = failing()
    calling = Calling(agent, group)
    calling.tells(asked(), ended(1, outcome))
    await calling.works()
    is_tried = outcome not in {
        TransferOutcome.CONNECTED,
        TransferOutcome.CALLER_HUNG_UP,
        TransferOutcome.CLOSED,  # The model was told at once.
    }
    assert seen == ([TransferResult("sales", outcome, 25.0)] if is_tried else [])
    assert [done.wish.name for done in calling.of(w.WishSet)] == (["support"] if is_tried else [])
    assert len(calling.of(w.AgentTells)) == is_tried
    assert calling.agent.call.transfers == (TransferResult("sales", outcome, 25.0),)


async def test_the_users_code_is_told_on_the_next_stream_and_once(group: asyncio.TaskGroup) -> None:
    agent, seen = failing()
    before = [STREAM, asked(), ended()]
    calling = Calling(agent, group, *before)
    calling.tells(STREAM)
    await calling.works()
    assert seen == list(calling.agent.call.transfers) == [TransferResult("sales", ENDED, 25.0)]
    again = Calling(agent, group, *before, STREAM)
    again.tells(STREAM)
    await again.works()
    assert len(seen) == 1


async def test_a_stream_that_breaks_off_on_hold_leaves_the_users_code_to_the_next_one(
    group: asyncio.TaskGroup,
) -> None:
    agent, seen = failing()
    calling = Calling(agent, group)
    for fact in (asked(), ended(1), facts.StreamEnded(EndReason.MEDIA_LOST, follows=Resume())):
        calling.agent.told(fact)
    await calling.works()
    assert seen == []
    later = Calling(agent, group, STREAM, asked(), ended())
    later.tells(STREAM)
    await later.works()
    assert len(seen) == 1


async def test_what_the_users_code_was_told_on_one_stream_it_is_not_told_on_the_next(
    group: asyncio.TaskGroup,
) -> None:
    agent, seen = failing()
    ran = facts.Remembered(ToolStarted(1, "transfer_failed_1", "transfer failed", "{}", is_ours=True))
    later = Calling(agent, group, STREAM, asked(), ended(), ran)
    later.tells(STREAM)
    await later.works()
    assert seen == []


async def test_who_is_not_there_at_this_hour_leads_to_the_users_code(group: asyncio.TaskGroup) -> None:
    """Where that had asked for them; nothing more is told then."""
    agent, seen = failing(hours="Mo closed")
    calling = Calling(agent, group)
    calling.tells(facts.KeysPressed("2", 1, is_menu=True))
    await calling.works()
    assert seen == [TransferResult("sales", TransferOutcome.CLOSED)]
    assert [done.wish.name for done in calling.of(w.WishSet)] == ["support"]


# --- Steps ----------------------------------------------------------------------------------------------


async def test_a_step_has_its_own_people_and_leads_to_one(group: asyncio.TaskGroup) -> None:
    flow = Flow(
        Step("hello", "Ask.", transfers=["support"], go=[pressed("1", to="person"), pressed("2", to="all")]),
        Step("person", transfer="sales", transfers=[], go=[unreached(to="sorry"), pressed("1", to="hello")]),
        Step("sorry", "Say that nobody is there.", ends=True),
        Step("all", "Go on.", go=[pressed("1", to="hello")]),
    )
    agent = Agent(flow=flow, transfers=[Destination("sales", SALES), Destination("support", SUPPORT)])
    calling = Calling(agent, group)
    calling.tells(STREAM)
    assert calling.choices() == ["support"]
    assert "one of: support" in refusal(await calling.asks(to="sales", reason="x"))
    calling.tells(facts.KeysPressed("2", 1))
    assert calling.choices() == ["sales", "support"]
    calling.tells(facts.KeysPressed("1", 1), facts.KeysPressed("1", 1))
    assert calling.choices() is None
    await calling.works()
    assert calling.of(w.WishSet) == [w.WishSet(wishes.Transfer("sales", SALES, language="en"))]
    entered = [fact.step for fact in calling.of(agent_facts.StepEntered)]
    assert entered == ["hello", "all", "hello", "person"]
    # The stream ends, nobody takes the call, and the next one goes on.
    steps = calling.of(agent_facts.StepEntered)
    again = Calling(agent, group, STREAM, *steps, asked(), ended())
    again.tells(STREAM)
    assert [fact.step for fact in again.of(agent_facts.StepEntered)] == ["sorry"]
    within = Calling(agent, group, STREAM, *steps)
    within.tells(STREAM, asked(), ended())
    assert [fact.step for fact in within.of(agent_facts.StepEntered)] == ["sorry"]
