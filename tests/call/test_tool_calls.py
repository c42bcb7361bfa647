"""Tools beside the audio: each call answered once, one response for all, and the agent that hangs up."""

from __future__ import annotations

import pytest
from msgspec import structs

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import EndReason, Interrupted, Noted, Remembered, ToolUsed, TurnEnded
from callbridge.call.limits import Limits
from callbridge.call.memory import ToolAnswered, ToolStarted
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.phases import Phase, Timer
from callbridge.wire import realtime_events as rt
from playbook import About, Id, Playbook, after, deadline
from rigs import PLAYED, AudioToPhone, Input


def test_a_tool_runs_while_the_response_that_called_it_goes_on() -> None:
    """The result is posted when it comes; the response to it is asked for when the first is done."""
    book = v.answering(v.greeted())
    assert book >> v.says("answer", "preamble", 100) << AudioToPhone(100)
    assert (
        book
        >> v.tool_call("answer", "call_1", arguments='{"day":"Sunday"}')
        << v.run_tool("call_1", arguments='{"day":"Sunday"}')
    )
    assert (
        book
        >> after(0.2, v.tool_finished("call_1", "closed"))
        << a.Note(Remembered(ToolAnswered(2, "call_1", "look_up", '{"day":"Sunday"}', "closed")))
        << a.Note(ToolUsed("look_up", 5, 6, call_id="call_1", turn=2))
        << v.tool_output(Id(), "call_1", "closed")
    )
    assert book >> v.done("answer") << v.ask()


def test_parallel_calls_of_one_response_get_one_answer() -> None:
    """The model is asked once, when all of them have outputs."""
    book = v.answering(v.greeted())
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1")
    assert book >> v.tool_call("answer", "call_2") << v.run_tool("call_2") >> v.done("answer")
    assert book >> after(0.5, v.tool_finished("call_2")) << v.tool_result(Id(), "call_2")
    assert book >> after(0.5, v.tool_finished("call_1")) << (*v.tool_result(Id(), "call_1"), v.ask())


def test_a_result_of_an_earlier_response_does_not_wait_for_calls_of_a_later_one() -> None:
    """Only siblings wait for each other."""
    book = v.answering(v.greeted())
    assert (
        book >> v.tool_call("answer", "slow") << v.run_tool("slow") >> v.done("answer") >> v.speech_started()
    )
    assert book >> after(0.5, v.speech_stopped()) >> v.created("second")
    assert book >> v.tool_call("second", "slower") << v.run_tool("slower") >> v.done("second")
    assert book >> after(0.5, v.tool_finished("slow")) << (*v.tool_result(Id(), "slow"), v.ask())


def test_one_response_answers_several_results() -> None:
    """What was owed before a response began, and was in the conversation, is answered by it."""
    first, second = Id("first"), Id("second")
    book = v.answering(v.greeted())
    for call_id in ("call_1", "call_2"):
        book.rig.feed(v.tool_call("answer", call_id))
    assert book >> v.tool_finished("call_1") << v.tool_result(first, "call_1")
    assert book >> v.tool_finished("call_2") << v.tool_result(second, "call_2") >> v.item_added(first)
    assert (
        book
        >> v.item_added(second)
        >> v.done("answer")
        << v.ask()
        >> v.answers("second", "it", 100)
        << AudioToPhone(100)
    )
    assert first.value != second.value
    assert v.rests(book)


@pytest.mark.parametrize(
    "whole",
    [
        rt.Item("i", "message", "completed"),
        rt.Item("i", "function_call", "incomplete", "look_up", "call_1", '{"day":"Sun'),
        rt.Item("i", "function_call", "completed", "look_up", None, "{}"),
    ],
    ids=["a message", "interrupted", "without a name for the answer"],
)
def test_anything_but_a_whole_call_runs_nothing(whole: rt.Item) -> None:
    """The arguments of one that was interrupted may be cut off."""
    assert v.answering(v.greeted()) >> rt.OutputItemDone(whole)


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_a_call_without_a_status_is_whole_unless_it_was_interrupted(*, is_interrupted: bool) -> None:
    """The caller waits for its result; whole or not, whoever was interrupted waits for nothing."""
    book = v.answering(v.greeted())
    if is_interrupted:
        book.rig.feed(v.speech_started("wait"))
    call = rt.OutputItemDone(rt.Item("i", "function_call", None, "look_up", "call_1", "{}"))
    assert book >> call << (() if is_interrupted else v.run_tool("call_1"))


def test_a_session_that_waits_for_a_tool_is_not_left_for_the_next_stream() -> None:
    """It would wait for ever: the tool goes with the stream, and the next session asks for it anew."""
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "call_1"), v.done("answer"))
    assert book >> v.gone(e.Leg.PHONE) << (v.recorded(TurnEnded), *v.lingers(EndReason.MEDIA_LOST))


def test_a_call_that_is_announced_twice_is_run_once() -> None:
    """A booking is not made twice."""
    book = v.answering(v.greeted())
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1") >> v.tool_call("answer", "call_1")


def test_another_call_of_the_same_id_is_noted_and_not_run() -> None:
    """One that is merely announced twice is not noted: that is no fault of the model's."""
    book = v.answering(v.greeted())
    call = v.tool_call("answer", "call_1")
    other = rt.OutputItemDone(structs.replace(call.item, id="item_2", arguments='{"day": 2}'), "answer")
    outputs = book.rig.feed(call, call, other)
    assert sum(isinstance(one, a.RunTool) for one in outputs) == 1
    facts = [one.fact for one in outputs if isinstance(one, a.Note)]
    assert [fact.event for fact in facts if isinstance(fact, Noted)] == ["tool_call_repeated"]


def test_a_result_that_nobody_waits_for_is_dropped() -> None:
    """A second result for one call would be an error of the protocol."""
    book = v.answering(v.greeted())
    assert book >> v.tool_finished("unknown") >> v.tool_call("answer", "call_1") << v.run_tool("call_1")
    assert book >> v.tool_finished("call_1") << v.tool_result(Id(), "call_1") >> v.tool_finished("call_1")
    assert v.ended(book).tools_used == 1


def test_a_call_without_arguments_runs_with_none() -> None:
    """An absent text is an empty object."""
    book = v.answering(v.greeted())
    assert book >> v.tool_call("answer", "call_1", arguments="") << v.run_tool("call_1", arguments="{}")


def test_a_result_after_the_end_of_the_stream_is_remembered_and_told_to_nobody() -> None:
    """The legs are closed; the call may go on with another stream. Nothing is left to wait for then."""
    book = v.answering(v.greeted())
    book.rig.feed(v.caller_said("Are you open?", "question"), v.tool_call("answer", "call_1"), v.HANGS_UP)
    assert book.rig.deadline == (book.rig.now + book.rig.limits.linger_s, Timer.LINGER)
    assert book >> after(7, v.tool_finished("call_1")) << v.recorded(Remembered) << v.recorded(ToolUsed)
    assert book.rig.wakes() == []
    assert book >> v.tool_finished("call_1")


def test_a_tool_whose_result_nobody_will_ask_for_is_waited_for_and_noted_all_the_same() -> None:
    """The model is lost during the farewell, while a tool still runs, and then the caller hangs up."""
    book = said_goodbye()
    book.rig.feed(
        v.created("more"), v.tool_call("more", "book", name="book"), v.gone(e.Leg.MODEL), v.HANGS_UP
    )
    assert book.rig.deadline == (book.rig.now + book.rig.limits.linger_s, Timer.LINGER)
    assert book >> v.tool_finished("book", name="book") << (v.recorded(Remembered), v.recorded(ToolUsed))
    assert book.rig.deadline is None


@pytest.mark.parametrize("outcome", ToolOutcome)
def test_every_way_out_of_a_tool_is_told_and_noted(outcome: ToolOutcome) -> None:
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "call_1"))
    assert (
        book
        >> e.ToolFinished("call_1", "look_up", "so", 5, outcome=outcome)
        << a.Note(Remembered(ToolAnswered(2, "call_1", "look_up", "{}", "so", outcome)))
        << a.Note(ToolUsed("look_up", 5, 2, outcome, "call_1", 2))
        << v.tool_output(Id(), "call_1", "so")
    )
    well = {ToolOutcome.ANSWERED, ToolOutcome.STORED, ToolOutcome.UNCONFIRMED}
    assert v.ended(book).tools_failed == (outcome not in well)


def test_that_a_tool_begins_is_noted_before_it_runs() -> None:
    """The shell waits until it is on disk: a process that is killed then has not forgotten it."""
    book = v.answering(v.greeted())
    assert (
        book
        >> v.tool_call("answer", "call_1", arguments='{"day":"Sunday"}')
        << a.Note(Remembered(ToolStarted(2, "call_1", "look_up", '{"day":"Sunday"}')))
        << v.run_tool("call_1", arguments='{"day":"Sunday"}')
    )


REFUSED = v.recorded(ToolUsed, outcome=ToolOutcome.REFUSED, duration_ms=0)


def test_more_calls_than_one_response_may_make_are_answered_and_not_run() -> None:
    """A model that has run wild asks for thousands."""
    book = v.answering(v.greeted(limits=Limits(tool_calls_per_response_max=2)))
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1")
    assert book >> v.tool_call("answer", "call_2") << v.run_tool("call_2")
    why = '{"error":"the tool was not run: call at most 2 at once"}'
    assert book >> v.tool_call("answer", "call_3") << (REFUSED, v.tool_output(Id(), "call_3", why))
    book.rig.feed(v.tool_finished("call_1"), v.tool_finished("call_2"), v.done("answer"))
    assert book >> v.created("next") >> v.tool_call("next", "call_4") << v.run_tool("call_4")


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("x" * 65, "{}", "there is no tool with a name of more than 64 characters"),
        ("look_up", f'"{"x" * 8191}"', "the arguments are longer than 8192 bytes; pass less"),
    ],
    ids=["name", "arguments"],
)
def test_what_the_model_writes_is_bounded(name: str, arguments: str, why: str) -> None:
    """It would be kept, and read again with every response."""
    book = v.answering(v.greeted())
    call = v.tool_call("answer", "call_1", name, arguments=arguments)
    assert book >> call << (REFUSED, v.tool_output(Id(), "call_1", f'{{"error":"{why}"}}'))
    assert book >> v.done("answer") << v.ask()


@pytest.mark.parametrize("arguments", ["[" * 5000, "[" * 4000 + "]" * 4000, "1e999", "{"])
def test_arguments_that_nobody_can_read_are_for_the_tool_to_refuse(arguments: str) -> None:
    book = v.answering(v.greeted())
    call = v.tool_call("answer", "call_1", arguments=arguments)
    assert book >> call << v.run_tool("call_1", arguments=arguments)


# --- A session that asks what another one has asked before ---


def asks_again(book: Playbook, call_id: str, arguments: str) -> Input:
    """After the session was replaced, the next one calls the tool."""
    v.replaced(book)
    assert book >> v.created(call_id)
    return v.tool_call(call_id, call_id, arguments=arguments)


def asked_once(outcome: ToolOutcome = ToolOutcome.ANSWERED) -> Playbook:
    """A tool has answered in turn 2."""
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "call_1", arguments='{"day":1,"at":"noon"}'))
    book.rig.feed(e.ToolFinished("call_1", "look_up", "booked", 5, outcome=outcome))
    return book


def test_a_new_session_that_asks_the_same_gets_the_stored_result_once() -> None:
    """It asks under a call id of its own, and may write the arguments in another order."""
    book = asked_once()
    again = asks_again(book, "call_2", '{ "at": "noon", "day": 1 }')
    assert (
        book
        >> again
        << v.recorded(ToolUsed, outcome=ToolOutcome.STORED)
        << v.tool_output(Id(), "call_2", "booked")
    )
    third = v.tool_call("call_2", "call_3", arguments='{"day":1,"at":"noon"}')
    assert book >> third << v.run_tool("call_3", arguments='{"day":1,"at":"noon"}')


def test_an_answer_that_held_for_a_moment_is_not_given_to_the_next_session() -> None:
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "call_1"))
    (kept,) = [
        one.fact.entry
        for one in book.rig.feed(e.ToolFinished("call_1", "look_up", "read it back", 5, is_momentary=True))
        if isinstance(one, a.Note) and isinstance(one.fact, Remembered)
    ]
    assert isinstance(kept, ToolAnswered)
    assert kept.is_momentary, "nor to the next stream"
    assert book >> asks_again(book, "call_2", "{}") << v.run_tool("call_2")


def test_other_arguments_are_another_question() -> None:
    """1.0 is not 1."""
    book = asked_once()
    again = asks_again(book, "call_2", '{"day":1.0,"at":"noon"}')
    assert book >> again << v.run_tool("call_2", arguments='{"day":1.0,"at":"noon"}')


def test_a_result_of_long_ago_is_asked_for_anew() -> None:
    """Two turns later the caller wants to know whether the order is ready *by now*."""
    book = asked_once()
    book.rig.feed(v.done("answer"))
    for turn in range(3):
        v.answering(book, f"turn_{turn}")
        book.rig.feed(v.done(f"turn_{turn}"))
    again = asks_again(book, "call_2", '{"day":1,"at":"noon"}')
    assert book >> again << v.run_tool("call_2", arguments='{"day":1,"at":"noon"}')


def test_a_failure_is_no_result_that_is_used_again() -> None:
    book = asked_once(ToolOutcome.FAILED)
    again = asks_again(book, "call_2", '{"day":1,"at":"noon"}')
    assert book >> again << v.run_tool("call_2", arguments='{"day":1,"at":"noon"}')


def test_a_tool_whose_outcome_is_not_known_says_so_when_it_is_asked_for_again() -> None:
    """Whether that may be done twice is for whoever knows the tool."""
    book = asked_once(ToolOutcome.TIMED_OUT)
    again = asks_again(book, "call_2", '{"day":1,"at":"noon"}')
    assert book >> again << a.RunTool("call_2", "look_up", '{"day":1,"at":"noon"}', 8.0, is_repeated=True)


def test_a_tool_that_ran_out_of_time_is_known_to_the_same_session() -> None:
    """It was told not to call it again. A model does not always do as it is told."""
    book = asked_once(ToolOutcome.TIMED_OUT)
    again = v.tool_call("answer", "call_2", arguments='{"day":1,"at":"noon"}')
    assert book >> again << a.RunTool("call_2", "look_up", '{"day":1,"at":"noon"}', 8.0, is_repeated=True)


def test_a_tool_that_still_runs_answers_the_session_that_asks_the_same() -> None:
    """It is not started a second time, and the session is told once."""
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "call_1"))
    assert book >> asks_again(book, "call_2", "{}") >> v.done("call_2")
    assert (
        book
        >> v.tool_finished("call_1", "booked")
        << a.Note(Remembered(ToolAnswered(2, "call_1", "look_up", "{}", "booked")))
        << (v.recorded(ToolUsed), v.tool_output(Id(), "call_2", "booked"), v.ask())
    )


def test_the_turn_of_a_tool_is_one_turn() -> None:
    """Preamble, tool and answer are one answer to the caller."""
    output = Id("output")
    book = v.answering(v.greeted())
    assert book >> v.caller_said("Are you open?", "question")
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1") >> v.done("answer")
    assert (
        book
        >> v.tool_finished("call_1")
        << (*v.tool_result(output, "call_1"), v.ask())
        >> v.item_added(output)
    )
    assert book >> v.answers("second", "it", 200) << AudioToPhone(200)
    assert book >> after(0.3, PLAYED) << v.recorded(TurnEnded, turn=2, caller="Are you open?")


def goodbye(duration_ms: int = 1000) -> Playbook:
    """At 4 s the agent says goodbye and asks to end the call; the response is not done."""
    book = v.answering(v.greeted())
    book.rig.feed(v.caller_said("That is all.", "question"), v.item("answer", "bye"))
    assert book >> v.audio("answer", "bye", duration_ms) << AudioToPhone(duration_ms)
    assert book >> v.tool_call("answer", "end", "end_call") << v.run_tool("end", "end_call")
    return book


def said_goodbye() -> Playbook:
    """The call is leaving: the goodbye is on its way to the phone, nothing else is due."""
    book = goodbye()
    assert (
        book
        >> v.tool_finished("end", name="end_call", ends_call=True)
        << (v.recorded(ToolUsed), v.tool_output(Id(), "end"))
    )
    assert book >> v.done("answer")
    assert book.rig.phase is Phase.LEAVING
    return book


def test_the_agent_does_not_hang_up_because_a_clock_says_that_all_was_heard() -> None:
    """Only the echo proves it: whatever else comes in between."""
    book = said_goodbye()
    assert book >> after(1.5, v.item_added("cb_item_1")) >> after(1, v.echo("greeting"))
    assert book >> after(1, PLAYED) << v.recorded(TurnEnded) << v.ends(EndReason.AGENT_HANGUP, detail="")


def test_a_goodbye_that_was_heard_before_the_tool_was_done_ends_the_call_with_it() -> None:
    """Nothing more will be echoed: it must not wait for a mark that came already."""
    book = goodbye()
    assert book >> v.done("answer") >> after(1.05, PLAYED)
    assert (
        book
        >> after(1, v.tool_finished("end", name="end_call", ends_call=True))
        << (v.recorded(ToolUsed), v.tool_output(Id(), "end"), v.recorded(TurnEnded))
        << v.ends(EndReason.AGENT_HANGUP)
    )


def test_a_caller_who_speaks_into_the_farewell_is_not_hung_up_upon() -> None:
    """The speech is an interruption like any other; the call goes on."""
    book = said_goodbye()
    assert (
        book
        >> after(0.5, v.speech_started("wait"))
        << (v.clear(), v.truncate("bye", About(500)), v.recorded(Interrupted))
        << (v.told(Id(), v.CALL_GOES_ON, role="system"), v.note("farewell_withdrawn"), v.recorded(TurnEnded))
    )
    assert book >> after(1, v.speech_stopped("wait")) >> v.committed("wait")
    assert book >> v.answers("second", "yes", 200) << AudioToPhone(200) >> after(0.3, PLAYED)
    assert book >> v.caller_said("Wait!", "wait") << v.recorded(TurnEnded)
    assert book.rig.phase is Phase.LIVE
    assert book.rig.deadline is not None
    assert book.rig.deadline[1] is not Timer.FAREWELL


def test_a_caller_who_hangs_up_first_has_hung_up() -> None:
    """The reason is who did it."""
    book = said_goodbye()
    assert book >> v.HANGS_UP << (v.recorded(TurnEnded), *v.ends(EndReason.CALLER_HANGUP))


def test_last_words_that_take_long_to_make_are_not_cut_off() -> None:
    """Audio goes past the machine: the bound moves with it as long as the response runs."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    book.rig.feed(
        v.tool_call("answer", "end"),
        v.tool_finished("end", ends_call=True),
        v.done("answer"),
        v.created("bye"),
        v.item("bye", "goodbye"),
    )
    assert book >> after(4, v.audio("bye", "goodbye", 8000)) << AudioToPhone(8000) >> deadline(Timer.FAREWELL)
    assert book >> after(0.5, v.done("bye"))
    assert book >> after(7, PLAYED) << v.recorded(TurnEnded) << v.lingers(EndReason.AGENT_HANGUP, detail="")


def test_last_words_that_fail_are_tried_again_and_the_call_still_ends() -> None:
    """A failed farewell leaves neither silence nor a call that never ends."""
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "end"), v.tool_finished("end", ends_call=True), v.done("answer"))
    assert book >> v.created("bye")
    assert book >> v.done("bye", "failed", code="server_error") << v.any_warning("response_fell_short")
    assert book >> deadline(Timer.RETRY) << v.ask_farewell()
    assert book >> v.answers("again", "goodbye", 200) << AudioToPhone(200)
    assert book >> after(0.25, PLAYED) << v.recorded(TurnEnded) << v.lingers(EndReason.AGENT_HANGUP)


def test_last_words_that_stay_out_altogether_end_the_call_at_the_bound() -> None:
    """The agent asked for an end; a model that says nothing more gets one."""
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "end"), v.tool_finished("end", ends_call=True), v.done("answer"))
    for _ in range(10):
        if book.rig.phase is Phase.OVER:
            break
        assert book.rig.deadline is not None
        book.rig.now = book.rig.deadline[0]
        book.rig.feed(e.DeadlinePassed())
    assert book.rig.phase is Phase.OVER
    assert book.rig.seconds <= 4 + 2 * book.rig.limits.answer_timeout_s


def test_another_tool_is_waited_for_before_the_agent_hangs_up() -> None:
    """What the agent promised is done first, and said."""
    output = Id("output")
    book = goodbye()
    assert book >> v.tool_call("answer", "book") << v.run_tool("book")
    assert (
        book
        >> v.tool_finished("end", name="end_call", ends_call=True)
        << (v.recorded(ToolUsed), v.tool_output(Id(), "end"))
    )
    assert book >> v.done("answer") >> after(1.05, PLAYED)
    assert book >> after(1, v.tool_finished("book")) << (*v.tool_result(output, "book"), v.ask())
    assert book >> v.item_added(output) >> v.answers("more", "booked", 200) << AudioToPhone(200)
    assert book >> after(0.25, PLAYED) << v.recorded(TurnEnded) << v.ends(EndReason.AGENT_HANGUP)


def test_a_caller_who_spoke_before_the_end_was_decided_is_heard_out() -> None:
    """The agent asked to hang up, its tool took a while, and meanwhile the caller said more."""
    output = Id("output")
    book = goodbye()
    assert book >> v.done("answer")
    assert (
        book
        >> after(0.5, v.speech_started("wait"))
        << (v.clear(), v.truncate("bye", About(500)), v.recorded(Interrupted), v.recorded(TurnEnded))
    )
    assert (
        book
        >> after(0.5, v.tool_finished("end", name="end_call", ends_call=True))
        << (v.recorded(ToolUsed), v.tool_output(output, "end"))
    )
    assert book >> v.item_added(output) >> after(0.5, v.speech_stopped("wait")) >> v.committed("wait")
    assert book >> v.answers("second", "yes", 200) << AudioToPhone(200) >> after(0.3, PLAYED)
    assert book.rig.phase is Phase.LIVE


def test_an_end_that_the_caller_overtook_is_answered_like_any_result() -> None:
    """The caller's turn was answered already: the model is told, and may ask to end the call again."""
    book = goodbye()
    assert (
        book >> v.done("answer") >> after(1.05, PLAYED) >> v.speech_started("wait") << v.recorded(TurnEnded)
    )
    assert book >> after(0.5, v.speech_stopped("wait")) >> v.created("second")
    assert book >> v.says("second", "yes", 100) << AudioToPhone(100) >> v.done("second")
    assert (
        book
        >> after(0.5, v.tool_finished("end", name="end_call", ends_call=True))
        << (v.recorded(ToolUsed), v.tool_output(Id(), "end"), v.ask())
    )
    assert book.rig.phase is Phase.LIVE


def test_a_farewell_that_was_asked_for_and_refused_is_asked_for_again() -> None:
    """It stays a farewell."""
    asked = Id("asked")
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "end"), v.tool_finished("end", ends_call=True))
    assert book >> v.done("answer") << v.ask_farewell(id=asked)
    assert book >> v.error("rate_limit_exceeded", answers=asked) << v.any_warning("model_error")
    assert book >> deadline(Timer.RETRY) << v.ask_farewell()
