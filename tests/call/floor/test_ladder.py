"""The response ladder: ordinary turns, every status of a response, errors, and who asks for responses."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import get_args

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import EndReason, StreamEnded, TurnEnded
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from callbridge.call.usage import Usage
from callbridge.call.wishes import HangUp
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events as rt
from playbook import Id, Like, Playbook, after, at, deadline
from rigs import PLAN, PLAYED, AudioToPhone, Output, make_plan

GREETS = PLAN.greeting_options


def test_the_greeting_is_a_turn_of_its_own() -> None:
    """Nobody asked for it, so it has no caller and no latency; it ends when its last mark is back."""
    book = v.live()
    assert book >> at(1.3, v.created("greeting")) >> v.item("greeting", "hello")
    assert book >> at(1.4, v.audio("greeting", "hello", 400)) << AudioToPhone(400)
    assert book >> v.words("greeting", "hello", "Hello.") >> at(1.5, v.done("greeting"))
    assert book >> at(1.85, PLAYED) << a.Note(TurnEnded(1, None, "Hello.", None, interrupted=False))


@pytest.mark.parametrize(
    ("audio_end_ms", "response_ms"), [(1900, 900), (2000, 800), (60_000, 800), (None, 800)]
)
def test_the_latency_runs_from_the_end_of_the_speech_to_the_first_audio(
    audio_end_ms: int | None, response_ms: int
) -> None:
    """`speech_stopped` comes after 500 ms of silence, and 100 ms late. No place, or one ahead of all audio,
    is the end of the audio.
    """
    book = v.greeted()
    # The line's own frames aside, the model was sent 2,000 ms.
    book.rig.feed(v.frame(2000), v.speech_started())
    assert book >> at(5, v.speech_stopped(audio_end_ms=audio_end_ms)) >> v.committed() >> v.caller_said("Hi.")
    assert book >> v.created("answer") >> at(5.3, v.audio("answer", "hi", 200)) << AudioToPhone(200)
    assert book >> v.done("answer") >> at(5.6, PLAYED) << v.recorded(TurnEnded, response_ms=response_ms)


@pytest.mark.parametrize("audio_end_ms", [None, 0, 7, 40_000, 3_600_000])
def test_wherever_the_speech_is_said_to_have_ended_the_caller_waits_from_now(
    audio_end_ms: int | None,
) -> None:
    """A place far back would make them wait for a minute already, and the call be given up."""
    book = v.greeted(limits=v.PATIENT, has_line=False)
    for _ in range(30):
        book.rig.feed(v.frame(2000))
    assert book >> at(63, v.speech_started()) >> at(65, v.speech_stopped(audio_end_ms=audio_end_ms))
    assert book >> deadline(Timer.CLIP) << v.clip()
    assert book.rig.seconds == 65 - 0.5 + book.rig.limits.clip_after_s


def test_audio_of_no_response_that_we_know_is_dropped() -> None:
    """A delta after its response's end has no place in the play-out."""
    book = v.greeted()
    assert book >> v.audio("greeting", "hello", 40)
    assert v.ended(book).deltas_dropped == 1


def test_an_end_of_a_response_that_is_not_active_is_a_warning_and_nothing_else() -> None:
    """The active response stays active."""
    book = v.answering(v.greeted())
    assert book >> v.done("another") << v.warning("response_done_unexpected", response_id="another")
    assert book >> v.says("answer", "it", 40) << AudioToPhone(40)


def test_a_call_without_transcription_does_not_wait_for_words() -> None:
    """The record of a turn is written as soon as it was heard."""
    book = v.answering(v.greeted(PLAN.without_transcription()))
    assert book >> v.audio("answer", "it", 200) << AudioToPhone(200) >> v.done("answer")
    assert book >> after(0.3, PLAYED) << v.recorded(TurnEnded, turn=2, caller=None)


def test_usage_is_summed_over_all_responses_whatever_their_status() -> None:
    """Cancelled and failed responses are billed too. Any number may be absent."""
    book = v.greeted()
    full = rt.Usage(20, 10, rt.InputTokens(4, 16, 8), rt.OutputTokens(3, 7))
    for number, (status, usage) in enumerate(
        [("completed", full), ("cancelled", full), ("incomplete", rt.Usage()), ("completed", None)]
    ):
        book.rig.feed(
            v.speech_started(),
            v.speech_stopped(),
            v.created(f"answer_{number}"),
            v.item(f"answer_{number}", f"item_{number}"),
            v.done(f"answer_{number}", status, reason="x", usage=usage),
        )
    assert (
        book
        >> v.HANGS_UP
        << (
            Like(a.Note, {}),
            *(Like(a.Note, {}) for _ in range(3)),
            *v.ends(EndReason.CALLER_HANGUP, usage=Usage(40, 20, 32, 14, 16, 8)),
        )
    )


@pytest.mark.parametrize(
    ("status", "code", "reason", "audio_ms"),
    [
        ("failed", "server_error", None, 0),
        ("failed", None, None, 0),
        ("failed", "server_error", None, 100),
        ("incomplete", None, "content_filter", 0),
        (None, None, "no status", 0),
    ],
)
def test_a_response_that_fell_short_is_tried_again_after_a_delay(
    status: str | None, code: str | None, reason: str | None, audio_ms: int
) -> None:
    """It is silent on the wire: without us nothing would be heard. What was sent is heard to its end."""
    book = v.answering(v.greeted())
    if audio_ms:
        book.rig.feed(v.item("answer", "half"), v.audio("answer", "half", audio_ms))
    assert (
        book
        >> after(0.1, v.done("answer", status, code=code, reason=reason))
        << v.warning("response_fell_short", status=status, why=code or reason or status)
    )
    assert book >> deadline(Timer.RETRY) << v.ask()
    assert book.rig.seconds == 4.1 + book.rig.limits.retry_delay_s


def test_a_greeting_that_failed_is_asked_for_with_its_own_words_again() -> None:
    """A plain attempt would greet in words that nobody chose."""
    book = v.live()
    assert book >> after(0.1, v.created("greeting"))
    assert book >> v.done("greeting", "failed", code="server_error") << v.any_warning("response_fell_short")
    assert book >> deadline(Timer.RETRY) << v.ask(options=PLAN.greeting_options)


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_an_answer_that_breaks_off_goes_on_once(reason: str) -> None:
    """Its beginning was said. One that breaks off again would break off for ever."""
    book = v.answering(v.greeted())
    assert book >> v.says("answer", "long", 100) << AudioToPhone(100)
    assert (
        book
        >> v.done("answer", "incomplete", reason=reason)
        << (v.any_warning("response_fell_short"), v.ask())
        >> v.created("more")
        >> v.says("more", "rest", 100)
        << AudioToPhone(100)
        >> v.done("more", "incomplete", reason=reason)
        << v.any_warning("response_fell_short")
    )
    assert v.rests(book)


def test_an_answer_that_the_server_cancelled_leaves_nothing_owed() -> None:
    """The caller is speaking, and says so next."""
    book = v.answering(v.greeted())
    book.rig.feed(*v.says("answer", "long", 100), v.done("answer", "cancelled", reason="turn_detected"))
    assert v.rests(book)


@pytest.mark.parametrize("is_error", [False, True], ids=["response", "error"])
@pytest.mark.parametrize("code", sorted(v.FATAL_CODES))
def test_a_fatal_code_ends_the_call_without_another_attempt(code: str, *, is_error: bool) -> None:
    """No retry can mend an empty account."""
    event = v.error(code) if is_error else v.done("answer", "failed", code=code)
    assert (
        v.answering(v.greeted())
        >> event
        << v.any_warning("model_error" if is_error else "response_fell_short")
        << (v.trouble(code=code, is_fatal=True), v.drops(), v.recorded(TurnEnded))
        << v.ends_without_model(EndReason.MODEL_LOST, detail=code, errors=int(is_error))
    )


def test_responses_that_fail_again_and_again_for_the_accounts_limit_end_the_call() -> None:
    """Attempts are bounded, and another session would be refused as well: the caller gets the fallback."""
    book = v.answering(v.greeted())
    assert (
        book >> v.done("answer", "failed", code="rate_limit_exceeded") << v.any_warning("response_fell_short")
    )
    assert book >> deadline(Timer.RETRY) << v.ask() >> v.created("second")
    assert (
        book >> v.done("second", "failed", code="rate_limit_exceeded") << v.any_warning("response_fell_short")
    )
    assert book >> deadline(Timer.RETRY) << v.ask() >> v.created("third")
    assert (
        book
        >> v.done("third", "failed", code="rate_limit_exceeded")
        << v.any_warning("response_fell_short")
        << (v.trouble(is_rate_limit=True), v.drops(), v.recorded(TurnEnded, turn=2))
        << v.ends_without_model(EndReason.MODEL_LOST, detail="3 responses failed: rate_limit_exceeded")
    )


def test_responses_that_fail_again_and_again_are_asked_of_another_session() -> None:
    """The caller still waits for that answer, so it is the first thing that the next session is asked."""
    book = v.answering(v.greeted())
    for number in range(3):
        outputs = book.rig.feed(v.done("answer", "failed", code="server_error"))
        book.rig.now += 1
        if number < 2:
            book.rig.feed(e.DeadlinePassed(), v.created("answer"))
    assert a.DropModel() in outputs
    assert outputs[-1] == a.DialModel(PLAN.model)
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED)
    assert book >> v.SESSION_UPDATED << (v.has_replaced(), v.ask(), a.OpenUplink())


def test_the_failures_of_a_session_are_not_those_of_the_next() -> None:
    """It has its own three attempts."""
    book = v.answering(v.greeted())
    book.rig.feed(v.done("answer", "failed", code="server_error"))
    assert book >> deadline(Timer.RETRY) << v.ask() >> v.created("second")
    assert book >> v.done("second", "failed", code="server_error") << v.any_warning("response_fell_short")
    v.replaced(book).rig.feed(v.created("third"), v.done("third", "failed", code="server_error"))
    assert book >> deadline(Timer.RETRY) << v.ask()


def test_a_response_that_completes_forgives_the_failures_before_it() -> None:
    """Only failures in a row count."""
    book = v.answering(v.greeted())
    for number in range(5):
        book.rig.feed(v.done(f"answer{number or ''}", "failed", code="server_error"))
        book.rig.now += 1
        book.rig.feed(
            e.DeadlinePassed(),
            *v.answers("retry", f"retry{number}", 100),
            v.speech_started(),
            v.speech_stopped(),
            v.created(f"answer{number + 1}"),
        )
    assert book.rig.phase is Phase.LIVE


def test_nothing_is_asked_of_a_model_that_is_given_up() -> None:
    """A tool's result is owed in the moment in which the call ends."""
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "call_1"), v.tool_finished("call_1"))
    assert (
        book
        >> v.done("answer", "failed", code="insufficient_quota")
        << v.any_warning("response_fell_short")
        << (v.trouble(is_fatal=True), v.drops(), v.recorded(TurnEnded))
        << v.ends_without_model(EndReason.MODEL_LOST)
    )


def test_a_failed_response_whose_tool_still_runs_waits_for_the_tool() -> None:
    """The result asks for the next response anyway; a retry before it might run the tool twice."""
    book = v.answering(v.greeted())
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1")
    assert book >> v.done("answer", "failed", code="server_error") << v.any_warning("response_fell_short")
    assert book >> after(3, v.tool_finished("call_1")) << (*v.tool_result(Id(), "call_1"), v.ask())


def test_while_a_retry_waits_nothing_else_asks() -> None:
    """Back-off holds for all that is owed; the retry then answers everything at once."""
    book = v.answering(v.greeted())
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1") >> v.done("answer")
    assert book >> after(0.1, v.speech_started()) >> after(0.5, v.speech_stopped()) >> v.created("second")
    assert (
        book >> v.done("second", "failed", code="rate_limit_exceeded") << v.any_warning("response_fell_short")
    )
    assert book >> after(0.5, v.tool_finished("call_1")) << v.tool_result(Id(), "call_1")
    assert book >> deadline(Timer.RETRY) << v.ask()


def test_refused_requests_are_bounded() -> None:
    """A session that refuses each time is of no use; the result is told to the next one."""
    ids = [Id(f"asked {n}") for n in range(3)]
    book = with_tool_result(ids[0], limits=replace(Limits(), clip_after_s=3.9))  # No clip in between.
    for this, following in itertools.pairwise(ids):
        assert book >> v.error("server_error", answers=this) << v.any_warning("model_error")
        assert book >> deadline(Timer.RETRY) << v.ask(id=following)
    assert (
        book
        >> v.error("server_error", answers=ids[2])
        << v.any_warning("model_error")
        << v.replaces(why="3 responses failed: server_error")
    )


@pytest.mark.parametrize("says_so", get_args(rt.ItemKnown))
def test_a_request_that_crossed_the_servers_own_response_is_answered_by_it(
    says_so: type[rt.ItemKnown],
) -> None:
    """The server's response reads all that is in the conversation, the tool's result included. That it is
    there is said by added, created or done: a server may leave any of them out.
    """
    asked, output = Id("asked"), Id("output")
    book = with_tool_result(asked, output)
    assert book >> v.item_added(output, says_so) >> v.created("servers_own")
    assert book >> v.error("conversation_already_has_active_response", answers=asked)
    assert book >> v.audio("servers_own", "it", 100) << AudioToPhone(100) >> v.done("servers_own")
    assert v.rests(book)


@pytest.mark.parametrize("metadata", [None, {}, {"callbridge_ask": None}, {"callbridge_ask": 5}, "cb_4"])
def test_a_response_whose_metadata_says_nothing_is_the_one_that_was_asked_for(metadata: object) -> None:
    """The order of asking decides: it pays for what was asked."""
    output = Id("output")
    book = with_tool_result(Id("asked"), output)
    created = rt.ResponseCreated(rt.Response("ours", "in_progress", metadata=metadata))
    assert book >> v.item_added(output) >> created >> v.audio("ours", "it", 100) << AudioToPhone(100)
    assert book >> v.done("ours")
    assert v.rests(book)


def test_an_ask_that_was_given_up_and_is_answered_all_the_same_pays_for_nothing() -> None:
    """A key has cut the greeting, and two short words cross what was asked for next.

    The server's own answer to the first made us believe that it had dropped our ask. It had not: its answer
    says the greeting, and no more. For the server's own, it would pay for the key and the second word, and
    nobody would answer either.
    """
    book = v.live(make_plan(server_interrupts=False), Limits(clip_after_s=3.9))
    asked, again, key, answer = Id("asked"), Id("again"), Id("key"), Id("answer")
    assert book >> at(1.5, v.key("1")) >> v.created("empty", "cb_2") << v.cancel("empty")
    assert book >> deadline(Timer.KEYS) << v.told(key, "[The caller pressed 1 on the telephone keypad.]")
    assert book >> v.done("empty") << v.ask(id=asked, options=GREETS)
    assert book >> v.speech_started("one") << v.recorded(TurnEnded) >> after(0.2, v.speech_stopped("one"))
    assert book >> v.committed("one") >> v.created("theirs") >> v.item_added(key)
    assert book >> v.done("theirs") << v.ask(id=again, options=GREETS)
    assert book >> v.speech_started("two") >> after(0.2, v.speech_stopped("two")) >> v.committed("two")
    assert book >> v.error("conversation_already_has_active_response")
    assert book >> v.created("late", asked.value) << v.cancel("late") >> v.says("late", "hello", 100)
    assert book >> v.error("conversation_already_has_active_response", answers=again)
    assert book >> v.done("late", "cancelled") << v.delete("hello")
    assert book >> deadline(Timer.RETRY) << v.ask(options=GREETS)
    assert book >> v.answers("greeting", "hello_2", 100) << (AudioToPhone(100), v.ask(id=answer))
    assert (
        book
        >> v.created("last", answer.value)
        >> v.says("last", "it", 100)
        << AudioToPhone(100)
        >> v.done("last")
    )
    assert v.rests(book)


def test_a_result_that_only_a_late_answer_has_read_is_owed_as_before() -> None:
    """Nobody hears it. The result came into the conversation behind the server's own answer."""
    asked, again, output = Id("asked"), Id("again"), Id("output")
    book = with_tool_result(asked, output)
    book.rig.feed(v.speech_started("more"), v.speech_stopped("more"), v.committed("more"))
    book.rig.feed(v.created("theirs"), *v.says("theirs", "it", 100))
    assert book >> v.done("theirs") << v.ask(id=again) >> v.item_added(output)
    assert book >> v.created("late", asked.value) << v.cancel("late")
    assert book >> v.error("conversation_already_has_active_response", answers=again)
    assert book >> v.done("late", "cancelled")
    assert book >> deadline(Timer.RETRY) << v.ask()


def test_a_result_that_the_servers_response_did_not_see_is_asked_for_after_it() -> None:
    """The response began before the item was in the conversation."""
    asked, output = Id("asked"), Id("output")
    book = with_tool_result(asked, output)
    assert book >> v.created("servers_own") >> v.item_added(output)
    assert book >> v.error("conversation_already_has_active_response", answers=asked)
    assert book >> v.audio("servers_own", "it", 100) << AudioToPhone(100) >> v.done("servers_own") << v.ask()
    assert book >> v.answers("ours", "more", 100) << AudioToPhone(100)
    assert v.rests(book)


def test_a_conflict_with_a_response_that_never_shows_is_tried_again() -> None:
    """The server has been seen to refuse for a moment after `response.done`. The caller still waits."""
    asked = Id("asked")
    book = with_tool_result(asked)
    assert book >> v.error("conversation_already_has_active_response", answers=asked)
    assert book >> deadline(Timer.RETRY) << v.ask()


def test_a_conflict_with_a_response_that_shows_later_leaves_the_asking_to_its_end() -> None:
    """The retry is taken back: otherwise it would conflict again."""
    asked, output = Id("asked"), Id("output")
    book = with_tool_result(asked, output)
    assert book >> v.error("conversation_already_has_active_response", answers=asked)
    assert book >> after(0.1, v.created("servers_own")) >> v.item_added(output)
    assert book >> v.audio("servers_own", "it", 100) << AudioToPhone(100)
    assert book >> after(2, v.done("servers_own")) << v.ask()


def test_an_item_that_the_server_refused_is_not_asked_for_without_end() -> None:
    """An item that never arrives in the conversation is owed for two responses at most."""
    asked = Id("asked")
    book = with_tool_result(asked)
    assert book >> v.error("invalid_value", message="No tool call found.") << v.any_warning("model_error")
    assert book >> deadline(Timer.RETRY) << v.ask()
    assert book >> v.answers("first", "no", 100) << (AudioToPhone(100), v.ask())
    assert book >> v.answers("second", "no_more", 100) << AudioToPhone(100)
    assert v.rests(book)


def test_a_fault_inside_the_server_while_an_answer_is_due_is_followed_by_a_request() -> None:
    """Such an error names no command; perhaps no response will come. If one does, nothing is asked."""
    book = v.greeted()
    assert book >> v.speech_started() >> after(1, v.speech_stopped())
    assert book >> after(0.1, v.error("server_error")) << v.any_warning("model_error")
    assert book >> deadline(Timer.RETRY) << v.ask()


def test_a_fault_inside_the_server_does_not_double_an_answer_that_comes() -> None:
    """The response takes the retry back."""
    book = v.greeted()
    assert book >> v.speech_started() >> after(1, v.speech_stopped())
    assert book >> after(0.1, v.error("server_error")) << v.any_warning("model_error")
    assert book >> after(0.1, v.created("answer")) >> v.says("answer", "it", 100) << AudioToPhone(100)
    assert book >> after(2, v.done("answer"))
    assert v.rests(book)


@pytest.mark.parametrize("code", [*sorted(v.HARMLESS_CODES), None, "invalid_value"])
def test_an_error_about_something_else_changes_nothing(code: str | None) -> None:
    """Most errors leave the session open. Races that cannot be avoided are no warnings."""
    book = v.answering(v.greeted())
    expected = v.note if code in v.HARMLESS_CODES else v.warning
    message = {"code": code, "message": "It went wrong.", "param": None}
    assert book >> v.error(code, answers="cb_1") << expected("model_error", **message)
    assert v.ended(book).errors == 1


def test_a_session_that_has_expired_is_replaced() -> None:
    """Its renewal did not come about in time."""
    book = v.answering(v.greeted())
    assert (
        book
        >> v.error("session_expired")
        << v.any_warning("model_error")
        << v.replaces(code="session_expired")
    )


def test_a_request_that_crossed_the_callers_first_word_is_cancelled() -> None:
    """The server began it before it knew; nobody would hear it. The speech brings its own answer."""
    asked, output = Id("asked"), Id("output")
    book = with_tool_result(asked, output)
    assert book >> v.speech_started("wait") >> v.item_added(output) >> v.created("ours") << v.cancel("ours")
    assert book >> v.says("ours", "unheard", 100)
    assert book >> v.done("ours", "cancelled", reason="client_cancelled") << v.delete("unheard")
    assert book >> after(1, v.speech_stopped("wait")) >> v.committed("wait") >> v.created("servers_own")
    assert book >> v.says("servers_own", "heard", 100) << AudioToPhone(100)


def test_an_answer_that_the_server_could_not_begin_is_asked_for() -> None:
    """Our cancelled response was still closing when the caller's turn ended: the server refuses its own."""
    asked = Id("asked")
    book = with_tool_result(asked)
    assert book >> v.speech_started("wait") >> v.created("ours") << v.cancel("ours")
    assert book >> after(1, v.speech_stopped("wait")) >> v.error("conversation_already_has_active_response")
    assert book >> v.done("ours", "cancelled", reason="client_cancelled") >> deadline(Timer.RETRY) << v.ask()


def test_a_response_that_nobody_is_to_hear_does_not_pay_for_the_answer_that_is_owed() -> None:
    """Ours stood in the way of the server's own answer, and was itself overtaken by the caller's words."""
    output = Id("output")
    book = with_tool_result(Id("asked"), output)
    assert book >> v.item_added(output) >> v.speech_started("wait") >> after(1, v.speech_stopped("wait"))
    assert (
        book >> v.error("conversation_already_has_active_response") >> v.created("ours") << v.cancel("ours")
    )
    assert book >> v.done("ours", "cancelled", reason="client_cancelled") << v.ask()
    assert book >> deadline(Timer.CLIP) << v.clip()
    assert book.rig.seconds == 5 + book.rig.limits.clip_after_s


def test_nothing_is_asked_for_while_the_caller_speaks() -> None:
    """The server answers the speech, and with it all that is owed and in the conversation."""
    output = Id("output")
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "call_1"), v.done("answer"), v.speech_started("more"))
    assert book >> v.tool_finished("call_1") << v.tool_result(output, "call_1") >> v.item_added(output)
    assert book >> after(1, v.speech_stopped("more")) >> v.committed("more") >> v.created("servers_own")
    assert book >> v.says("servers_own", "it", 100) << AudioToPhone(100) >> v.done("servers_own")
    assert v.rests(book)


def with_tool_result(asked: Id, output: Id | None = None, *, limits: Limits | None = None) -> Playbook:
    """A call in which a tool's result was posted and a response to it asked for."""
    book = v.answering(v.greeted(limits=limits))
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1") >> v.done("answer")
    assert (
        book
        >> after(0.5, v.tool_finished("call_1"))
        << (*v.tool_result(output or Id("output"), "call_1"), v.ask(id=asked))
    )
    return book


# --- Responses in a minute ------------------------------------------------------------------------------

BUSY = replace(
    v.PATIENT, responses_per_minute_max=10, give_up_after_s=100, wait_max_s=100, silent_rounds_max=100
)
"""Few, and a caller who waits for long."""


def test_we_ask_for_so_many_responses_in_a_minute_and_the_next_has_to_wait() -> None:
    """A tool leads to the next one, and that to another. The first of the ten is a minute old at 61 s."""
    book = v.answering(v.greeted(limits=BUSY))
    response_id = "answer"
    for number in range(8):
        output = Id("output")
        book.rig.feed(v.tool_call(response_id, f"call_{number}"), v.done(response_id))
        results = v.tool_result(output, f"call_{number}")
        assert book >> v.tool_finished(f"call_{number}") << (*results, v.ask()) >> v.item_added(output)
        response_id = f"answer_{number}"
        book.rig.feed(v.created(response_id))
    book.rig.feed(v.tool_call(response_id, "last"), v.done(response_id))
    assert book >> v.tool_finished("last") << v.tool_result(Id(), "last")
    asked = [at_s for at_s, _, outputs in book.rig.wakes(until_s=62) if _asks(outputs)]
    assert asked == [61]


def test_who_waits_for_a_response_that_is_one_too_many_does_not_wait_for_ever() -> None:
    limits = replace(BUSY, responses_per_minute_max=2, keys_told_per_minute_max=2, give_up_after_s=15)
    book = v.answering(v.greeted(limits=limits))
    book.rig.feed(v.tool_call("answer", "call_1"), v.done("answer"), v.tool_finished("call_1"))
    given_up = [at_s for at_s, why, _ in book.rig.wakes() if why is Timer.GIVE_UP]
    assert given_up == [4 + limits.give_up_after_s]


def test_a_goodbye_does_not_wait_for_a_response_that_is_one_too_many() -> None:
    limits = replace(BUSY, responses_per_minute_max=2, keys_told_per_minute_max=2)
    book = v.answering(v.greeted(limits=replace(limits, call_length_max_s=10, call_length_warning_s=6)))
    book.rig.feed(v.tool_call("answer", "call_1"), v.done("answer"), v.tool_finished("call_1"))
    assert book >> at(9, e.DeadlinePassed()) << v.clip()
    assert book >> at(10, e.DeadlinePassed()) << v.ask_words(v.SAY_IT_ENDS)


def test_a_model_that_answers_more_often_than_anybody_talks_ends_the_call_in_words() -> None:
    """Its own answers cannot be refused. The goodbye is asked for all the same."""
    book = v.greeted(limits=BUSY)
    for number in range(20):
        assert book.rig.phase is Phase.LIVE
        book.rig.now += 1
        book.rig.feed(v.speech_started(), v.speech_stopped(), v.created(f"answer_{number}"))
        if number < 19:
            book.rig.feed(v.done(f"answer_{number}"))
    assert book.rig.phase is Phase.LEAVING
    assert book >> v.done("answer_19") << v.ask_words(v.SAY_IT_ENDS)
    book.rig.feed(*v.answers("bye", "it", 200))
    book.rig.now += 0.25
    *_, last = book.rig.feed(PLAYED)
    assert isinstance(last, a.Note)
    assert isinstance(last.fact, StreamEnded)
    assert (last.fact.reason, last.fact.follows) == (EndReason.LIMIT_RESPONSES, HangUp())


def _asks(outputs: list[Output]) -> bool:
    return any(
        isinstance(output, a.SendToModel) and isinstance(output.command, commands.CreateResponse)
        for output in outputs
    )
