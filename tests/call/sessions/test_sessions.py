"""Sessions of the model: had, tried for again, replaced in mid-call, and what becomes of what goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import AgentReady, EndReason, Interrupted, Remembered, ToolUsed, TurnEnded
from callbridge.call.memory import TurnSaid
from callbridge.call.phases import Phase, Timer
from callbridge.wire import realtime_events as rt
from playbook import About, Id, Playbook, after, deadline
from rigs import PLAN, PLAYED, AudioToModel, AudioToPhone, Rig

SECOND = "gpt-realtime-2.1-mini"


def dialling(rig: Rig | None = None, how: e.StreamAdmitted | None = None) -> Playbook:
    book = Playbook(rig or Rig())
    book.rig.feed(v.start(), how or v.admitted())
    return book


@pytest.mark.parametrize(
    ("memory", "note", "items"),
    [
        ((), v.CONTINUED_BLINDLY, ()),
        ((TurnSaid(1, "Hi.", "Yes?"),), v.CONTINUED, (("user", "Hi."), ("assistant", "Yes?"))),
    ],
)
def test_a_call_that_goes_on_is_told_what_is_remembered(
    memory: tuple[TurnSaid, ...], note: str, items: tuple[tuple[str, str], ...]
) -> None:
    book = dialling(how=v.admitted("", "", is_continued=True, memory=memory))
    book.rig.feed(e.ModelConnected())
    assert book >> v.SESSION_CREATED << v.update_silent()
    assert (
        book
        >> v.SESSION_UPDATED
        << tuple(v.told(Id(), text, role=role) for role, text in items)
        << (v.told(Id(), note, role="system"), v.update())
    )
    assert book >> v.SESSION_UPDATED << (v.recorded(AgentReady), v.ask(), a.OpenUplink())


def test_a_session_that_waited_for_the_call_is_told_nothing_and_its_items_have_other_ids() -> None:
    """It knows the conversation, and would refuse an id that the stream before has used."""
    book = dialling(how=v.admitted("", "", is_continued=True, memory=(TurnSaid(1, "Hi.", "Yes?"),)))
    assert (
        book
        >> e.ModelConnected(is_warm=True)
        << v.update()
        >> v.error("response_cancel_not_active", answers="cb_9")
        >> v.done("of_the_stream_before", "cancelled")
        >> v.SESSION_UPDATED
        << (v.recorded(AgentReady), v.ask(), a.OpenUplink())
        >> v.answers("answer", "it", 100)
        << AudioToPhone(100)
        >> after(0.2, PLAYED)
        << v.recorded(TurnEnded)
        >> v.key("1")
        >> v.key("#")
        >> deadline(Timer.KEYS)
        << (v.told("cb_MZ1_1", "[The caller pressed 1 # on the telephone keypad.]"), v.ask())
    )


def asked_for() -> Playbook:
    """The answer to the caller has begun."""
    return v.answering(v.greeted())


def owed_to_a_speaker() -> Playbook:
    """The caller speaks."""
    book = v.greeted()
    book.rig.feed(v.speech_started())
    return book


def owed_for_a_result() -> Playbook:
    """A tool's result was told, and the server has not said that it has it."""
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "call_1"), v.tool_finished("call_1"))
    return book


def owed_for_keys() -> Playbook:
    """Keys were told, and an answer to them asked for."""
    book = v.greeted()
    book.rig.feed(v.key("1"), v.key("#"), e.DeadlinePassed())
    return book


def owed_a_greeting() -> Playbook:
    """It has begun, and nothing of it was sent."""
    book = v.live()
    book.rig.feed(v.created("greeting"))
    return book


@pytest.mark.parametrize(
    "owed", [asked_for, owed_to_a_speaker, owed_for_a_result, owed_for_keys, owed_a_greeting]
)
def test_what_is_owed_is_asked_for_once_after_a_loss(owed: Callable[[], Playbook]) -> None:
    """The answer pays for all that was owed, whatever it was."""
    book = v.retelling(owed())
    options = PLAN.greeting_options if owed is owed_a_greeting else None
    assert book >> v.SESSION_UPDATED << (v.has_replaced(), v.ask(options=options), a.OpenUplink())
    book.rig.feed(*v.answers("again", "it", 100))
    assert v.rests(book)


def test_a_result_that_came_between_two_sessions_is_answered_once() -> None:
    """The next one was told of it with the rest."""
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "call_1"), v.gone(e.Leg.MODEL), v.tool_finished("call_1"))
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED)
    assert book >> v.SESSION_UPDATED << (v.has_replaced(), v.ask(), a.OpenUplink())
    book.rig.feed(*v.answers("again", "it", 100))
    assert v.rests(book)


@pytest.mark.parametrize("has_text", [False, True])
def test_a_greeting_of_which_nothing_was_heard_is_said_in_its_own_words(has_text: bool) -> None:
    """And its text, which runs ahead of the audio, is not told as said."""
    book = v.live()
    book.rig.feed(v.created("greeting"), v.item("greeting", "hello"))
    if has_text:
        book.rig.feed(rt.AnswerDelta(item_id="hello", delta="Good mor"))
    v.retelling(book)
    assert (
        book
        >> v.SESSION_UPDATED
        << (v.has_replaced(items=1), v.ask(options=PLAN.greeting_options), a.OpenUplink())
    )


def test_a_greeting_that_broke_off_is_said_again() -> None:
    """Nobody knows how much of it is missing."""
    book = v.live()
    book.rig.feed(v.created("greeting"), *v.says("greeting", "hello", 100))
    v.retelling(book)
    assert (
        book >> v.SESSION_UPDATED << (v.has_replaced(), v.ask(options=PLAN.greeting_options), a.OpenUplink())
    )


def test_a_greeting_that_was_whole_is_not_said_again() -> None:
    """The session is lost while it plays: it plays on."""
    book = v.live()
    book.rig.feed(*v.answers("greeting", "hello", 1000))
    v.retelling(book)
    assert book >> v.SESSION_UPDATED << (v.has_replaced(), a.OpenUplink())


def test_the_clock_of_the_models_audio_begins_anew_with_each_session() -> None:
    """Otherwise the latency would be counted from long before the caller fell silent."""
    book = v.answering(v.replaced(v.greeted()))
    book.rig.feed(v.caller_said("Are you open?", "question"))
    book.rig.now += 0.3
    book.rig.feed(*v.says("answer", "it", 400), v.done("answer"))
    assert (
        book >> after(0.45, PLAYED) << v.recorded(TurnEnded, caller="Are you open?", response_ms=About(800))
    )


def test_a_loss_of_long_ago_does_not_count() -> None:
    book = v.greeted(limits=v.PATIENT)
    v.replaced(book)
    book.rig.now += book.rig.limits.reconnects_within_s
    v.replaced(v.replaced(book))
    assert book.rig.phase is Phase.LIVE


def test_a_replacement_that_is_not_to_be_had_is_a_lost_model() -> None:
    book = v.greeted()
    book.rig.feed(v.gone(e.Leg.MODEL))
    assert (
        book
        >> e.ModelDialFailed("HTTP 401", 401)
        << (v.trouble("dial"), v.drops())
        << v.ends_without_model(EndReason.MODEL_LOST, detail="HTTP 401")
    )


def test_audio_is_held_for_the_next_session_and_old_audio_is_dropped() -> None:
    """What the caller said to nobody would be answered after what they say now."""
    book = v.greeted(has_line=False)
    book.rig.feed(v.gone(e.Leg.MODEL))
    for duration_ms in (500, 1000, 1000, 1000):
        assert book >> v.frame(duration_ms)
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED)
    assert book >> v.SESSION_UPDATED << (v.has_replaced(), a.OpenUplink(), *[AudioToModel(1000)] * 3)
    assert v.ended(book).frames_dropped == 1


def test_a_leg_that_is_gone_twice_is_lost_once() -> None:
    book = v.greeted()
    book.rig.feed(v.gone(e.Leg.MODEL))
    assert book >> v.gone(e.Leg.MODEL) >> e.LegStalled(e.Leg.MODEL, "late")


def test_a_tool_that_runs_asks_by_itself_so_that_it_is_not_run_twice() -> None:
    """The session is lost in the middle of the answer that called it."""
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "call_1"))
    v.retelling(book)
    assert book >> v.SESSION_UPDATED << (v.has_replaced(), a.OpenUplink())
    assert (
        book
        >> after(1, v.tool_finished("call_1"))
        << (v.recorded(Remembered), v.recorded(ToolUsed))
        << (v.foreign_call(Id(), "call_1"), v.tool_output(Id(), "call_1"), v.ask())
    )


def test_a_tool_that_finishes_while_nobody_is_there_is_told_with_the_rest() -> None:
    book = v.answering(v.greeted())
    book.rig.feed(
        v.caller_said("Are you open?", "question"),
        v.tool_call("answer", "call_1"),
        v.gone(e.Leg.MODEL),
        v.tool_finished("call_1"),
        e.ModelConnected(),
        v.SESSION_CREATED,
    )
    assert (
        book
        >> v.SESSION_UPDATED
        << (v.told(Id(), "Hello.", role="assistant"), v.told(Id(), "Are you open?"))
        << (v.foreign_call(Id(), "call_1"), v.tool_output(Id(), "call_1"))
        << (v.told(Id(), v.BROKE_OFF, role="system"), v.update())
    )
    assert book >> v.SESSION_UPDATED << (v.has_replaced(), v.ask(), a.OpenUplink())


def test_a_wish_to_hang_up_does_not_survive_its_session() -> None:
    """Nobody knows what the caller has said since; the next session is told, and may wish it again."""
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "end", "end_call"))
    v.replaced(book)
    assert (
        book
        >> v.tool_finished("end", name="end_call", ends_call=True)
        << (
            v.recorded(ToolUsed),
            v.foreign_call(Id(), "end", name="end_call"),
            v.tool_output(Id(), "end"),
            v.ask(),
        )
    )
    assert book.rig.phase is Phase.LIVE


def test_a_caller_who_interrupts_words_of_the_lost_session_corrects_what_was_told() -> None:
    """They were told as said, and play on; the new session cannot truncate what it has never spoken."""
    book = v.answering(v.greeted())
    said = v.words("answer", "long", "One two three four.")
    book.rig.feed(*v.says("answer", "long", 4000), said)
    v.replaced(book)
    assert (
        book
        >> after(2.1, v.speech_started("wait"))
        << v.clear()
        << v.told(
            Id(), "[The caller interrupted. Of your last words only this was heard: One two …]", role="system"
        )
        << v.recorded(Interrupted, truncated=(), deleted=())
        << v.recorded(TurnEnded, turn=2, agent="One two …")
    )


def test_keys_pressed_while_nobody_is_there_are_told_to_who_comes() -> None:
    book = v.greeted()
    book.rig.feed(
        v.gone(e.Leg.MODEL),
        v.key("4"),
        e.ModelConnected(),
        v.SESSION_CREATED,
        v.SESSION_UPDATED,
        v.SESSION_UPDATED,
    )
    assert (
        book
        >> deadline(Timer.KEYS)
        << (v.told(Id(), "[The caller pressed 4 on the telephone keypad.]"), v.ask())
    )
    assert book.rig.seconds == 3


def test_a_turn_is_written_down_in_time_also_while_the_session_is_replaced() -> None:
    """Otherwise its deadline would wake the machine without end."""
    book = v.answering(v.greeted())
    book.rig.feed(*v.says("answer", "it", 100), v.done("answer"), v.speech_started("again"))
    book.rig.now += 4
    book.rig.feed(v.gone(e.Leg.MODEL))
    book.rig.now += 1
    book.rig.feed(e.ModelConnected())
    outputs = book.rig.feed(e.DeadlinePassed())
    assert book.rig.phase is Phase.CONFIGURING
    assert book.rig.deadline is not None
    assert book.rig.deadline[0] > book.rig.now
    assert not any(isinstance(output, a.CloseLeg) for output in outputs)


def test_a_session_that_is_lost_during_the_last_words_is_not_replaced() -> None:
    """What was said of the goodbye is still heard."""
    book = v.answering(v.greeted())
    book.rig.feed(
        *v.takes_leave(1000),
    )
    assert book >> v.gone(e.Leg.MODEL) << (v.trouble(), v.drops())
    assert book.rig.phase is Phase.LEAVING
    assert book >> v.key("1")
    assert book >> after(1.05, e.DeadlinePassed())
    assert book.rig.phase is Phase.LEAVING


def test_an_error_that_is_not_about_the_session_is_no_loss() -> None:
    book = v.greeted()
    assert book >> v.error("invalid_value", answers="cb_1") << v.any_warning("model_error")
