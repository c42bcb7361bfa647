"""Sessions of the model: had, tried for again, replaced in mid-call, and what becomes of what goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import AgentReady, EndReason, Interrupted, Remembered, ToolUsed, TurnEnded
from callbridge.call.memory import TurnSaid
from callbridge.call.phases import Phase, Timer
from callbridge.wire import realtime_events as rt
from playbook import About, Id, Playbook, after, deadline
from rigs import PLAN, PLAYED, AudioToModel, Rig
from vocabulary import (
    BROKE_OFF,
    CONTINUED,
    CONTINUED_BLINDLY,
    PATIENT,
    SESSION_CREATED,
    SESSION_UPDATED,
    admitted,
    answering,
    any_warning,
    ask,
    audio,
    caller_said,
    clear,
    created,
    done,
    drops,
    ended,
    ends_without_model,
    error,
    foreign_call,
    frame,
    gone,
    greeted,
    has_replaced,
    item,
    key,
    live,
    recorded,
    replaced,
    replaces,
    rests,
    retelling,
    says,
    speech_started,
    start,
    told,
    tool_call,
    tool_finished,
    tool_output,
    trouble,
    update,
    update_silent,
    words,
)

SECOND = "gpt-realtime-2.1-mini"


def dialling(rig: Rig | None = None, how: e.StreamAdmitted | None = None) -> Playbook:
    book = Playbook(rig or Rig())
    book.rig.feed(start(), how or admitted())
    return book


# --- A call that goes on ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory", "note", "items"),
    [
        ((), CONTINUED_BLINDLY, ()),
        ((TurnSaid(1, "Hi.", "Yes?"),), CONTINUED, (("user", "Hi."), ("assistant", "Yes?"))),
    ],
)
def test_a_call_that_goes_on_is_told_what_is_remembered(
    memory: tuple[TurnSaid, ...], note: str, items: tuple[tuple[str, str], ...]
) -> None:
    book = dialling(how=admitted("", "", is_continued=True, memory=memory))
    book.rig.feed(e.ModelConnected())
    assert book >> SESSION_CREATED << update_silent()
    assert (
        book
        >> SESSION_UPDATED
        << tuple(told(Id(), text, role=role) for role, text in items)
        << (told(Id(), note, role="system"), update())
    )
    assert book >> SESSION_UPDATED << (recorded(AgentReady), ask(), a.OpenUplink())


def test_a_session_that_waited_for_the_call_is_told_nothing_and_its_items_have_other_ids() -> None:
    """It knows the conversation, and would refuse an id that the stream before has used."""
    book = dialling(how=admitted("", "", is_continued=True, memory=(TurnSaid(1, "Hi.", "Yes?"),)))
    assert (
        book
        >> e.ModelConnected(is_warm=True)
        << update()
        >> error("response_cancel_not_active", answers="cb_9")
        >> done("of_the_stream_before", "cancelled")
        >> SESSION_UPDATED
        << (recorded(AgentReady), ask(), a.OpenUplink())
        >> created("answer")
        >> done("answer")
        >> key("#")
        >> deadline(Timer.KEYS)
        << (told("cb_MZ1_1", "[The caller pressed # on the telephone keypad.]"), ask())
    )


# --- Lost in mid-call ---------------------------------------------------------------------------------


def test_a_quiet_session_is_replaced_without_a_word() -> None:
    book = greeted()
    retelling(book)
    assert book >> SESSION_UPDATED << (has_replaced(items=2), a.OpenUplink())


def test_the_next_session_is_told_what_was_said_and_what_has_happened() -> None:
    book = greeted()
    assert book >> gone(e.Leg.MODEL) << replaces() >> e.ModelConnected() >> SESSION_CREATED << update_silent()
    assert (
        book
        >> SESSION_UPDATED
        << (told(Id(), "Hello.", role="assistant"), told(Id(), BROKE_OFF, role="system"), update())
    )


def asked_for() -> Playbook:
    """The answer to the caller has begun."""
    return answering(greeted())


def owed_to_a_speaker() -> Playbook:
    """The caller speaks."""
    book = greeted()
    book.rig.feed(speech_started())
    return book


def owed_for_a_result() -> Playbook:
    """A tool's result was told, and the server has not said that it has it."""
    book = answering(greeted())
    book.rig.feed(tool_call("answer", "call_1"), tool_finished("call_1"))
    return book


def owed_for_keys() -> Playbook:
    """Keys were told, and an answer to them asked for."""
    book = greeted()
    book.rig.feed(key("#"), e.DeadlinePassed())
    return book


def owed_a_greeting() -> Playbook:
    """It has begun, and nothing of it was sent."""
    book = live()
    book.rig.feed(created("greeting"))
    return book


@pytest.mark.parametrize(
    "owed", [asked_for, owed_to_a_speaker, owed_for_a_result, owed_for_keys, owed_a_greeting]
)
def test_what_is_owed_is_asked_for_once_after_a_loss(owed: Callable[[], Playbook]) -> None:
    """The answer pays for all that was owed, whatever it was."""
    book = retelling(owed())
    options = PLAN.greeting_options if owed is owed_a_greeting else None
    assert book >> SESSION_UPDATED << (has_replaced(), ask(options=options), a.OpenUplink())
    book.rig.feed(created("again"), done("again"))
    assert rests(book)


def test_a_result_that_came_between_two_sessions_is_answered_once() -> None:
    """The next one was told of it with the rest."""
    book = answering(greeted())
    book.rig.feed(tool_call("answer", "call_1"), gone(e.Leg.MODEL), tool_finished("call_1"))
    book.rig.feed(e.ModelConnected(), SESSION_CREATED, SESSION_UPDATED)
    assert book >> SESSION_UPDATED << (has_replaced(), ask(), a.OpenUplink())
    book.rig.feed(created("again"), done("again"))
    assert rests(book)


@pytest.mark.parametrize("has_text", [False, True])
def test_a_greeting_of_which_nothing_was_heard_is_said_in_its_own_words(has_text: bool) -> None:
    """And its text, which runs ahead of the audio, is not told as said."""
    book = live()
    book.rig.feed(created("greeting"), item("greeting", "hello"))
    if has_text:
        book.rig.feed(rt.AnswerDelta(item_id="hello", delta="Good mor"))
    retelling(book)
    assert (
        book >> SESSION_UPDATED << (has_replaced(items=1), ask(options=PLAN.greeting_options), a.OpenUplink())
    )


def test_a_greeting_that_was_half_said_is_not_said_again() -> None:
    book = live()
    book.rig.feed(created("greeting"), *says("greeting", "hello", 100))
    retelling(book)
    assert book >> SESSION_UPDATED << (has_replaced(), ask(), a.OpenUplink())


def test_the_clock_of_the_models_audio_begins_anew_with_each_session() -> None:
    """Otherwise the latency would be counted from long before the caller fell silent."""
    book = answering(replaced(greeted()))
    book.rig.feed(caller_said("Are you open?", "question"))
    book.rig.now += 0.3
    book.rig.feed(*says("answer", "it", 400), done("answer"))
    assert book >> after(0.45, PLAYED) << recorded(TurnEnded, caller="Are you open?", response_ms=About(800))


def test_a_third_loss_within_ten_minutes_is_the_end() -> None:
    book = greeted()
    replaced(replaced(book))
    assert book >> gone(e.Leg.MODEL) << (trouble(), drops()) << ends_without_model(EndReason.MODEL_LOST)


def test_a_loss_of_long_ago_does_not_count() -> None:
    book = greeted(limits=PATIENT)
    replaced(book)
    book.rig.now += book.rig.limits.reconnects_within_s
    replaced(replaced(book))
    assert book.rig.phase is Phase.LIVE


def test_a_replacement_that_is_not_to_be_had_is_a_lost_model() -> None:
    book = greeted()
    book.rig.feed(gone(e.Leg.MODEL))
    assert (
        book
        >> e.ModelDialFailed("HTTP 401", 401)
        << (trouble("dial"), drops())
        << ends_without_model(EndReason.MODEL_LOST, detail="HTTP 401")
    )


def test_audio_is_held_for_the_next_session_and_old_audio_is_dropped() -> None:
    """What the caller said to nobody would be answered after what they say now."""
    book = greeted(has_line=False)
    book.rig.feed(gone(e.Leg.MODEL))
    for duration_ms in (500, 1000, 1000, 1000):
        assert book >> frame(duration_ms)
    book.rig.feed(e.ModelConnected(), SESSION_CREATED, SESSION_UPDATED)
    assert book >> SESSION_UPDATED << (has_replaced(), a.OpenUplink(), *[AudioToModel(1000)] * 3)
    assert ended(book).frames_dropped == 1


def test_a_leg_that_is_gone_twice_is_lost_once() -> None:
    book = greeted()
    book.rig.feed(gone(e.Leg.MODEL))
    assert book >> gone(e.Leg.MODEL) >> e.LegStalled(e.Leg.MODEL, "late")


# --- Tools, keys and speech around a loss -------------------------------------------------------------


def test_a_tool_that_runs_asks_by_itself_so_that_it_is_not_run_twice() -> None:
    """The session is lost in the middle of the answer that called it."""
    book = answering(greeted())
    book.rig.feed(tool_call("answer", "call_1"))
    retelling(book)
    assert book >> SESSION_UPDATED << (has_replaced(), a.OpenUplink())
    assert (
        book
        >> after(1, tool_finished("call_1"))
        << (recorded(Remembered), recorded(ToolUsed))
        << (foreign_call(Id(), "call_1"), tool_output(Id(), "call_1"), ask())
    )


def test_a_tool_that_finishes_while_nobody_is_there_is_told_with_the_rest() -> None:
    book = answering(greeted())
    book.rig.feed(
        caller_said("Are you open?", "question"),
        tool_call("answer", "call_1"),
        gone(e.Leg.MODEL),
        tool_finished("call_1"),
        e.ModelConnected(),
        SESSION_CREATED,
    )
    assert (
        book
        >> SESSION_UPDATED
        << (told(Id(), "Hello.", role="assistant"), told(Id(), "Are you open?"))
        << (foreign_call(Id(), "call_1"), tool_output(Id(), "call_1"))
        << (told(Id(), BROKE_OFF, role="system"), update())
    )
    assert book >> SESSION_UPDATED << (has_replaced(), ask(), a.OpenUplink())


def test_a_tool_that_finishes_during_the_telling_is_told_after_it() -> None:
    book = answering(greeted())
    book.rig.feed(tool_call("answer", "call_1"))
    retelling(book)
    assert book >> tool_finished("call_1") << (recorded(Remembered), recorded(ToolUsed))
    assert (
        book
        >> SESSION_UPDATED
        << (has_replaced(), foreign_call(Id(), "call_1"), tool_output(Id(), "call_1"), ask())
        << a.OpenUplink()
    )


def test_a_wish_to_hang_up_does_not_survive_its_session() -> None:
    """Nobody knows what the caller has said since; the next session is told, and may wish it again."""
    book = answering(greeted())
    book.rig.feed(tool_call("answer", "end", "end_call"))
    replaced(book)
    assert (
        book
        >> tool_finished("end", name="end_call", ends_call=True)
        << (recorded(ToolUsed), foreign_call(Id(), "end", name="end_call"), tool_output(Id(), "end"), ask())
    )
    assert book.rig.phase is Phase.LIVE


def test_a_caller_who_interrupts_words_of_the_lost_session_corrects_what_was_told() -> None:
    """They were told as said, and play on; the new session cannot truncate what it has never spoken."""
    book = answering(greeted())
    said = words("answer", "long", "One two three four.")
    book.rig.feed(*says("answer", "long", 4000), said)
    replaced(book)
    assert (
        book
        >> after(2.1, speech_started("wait"))
        << clear()
        << told(
            Id(), "[The caller interrupted. Of your last words only this was heard: One two …]", role="system"
        )
        << recorded(Interrupted, truncated=(), deleted=())
    )


def test_keys_pressed_while_nobody_is_there_are_told_to_who_comes() -> None:
    book = greeted()
    book.rig.feed(
        gone(e.Leg.MODEL), key("4"), e.ModelConnected(), SESSION_CREATED, SESSION_UPDATED, SESSION_UPDATED
    )
    assert (
        book >> deadline(Timer.KEYS) << (told(Id(), "[The caller pressed 4 on the telephone keypad.]"), ask())
    )
    assert book.rig.seconds == 3


def test_a_turn_is_written_down_in_time_also_while_the_session_is_replaced() -> None:
    """Otherwise its deadline would wake the machine without end."""
    book = answering(greeted())
    book.rig.feed(done("answer"), speech_started("again"))
    book.rig.now += 4
    book.rig.feed(gone(e.Leg.MODEL))
    book.rig.now += 1
    book.rig.feed(e.ModelConnected())
    outputs = book.rig.feed(e.DeadlinePassed())
    assert book.rig.phase is Phase.CONFIGURING
    assert book.rig.deadline is not None
    assert book.rig.deadline[0] > book.rig.now
    assert not any(isinstance(output, a.CloseLeg) for output in outputs)


def test_a_session_that_is_lost_during_the_last_words_is_not_replaced() -> None:
    """What was said of the goodbye is still heard."""
    book = answering(greeted())
    book.rig.feed(
        item("answer", "bye"),
        audio("answer", "bye", 1000),
        tool_call("answer", "end"),
        tool_finished("end", ends_call=True),
    )
    assert book >> gone(e.Leg.MODEL) << (trouble(), drops())
    assert book.rig.phase is Phase.LEAVING
    assert book >> key("1")
    assert book >> after(1.05, e.DeadlinePassed())
    assert book.rig.phase is Phase.LEAVING


def test_an_error_that_is_not_about_the_session_is_no_loss() -> None:
    book = greeted()
    assert book >> error("invalid_value", answers="cb_1") << any_warning("model_error")
