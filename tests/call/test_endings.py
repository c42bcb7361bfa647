"""Ends that a call comes to by itself: length, price, a silent caller, a hand-over. First said, then done."""

from __future__ import annotations

from dataclasses import replace

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import AgentReady, EndReason, StreamEnded, ToolUsed, TurnEnded
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from callbridge.call.price import Price
from callbridge.call.wishes import HangUp, Resume, SayGoodbye
from callbridge.wire import realtime_events as rt
from playbook import Id, Playbook, after, at, deadline
from rigs import PLAN, PLAYED, AudioToPhone, Input, Rig

QUIET = Limits(media_gap_warning_s=600, media_gap_timeout_s=600)
SHORT = replace(QUIET, call_length_max_s=20, call_length_warning_s=10, caller_silence_s=0)
"""The warning is due at 10 s, the end at 20 s."""
TWILIO_SAYS_IT = v.ends_without_model(EndReason.LIMIT_DURATION, follows=SayGoodbye())
UNWARNED = replace(SHORT, call_length_warning_s=11)
"""Too short to be warned of its end at 20 s."""


def say(book: Playbook, response_id: str) -> None:
    """The agent says 200 ms, and they are heard."""
    book.rig.feed(
        v.created(response_id),
        v.item(response_id, f"{response_id}_item"),
        v.audio(response_id, f"{response_id}_item", 200),
        v.done(response_id),
    )
    book.rig.now += 0.3
    book.rig.feed(PLAYED)


def test_a_short_call_is_not_warned() -> None:
    book = v.greeted(limits=UNWARNED)
    assert book >> at(19.9, e.DeadlinePassed()) >> at(20, e.DeadlinePassed()) << v.ask_words(v.SAY_IT_ENDS)


def too_old(age_s: float = 30.0, *, is_continued: bool = True) -> Playbook:
    """A call that reaches its limit while its session is still dialled."""
    book = Playbook(Rig(limits=SHORT))
    book.rig.feed(v.start(), v.admitted("", "", is_continued=is_continued, age_s=age_s))
    assert book >> deadline(Timer.CALL_LENGTH)
    assert book.rig.phase is Phase.DIALLING
    return book


@pytest.mark.parametrize(("age_s", "ends_after_s"), [(19.0, 1.0), (30.0, 0.0)])
@pytest.mark.parametrize("is_continued", [False, True])
def test_a_limit_that_is_reached_while_connecting_is_said_in_the_first_session(
    age_s: float, ends_after_s: float, *, is_continued: bool
) -> None:
    """It is neither greeted nor warned nor heard first: nobody would answer what the caller says."""
    book = too_old(age_s, is_continued=is_continued)
    assert book.rig.seconds == ends_after_s
    book.rig.feed(v.frame(), e.ModelConnected(), v.SESSION_CREATED)
    if is_continued:
        book.rig.feed(v.SESSION_UPDATED)
    assert book >> v.SESSION_UPDATED << (v.recorded(AgentReady), v.ask_words(v.SAY_IT_ENDS))
    assert book.rig.phase is Phase.LEAVING
    assert book >> v.created("bye") >> v.says("bye", "it", 400) << AudioToPhone(400) >> v.done("bye")
    assert (
        book
        >> after(0.45, PLAYED)
        << v.recorded(TurnEnded)
        << v.ends(EndReason.LIMIT_DURATION, follows=HangUp())
    )


def test_a_limit_that_is_reached_while_a_session_is_replaced_is_said_by_the_next_one() -> None:
    """And the question that was asked of the lost one is not answered any more."""
    book = v.answering(v.greeted(limits=replace(UNWARNED, call_length_max_s=5, call_length_warning_s=3)))
    assert book >> v.gone(e.Leg.MODEL) << v.replaces() >> deadline(Timer.CALL_LENGTH)
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED)
    assert book >> v.SESSION_UPDATED << (v.has_replaced(), v.ask_words(v.SAY_IT_ENDS))


@pytest.mark.parametrize("is_at_limit", [True, False])
@pytest.mark.parametrize("event", [v.gone(e.Leg.PHONE), e.ShutdownRequested()], ids=["lost", "stopped"])
def test_a_stream_that_breaks_off_at_a_limit_is_not_resumed(event: Input, *, is_at_limit: bool) -> None:
    """The next one would be ended as well, and would have cost a session: for a goodbye Twilio will do."""
    book = v.greeted(limits=UNWARNED)
    if is_at_limit:
        assert book >> at(20, e.DeadlinePassed()) << v.ask_words(v.SAY_IT_ENDS)
    *_, last = book.rig.feed(event)
    assert isinstance(last, a.Note)
    assert isinstance(last.fact, StreamEnded)
    assert last.fact.follows == (SayGoodbye() if is_at_limit else Resume())


def test_a_limit_for_which_no_session_is_to_be_had_is_said_by_twilio() -> None:
    """No human is rung and no message taken: the call was to end anyway."""
    book = too_old()
    assert (
        book
        >> e.ModelDialFailed("HTTP 401", 401)
        << (v.trouble("dial"), v.drops())
        << v.ends_without_model(EndReason.LIMIT_DURATION, follows=SayGoodbye(), detail="HTTP 401")
    )
    *_, (ended_at, why, _) = too_old().rig.wakes()
    assert (ended_at, why) == (SHORT.connect_timeout_s, Timer.CONNECT)


def test_a_call_that_waits_for_its_goodbye_is_handed_over_to_nobody() -> None:
    said = v.ends_without_model(EndReason.LIMIT_DURATION, follows=SayGoodbye())
    assert too_old() >> e.HandOverRequested() << said


def test_a_goodbye_that_never_comes_has_a_bound() -> None:
    """A caller who goes on talking does not keep the line; Twilio says what the agent could not."""
    book = v.greeted(limits=SHORT)
    book.rig.now = 1020.0
    book.rig.feed(e.DeadlinePassed(), v.speech_started("but"))
    *_, (ended_at, _, outputs) = book.rig.wakes()
    assert ended_at == 20 + SHORT.leave_timeout_s
    assert isinstance(outputs[-1], a.Note)
    assert isinstance(outputs[-1].fact, StreamEnded)
    assert outputs[-1].fact.follows == SayGoodbye()


def test_a_limit_that_is_reached_during_the_agents_own_goodbye_holds() -> None:
    """Otherwise a caller who says "wait" would have a call without a bound. The goodbye is heard out."""
    book = own_goodbye()
    assert book >> at(20, e.DeadlinePassed()) >> at(21, e.DeadlinePassed())
    book.rig.feed(v.speech_started("wait"))
    *_, (ended_at, why, _) = book.rig.wakes()
    assert (ended_at, why) == (20 + SHORT.leave_timeout_s, Timer.LEAVE)


def own_goodbye(limits: Limits = SHORT) -> Playbook:
    """From 4 s on the agent says a long goodbye of its own."""
    book = v.answering(v.greeted(limits=limits))
    book.rig.feed(*v.says("answer", "bye", 20_000), v.tool_call("answer", "end"))
    book.rig.feed(v.tool_finished("end", ends_call=True), v.done("answer"))
    return book


def test_a_goodbye_is_waited_for_and_heard_out() -> None:
    """Its own bound is far off, whatever else wakes the machine meanwhile."""
    book = v.greeted(limits=UNWARNED)
    assert book >> at(20, e.DeadlinePassed()) << v.ask_words(v.SAY_IT_ENDS) >> at(21, e.DeadlinePassed())
    assert book >> at(22, v.created("bye")) >> v.item("bye", "it")
    assert book >> v.audio("bye", "it", 2000) << AudioToPhone(2000)
    assert book >> v.done("bye") >> at(23, e.DeadlinePassed())
    assert (
        book
        >> at(24.05, PLAYED)
        << v.recorded(TurnEnded)
        << v.ends(EndReason.LIMIT_DURATION, detail="", follows=HangUp())
    )


def test_a_sentence_that_never_comes_is_waited_for_like_any_answer() -> None:
    """The caller hears the clip, and another session is asked for it."""
    book = v.greeted(limits=replace(SHORT, call_length_max_s=60, call_length_warning_s=30))
    assert book >> at(30, e.DeadlinePassed()) << v.ask_words(v.SAY_IT_ENDS_SOON)
    assert book >> after(0.1, v.item_added("of_another"))  # It is alive.
    assert book >> deadline(Timer.CLIP) << v.clip()
    assert book.rig.seconds == 30 + SHORT.clip_after_s
    assert book >> deadline(Timer.CLIP) << v.clip() >> deadline(Timer.ANSWER) << v.replaces()


def test_keys_that_no_session_will_be_told_do_not_hold_up_the_end() -> None:
    """The model is gone for good: nobody is left who could answer them."""
    book = v.greeted(limits=UNWARNED)
    assert (
        book
        >> v.key("1")
        >> e.HandOverRequested()
        >> v.gone(e.Leg.MODEL)
        << (v.trouble(), v.drops(), v.recorded(TurnEnded))
        << v.ends_without_model(EndReason.HANDED_OVER)
    )


def test_no_key_is_answered_once_a_limit_has_ended_the_call() -> None:
    """Neither one that was not told yet, nor one that is pressed into the goodbye: that is heard out."""
    book = v.greeted(limits=UNWARNED)
    assert book >> at(19, v.key("1")) >> at(20, e.DeadlinePassed()) << v.ask_words(v.SAY_IT_ENDS)
    assert book >> at(20.1, v.created("bye")) >> v.says("bye", "it", 400) << AudioToPhone(400)
    for _ in range(3):
        assert book >> after(0.1, v.key("#")) >> v.key("2")
    assert (
        book
        >> v.done("bye")
        >> at(20.6, PLAYED)
        << v.recorded(TurnEnded)
        << v.ends(EndReason.LIMIT_DURATION, follows=HangUp())
    )


def test_a_tool_that_no_session_will_be_told_of_does_not_hold_up_the_end() -> None:
    """The model is gone for good: its goodbye is heard, and that is all."""
    book = v.answering(v.greeted())
    book.rig.feed(*v.says("answer", "bye", 400), v.tool_call("answer", "book"), v.tool_call("answer", "end"))
    book.rig.feed(v.tool_finished("end", ends_call=True))
    assert book >> v.gone(e.Leg.MODEL) << (v.trouble(), v.drops())
    assert (
        book
        >> after(0.45, PLAYED)
        << v.recorded(TurnEnded)
        << v.ends_without_model(EndReason.AGENT_HANGUP, follows=HangUp())
    )


@pytest.mark.parametrize("is_begun", [False, True])
def test_a_session_that_is_lost_before_the_goodbye_leaves_it_to_twilio(is_begun: bool) -> None:
    book = v.greeted(limits=UNWARNED)
    book.rig.now = 1020.0
    book.rig.feed(e.DeadlinePassed())
    if is_begun:
        book.rig.feed(v.created("bye"), *v.says("bye", "it", 200))
    assert book >> v.gone(e.Leg.MODEL) << (v.trouble(), v.drops(), *(() if is_begun else TWILIO_SAYS_IT))
    if is_begun:
        assert book >> after(0.25, PLAYED) << (v.recorded(TurnEnded), *TWILIO_SAYS_IT)


def test_a_session_that_is_lost_after_the_goodbye_changes_nothing() -> None:
    book = v.greeted(limits=UNWARNED)
    book.rig.now = 1020.0
    book.rig.feed(e.DeadlinePassed(), *v.answers("bye", "it", 400))
    assert book >> v.gone(e.Leg.MODEL) << (v.trouble(), v.drops())
    ended = v.ends_without_model(EndReason.LIMIT_DURATION, follows=HangUp())
    assert book >> after(0.45, PLAYED) << (v.recorded(TurnEnded), *ended)


def test_an_agent_that_hangs_up_without_a_word_and_is_lost_leaves_the_goodbye_to_twilio() -> None:
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "end"), v.tool_finished("end", ends_call=True))
    said = v.ends_without_model(EndReason.AGENT_HANGUP, follows=SayGoodbye())
    assert book >> v.gone(e.Leg.MODEL) << (v.trouble(), v.drops(), v.recorded(TurnEnded), *said)


def test_words_wait_for_the_answer_that_is_going_on() -> None:
    book = v.answering(v.greeted(limits=SHORT))
    book.rig.now = 1010.0
    book.rig.feed(e.DeadlinePassed())
    assert book >> v.says("answer", "it", 100) << AudioToPhone(100)
    assert book >> v.done("answer") << v.ask_words(v.SAY_IT_ENDS_SOON)


def test_words_are_not_said_by_a_response_that_was_asked_for_before_them() -> None:
    """It has never heard of them."""
    book = v.answering(v.greeted(limits=SHORT))
    book.rig.feed(v.tool_call("answer", "call_1"), v.done("answer"))
    book.rig.now = 1009.9
    book.rig.feed(v.tool_finished("call_1"))  # Asks.
    book.rig.now = 1010.0
    book.rig.feed(e.DeadlinePassed())  # The warning is due.
    assert (
        book
        >> v.item_added("cb_item_1")
        >> v.answers("plain", "it", 100)
        << AudioToPhone(100)
        << v.ask_words(v.SAY_IT_ENDS_SOON)
    )


def test_a_response_that_was_told_what_to_say_answers_nothing_else() -> None:
    """A tool's result that comes meanwhile is answered after it."""
    output = Id("output")
    book = v.answering(v.greeted(limits=SHORT))
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1") >> v.done("answer")
    book.rig.now = 1010.0
    assert a.DropModel() not in book.rig.feed(e.DeadlinePassed())
    assert book >> v.tool_finished("call_1") << v.tool_result(output, "call_1") >> v.item_added(output)
    assert book >> v.answers("soon", "words", 100) << AudioToPhone(100) << v.ask()


def test_what_is_owed_is_answered_before_the_warning_is_given() -> None:
    """The caller's question is the older one."""
    output = Id("output")
    book = v.answering(v.greeted(limits=SHORT))
    book.rig.feed(v.tool_call("answer", "call_1"))
    book.rig.now = 1010.0
    book.rig.feed(e.DeadlinePassed())
    assert book >> v.tool_finished("call_1") << v.tool_result(output, "call_1") >> v.item_added(output)
    assert (
        book
        >> v.done("answer")
        << v.ask()
        >> v.answers("reply", "it", 100)
        << AudioToPhone(100)
        << v.ask_words(v.SAY_IT_ENDS_SOON)
    )


def test_words_outlive_a_failed_answer_to_something_else() -> None:
    book = v.answering(v.greeted(limits=SHORT))
    book.rig.now = 1010.0
    book.rig.feed(e.DeadlinePassed())
    assert book >> v.done("answer", "failed", code="server_error") << v.any_warning("response_fell_short")
    assert book >> deadline(Timer.RETRY) << v.ask()
    assert book >> v.answers("again", "it", 100) << (AudioToPhone(100), v.ask_words(v.SAY_IT_ENDS_SOON))


@pytest.mark.parametrize("is_begun", [False, True])
def test_words_are_said_by_the_session_that_replaces_the_lost_one(is_begun: bool) -> None:
    book = v.greeted(limits=SHORT)
    book.rig.now = 1010.0
    book.rig.feed(e.DeadlinePassed())
    if is_begun:
        book.rig.feed(v.created("soon"))
    v.replaced(book)
    assert book >> v.error("server_error", answers="none") << v.any_warning("model_error")
    assert book >> v.created("soon") >> v.done("soon", "failed") << v.any_warning("response_fell_short")
    assert book >> deadline(Timer.RETRY) << v.ask_words(v.SAY_IT_ENDS_SOON)


def test_a_caller_who_speaks_when_a_warning_falls_due_does_not_wait_for_it() -> None:
    """No clip into their words, and no fallback after 15 s of them."""
    book = v.greeted(limits=SHORT)
    book.rig.feed(v.speech_started("long"))
    book.rig.now = 1010.0
    assert book.rig.feed(e.DeadlinePassed()) == []
    assert book >> at(19, e.DeadlinePassed())


def test_newer_words_outlive_the_response_that_says_the_older_ones() -> None:
    """The warning is being said when the end is due."""
    book = v.greeted(limits=replace(SHORT, call_length_warning_s=2))
    assert book >> at(18, e.DeadlinePassed()) << v.ask_words(v.SAY_IT_ENDS_SOON)
    assert book >> at(19, v.created("soon")) >> v.says("soon", "it", 100) << AudioToPhone(100)
    assert book >> at(20, e.DeadlinePassed()) >> v.done("soon") << v.ask_words(v.SAY_IT_ENDS)


def test_the_servers_own_response_says_no_words_of_ours() -> None:
    """It crossed them; they are asked for again when it is done."""
    book = v.greeted(limits=SHORT)
    assert book >> at(10, e.DeadlinePassed()) << v.ask_words(v.SAY_IT_ENDS_SOON)
    assert book >> v.speech_started() >> after(1, v.speech_stopped()) >> v.created("servers_own")
    assert book >> v.says("servers_own", "it", 100) << AudioToPhone(100)
    assert book >> v.done("servers_own") << v.ask_words(v.SAY_IT_ENDS_SOON)


def test_the_greeting_comes_before_any_other_words() -> None:
    """It was owed first, and is still."""
    book = v.live(limits=replace(SHORT, clip_after_s=3.9))
    book.rig.now = 1009.5
    book.rig.feed(v.created("greeting"), v.done("greeting", "failed", code="server_error"))
    assert book >> at(10, e.DeadlinePassed()) << v.clip()
    assert book >> deadline(Timer.RETRY) << v.ask(options=PLAN.greeting_options)
    assert book >> v.answers("again", "it", 100) << (AudioToPhone(100), v.ask_words(v.SAY_IT_ENDS_SOON))


def test_the_goodbye_that_is_meant_pays_for_what_was_asked_as_well() -> None:
    """It reads all that is in the conversation. Nobody warns of an end, or asks who is there, after it."""
    result = Id("result")
    book = v.answering(v.greeted(limits=replace(SHORT, call_length_max_s=12, call_length_warning_s=6)))
    for call_id in ("book", "end"):
        book.rig.feed(v.tool_call("answer", call_id))
    assert book >> at(6, e.DeadlinePassed()) >> v.tool_finished("book") << v.tool_result(result, "book")
    assert (
        book >> v.tool_finished("end", ends_call=True) << (v.recorded(ToolUsed), v.tool_output(Id(), "end"))
    )
    assert book >> v.item_added(result) >> v.done("answer") << v.ask_farewell() >> v.created("bye")
    book.rig.feed(*v.says("bye", "it", 400), v.done("bye"))
    assert (
        book >> after(0.45, PLAYED) << v.recorded(TurnEnded) << v.ends_without_model(EndReason.AGENT_HANGUP)
    )


def test_a_call_that_costs_too_much_is_ended_in_words() -> None:
    price = Price(
        text_input=0, text_cached=0, text_output=0, audio_input=0, audio_cached=0, audio_output=1_000_000
    )
    book = v.live(replace(PLAN, price=price, spend_max_microdollars=100))
    book.rig.feed(v.created("greeting"), *v.says("greeting", "hello", 100))
    dear = rt.Usage(0, 100, None, rt.OutputTokens(0, 100))
    assert book >> v.done("greeting", usage=dear) << v.ask_words(v.SAY_IT_ENDS)
    say(book, "bye")
    assert book.rig.phase is Phase.OVER


def test_a_call_ends_in_words_when_all_calls_together_cost_too_much() -> None:
    """It is told once more than that: nothing is said twice."""
    book = v.greeted()
    assert book >> e.SpendRanOver() << v.ask_words(v.SAY_IT_ENDS) >> e.SpendRanOver()
    assert book >> v.created("bye") >> v.says("bye", "it", 400) << AudioToPhone(400) >> v.done("bye")
    assert book >> after(0.45, PLAYED) << v.recorded(TurnEnded) << v.ends(EndReason.LIMIT_SPEND_TOTAL)
    assert book.rig.handle(e.SpendRanOver()) == ()


def test_an_operator_ends_a_call_in_words() -> None:
    book = v.greeted()
    assert book >> e.EndAsked() << v.ask_words(v.SAY_IT_ENDS)
    assert book >> v.created("bye") >> v.says("bye", "it", 400) << AudioToPhone(400) >> v.done("bye")
    assert book >> after(0.45, PLAYED) << v.recorded(TurnEnded) << v.ends(EndReason.OPERATOR_HANGUP)


def test_an_answer_that_is_being_given_when_the_money_is_spent_is_heard() -> None:
    """It is paid for, whether it is heard or not."""
    book = v.answering(v.greeted())
    book.rig.feed(v.audio("answer", "it", 200))
    assert book >> e.SpendRanOver() >> v.done("answer") << v.ask_words(v.SAY_IT_ENDS)


def test_a_caller_who_speaks_into_that_goodbye_hears_twilio_say_it() -> None:
    """What they say is not paid for, nor a second goodbye."""
    book = v.greeted()
    book.rig.feed(e.SpendRanOver(), v.created("bye"), *v.says("bye", "it", 400), v.done("bye"))
    outputs = book.rig.feed(v.speech_started("but"))
    (ended,) = [put.fact for put in outputs if isinstance(put, a.Note) and isinstance(put.fact, StreamEnded)]
    assert (ended.reason, ended.follows) == (EndReason.LIMIT_SPEND_TOTAL, SayGoodbye())


def test_a_call_that_begins_when_the_money_is_spent_is_not_greeted() -> None:
    """Its place was promised while there was some."""
    book = Playbook(Rig())
    book.rig.feed(v.start(), v.admitted(is_spend_over=True), e.ModelConnected(), v.SESSION_CREATED)
    assert book >> v.SESSION_UPDATED << (v.recorded(AgentReady), v.ask_words(v.SAY_IT_ENDS))
    assert book >> v.created("bye") >> v.says("bye", "it", 400) << AudioToPhone(400) >> v.done("bye")
    assert book >> after(0.45, PLAYED) << v.recorded(TurnEnded) << v.ends(EndReason.LIMIT_SPEND_TOTAL)


@pytest.mark.parametrize("event", [v.key("1"), v.speech_started()], ids=["key", "speech"])
def test_a_caller_who_answers_is_not_hung_up_upon(event: object) -> None:
    book = v.greeted(limits=QUIET)
    book.rig.now = 1062.0
    book.rig.feed(e.DeadlinePassed())
    say(book, "there")
    book.rig.feed(event)  # type: ignore[arg-type]  # An event, whatever its kind.
    book.rig.now += 35
    book.rig.feed(e.DeadlinePassed())
    assert book.rig.phase is Phase.LIVE


def test_a_caller_may_be_silent_for_ever_where_that_is_wanted() -> None:
    book = v.greeted(limits=replace(QUIET, caller_silence_s=0))
    book.rig.now = 1400.0
    assert book.rig.feed(e.DeadlinePassed()) == []


def test_a_quiet_call_is_handed_over_at_once() -> None:
    assert v.greeted() >> e.HandOverRequested() << v.ends(EndReason.HANDED_OVER)


def test_a_turn_may_end_before_the_hand_over() -> None:
    book = v.answering(v.greeted())
    book.rig.feed(v.audio("answer", "it", 200))
    assert book >> e.HandOverRequested() >> e.HandOverRequested() >> v.done("answer")
    assert book >> after(0.25, PLAYED) << (v.recorded(TurnEnded), *v.lingers(EndReason.HANDED_OVER))


def test_a_turn_that_does_not_end_is_handed_over_in_its_middle() -> None:
    book = v.greeted(limits=QUIET)
    book.rig.feed(v.speech_started(), e.HandOverRequested())
    assert book >> at(12.9, e.DeadlinePassed())
    assert book >> at(13, e.DeadlinePassed()) << (v.recorded(TurnEnded), *v.ends(EndReason.HANDED_OVER))


def test_a_call_that_is_connecting_is_handed_over_at_once() -> None:
    """The next process dials for itself."""
    book = Playbook(Rig())
    book.rig.feed(v.start(), v.admitted("", ""))
    assert book >> e.HandOverRequested() << v.ends_without_model(EndReason.HANDED_OVER)


def test_a_session_that_is_lost_before_the_hand_over_is_not_replaced_here() -> None:
    """What was said of the turn is still heard."""
    book = v.answering(v.greeted())
    book.rig.feed(v.audio("answer", "it", 200), e.HandOverRequested())
    assert book >> v.gone(e.Leg.MODEL) << (v.trouble(), v.drops())
    assert book >> after(0.25, PLAYED) << v.recorded(TurnEnded) << v.ends_without_model(EndReason.HANDED_OVER)


def test_an_agent_that_takes_its_leave_hangs_up_rather_than_hands_over() -> None:
    book = v.answering(v.greeted())
    book.rig.feed(
        *v.takes_leave(200),
        e.HandOverRequested(),
        v.done("answer"),
    )
    assert book >> after(0.25, PLAYED) << (v.recorded(TurnEnded), *v.lingers(EndReason.AGENT_HANGUP))


def test_a_goodbye_that_is_handed_over_in_its_middle_was_a_goodbye() -> None:
    """The caller is not called back for the rest of it."""
    book = own_goodbye(UNWARNED)
    assert book >> at(5, e.HandOverRequested())
    *_, (ended_at, why, outputs), _ = book.rig.wakes()
    assert (ended_at, why) == (5 + SHORT.hand_over_timeout_s, Timer.HAND_OVER)
    assert a.CloseLeg(e.Leg.PHONE, 1000, "agent_hangup") in outputs
