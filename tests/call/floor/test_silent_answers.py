"""An answer that brought no sound is none, whatever its status says; and one that was heard is paid."""

from __future__ import annotations

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import EndReason, Interrupted, StreamEnded, TurnEnded
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events as rt
from playbook import About, Id, Playbook, after, deadline
from rigs import PLAYED, AudioToPhone, make_plan

LIMITS = Limits()
NO_SOUND = v.any_warning("response_without_sound")


def asked(loud_s: float = 1.0) -> Playbook:
    """The caller has asked something, and was loud for so long; the server's answer begins."""
    book = v.greeted(limits=v.PATIENT)
    book.rig.feed(v.speech_started("question"))
    book.rig.now += loud_s
    book.rig.feed(e.DeadlinePassed(), v.speech_stopped("question"), v.committed("question"))
    book.rig.feed(v.created("answer"))
    return book


def test_an_empty_answer_is_asked_for_again() -> None:
    """The caller hears the clip when they have waited for 3 s, and the answer when it comes."""
    book = asked()
    assert book >> v.done("answer") << NO_SOUND
    assert book >> deadline(Timer.RETRY) << v.ask()
    assert book >> v.answers("second", "it", 200) << AudioToPhone(200) >> after(0.25, PLAYED)


def test_what_nobody_heard_is_not_in_the_models_memory_nor_in_the_record() -> None:
    """A transcript without audio: the model would believe that it said it."""
    book = asked()
    assert book >> v.item("answer", "mute") >> v.words("answer", "mute", "We open at nine.")
    assert book >> v.done("answer") << (v.delete("mute"), NO_SOUND)
    assert book >> deadline(Timer.RETRY) << v.ask() >> v.answers("second", "it", 200) << AudioToPhone(200)
    assert book >> v.caller_said("When?", "question")
    assert book >> after(0.25, PLAYED) << v.recorded(TurnEnded, caller="When?", agent="")


def test_a_model_that_never_says_a_word_is_replaced() -> None:
    """Three in a row."""
    book = asked()
    assert book >> v.done("answer") << NO_SOUND
    assert book >> deadline(Timer.RETRY) << v.ask() >> v.created("r2") >> v.done("r2") << NO_SOUND
    assert book >> deadline(Timer.RETRY) << v.ask() >> v.created("r3")
    assert book >> v.done("r3") << NO_SOUND << v.replaces(why="3 responses failed: no sound")


def test_a_model_that_is_silent_about_a_cough_is_right() -> None:
    """An utterance with hardly anything loud in it is owed nothing."""
    book = asked(loud_s=0.2)
    assert book >> v.done("answer")
    assert book.rig.deadline is not None
    assert book.rig.deadline[1] not in {Timer.RETRY, Timer.CLIP}


def test_what_turns_out_to_be_no_words_is_owed_nothing() -> None:
    """A lorry: loud for a second, and its transcript is empty."""
    book = asked()
    assert book >> v.done("answer") << NO_SOUND >> v.caller_said("", "question") << v.recorded(TurnEnded)
    assert book >> deadline(Timer.RETRY)
    assert book.rig.phase is Phase.LIVE


def test_the_wait_that_an_error_names_is_kept() -> None:
    """Sooner than after "try again in 7.2s" it would be refused again."""
    book = asked()
    message = "Rate limit reached. Please try again in 7.2s. Visit the limits page."
    failed = v.done("answer", "failed", code="rate_limit_exceeded", message=message)
    assert book >> failed << v.any_warning("response_fell_short")
    at_s = book.rig.seconds
    assert book >> deadline(Timer.CLIP) << v.clip() >> deadline(Timer.CLIP) << v.clip()
    assert book >> deadline(Timer.RETRY) << v.ask()
    assert book.rig.seconds == at_s + 7.2


@pytest.mark.parametrize(("named", "waited_s"), [("120ms", 1.0), ("2m", 1.0), ("900s", 10.0), ("1.5 s", 1.5)])
def test_a_wait_is_kept_within_bounds(named: str, waited_s: float) -> None:
    book = asked()
    failed = v.done("answer", "failed", code="rate_limit_exceeded", message=f"Try again in {named}.")
    book.rig.feed(failed)
    at_s = book.rig.seconds
    (retry_at,) = [woken for woken, why, _ in book.rig.wakes(at_s + 11) if why is Timer.RETRY]
    assert retry_at == pytest.approx(at_s + waited_s)


def test_an_answer_that_was_said_to_its_end_is_paid_though_its_end_does_not_come() -> None:
    """`response.done` is late by more than the patience: the session is well, and nothing is said twice."""
    book = asked()
    assert book >> v.says("answer", "it", 1000) << AudioToPhone(1000) >> v.audio_done("answer", "it")
    assert (
        book
        >> after(1.1, PLAYED)
        >> deadline(Timer.ANSWER)
        << (v.cancel("answer"), v.any_warning("response_done_missing"))
    )
    assert book >> v.caller_said("When?", "question") << v.recorded(TurnEnded)
    assert book >> after(5, v.done("answer")) << v.any_warning("response_done_unexpected")
    assert book.rig.phase is Phase.LIVE
    assert v.rests(book)


def test_an_answer_whose_end_stays_out_is_not_in_the_way_for_long() -> None:
    """The caller has spoken into it, and the server refuses to answer them before it is done."""
    book = v.live(make_plan(is_greeting_interruptible=False))
    book.rig.feed(
        v.created("greeting"), *v.says("greeting", "hello", 1000), v.audio_done("greeting", "hello")
    )
    assert book >> after(0.2, v.speech_started())
    assert book >> after(0.4, v.speech_stopped())
    book.rig.feed(v.error("conversation_already_has_active_response"))
    asked_at = book.rig.seconds
    outputs = [output for _, _, done in book.rig.wakes(asked_at + LIMITS.muted_timeout_s) for output in done]
    sent = [type(output.command) for output in outputs if isinstance(output, a.SendToModel)]
    assert sent[-2:] == [commands.CancelResponse, commands.CreateResponse]


def test_tool_after_tool_without_a_word_ends_with_words() -> None:
    """Then no tool may be called: the agent must say something."""
    book = asked()
    response = "answer"
    for number in range(LIMITS.silent_rounds_max):
        call_id, output = f"call_{number}", Id(f"output_{number}")
        assert book >> v.tool_call(response, call_id) << v.run_tool(call_id) >> v.done(response)
        result = v.tool_result(output, call_id)
        is_last = number == LIMITS.silent_rounds_max - 1
        asks = v.ask_farewell() if is_last else v.ask()
        assert book >> after(0.1, v.tool_finished(call_id)) << (*result, asks) >> v.item_added(output)
        response = f"r{number}"
        assert book >> v.created(response)


def test_the_wait_for_the_agents_voice_has_an_end_that_no_tool_moves() -> None:
    """A model that calls tools for ever, whatever it is told."""
    book = asked()
    waits_from, response = book.rig.seconds, "answer"
    for number in range(100):
        if book.rig.phase is Phase.OVER:
            break
        book.rig.feed(v.tool_call(response, f"c{number}"), v.tool_finished(f"c{number}"), v.done(response))
        book.rig.wakes(book.rig.seconds + 1)
        response = f"r{number}"
        book.rig.feed(v.created(response))
    assert book.rig.phase is Phase.OVER
    assert book.rig.seconds <= waits_from + LIMITS.wait_max_s + 1


def test_an_agent_that_asks_for_its_leave_again_and_again_leaves() -> None:
    """Within its bound, whatever else comes."""
    book = asked()
    left_at, response = book.rig.seconds, "answer"
    for number in range(100):
        if book.rig.phase is Phase.OVER:
            break
        end = v.tool_finished(f"c{number}", ends_call=True, name="end_call")
        book.rig.feed(v.tool_call(response, f"c{number}", "end_call"), end, v.done(response))
        book.rig.wakes(book.rig.seconds + 1)
        response = f"r{number}"
        book.rig.feed(v.created(response))
    assert book.rig.seconds <= left_at + LIMITS.leave_timeout_s + 1


def test_an_agent_whose_goodbye_was_withdrawn_is_told_and_may_say_goodbye_again() -> None:
    book = v.answering(v.greeted(limits=v.PATIENT))
    book.rig.feed(*v.takes_leave(1000), v.done("answer"))
    outputs = book.rig.feed(v.speech_started("wait"))
    told = [output.command for output in outputs if isinstance(output, a.SendToModel)]
    assert "goes on" in repr(told[-1])
    book.rig.now += 1
    book.rig.feed(v.speech_stopped("wait"), v.created("second"), *v.says("second", "bye2", 500))
    end = v.tool_call("second", "end_again", "end_call")
    book.rig.feed(end, v.tool_finished("end_again", ends_call=True), v.done("second"))
    assert book.rig.phase is Phase.LEAVING
    book.rig.now += 0.6
    ended = [
        o.fact for o in book.rig.feed(PLAYED) if isinstance(o, a.Note) and isinstance(o.fact, StreamEnded)
    ]
    assert [fact.reason for fact in ended] == [EndReason.AGENT_HANGUP]


def test_noise_does_not_put_off_the_limit_of_silence() -> None:
    """A street for half an hour: what counts is when they last said something that was understood."""
    book = v.greeted(limits=Limits(media_gap_warning_s=5000, media_gap_timeout_s=5000))
    seen: list[str] = []
    for number in range(60):
        if book.rig.phase is Phase.OVER:
            break
        book.rig.feed(v.speech_started(f"u{number}"))
        book.rig.wakes(book.rig.seconds + 3)
        book.rig.feed(v.speech_stopped(f"u{number}"), v.committed(f"u{number}"))
        outputs = book.rig.feed(v.created(f"r{number}"), v.caller_said("", f"u{number}"))
        outputs += book.rig.feed(*v.says(f"r{number}", f"i{number}", 500), v.done(f"r{number}"))
        for _, _, done in book.rig.wakes(book.rig.seconds + 1):
            outputs += done
        if not book.rig.has_played_all:
            outputs += book.rig.feed(PLAYED)
        seen += [v.SAY_NOBODY_IS_THERE for output in outputs if v.SAY_NOBODY_IS_THERE in repr(output)]
        seen += [v.ASK_WHETHER_THERE for output in outputs if v.ASK_WHETHER_THERE in repr(output)]
        if asks := [
            o.command.event_id for o in outputs if "instructions" in repr(o) and hasattr(o, "command")
        ]:
            book.rig.feed(*v.answers(f"told{number}", f"told_i{number}", 500))
            assert asks
    assert seen == [v.ASK_WHETHER_THERE, v.SAY_NOBODY_IS_THERE]
    assert book.rig.seconds < 3 + 60 + 30 + LIMITS.leave_timeout_s + 5


def test_whoever_is_understood_is_there() -> None:
    """However noisy it is around them."""
    book = v.greeted(limits=Limits(media_gap_warning_s=5000, media_gap_timeout_s=5000))
    for number in range(30):
        book.rig.feed(v.speech_started(f"u{number}"))
        book.rig.wakes(book.rig.seconds + 3)
        book.rig.feed(v.speech_stopped(f"u{number}"), v.committed(f"u{number}"), v.created(f"r{number}"))
        words = "Yes." if number % 5 == 0 else ""
        book.rig.feed(v.caller_said(words, f"u{number}"), *v.says(f"r{number}", f"i{number}", 500))
        book.rig.feed(v.done(f"r{number}"))
        book.rig.wakes(book.rig.seconds + 1)
        book.rig.feed(PLAYED)
    assert book.rig.phase is Phase.LIVE


def test_an_answer_that_breaks_off_is_owed_even_to_a_cough() -> None:
    """Nobody is left with half a sentence."""
    book = asked(loud_s=0.2)
    book.rig.feed(*v.says("answer", "it", 500))
    v.retelling(book)
    assert book >> v.SESSION_UPDATED << (v.has_replaced(), v.ask(), a.OpenUplink())


@pytest.mark.parametrize("fails", [False, True], ids=["nothing comes", "it says so"])
def test_who_is_not_written_down_is_there_all_the_same(*, fails: bool) -> None:
    """Transcription is down, the call is not: nobody is hung up upon in the middle of a talk."""
    book = v.greeted(limits=Limits(media_gap_warning_s=5000, media_gap_timeout_s=5000))
    for number in range(30):
        book.rig.feed(v.speech_started(f"u{number}"))
        book.rig.wakes(book.rig.seconds + 3)
        book.rig.feed(v.speech_stopped(f"u{number}"), v.committed(f"u{number}"), v.created(f"r{number}"))
        if fails:
            book.rig.feed(rt.CallerTranscriptFailed(f"u{number}"))
        book.rig.feed(*v.says(f"r{number}", f"i{number}", 500), v.done(f"r{number}"))
        woken = book.rig.wakes(book.rig.seconds + 1)
        assert v.ASK_WHETHER_THERE not in repr(woken), book.rig.seconds
        book.rig.feed(PLAYED)


def coughs(book: Playbook) -> None:
    """For 0.2 s."""
    book.rig.feed(v.speech_started("cough"))
    book.rig.now += 0.2
    book.rig.feed(e.DeadlinePassed(), v.speech_stopped("cough"), v.committed("cough"))


def test_an_answer_that_a_cough_has_cut_is_still_owed() -> None:
    """A model may be silent about the cough, and not about the question before it."""
    book = asked()
    book.rig.feed(*v.says("answer", "it", 4000))
    book.rig.now += 1
    coughs(book)
    assert book >> v.done("answer", "cancelled") >> v.created("second") >> v.done("second") << v.ask()


def test_that_a_cough_was_no_words_says_nothing_of_the_question_before_it() -> None:
    """Its answer had failed, and was to be asked for again."""
    book = asked()
    assert book >> v.done("answer", "failed") << v.any_warning("response_fell_short")
    book.rig.now += 0.3
    coughs(book)
    assert book >> v.created("r2") >> v.done("r2", "failed") << v.any_warning("response_fell_short")
    assert book >> v.caller_said("", "cough") >> deadline(Timer.RETRY) << v.ask()


def test_what_goes_on_after_it_was_let_go_is_stopped_like_any_answer() -> None:
    """What it had said was whole, and no end came for 8 s; then there is more."""
    book = asked()
    book.rig.feed(*v.says("answer", "it", 400), v.audio_done("answer", "it"))
    book.rig.now += 0.45
    book.rig.feed(PLAYED)
    book.rig.wakes(book.rig.seconds + LIMITS.answer_timeout_s + 0.5)
    book.rig.feed(*v.says("answer", "more", 1000))
    assert (
        book
        >> after(0.3, v.speech_started("wait"))
        << (v.clear(), v.truncate("more", About(300)), v.recorded(Interrupted))
    )
    assert (
        book
        >> v.audio("answer", "more", 1000)
        >> v.done("answer")
        << v.any_warning("response_done_unexpected")
    )


def test_an_item_that_ends_without_a_sound_is_no_answer_whose_end_is_missing() -> None:
    """The caller waits as before: for the clip, and for another session."""
    book = asked()
    book.rig.feed(v.item("answer", "mute"), v.audio_done("answer", "mute"))
    assert book >> deadline(Timer.CLIP) << v.clip()
    assert book >> after(1.05, PLAYED) >> deadline(Timer.CLIP) << v.clip()
    assert book >> deadline(Timer.ANSWER) << v.replaces()


def test_an_answer_to_a_cough_that_fails_is_not_asked_for_again() -> None:
    """Three of them would cost the session, or, where the account is at its limit, the call."""
    book = asked(loud_s=0.2)
    failed = v.done("answer", "failed", code="rate_limit_exceeded")
    assert book >> failed << v.any_warning("response_fell_short")
    assert v.rests(book)


def test_a_yes_is_as_short_as_a_cough_and_owed_an_answer() -> None:
    """Its words say so."""
    book = asked(loud_s=0.2)
    assert book >> v.caller_said("Yes.", "question") >> v.done("answer") << NO_SOUND


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_yes_whose_words_come_behind_an_answer_that_brought_nothing_is_owed_one(status: str) -> None:
    """As short as a cough, it was taken for one: nobody was to wait for that answer."""
    book = asked(loud_s=0.2)
    done = v.done("answer", status)
    assert book >> done << v.any_warning("response_fell_short") if status == "failed" else book >> done
    assert book >> after(0.5, v.caller_said("Yes.", "question")) << (v.ask(), v.recorded(TurnEnded))
    assert book >> v.answers("second", "it", 200) << AudioToPhone(200) >> v.caller_said("Yes.", "question")
    assert v.rests(book), "once"


def test_a_yes_that_a_later_answer_has_read_is_owed_no_other() -> None:
    """It was in the conversation when that began."""
    book = asked(loud_s=0.2)
    book.rig.feed(v.done("answer"), v.speech_started("more"), v.speech_stopped("more"), v.committed("more"))
    book.rig.feed(*v.answers("second", "it", 200), v.caller_said("Yes.", "question"))
    book.rig.feed(v.caller_said("Tomorrow.", "more"))
    assert v.rests(book)


def test_a_yes_is_owed_an_answer_though_they_cough_behind_it() -> None:
    """Its words come while they do. The answer behind the cough pays for both, and brings nothing."""
    book = asked(loud_s=0.2)
    book.rig.feed(v.done("answer"), v.speech_started("cough"), v.caller_said("Yes.", "question"))
    assert book >> after(0.2, v.speech_stopped("cough")) >> v.committed("cough") >> v.created("empty")
    assert book >> v.done("empty") << v.ask()


def test_a_result_of_a_tool_is_spoken_about_though_it_comes_while_they_cough() -> None:
    """The server's answer to the cough reads it, and brings nothing."""
    output = Id("output")
    book = v.answering(v.greeted(limits=v.PATIENT))
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1") >> v.done("answer")
    assert book >> after(2, v.speech_started("cough"))
    assert book >> v.tool_finished("call_1") << v.tool_result(output, "call_1") >> v.item_added(output)
    assert book >> after(0.2, v.speech_stopped("cough")) >> v.committed("cough") >> v.created("empty")
    assert book >> v.caller_said("", "cough") >> v.done("empty") << v.ask()


def test_that_a_noise_had_no_words_settles_whether_it_is_owed_an_answer() -> None:
    """What comes later under its name changes nothing."""
    book = asked(loud_s=0.2)
    assert book >> v.done("answer") >> v.caller_said("", "question") << v.recorded(TurnEnded)
    assert book >> v.caller_said("Yes.", "question")
    assert v.rests(book)


def test_an_answer_to_a_cough_that_fails_in_the_middle_of_its_words_is_asked_for_again() -> None:
    """Nobody is left with half a sentence."""
    book = asked(loud_s=0.2)
    assert book >> v.says("answer", "it", 300) << AudioToPhone(300)
    assert book >> v.done("answer", "failed") << v.any_warning("response_fell_short")
    assert book >> deadline(Timer.RETRY) << v.ask()


def test_an_item_without_a_sound_goes_though_the_others_were_heard() -> None:
    """The model would believe that it said it."""
    book = asked()
    assert book >> v.item("answer", "mute") >> v.words("answer", "mute", "We open at nine.")
    assert book >> v.says("answer", "it", 200) << AudioToPhone(200)
    assert book >> v.done("answer") << v.delete("mute")


def test_words_that_began_on_an_earlier_stream_are_answered_at_their_end() -> None:
    """The session lived on, and was asked in the middle of them; it may not answer twice at a time."""
    book = v.live()
    book.rig.feed(v.created("too_early"), *v.says("too_early", "it", 500), v.speech_stopped())
    book.rig.feed(v.error("conversation_already_has_active_response"), v.done("too_early"))
    asked = [output for _, why, done in book.rig.wakes(book.rig.seconds + 2) for output in done]
    assert commands.CreateResponse in [type(o.command) for o in asked if isinstance(o, a.SendToModel)]
