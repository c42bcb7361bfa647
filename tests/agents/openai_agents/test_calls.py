"""Agents of the OpenAI Agents SDK in whole calls: what of them works, and what of them a call is spared."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("agents.realtime", reason="the OpenAI Agents SDK is an extra: callbridge[openai-agents]")

from agents import (
    GuardrailFunctionOutput,
    OutputGuardrail,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolOutputGuardrail,
    function_tool,
)
from agents.realtime import (
    RealtimeAgent,
    RealtimeModelListener,
    RealtimeModelSendRawMessage,
    RealtimePlaybackTracker,
    RealtimeRunner,
    realtime_handoff,
)
from agents.run_context import RunContextWrapper

from callbridge import Agent, Call
from callbridge.agents.context import About, Caller
from callbridge.agents.guardrails.in_call import TRIPS_MAX
from callbridge.agents.openai_agents import session as sessions
from callbridge.agents.openai_agents.tools import HostedTool
from callbridge.bridge.own_sounds import audio_of
from callbridge.call.actions import OwnSound
from callbridge.call.agent_facts import GuestChanged
from callbridge.call.facts import EndReason, GuardrailTripped, Interrupted, StreamEnded, ToolUsed, TurnEnded
from callbridge.call.outcomes import ToolOutcome
from callbridge.openai_agents import guest
from callbridge.testing import Calls, HangUp, Interrupt, Line, Pause, Press, Says

if TYPE_CHECKING:
    from agents.realtime import RealtimeModelEvent, RealtimeSession

    from callbridge.agents.tools.tool import ToolResult
    from callbridge.testing import PlayedCall

# A push plays `e2e/test_openai_agents.py`, and the other files here.
pytestmark = pytest.mark.heavy

CARD = "4111" * 4
NOT_APPROVED = re.compile("openai_agents_not_approved")


@function_tool
async def weather(city: str) -> str:
    """Get the weather in a city."""
    return f"sunny in {city}"


def forecaster(*tools: Any, **more: Any) -> RealtimeAgent[Any]:
    return RealtimeAgent(name="Forecaster", instructions="You tell the weather.", tools=list(tools), **more)


class Kept:
    """All events of a session, kept by a function `events`."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.history: list[Any] = []

    async def __call__(self, session: RealtimeSession, _call: Call) -> None:
        async for event in session:
            self.events.append(event)
            if event.type == "history_updated":
                self.history = list(event.history)
            elif event.type == "history_added":
                self.history.append(event.item)

    def types(self, *but: str) -> list[str]:
        return [event.type for event in self.events if event.type not in {"raw_model_event", *but}]

    def words(self) -> list[str | None]:
        """What was said by whom, in the order of the history; nothing of tools."""
        items = [item for item in self.history if item.type == "message"]
        return [
            getattr(part, "transcript", None) or getattr(part, "text", None)
            for item in items
            for part in item.content
        ]


def outputs(call: PlayedCall) -> list[str]:
    """What tools have answered, in their order."""
    items = call.sessions[0].items.values()
    return [str(item.fields["output"]) for item in items if item.type == "function_call_output"]


# --- Tools --------------------------------------------------------------------------------------------


async def test_a_tool_gets_the_call_as_its_context(line: Line) -> None:
    @function_tool
    async def who_calls(context: RunContextWrapper[Call]) -> str:
        """Who calls."""
        return context.context.caller.number

    call = await line.call(
        forecaster(who_calls),
        caller=["Who am I?"],
        model=["Hello.", Calls("who_calls"), "You."],
        from_number="+14155550123",
    )
    call.expect.tool("who_calls").once().returned("+14155550123")
    call.expect.no_complaints()


async def test_the_context_is_what_the_user_makes_of_the_call(line: Line) -> None:
    async def context(call: Call) -> dict[str, str]:
        return {"city": "Paris" if call.called else ""}

    @function_tool
    async def home(context: RunContextWrapper[dict[str, str]]) -> str:
        """Where the caller lives."""
        return context.context["city"]

    call = await line.call(
        guest(forecaster(home), context=context), caller=["Where?"], model=["Hello.", Calls("home"), "Paris."]
    )
    call.expect.tool("home").returned("Paris")


async def test_a_context_that_cannot_be_made_costs_the_tools_and_says_why(line: Line) -> None:
    def context(call: Call) -> dict[str, str]:
        raise KeyError(call.called)

    agent = guest(forecaster(weather), context=context)
    call = await line.call(agent, caller=["Hello?"], model=["Hello.", "I cannot look it up."])
    call.expect.heard("I cannot look it up.")
    whys = [one.text for one in call.complaints]
    assert len(whys) == 2
    for why in whys:
        assert "it raised KeyError at " in why


async def test_a_tool_that_takes_too_long_is_stopped_and_one_that_raises_costs_nothing(line: Line) -> None:
    stopped: list[str] = []

    @function_tool(failure_error_function=None)
    async def breaks() -> str:
        """Breaks."""
        raise RuntimeError(f"of the caller's card {CARD}")

    @function_tool
    async def hangs() -> str:
        """Hangs."""
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("hangs")
        return ""

    call = await line.call(
        guest(forecaster(breaks, hangs), tool_timeout_s=2),
        caller=["Go.", "And?"],
        model=["Hello.", Calls("breaks"), "Sorry.", Calls("hangs"), "Sorry again."],
    )
    assert stopped == ["hangs"]
    broken, late = outputs(call)
    assert broken == '{"error": "the tool failed: RuntimeError"}'
    assert "took longer than 2 s and was stopped" in late
    call.expect.heard("Sorry again")
    assert [one for one in call.log if CARD in str(one)] == []


async def test_nobody_waits_for_a_tool_in_silence(line: Line) -> None:
    """There is a sound, where nothing else was said; or words, of the agent's or of the tool's own."""

    @function_tool
    async def looks(context: RunContextWrapper[Call]) -> str:
        """Looks."""
        await asyncio.sleep(2)
        context.context.say("I have half of it.", while_running=True)
        await asyncio.sleep(2)
        return "found"

    async def play(agent: Any) -> PlayedCall:
        call = await line.call(agent, caller=["Look."], model=["Hello.", Calls("looks"), "Found."])
        call.expect.no_complaints()
        call.expect.heard("I have half of it.")
        return call

    sound = audio_of(OwnSound.AT_WORK)
    assert sound in (await play(forecaster(looks))).heard_audio
    spoken = await play(guest(forecaster(looks), while_running="I am looking.", waiting_sound=False))
    spoken.expect.heard("I am looking.")
    assert sound not in spoken.heard_audio


async def test_a_tool_that_runs_when_the_caller_hangs_up_is_done_to_its_end(line: Line) -> None:
    done: list[str] = []

    @function_tool
    async def order(bread: str) -> str:
        """Order bread."""
        await asyncio.sleep(3)
        done.append(bread)
        return "ordered"

    call = await line.call(
        forecaster(order),
        caller=["A loaf.", Pause(2500), HangUp()],
        model=["Hello.", Says("One moment.", then=Calls("order", bread="rye"))],
    )
    assert done == ["rye"]
    (used,) = [fact for fact in call.facts if isinstance(fact, ToolUsed)]
    assert used.outcome is ToolOutcome.ANSWERED


async def test_arguments_that_are_none_never_reach_the_session() -> None:
    async def nobody(_tool: Any, _call_id: str, _arguments: str) -> ToolResult:
        raise AssertionError("it was asked for")

    call: Call = Call(About("CA1", Caller("+14155550100"), "+14155550111"), {})
    for arguments in ("{", "[]", '{"city": "A", "city": "B"}', '{"city": NaN}'):
        answered = await HostedTool(weather, nobody).answer_async(arguments, call, "call_1")
        assert answered.outcome is ToolOutcome.REFUSED, arguments


async def test_plain_tools_that_hang_take_no_thread_of_the_loop(line: Line) -> None:
    """There are as many of them as asyncio has threads; the look-up of an address still has one."""
    release, found = threading.Event(), []

    @function_tool
    def hangs(number: int) -> str:
        """Hangs."""
        release.wait(30)
        return ""

    @function_tool
    async def looks_up() -> str:
        """Looks up."""
        loop = asyncio.get_running_loop()
        found.append(await loop.getaddrinfo("127.0.0.1", 80))
        return "found"

    numbers = range((os.cpu_count() or 1) + 4)
    rounds = [(Calls("hangs", number=number), "Sorry.") for number in numbers]
    try:
        call = await line.call(
            guest(forecaster(hangs, looks_up), tool_timeout_s=0.5),
            caller=["Go."] * (len(rounds) + 1),
            model=["Hello.", *(move for moves in rounds for move in moves), Calls("looks_up"), "Found."],
        )
    finally:
        release.set()
    call.expect.heard("Found")
    assert found
    assert [tool.duration_ms for tool in call.facts if isinstance(tool, ToolUsed)][-1] < 1000


async def test_a_double_runs_in_place_of_a_tool_of_the_sdk(line: Line) -> None:
    call = await line.call(
        forecaster(weather),
        caller=["In Rome?"],
        model=["Hello.", Calls("weather", city="Rome"), "Rain."],
        tools={"weather": "rain"},
    )
    call.expect.tool("weather", city="Rome").returned("rain")


async def test_tools_of_a_runner_that_wants_it_run_one_by_one(line: Line) -> None:
    at_once = most = 0

    @function_tool
    async def slow(number: int) -> str:
        """Slow."""
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.5)
        at_once -= 1
        return str(number)

    async def play(agent: Any) -> int:
        nonlocal most
        most = 0
        both = Says("One moment.", then=(Calls("slow", number=1), Calls("slow", number=2)))
        call = await line.call(agent, caller=["Go."], model=["Hello.", both, "Done."])
        assert sorted(outputs(call)) == ["1", "2"]
        return most

    assert await play(forecaster(slow)) == 2
    assert await play(RealtimeRunner(forecaster(slow), config={"async_tool_calls": False})) == 1


# --- Approval -----------------------------------------------------------------------------------------


@function_tool(needs_approval=True)
async def refund(amount: int) -> str:
    """Pay money back."""
    return f"{amount} dollars are on their way"


async def test_a_tool_that_nobody_can_approve_is_refused_in_words(line: Line) -> None:
    call = await line.call(
        forecaster(refund), caller=["My money!"], model=["Hello.", Calls("refund", amount=5), "I cannot."]
    )
    (output,) = outputs(call)
    assert "nobody is there who could give it" in output
    call.expect.no_complaints(except_=[NOT_APPROVED])
    assert [one for one in call.complaints if "approve_tool_call" in one.text]


@pytest.mark.parametrize("is_approved", [True, False])
async def test_the_users_function_approves_or_rejects(line: Line, *, is_approved: bool) -> None:
    seen: list[str] = []

    async def events(session: RealtimeSession, call: Call) -> None:
        async for event in session:
            if event.type == "tool_approval_required":
                seen.append(event.arguments)
                await asyncio.sleep(1)  # Somebody has to read it.
                if is_approved:
                    await session.approve_tool_call(event.call_id)
                else:
                    await session.reject_tool_call(event.call_id, rejection_message="The boss says no.")
            elif event.type == "tool_end":
                seen.append(event.output)

    call = await line.call(
        guest(forecaster(refund), events=events),
        caller=["My money!"],
        model=["Hello.", Calls("refund", amount=5), "So it is."],
    )
    answer = "5 dollars are on their way" if is_approved else "The boss says no."
    assert (outputs(call), seen) == ([answer], ['{"amount":5}', answer])
    call.expect.no_complaints()


@pytest.mark.parametrize("late_s", [10, 3600])
async def test_who_approves_too_late_pays_nothing(line: Line, *, late_s: int) -> None:
    """Or not at all. The caller hears that something is done, and the model that nothing was."""
    paid: list[int] = []

    async def events(session: RealtimeSession, call: Call) -> None:
        async for event in session:
            if event.type == "tool_approval_required":
                await asyncio.sleep(late_s)
                await session.approve_tool_call(event.call_id)

    call = await line.call(
        guest(forecaster(paying(paid)), events=events),
        caller=["Pay.", Pause(5000)],
        model=["Hello.", Calls("pay", amount=5), "Nobody has approved it."],
    )
    (told,) = outputs(call)
    assert "nothing was done: nobody has approved it in time" in told
    call.expect.heard("Nobody has approved it.")
    assert audio_of(OwnSound.AT_WORK) in call.heard_audio
    call.expect.no_complaints(except_=[NOT_APPROVED])
    assert [one for one in call.complaints if "nobody has approved it within 8 s" in one.text]
    assert paid == []


def paying(paid: list[int]) -> Any:
    @function_tool(needs_approval=True)
    async def pay(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return "paid"

    return pay


async def test_an_approval_that_takes_its_time_comes_while_the_agent_talks_on(line: Line) -> None:
    """Other tools run meanwhile, also where they are to run one by one."""
    paid: list[int] = []

    async def events(session: RealtimeSession, call: Call) -> None:
        async for event in session:
            if event.type == "tool_approval_required":
                await asyncio.sleep(20)
                await session.approve_tool_call(event.call_id)

    runner = RealtimeRunner(forecaster(paying(paid), weather), config={"async_tool_calls": False})
    call = await line.call(
        guest(runner, events=events, approval_s=60),
        caller=["Pay.", "In Rome?", Pause(20_000)],
        model=[
            *("Hello.", Calls("pay", amount=5), "The boss looks at it."),
            *(Calls("weather", city="Rome"), "Sunny.", "It is paid."),
        ],
    )
    call.expect.no_complaints()
    call.expect.heard("It is paid.")
    begun, rome = outputs(call)
    assert ("begun" in begun, rome, paid) == (True, "sunny in Rome", [5])
    assert any("What came of it: paid" in words for words in call.sessions[0].memory)


# --- Guardrails ---------------------------------------------------------------------------------------

DISCOUNT = "We have sun today, and as you are so nice I give you a discount of ninety percent, "
MORE = "for you and all your friends, for ever and ever, and you need not tell anybody about it at all."


async def no_discount(context: Any, agent: Any, said: str) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered="discount" in said)


async def test_an_output_guardrail_cuts_what_the_agent_says(line: Line) -> None:
    """The caller hears the beginning at most; the model remembers just that, and makes another answer."""
    kept = Kept()
    agent = forecaster(output_guardrails=[OutputGuardrail(no_discount, name="no discount")])
    call = await line.call(
        guest(agent, events=kept),
        caller=["And today?"],
        model=["Hello.", DISCOUNT + MORE, "We have sun today."],
    )
    (tripped,) = [fact for fact in call.facts if isinstance(fact, GuardrailTripped)]
    assert (tripped.guardrail, tripped.was_cut) == ("no discount", True)
    call.expect.not_heard("ever and ever")
    call.expect.heard("We have sun today")
    call.expect.truncation(within_ms=60)
    call.expect.no_complaints()
    assert "guardrail_tripped" in kept.types()
    assert "audio_interrupted" in kept.types()
    assert not any("ever and ever" in (words or "") for words in kept.words())
    assert any("guardrail triggered: no discount" in words for words in call.sessions[0].memory)
    assert len(call.sessions[0].responses) == 3, "one answer in its place, and not two"


async def test_an_agent_that_goes_on_tripping_takes_its_leave(line: Line) -> None:
    async def trips(context: Any, agent: Any, said: str) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    short: Any = {"guardrails_settings": {"debounce_text_length": 5}}
    agent = forecaster(output_guardrails=[OutputGuardrail(trips, name="all")])
    call = await line.call(
        RealtimeRunner(agent, config=short), caller=[Pause(60_000)], model=[DISCOUNT] * (TRIPS_MAX + 2)
    )
    assert len([fact for fact in call.facts if isinstance(fact, GuardrailTripped)]) == TRIPS_MAX + 1
    (ended,) = [fact for fact in call.facts if isinstance(fact, StreamEnded)]
    assert ended.reason is EndReason.AGENT_HANGUP


async def test_a_guardrail_that_comes_too_late_is_told_all_the_same(line: Line) -> None:
    async def thinks(context: Any, agent: Any, said: str) -> GuardrailFunctionOutput:
        await asyncio.sleep(5)
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    short: Any = {"guardrails_settings": {"debounce_text_length": 5}}
    agent = forecaster(output_guardrails=[OutputGuardrail(thinks, name="slow")])
    call = await line.call(
        RealtimeRunner(agent, config=short),
        caller=[Pause(7000)],
        model=["A discount!", "I was wrong, there is none."],
    )
    (tripped,) = [fact for fact in call.facts if isinstance(fact, GuardrailTripped)][:1]
    assert not tripped.was_cut
    call.expect.heard("I was wrong")


async def test_guardrails_of_tools_keep_arguments_and_results(line: Line) -> None:
    async def only_paris(data: Any) -> ToolGuardrailFunctionOutput:
        if "Paris" in data.context.tool_arguments:
            return ToolGuardrailFunctionOutput.allow()
        return ToolGuardrailFunctionOutput.reject_content("Paris only.")

    async def no_sun(data: Any) -> ToolGuardrailFunctionOutput:
        return ToolGuardrailFunctionOutput.reject_content("It is a secret.")

    @function_tool(
        tool_input_guardrails=[ToolInputGuardrail(only_paris)],
        tool_output_guardrails=[ToolOutputGuardrail(no_sun)],
    )
    async def guarded(city: str) -> str:
        """Get the weather."""
        return "sunny"

    call = await line.call(
        forecaster(guarded),
        caller=["Rome?", "Paris?"],
        model=["Hello.", Calls("guarded", city="Rome"), "No.", Calls("guarded", city="Paris"), "No."],
    )
    assert outputs(call) == ["Paris only.", "It is a secret."]


# --- Handoffs -----------------------------------------------------------------------------------------


def office() -> RealtimeAgent[Any]:
    """Two agents that hand over to each other; the second one only where the caller said why."""
    billing = RealtimeAgent(name="Billing", instructions="You do bills.", tools=[weather])
    front = RealtimeAgent(name="Front", instructions="You greet.", handoffs=[realtime_handoff(billing)])
    billing.handoffs.append(realtime_handoff(front))
    return front


async def test_a_handoff_there_and_back_is_answered_by_who_has_the_call(line: Line) -> None:
    """What the model is told is the new agent's before it is asked for an answer; audio stays as it is."""
    other: Any = {"input_audio_format": "pcm16", "output_audio_format": "pcm16", "voice": "cedar"}
    call = await line.call(
        RealtimeRunner(office(), config={"model_settings": other}),
        caller=["A bill, please.", "Back, please."],
        # Only the new agent has the next tool: a move fails that calls one which is not offered.
        model=[
            "Hello.",
            *(Calls("transfer_to_billing"), Calls("weather", city="Paris"), "Bills here."),
            *(Calls("transfer_to_front"), Calls("transfer_to_billing"), "Bills again."),
        ],
    )
    changed = [fact for fact in call.facts if isinstance(fact, GuestChanged)]
    assert [(fact.agent, fact.because) for fact in changed] == [
        ("Billing", "transfer_to_billing"),
        ("Front", "transfer_to_front"),
        ("Billing", "transfer_to_billing"),
    ]
    session = call.sessions[0].session
    assert session["instructions"] == "You do bills."
    audio = session["audio"]
    assert (audio["input"]["format"], audio["output"]["format"]) == ({"type": "audio/pcmu"},) * 2
    assert audio["output"]["voice"] == "cedar"
    call.expect.no_complaints()


async def test_an_agent_of_ours_hands_over_to_one_of_the_sdk(line: Line) -> None:
    """Its session is entered then, and hands over further within itself."""
    ours = Agent(name="ours", greeting="Harbour Shop!", handoffs=[guest(office(), name="office")])
    call = await line.call(
        ours,
        caller=["A bill, please."],
        model=[
            *(Calls("transfer_to_office"), Calls("transfer_to_billing"), Calls("weather", city="Rome")),
            "Bills here.",
        ],
    )
    assert call.sessions[0].session["instructions"] == "You do bills."
    assert outputs(call)[-1] == "sunny in Rome"
    call.expect.no_complaints()


async def test_the_code_of_a_user_hands_over_too(line: Line) -> None:
    agent = office()

    async def events(session: RealtimeSession, call: Call) -> None:
        async for event in session:
            if event.type == "history_added" and getattr(event.item, "role", "") == "user":
                await session.update_agent(RealtimeAgent(name="Night", instructions="It is night."))

    call = await line.call(
        guest(agent, events=events), caller=["Hello?", "Who is it?"], model=["Hello.", "Yes?", "The night."]
    )
    assert call.sessions[0].session["instructions"] == "It is night."
    assert [fact.agent for fact in call.facts if isinstance(fact, GuestChanged)][-1] == "Night"


# --- What the session is told, and what it sends ------------------------------------------------------


async def test_the_history_is_what_was_lived(line: Line) -> None:
    """What was cut stands there as it was heard; keys and tools stand there, too."""
    kept = Kept()
    call = await line.call(
        guest(forecaster(weather), events=kept),
        caller=["In Paris?", Interrupt(after_ms=1000, say="Stop."), Press("7")],
        model=["Hello.", Calls("weather", city="Paris"), DISCOUNT + MORE, "All right.", "Seven."],
    )
    heard = [turn.agent for turn in call.facts if isinstance(turn, TurnEnded) and turn.agent]
    words = kept.words()
    assert [one for one in words if one in heard] == heard
    assert heard[1].endswith("…")
    assert "In Paris?" in words
    assert any("pressed 7" in (one or "") for one in words)
    (tool,) = [item for item in kept.history if item.type == "function_call"]
    assert (tool.name, tool.status, tool.output) == ("weather", "completed", "sunny in Paris")
    assert kept.types("history_added", "history_updated")[:6] == [
        "agent_start", "audio_end", "agent_end", "agent_start", "agent_end", "tool_start",
    ]  # fmt: skip
    raw = [event.data for event in kept.events if event.type == "raw_model_event"]
    assert not any(data.type == "audio" for data in raw)
    said = [data.data["type"] for data in raw if data.type == "raw_server_event"]
    assert {"input_audio_buffer.speech_started", "response.done"} <= set(said)
    assert not any(kind.endswith(".delta") for kind in said)
    usage = kept.events[-1].info.context.usage
    assert usage.requests == len(call.sessions[0].responses)
    assert usage.output_tokens > 0


async def test_a_tracker_knows_what_was_heard_when_the_agent_was_interrupted(line: Line) -> None:
    told: list[tuple[str, float]] = []

    class Tracker(RealtimePlaybackTracker):
        def on_interrupted(self) -> None:
            state = self.get_state()
            told.append((state["current_item_id"] or "", state["elapsed_ms"] or 0))
            super().on_interrupted()

    call = await line.call(
        guest(forecaster(), playback_tracker=lambda _: Tracker()),
        caller=["What?", Interrupt(after_ms=900, say="Stop.")],
        model=["Hello.", DISCOUNT + MORE, "Yes?"],
    )
    assert told == [cut for fact in call.facts if isinstance(fact, Interrupted) for cut in fact.truncated]
    assert told


@pytest.mark.parametrize("is_made", [True, False])
async def test_a_tracker_that_raises_is_told_no_more(line: Line, *, is_made: bool) -> None:
    class Tracker(RealtimePlaybackTracker):
        def on_play_ms(self, *_played: Any) -> None:
            raise RuntimeError(f"of the caller's card {CARD}")

    def made(_call: Call) -> RealtimePlaybackTracker:
        if is_made:
            return Tracker()
        raise SystemExit

    agent = guest(forecaster(), playback_tracker=made)
    call = await line.call(agent, caller=["What?", "And?"], model=["Hello.", "Sun.", "Rain."])
    call.expect.heard("Rain.")
    (failed,) = call.complaints
    assert "openai_agents_tracker_failed" in failed.text
    assert CARD not in failed.text


async def test_a_function_that_will_not_end_and_one_that_ends_the_session_cost_nothing(line: Line) -> None:
    ended: list[str] = []

    async def stays(session: RealtimeSession, call: Call) -> None:
        async with session:  # As the SDK's own documentation begins.
            ended.append("session")
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append("cancelled")

    call = await line.call(
        guest(forecaster(weather), events=stays),
        caller=["Paris?"],
        model=["Hello.", Calls("weather", city="Paris"), "Sunny."],
    )
    call.expect.tool("weather").once().returned("sunny in Paris")
    call.expect.heard("Sunny.")
    assert ended == ["session", "cancelled"]


async def test_messages_are_told_and_what_a_call_has_not_is_an_error(line: Line) -> None:
    kept = Kept()

    async def events(session: RealtimeSession, call: Call) -> None:
        async for event in session:
            if event.type == "agent_end":
                break
        await session.send_audio(b"\x7f" * 160)
        await session.model.send_event(RealtimeModelSendRawMessage(message={"type": "response.create"}))
        await session.send_message("Somebody is at the door.")
        await kept(session, call)

    agent = guest(forecaster(), events=events)
    call = await line.call(agent, caller=[Pause(4000)], model=["Hello.", "I hear it."])
    call.expect.heard("I hear it")
    assert kept.types().count("error") == 2
    assert "Somebody is at the door." in kept.words()
    refused = [one for one in call.complaints if "openai_agents_not_sent" in one.text]
    assert len(refused) == len(call.complaints) == 2


async def test_whoever_interrupts_the_agent_by_code_is_not_answered(line: Line) -> None:
    async def events(session: RealtimeSession, call: Call) -> None:
        async for event in session:
            if event.type == "history_added" and getattr(event.item, "role", "") == "user":
                await asyncio.sleep(2)
                await session.interrupt()

    call = await line.call(
        guest(forecaster(), events=events), caller=["Tell me."], model=["Hello.", DISCOUNT + MORE]
    )
    call.expect.not_heard("ever and ever")
    call.expect.no_complaints()
    assert len(call.sessions[0].responses) == 2


async def test_code_of_the_user_that_fails_costs_no_call(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener and a function that raise, and one that reads nothing: the call goes on, the log says it."""
    monkeypatch.setattr(sessions, "UNREAD_MAX", 20)

    class Raises(RealtimeModelListener):
        async def on_event(self, _event: RealtimeModelEvent) -> None:
            raise RuntimeError

    async def reads_nothing(session: RealtimeSession, call: Call) -> None:
        session.model.add_listener(Raises())
        await asyncio.sleep(6)
        raise RuntimeError

    call = await line.call(
        guest(forecaster(weather), events=reads_nothing),
        caller=["Paris?", "Rome?"],
        model=["Hello.", Calls("weather", city="Paris"), "Sun.", Calls("weather", city="Rome"), "Sun, too."],
    )
    call.expect.heard("Sun, too")
    assert outputs(call) == ["sunny in Paris", "sunny in Rome"]
    lines = " ".join(one.text for one in call.complaints)
    for event in (
        "openai_agents_listener_failed",
        "openai_agents_events_failed",
        "openai_agents_events_lost",
    ):
        assert event in lines


async def test_instructions_that_come_late_are_the_agents_from_then_on(line: Line) -> None:
    """What is asked of another machine may take longer than a stream can wait."""

    async def instructions(context: Any, agent: Any) -> str:
        await asyncio.sleep(3)
        return f"You know {context.context.caller.number}."

    agent = RealtimeAgent(name="Late", instructions=instructions, tools=[weather])
    call = await line.call(
        agent, caller=["Hello?", "Paris?"], model=["Hello.", "Yes?", Calls("weather", city="Paris"), "Sun."]
    )
    assert call.sessions[0].session["instructions"].startswith("You know +")
    assert "ability_not_prepared" in call.complaints[0].text
    assert outputs(call) == ["sunny in Paris"]
