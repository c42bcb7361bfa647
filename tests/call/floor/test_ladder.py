"""The response ladder: ordinary turns, every status of a response, errors, and who asks for responses."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import EndReason, TurnEnded, Usage
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from callbridge.wire import realtime_events as rt
from playbook import Id, Like, Playbook, after, at, deadline
from rigs import PLAN, PLAYED, AudioToPhone
from vocabulary import (
    FATAL_CODES,
    HANGS_UP,
    HARMLESS_CODES,
    SESSION_CREATED,
    SESSION_UPDATED,
    answering,
    any_warning,
    ask,
    audio,
    audio_done,
    caller_said,
    cancel,
    committed,
    created,
    delete,
    done,
    drops,
    ended,
    ends,
    ends_without_model,
    error,
    frame,
    greeted,
    has_replaced,
    item,
    item_added,
    live,
    note,
    recorded,
    replaced,
    replaces,
    rests,
    run_tool,
    says,
    speech_started,
    speech_stopped,
    tool_call,
    tool_finished,
    tool_result,
    trouble,
    warning,
    words,
)

# --- Ordinary turns -----------------------------------------------------------------------------------


def test_the_greeting_is_a_turn_of_its_own() -> None:
    """Nobody asked for it, so it has no caller and no latency; it ends when its last mark is back."""
    book = live()
    assert book >> at(1.3, created("greeting")) >> item("greeting", "hello")
    assert book >> at(1.4, audio("greeting", "hello", 400)) << AudioToPhone(400)
    assert book >> words("greeting", "hello", "Hello.") >> at(1.5, done("greeting"))
    assert book >> at(1.85, PLAYED) << a.Note(TurnEnded(1, None, "Hello.", None, interrupted=False))


def test_a_turn_of_caller_and_agent() -> None:
    """The server makes the response by itself: nothing is asked for."""
    book = greeted()
    assert book >> at(3.0, speech_started("question")) >> at(4.0, speech_stopped("question"))
    assert book >> committed("question") >> at(4.2, created("answer")) >> item("answer", "from_7")
    assert book >> at(4.3, audio("answer", "from_7", 250)) << AudioToPhone(250)
    assert book >> at(4.4, audio("answer", "from_7", 100)) << AudioToPhone(100)
    assert book >> audio_done("answer", "from_7") >> words("answer", "from_7", "From seven.")
    assert book >> done("answer") >> at(4.5, caller_said("When do you open?", "question"))
    assert (
        book
        >> at(4.7, PLAYED)
        << recorded(TurnEnded, turn=2, caller="When do you open?", agent="From seven.", interrupted=False)
    )


@pytest.mark.parametrize(("audio_end_ms", "response_ms"), [(1900, 900), (60_000, 300)])
def test_the_latency_runs_from_the_end_of_the_speech_to_the_first_audio(
    audio_end_ms: int, response_ms: int
) -> None:
    """`speech_stopped` comes after 500 ms of silence, and 100 ms late. Nothing is counted from the future."""
    book = greeted()
    # The line's own frames aside, the model was sent 2,000 ms.
    book.rig.feed(frame(2000), speech_started())
    assert book >> at(5, speech_stopped(audio_end_ms=audio_end_ms)) >> committed() >> caller_said("Hi.")
    assert book >> created("answer") >> at(5.3, audio("answer", "hi", 200)) << AudioToPhone(200)
    assert book >> done("answer") >> at(5.6, PLAYED) << recorded(TurnEnded, response_ms=response_ms)


def test_several_items_of_one_response_are_one_turn() -> None:
    """Newer models speak a preamble and then the answer."""
    book = answering(greeted())
    book.rig.feed(caller_said("Where are you?", "question"))
    assert book >> says("answer", "preamble", 200) << AudioToPhone(200)
    assert book >> says("answer", "proper", 100) << AudioToPhone(100)
    assert book >> words("answer", "preamble", "Let me see.") >> words("answer", "proper", "At the harbour.")
    assert book >> done("answer")
    assert book >> after(0.4, PLAYED) << recorded(TurnEnded, agent="Let me see. At the harbour.")


def test_audio_of_no_response_that_we_know_is_dropped() -> None:
    """A delta after its response's end has no place in the play-out."""
    book = greeted()
    assert book >> audio("greeting", "hello", 40)
    assert ended(book).deltas_dropped == 1


def test_an_end_of_a_response_that_is_not_active_is_a_warning_and_nothing_else() -> None:
    """The active response stays active."""
    book = answering(greeted())
    assert book >> done("another") << warning("response_done_unexpected", response_id="another")
    assert book >> says("answer", "it", 40) << AudioToPhone(40)


def test_a_call_without_transcription_does_not_wait_for_words() -> None:
    """The record of a turn is written as soon as it was heard."""
    book = answering(greeted(PLAN.without_transcription()))
    assert book >> audio("answer", "it", 200) << AudioToPhone(200) >> done("answer")
    assert book >> after(0.3, PLAYED) << recorded(TurnEnded, turn=2, caller=None)


def test_usage_is_summed_over_all_responses_whatever_their_status() -> None:
    """Cancelled and failed responses are billed too. Any number may be absent."""
    book = greeted()
    full = rt.Usage(20, 10, rt.InputTokens(4, 16, 8), rt.OutputTokens(3, 7))
    for number, (status, usage) in enumerate(
        [("completed", full), ("cancelled", full), ("incomplete", rt.Usage()), ("completed", None)]
    ):
        book.rig.feed(
            speech_started(),
            speech_stopped(),
            created(f"answer_{number}"),
            item(f"answer_{number}", f"item_{number}"),
            done(f"answer_{number}", status, reason="x", usage=usage),
        )
    assert (
        book
        >> HANGS_UP
        << (
            Like(a.Note, {}),
            *(Like(a.Note, {}) for _ in range(3)),
            *ends(EndReason.CALLER_HANGUP, usage=Usage(40, 20, 32, 14, 16)),
        )
    )


# --- Responses that do not complete -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "reason", "audio_ms"),
    [
        ("failed", "server_error", None, 0),
        ("failed", None, None, 0),
        ("failed", "server_error", None, 100),
        ("incomplete", None, "content_filter", 0),
    ],
)
def test_a_response_that_fell_short_is_tried_again_after_a_delay(
    status: str, code: str | None, reason: str | None, audio_ms: int
) -> None:
    """It is silent on the wire: without us nothing would be heard. What was sent is heard to its end."""
    book = answering(greeted())
    if audio_ms:
        book.rig.feed(item("answer", "half"), audio("answer", "half", audio_ms))
    assert (
        book
        >> after(0.1, done("answer", status, code=code, reason=reason))
        << warning("response_fell_short", status=status, why=code or reason or status)
    )
    assert book >> deadline(Timer.RETRY) << ask()
    assert book.rig.seconds == 4.1 + book.rig.limits.retry_delay_s


def test_a_greeting_that_failed_is_asked_for_with_its_own_words_again() -> None:
    """A plain attempt would greet in words that nobody chose."""
    book = live()
    assert book >> after(0.1, created("greeting"))
    assert book >> done("greeting", "failed", code="server_error") << any_warning("response_fell_short")
    assert book >> deadline(Timer.RETRY) << ask(options=PLAN.greeting_options)


@pytest.mark.parametrize(
    ("status", "reason"), [("incomplete", "max_output_tokens"), ("cancelled", "turn_detected")]
)
def test_a_response_that_was_heard_or_that_the_server_cancelled_leaves_nothing_owed(
    status: str, reason: str
) -> None:
    """Its beginning was said; the caller will ask if it was not enough, or is speaking already."""
    book = answering(greeted())
    book.rig.feed(*says("answer", "long", 100), done("answer", status, reason=reason))
    assert rests(book)


@pytest.mark.parametrize("is_error", [False, True], ids=["response", "error"])
@pytest.mark.parametrize("code", sorted(FATAL_CODES))
def test_a_fatal_code_ends_the_call_without_another_attempt(code: str, *, is_error: bool) -> None:
    """No retry can mend an empty account."""
    event = error(code) if is_error else done("answer", "failed", code=code)
    assert (
        answering(greeted())
        >> event
        << any_warning("model_error" if is_error else "response_fell_short")
        << (trouble(code=code, is_fatal=True), drops(), recorded(TurnEnded))
        << ends_without_model(EndReason.MODEL_LOST, detail=code, errors=int(is_error))
    )


def test_responses_that_fail_again_and_again_for_the_accounts_limit_end_the_call() -> None:
    """Attempts are bounded, and another session would be refused as well: the caller gets the fallback."""
    book = answering(greeted())
    assert book >> done("answer", "failed", code="rate_limit_exceeded") << any_warning("response_fell_short")
    assert book >> deadline(Timer.RETRY) << ask() >> created("second")
    assert book >> done("second", "failed", code="rate_limit_exceeded") << any_warning("response_fell_short")
    assert book >> deadline(Timer.RETRY) << ask() >> created("third")
    assert (
        book
        >> done("third", "failed", code="rate_limit_exceeded")
        << any_warning("response_fell_short")
        << (trouble(is_rate_limit=True), drops(), recorded(TurnEnded, turn=2))
        << ends_without_model(EndReason.MODEL_LOST, detail="3 responses failed: rate_limit_exceeded")
    )


def test_responses_that_fail_again_and_again_are_asked_of_another_session() -> None:
    """The caller still waits for that answer, so it is the first thing that the next session is asked."""
    book = answering(greeted())
    for number in range(3):
        outputs = book.rig.feed(done("answer", "failed", code="server_error"))
        book.rig.now += 1
        if number < 2:
            book.rig.feed(e.DeadlinePassed(), created("answer"))
    assert a.DropModel() in outputs
    assert outputs[-1] == a.DialModel(PLAN.model)
    book.rig.feed(e.ModelConnected(), SESSION_CREATED, SESSION_UPDATED)
    assert book >> SESSION_UPDATED << (has_replaced(), ask(), a.OpenUplink())


def test_the_failures_of_a_session_are_not_those_of_the_next() -> None:
    """It has its own three attempts."""
    book = answering(greeted())
    book.rig.feed(done("answer", "failed", code="server_error"))
    assert book >> deadline(Timer.RETRY) << ask() >> created("second")
    assert book >> done("second", "failed", code="server_error") << any_warning("response_fell_short")
    replaced(book).rig.feed(created("third"), done("third", "failed", code="server_error"))
    assert book >> deadline(Timer.RETRY) << ask()


def test_a_response_that_completes_forgives_the_failures_before_it() -> None:
    """Only failures in a row count."""
    book = answering(greeted())
    for number in range(5):
        book.rig.feed(done(f"answer{number or ''}", "failed", code="server_error"))
        book.rig.now += 1
        book.rig.feed(
            e.DeadlinePassed(),
            created("retry"),
            done("retry"),
            speech_started(),
            speech_stopped(),
            created(f"answer{number + 1}"),
        )
    assert book.rig.phase is Phase.LIVE


def test_nothing_is_asked_of_a_model_that_is_given_up() -> None:
    """A tool's result is owed in the moment in which the call ends."""
    book = answering(greeted())
    book.rig.feed(tool_call("answer", "call_1"), tool_finished("call_1"))
    assert (
        book
        >> done("answer", "failed", code="insufficient_quota")
        << any_warning("response_fell_short")
        << (trouble(is_fatal=True), drops(), recorded(TurnEnded))
        << ends_without_model(EndReason.MODEL_LOST)
    )


def test_a_failed_response_whose_tool_still_runs_waits_for_the_tool() -> None:
    """The result asks for the next response anyway; a retry before it might run the tool twice."""
    book = answering(greeted())
    assert book >> tool_call("answer", "call_1") << run_tool("call_1")
    assert book >> done("answer", "failed", code="server_error") << any_warning("response_fell_short")
    assert book >> after(3, tool_finished("call_1")) << (*tool_result(Id(), "call_1"), ask())


def test_while_a_retry_waits_nothing_else_asks() -> None:
    """Back-off holds for all that is owed; the retry then answers everything at once."""
    book = answering(greeted())
    assert book >> tool_call("answer", "call_1") << run_tool("call_1") >> done("answer")
    assert book >> after(0.1, speech_started()) >> after(0.5, speech_stopped()) >> created("second")
    assert book >> done("second", "failed", code="rate_limit_exceeded") << any_warning("response_fell_short")
    assert book >> after(0.5, tool_finished("call_1")) << tool_result(Id(), "call_1")
    assert book >> deadline(Timer.RETRY) << ask()


# --- One owner of response.create ---------------------------------------------------------------------


def test_refused_requests_are_bounded() -> None:
    """A session that refuses each time is of no use; the result is told to the next one."""
    ids = [Id(f"asked {n}") for n in range(3)]
    book = with_tool_result(ids[0], limits=replace(Limits(), clip_after_s=3.9))  # No clip in between.
    for this, following in itertools.pairwise(ids):
        assert book >> error("server_error", answers=this) << any_warning("model_error")
        assert book >> deadline(Timer.RETRY) << ask(id=following)
    assert (
        book
        >> error("server_error", answers=ids[2])
        << any_warning("model_error")
        << replaces(why="3 responses failed: server_error")
    )


def test_a_request_that_crossed_the_servers_own_response_is_answered_by_it() -> None:
    """The server's response reads all that is in the conversation, the tool's result included."""
    asked, output = Id("asked"), Id("output")
    book = with_tool_result(asked, output)
    assert book >> item_added(output) >> created("servers_own")
    assert book >> error("conversation_already_has_active_response", answers=asked) >> done("servers_own")
    assert rests(book)


def test_a_result_that_the_servers_response_did_not_see_is_asked_for_after_it() -> None:
    """The response began before the item was in the conversation."""
    asked, output = Id("asked"), Id("output")
    book = with_tool_result(asked, output)
    assert book >> created("servers_own") >> item_added(output)
    assert book >> error("conversation_already_has_active_response", answers=asked)
    assert book >> done("servers_own") << ask() >> created("ours") >> done("ours")
    assert rests(book)


def test_a_conflict_with_a_response_that_never_shows_is_tried_again() -> None:
    """The server has been seen to refuse for a moment after `response.done`. The caller still waits."""
    asked = Id("asked")
    book = with_tool_result(asked)
    assert book >> error("conversation_already_has_active_response", answers=asked)
    assert book >> deadline(Timer.RETRY) << ask()


def test_a_conflict_with_a_response_that_shows_later_leaves_the_asking_to_its_end() -> None:
    """The retry is taken back: otherwise it would conflict again."""
    asked, output = Id("asked"), Id("output")
    book = with_tool_result(asked, output)
    assert book >> error("conversation_already_has_active_response", answers=asked)
    assert book >> after(0.1, created("servers_own")) >> item_added(output)
    assert book >> after(2, done("servers_own")) << ask()


def test_an_item_that_the_server_refused_is_not_asked_for_without_end() -> None:
    """An item that never arrives in the conversation is owed for two responses at most."""
    asked = Id("asked")
    book = with_tool_result(asked)
    assert book >> error("invalid_value", message="No tool call found.") << any_warning("model_error")
    assert book >> deadline(Timer.RETRY) << ask() >> created("first") >> done("first") << ask()
    assert book >> created("second") >> done("second")
    assert rests(book)


def test_a_fault_inside_the_server_while_an_answer_is_due_is_followed_by_a_request() -> None:
    """Such an error names no command; perhaps no response will come. If one does, nothing is asked."""
    book = greeted()
    assert book >> speech_started() >> after(1, speech_stopped())
    assert book >> after(0.1, error("server_error")) << any_warning("model_error")
    assert book >> deadline(Timer.RETRY) << ask()


def test_a_fault_inside_the_server_does_not_double_an_answer_that_comes() -> None:
    """The response takes the retry back."""
    book = greeted()
    assert book >> speech_started() >> after(1, speech_stopped())
    assert book >> after(0.1, error("server_error")) << any_warning("model_error")
    assert book >> after(0.1, created("answer")) >> after(2, done("answer"))
    assert rests(book)


@pytest.mark.parametrize("code", [*sorted(HARMLESS_CODES), None, "invalid_value"])
def test_an_error_about_something_else_changes_nothing(code: str | None) -> None:
    """Most errors leave the session open. Races that cannot be avoided are no warnings."""
    book = answering(greeted())
    expected = note if code in HARMLESS_CODES else warning
    message = {"code": code, "message": "It went wrong.", "param": None}
    assert book >> error(code, answers="cb_1") << expected("model_error", **message)
    assert ended(book).errors == 1


def test_a_session_that_has_expired_is_replaced() -> None:
    """Its renewal did not come about in time."""
    book = answering(greeted())
    assert book >> error("session_expired") << any_warning("model_error") << replaces(code="session_expired")


def test_a_request_that_crossed_the_callers_first_word_is_cancelled() -> None:
    """The server began it before it knew; nobody would hear it. The speech brings its own answer."""
    asked, output = Id("asked"), Id("output")
    book = with_tool_result(asked, output)
    assert book >> speech_started("wait") >> item_added(output) >> created("ours") << cancel("ours")
    assert book >> says("ours", "unheard", 100)
    assert book >> done("ours", "cancelled", reason="client_cancelled") << delete("unheard")
    assert book >> after(1, speech_stopped("wait")) >> committed("wait") >> created("servers_own")
    assert book >> says("servers_own", "heard", 100) << AudioToPhone(100)


def test_an_answer_that_the_server_could_not_begin_is_asked_for() -> None:
    """Our cancelled response was still closing when the caller's turn ended: the server refuses its own."""
    asked = Id("asked")
    book = with_tool_result(asked)
    assert book >> speech_started("wait") >> created("ours") << cancel("ours")
    assert book >> after(1, speech_stopped("wait")) >> error("conversation_already_has_active_response")
    assert book >> done("ours", "cancelled", reason="client_cancelled") >> deadline(Timer.RETRY) << ask()


def test_nothing_is_asked_for_while_the_caller_speaks() -> None:
    """The server answers the speech, and with it all that is owed and in the conversation."""
    output = Id("output")
    book = answering(greeted())
    book.rig.feed(tool_call("answer", "call_1"), done("answer"), speech_started("more"))
    assert book >> tool_finished("call_1") << tool_result(output, "call_1") >> item_added(output)
    assert book >> after(1, speech_stopped("more")) >> committed("more") >> created("servers_own")
    assert book >> done("servers_own")
    assert rests(book)


def with_tool_result(asked: Id, output: Id | None = None, *, limits: Limits | None = None) -> Playbook:
    """A call in which a tool's result was posted and a response to it asked for."""
    book = answering(greeted(limits=limits))
    assert book >> tool_call("answer", "call_1") << run_tool("call_1") >> done("answer")
    assert (
        book
        >> after(0.5, tool_finished("call_1"))
        << (*tool_result(output or Id("output"), "call_1"), ask(id=asked))
    )
    return book
