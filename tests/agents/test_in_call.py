"""An agent in one call: what its tools are given, what is kept of it, and how its tools are run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, field_serializer, field_validator
from structlog.testing import capture_logs

import memory_call as mc
from callbridge.agents import texts
from callbridge.agents.agent import Agent
from callbridge.agents.context import Call, Line
from callbridge.agents.in_call import AgentInCall
from callbridge.agents.tools import in_call as tools_in_call
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.in_call import BEGUN
from callbridge.agents.tools.tool import Manner, ToolRefused
from callbridge.call import wants as w
from callbridge.call.actions import RunTool
from callbridge.call.agent_facts import ValuesSet
from callbridge.call.facts import (
    CallerSpoke,
    CallerWordsCame,
    ItemHeard,
    KeysPressed,
    Remembered,
    Said,
    StreamStarted,
    TurnEnded,
)
from callbridge.call.memory import Told, ToolAnswered, ToolStarted
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.wishes import HangUp
from tool_runs import in_call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from callbridge.agents.tools.tool import ToolResult


@pytest.fixture(name="group")
async def _group() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        yield tasks


def begun(agent: Agent, tasks: asyncio.TaskGroup, *earlier: Any) -> AgentInCall:
    """The agent in a call whose stream is admitted."""
    called = in_call(agent, earlier)
    called.begin(tasks)
    return called


def asked(name: str, arguments: str = "{}", call_id: str = "call_1", **more: bool) -> RunTool:
    return RunTool(call_id, name, arguments, 5.0, **more)


def wanted(called: AgentInCall) -> list[Any]:
    """All that it wants by now."""
    found = []
    while (want := called.take()) is not None:
        found.append(want)
    return found


# --- Call -----------------------------------------------------------------------------------------------


async def test_a_tool_is_given_the_call_and_the_model_does_not_see_it(group: asyncio.TaskGroup) -> None:
    agent = Agent()

    @agent.tool
    async def who(call: Call, greeting: str) -> str:
        """Who calls, behind a greeting."""
        return f"{greeting} {call.caller.number} for {call.agent} at {call.parameters['shop']}"

    called = begun(agent, group)
    (definition,) = [tool for tool in called.definitions if tool.name == "who"]
    assert definition.parameters["required"] == ["greeting"]
    assert "'call'" not in str(definition.parameters)
    result = await called.run(asked("who", '{"greeting": "Hello"}'), is_kept=True)
    assert result.output == "Hello +14155550100 for bakery at harbour"
    forged = await called.run(asked("who", '{"greeting": "a", "call": {}}'), is_kept=True)
    assert forged.outcome is ToolOutcome.REFUSED, "nor may it pass one"


class Visit(BaseModel):
    guests: int = 2


@pytest.mark.parametrize("kind", [None, Visit])
async def test_values_are_kept_and_restored(kind: type[BaseModel] | None, group: asyncio.TaskGroup) -> None:
    agent = Agent(values=kind)

    @agent.tool
    def seats(call: Call, guests: int) -> None:
        """Notes it."""
        if kind is None:
            call.values["guests"] = guests
        else:
            call.values.guests = guests  # type: ignore[attr-defined]  # It is a Visit.

    called = begun(agent, group)
    for _ in range(2):
        await called.run(asked("seats", '{"guests": 5}'), is_kept=True)
    assert wanted(called) == [ValuesSet('{"guests":5}')], "once: the second run has changed nothing"
    again = in_call(agent, [ValuesSet('{"guests":4}'), ValuesSet('{"guests":5}')])
    assert again.call.values == ({"guests": 5} if kind is None else Visit(guests=5))
    assert wanted(again) == [], "what was restored is no news"


@pytest.mark.parametrize("text", ['{"guests":"many"}', "{", "[1]"])
@pytest.mark.parametrize("kind", [None, Visit])
async def test_values_that_cannot_be_read_are_as_at_the_beginning(
    kind: type[BaseModel] | None, text: str
) -> None:
    if kind is None and text.startswith('{"'):
        return
    with capture_logs() as log:
        again = in_call(Agent(values=kind), [ValuesSet(text)])
    assert again.call.values == ({} if kind is None else Visit())
    assert [line["event"] for line in log] == ["values_not_restored"]


async def test_values_without_a_json_form_are_told_of_and_the_call_goes_on(group: asyncio.TaskGroup) -> None:
    agent = Agent()

    @agent.tool
    def spoils(call: Call) -> str:
        """Spoil it."""
        call.values["it"] = object()
        return "done"

    called = begun(agent, group)
    with capture_logs() as log:
        assert (await called.run(asked("spoils"), is_kept=True)).output == "done"
    assert [(line["event"], line["reason"]) for line in log] == [
        ("values_not_kept", "object in call.values has no JSON form")
    ]
    assert wanted(called) == []


class Odd(BaseModel):
    """Values whose own code raises, with a caller's words in it."""

    name: str = ""

    @field_validator("name")
    @classmethod
    def check(cls, name: str) -> str:
        if name:
            raise LookupError(name)
        return name

    @field_serializer("name")
    def show(self, name: str) -> str:
        if name:
            raise LookupError(name)
        return name


async def test_values_whose_own_code_raises_cost_no_call_and_tell_no_log(group: asyncio.TaskGroup) -> None:
    agent = Agent(values=Odd)

    @agent.tool
    def spoils(call: Call[Odd]) -> str:
        """Spoil it."""
        call.values.name = "Samantha"
        return "done"

    with capture_logs() as log:
        called = begun(agent, group, ValuesSet('{"name":"Samantha"}'))
        assert (await called.run(asked("spoils"), is_kept=True)).output == "done"
    assert [line["event"] for line in log] == ["values_not_restored", "values_not_kept"]
    assert "Samantha" not in str(log)


STREAM = StreamStarted("", "")


def turn(number: int, caller: str | None, agent: str) -> TurnEnded:
    return TurnEnded(number, caller, agent, None, interrupted=False)


async def test_the_transcript_is_what_was_heard_over_all_streams() -> None:
    earlier: list[Any] = [STREAM, turn(1, "Are you open?", "Yes, un"), STREAM]
    called = in_call(Agent(), earlier)
    for fact in (turn(1, None, "Sorry."), turn(2, "", "Where were we?"), CallerWordsCame(1, "Hm?", "item")):
        called.told(fact)
    assert list(called.call.transcript) == [
        *(Line("caller", "Are you open?"), Line("agent", "Yes, un")),
        *(Line("caller", "Hm?"), Line("agent", "Sorry."), Line("agent", "Where were we?")),
    ]


# --- Saying and ending ----------------------------------------------------------------------------------


async def test_an_async_tool_says_something_and_learns_whether_it_was_heard(group: asyncio.TaskGroup) -> None:
    agent = Agent()

    @agent.tool
    async def asks(call: Call) -> str:
        """Ask."""
        return f"{await call.say('One.')} {await call.say('Two.')}"

    called = begun(agent, group)
    running = asyncio.create_task(called.run(asked("asks"), is_kept=True))
    for words, percent in (("One.", 100), ("Two.", 40)):
        await called.wants.written()
        (say,) = wanted(called)
        assert isinstance(say, w.AgentSays)
        assert say.words == words
        called.told(Said(say.say_id, percent))
    assert (await running).output == "True False"


async def test_a_plain_tool_says_and_ends_from_its_thread(group: asyncio.TaskGroup) -> None:
    agent = Agent()

    @agent.tool
    def leaves(call: Call) -> None:
        """Leave."""
        call.say("That is done.")
        call.end("Goodbye.")

    called = begun(agent, group)
    await called.run(asked("leaves"), is_kept=True)
    first, last, wish = wanted(called)
    assert (first.words, last.words, wish) == ("That is done.", "Goodbye.", w.WishSet(HangUp(), is_said=True))
    assert first.say_id != last.say_id
    called.call.end()
    assert wanted(called) == [w.WishSet(HangUp())], "then the model says goodbye"


async def test_nobody_waits_for_words_that_nobody_will_hear(group: asyncio.TaskGroup) -> None:
    """Neither when the stream ends nor when it has ended."""
    called = begun(Agent(), group)
    before = called.call.say("One.")
    called.hang_up()
    assert not await before
    assert not await called.call.say("Two.")


async def test_words_that_are_heard_reach_a_tool_in_a_call() -> None:
    """Over a bridge: said exactly, between the tool's call and its answer."""
    agent = Agent()

    @agent.tool
    async def asks(call: Call) -> str:
        """Ask."""
        return "heard" if await call.say("Wait.") else "cut"

    async with mc.calling(agent) as rig:
        await rig.goes_live()
        await rig.is_quiet()
        rig.model.say({"type": "response.created", "response": {"id": "r", "status": "in_progress"}})
        rig.model.say(mc.tool_call("asks", response="r"), mc.answer_done("r"))
        created = await rig.model.hears("response.create")
        assert created["response"]["instructions"].endswith(": Wait.")
        await rig.speaks(b"\xff" * 800, "words", "said")
        rig.model.say(mc.answer_done("words"))
        rig.phone.say(mc.echo(await rig.phone.hears("mark")))
        item = (await rig.model.hears("conversation.item.create"))["item"]
        assert (item["type"], item["output"]) == ("function_call_output", "heard")
        await rig.hangs_up()


async def test_words_that_nobody_can_say_are_not_asked_for(group: asyncio.TaskGroup) -> None:
    called = begun(Agent(), group)
    assert await called.call.say(" ")
    called.call.end(" ")
    called.call.say("Half: \ud83d")
    wish, say = wanted(called)
    assert wish == w.WishSet(HangUp())
    assert say.words == "Half: ?", "what has no form in UTF-8 would break the call"


# --- confirm --------------------------------------------------------------------------------------------


async def confirming(group: asyncio.TaskGroup) -> Callable[..., Any]:
    """A tool that is to be confirmed; answers what becomes of a call of it."""
    agent = Agent()

    @agent.tool(confirm=True)
    def pay(amount: int, to: str) -> str:
        """Pay.

        Args:
            amount: How much.
            to: Whom.
        """
        return f"paid {amount} to {to}"

    called = begun(agent, group)

    async def calls(arguments: str, *before: Any) -> ToolResult:
        for fact in before:
            called.told(fact)
        return await called.run(asked("pay", arguments), is_kept=True)

    return calls


TEN, TEN_AGAIN = '{"amount":10,"to":"Anna"}', '{ "to":"Anna", "amount" : 10 }'
TWELVE = '{"amount":12,"to":"Anna"}'
HEARD, SPOKE = ItemHeard("item"), CallerSpoke(1, 700)


async def test_a_tool_that_is_confirmed_runs_once_the_caller_was_asked(group: asyncio.TaskGroup) -> None:
    pay = await confirming(group)
    for before in ((), (), (SPOKE,), (HEARD,), (KeysPressed("1", 1),)):
        refused = await pay(TEN, *before)
        assert refused.outcome is ToolOutcome.UNCONFIRMED, before
        assert "ask whether it is right" in refused.output
    assert (await pay(TWELVE, HEARD, SPOKE)).outcome is ToolOutcome.UNCONFIRMED, "something else"
    assert (await pay(TEN_AGAIN, HEARD, SPOKE)).output == "paid 10 to Anna"
    assert (await pay(TEN)).outcome is ToolOutcome.UNCONFIRMED, "again is another question"


async def test_a_caller_is_not_asked_about_what_cannot_be_done(group: asyncio.TaskGroup) -> None:
    """Wrong arguments are refused as such, whatever the tool is made of, and nothing has run."""
    agent, done = Agent(), list[str]()

    def judge(arguments: dict[str, Any], _call: object) -> None:
        if "amount" not in arguments:
            raise ToolRefused("invalid arguments: amount is missing")

    def give(_arguments: dict[str, Any], _call: object) -> None:
        done.append("give")

    @agent.tool(confirm=True)
    def pay(amount: int) -> None:
        """Pays."""
        done.append("pay")

    @agent.tool(confirm=True)
    async def send(amount: int) -> None:
        """Sends."""
        done.append("send")

    schema = {"type": "object", "properties": {"amount": {"type": "integer"}}}
    agent.toolbox.add(GivenTool("give", "Gives.", schema, give, Manner(is_confirmed=True), judge=judge))
    called = begun(agent, group)
    for name in ("pay", "send", "give"):
        for wrong in ('{"amount": NaN}', "{}", "[1]", "{"):
            refused = await called.run(asked(name, wrong), is_kept=True)
            assert refused.outcome is ToolOutcome.REFUSED
            assert "invalid arguments" in refused.output, (name, wrong, refused)
        right = await called.run(asked(name, '{"amount": 9}'), is_kept=True)
        assert "ask whether it is right" in right.output, name
    assert done == []


async def test_neither_a_cough_nor_words_before_the_call_make_a_confirmation(
    group: asyncio.TaskGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools_in_call, "WORDS_S", 0.01)
    pay = await confirming(group)
    called = Remembered(ToolStarted(1, "call_1", "pay", TEN))
    cough, behind = CallerSpoke(1, 100, is_clear=False), ItemHeard("question", behind_tools=2)
    for before in ((called,), (HEARD, SPOKE, called), (behind, cough, called)):
        assert (await pay(TEN, *before)).outcome is ToolOutcome.UNCONFIRMED, before
    asked = ItemHeard("question", behind_tools=3)
    assert (await pay(TEN, asked, cough, CallerSpoke(1, 100), called)).output == "paid 10 to Anna"


async def test_the_words_of_a_short_answer_are_waited_for(group: asyncio.TaskGroup) -> None:
    """They come of another model, and as late as the call of the tool."""
    agent = Agent()

    @agent.tool(confirm=True)
    def pay() -> str:
        """Pay."""
        return "paid"

    called = begun(agent, group)
    await called.run(asked("pay"), is_kept=True)
    for fact in (HEARD, CallerSpoke(1, 200, is_clear=False)):
        called.told(fact)
    again = asyncio.create_task(called.run(asked("pay"), is_kept=True))
    await mc.steps(3)
    called.told(CallerSpoke(1, 200))
    assert (await again).output == "paid"


@pytest.mark.parametrize(
    ("keys", "is_yes"), [("1", True), ("1#", True), ("2", False), ("11", False), ("#", False)]
)
async def test_key_1_is_a_yes(keys: str, group: asyncio.TaskGroup, *, is_yes: bool) -> None:
    pay = await confirming(group)
    await pay(TEN)
    result = await pay(TEN, HEARD, KeysPressed(keys, 1))
    assert (result.outcome is ToolOutcome.ANSWERED) == is_yes


# --- What takes its time --------------------------------------------------------------------------------


async def test_what_takes_longer_than_a_moment_is_covered(
    group: asyncio.TaskGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools_in_call, "MOMENT_S", 0.01)
    agent, may_go_on = Agent(), asyncio.Event()

    @agent.tool(while_running="I am looking.", waiting_sound=True)
    async def look_up() -> str:
        """Look."""
        await may_go_on.wait()
        return "found"

    called = begun(agent, group)
    running = asyncio.create_task(called.run(asked("look_up"), is_kept=True))
    await called.wants.written()
    say, sound = wanted(called)
    assert (say.words, say.until_tool, sound) == ("I am looking.", "call_1", w.SoundWanted("call_1"))
    may_go_on.set()
    assert (await running).output == "found"
    quick = await called.run(asked("look_up"), is_kept=True)
    assert (quick.output, wanted(called)) == ("found", [])


@pytest.mark.parametrize("is_plain", [False, True])
async def test_words_about_how_far_a_tool_has_come_are_of_use_while_it_runs(
    group: asyncio.TaskGroup, *, is_plain: bool
) -> None:
    """Also where it says them in a thread, or in a task of its own. Elsewhere there is none."""
    agent = Agent()

    def tell(call: Call) -> None:
        call.say("I look into the recipes.", while_running=True)
        call.say("Yes.")

    @agent.tool
    def look_up(call: Call) -> None:
        """Look."""
        tell(call)

    @agent.tool
    async def look_up_async(call: Call) -> None:
        """Look."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(tell, call))

    called = begun(agent, group)
    await called.run(asked("look_up" if is_plain else "look_up_async"), is_kept=True)
    assert [(say.words, say.until_tool) for say in wanted(called)] == [
        ("I look into the recipes.", "call_1"),
        ("Yes.", ""),
    ]
    called.call.say("Nobody runs.", while_running=True)
    assert [say.until_tool for say in wanted(called)] == [""]


async def test_a_tool_that_answers_later_is_told_of_when_it_is_done(group: asyncio.TaskGroup) -> None:
    agent, may_go_on = Agent(), asyncio.Event()

    @agent.tool(answers="later", irreversible=True)
    async def orders(what: str) -> str:
        """Order.

        Args:
            what: It.
        """
        await may_go_on.wait()
        return f"{what} ordered"

    called = begun(agent, group)
    told = await called.run(asked("orders", '{"what":"tea"}'), is_kept=True)
    (work,) = wanted(called)
    assert (told.output, work.name, work.arguments) == (BEGUN, "orders", '{"what":"tea"}')
    run = RunTool(work.call_id, work.name, work.arguments, 5.0, is_ours=True)
    running = asyncio.create_task(called.run(run, is_kept=True))
    await asyncio.sleep(0)
    assert wanted(called) == [], "nothing covers it"
    may_go_on.set()
    assert (await running).output == "tea ordered"
    (news,) = wanted(called)
    assert (news.is_answered, "tea ordered" in news.text) == (True, True)
    # It is not begun a second time where nobody knows how the first ended.
    again = await called.run(asked("orders", '{"what":"tea"}', is_repeated=True), is_kept=True)
    assert (again.outcome, wanted(called)) == (ToolOutcome.REFUSED, [])


async def test_so_many_tools_answer_later_at_a_time_and_no_more(group: asyncio.TaskGroup) -> None:
    """A place is left for those that answer now."""
    agent, may_end = Agent(), asyncio.Event()

    @agent.tool(answers="later")
    async def waits(n: int) -> None:
        """Wait."""
        await may_end.wait()

    @agent.tool
    async def answers() -> str:
        """Answer."""
        return "now"

    called = begun(agent, group)
    outcomes = [
        (await called.run(asked("waits", f'{{"n":{n}}}', f"call_{n}"), is_kept=True)).outcome
        for n in range(5)
    ]
    assert outcomes == [*[ToolOutcome.ANSWERED] * 3, *[ToolOutcome.BUSY] * 2]
    works = [RunTool(work.call_id, work.name, work.arguments, 5.0, is_ours=True) for work in wanted(called)]
    running = [asyncio.create_task(called.run(work, is_kept=True)) for work in works]
    await mc.steps(5)
    assert (await called.run(asked("answers"), is_kept=True)).output == "now"
    may_end.set()
    await asyncio.gather(*running)
    again = await called.run(asked("waits", '{"n":9}', "call_9"), is_kept=True)
    assert again.outcome is ToolOutcome.ANSWERED


STARTED = Remembered(ToolStarted(1, "later_1", "orders", "{}", is_ours=True), source="MZ1")


async def test_that_nobody_knows_how_a_later_tool_has_ended_is_told(
    group: asyncio.TaskGroup,
) -> None:
    """Once in a call; and not of one that has ended, nor of other works."""
    answered = ToolAnswered(1, "later_1", "orders", "{}", "done", is_ours=True)
    delivery = Remembered(ToolStarted(1, "deliver_1", "deliver", "{}", is_ours=True), source="MZ1")
    (news,) = wanted(begun(Agent(), group, STARTED, delivery, STREAM))
    assert isinstance(news, w.AgentTells)
    assert news.text.startswith("[orders, which you began earlier, broke off")
    assert not news.is_answered
    for end in (Remembered(answered, source="MZ1"), Remembered(Told(1, news.text), source="MZ2")):
        assert not wanted(begun(Agent(), group, STARTED, STREAM, end))
    other = Remembered(answered, source="MZ2")
    assert wanted(begun(Agent(), group, STARTED, STREAM, other)), "that was another one"


# --- Texts of the call ----------------------------------------------------------------------------------


def of_caller(call: Call) -> str:
    return f"They call from {call.caller.number}."


async def of_caller_async(call: Call) -> str:
    await asyncio.sleep(0)
    return of_caller(call)


async def too_late() -> str:
    await asyncio.Event().wait()
    return "never"


def raises(call: Call) -> str:
    raise LookupError(call.caller.number)


def is_no_text() -> str:
    return 5  # type: ignore[return-value]  # On purpose.


@pytest.mark.parametrize("text", [of_caller, of_caller_async])
async def test_texts_may_be_functions_of_the_call(text: Any) -> None:
    called = in_call(Agent(instructions=text, greeting=text))
    await called.prepare("Be brief.", "Hello!", "Speak German.")
    assert called.instructions == "They call from +14155550100.\n\nSpeak German."
    assert called.greeting == "They call from +14155550100."


@pytest.mark.parametrize(
    ("text", "why"), [(too_late, "longer"), (raises, "LookupError"), (is_no_text, "int")]
)
async def test_a_text_that_does_not_come_is_the_default(
    text: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is too_late:  # A thread of the others may take longer to begin.
        monkeypatch.setattr(texts, "TEXT_TIMEOUT_S", 0.01)
    called = in_call(Agent(instructions=text, greeting=text))
    with capture_logs() as log:
        await called.prepare("Be brief.", "Hello!")
    assert (called.instructions, called.greeting) == ("Be brief.", "Hello!")
    assert [line["text"] for line in log] == ["instructions", "greeting"]
    assert all(why in line["reason"] and "+1415" not in line["reason"] for line in log), log


# --- The session and the keys follow where the abilities stand --------------------------------------------


class Numbers:
    """An ability that asks for a number of keys from the beginning on, until it has one."""

    works: dict[str, Any] = {}  # noqa: RUF012  # Nothing is put into it.
    tools: tuple[Any, ...] = ()

    def __init__(self, *_: object) -> None:
        self.number, self.looks = "", 0

    @property
    def instructions(self) -> str:
        self.looks += 1
        return f"The number is {self.number}." if self.number else "Ask for the number."

    @property
    def keys(self) -> w.KeysWanted | None:
        return None if self.number else w.KeysWanted(length_max=4, are_digits=True)

    def restore(self, fact: Any) -> None: ...

    def told(self, fact: Any) -> None: ...

    def answered(self, *_: object) -> None: ...

    def pressed(self, keys: str) -> str | None:
        self.number = keys
        return "[A number.]"


async def test_keys_are_wanted_from_the_beginning_and_a_changed_session_comes_before_words(
    group: asyncio.TaskGroup,
) -> None:
    agent = Agent()
    agent.abilities = [Numbers]
    called = begun(agent, group)
    await called.prepare("Be brief.", "")
    assert wanted(called) == [w.KeysWanted(length_max=4, are_digits=True)]
    called.told(KeysPressed("1234", 1))
    session, keys, news = wanted(called)
    assert session.instructions == "Be brief.\n\nThe number is 1234."
    assert (keys, news) == (w.KeysWanted(), w.AgentTells("[A number.]", is_callers=True))


async def test_an_ability_is_looked_at_behind_facts_and_answers_alone(group: asyncio.TaskGroup) -> None:
    """Most events of a call bring neither, and the bridge asks for wants behind each."""
    agent, ability = Agent(), Numbers()
    agent.abilities = [lambda *_: ability]
    called = begun(agent, group)
    await called.prepare("Be brief.", "")
    wanted(called)
    looks, asked_for = ability.looks, asked("end_call")
    assert [wanted(called) for _ in range(10)] == [[]] * 10
    assert ability.looks == looks
    called.told(CallerSpoke(1, 400))
    assert wanted(called) == []
    assert ability.looks == looks + 1
    ability.number = "1234"
    await called.run(asked_for, is_kept=True)
    assert [type(want) for want in wanted(called)] == [w.SessionWanted, w.KeysWanted]
