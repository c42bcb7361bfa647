"""Time: one deadline with its reason at every moment, and what becomes of each."""

from __future__ import annotations

from callbridge.call import actions as a
from callbridge.call.facts import EndReason, TurnEnded
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from playbook import Playbook, after, at, deadline
from rigs import PLAN, PLAYED, AudioToPhone, Output, Rig
from vocabulary import (
    PATIENT,
    SESSION_CREATED,
    SESSION_UPDATED,
    answering,
    any_warning,
    ask,
    audio,
    caller_said,
    clip,
    committed,
    created,
    done,
    drops,
    ends_without_model,
    frame,
    greeted,
    item,
    key,
    live,
    parks,
    recorded,
    replaces,
    run_tool,
    speech_started,
    speech_stopped,
    start,
    tool_call,
    tool_finished,
    trouble,
)


def wakes(book: Playbook, why: Timer) -> float:
    """When the machine wants to be woken next, which must be for `why`."""
    due = book.rig.deadline
    assert due is not None
    assert due[1] is why
    return round(due[0] - book.rig.now, 6)


def test_each_stage_on_the_way_has_its_own_deadline() -> None:
    """A stage that nobody ends is ended by its bound."""
    book = Playbook(Rig(limits=PATIENT))
    limits = PATIENT
    assert wakes(book, Timer.START) == limits.start_timeout_s
    book.rig.feed(start())
    assert wakes(book, Timer.START) == limits.start_timeout_s
    book.rig.feed(a.StreamAdmitted("", ""))
    assert wakes(book, Timer.CLIP) == limits.connect_clip_after_s
    book.rig.now += 4
    book.rig.feed(a.DeadlinePassed())
    assert wakes(book, Timer.DIAL) == limits.dial_timeout_s - 4
    book.rig.feed(a.ModelConnected())
    book.rig.now += 2.5
    book.rig.feed(a.DeadlinePassed())
    assert wakes(book, Timer.CONFIGURE) == limits.configure_timeout_s - 2.5


def test_a_deadline_that_comes_early_changes_nothing() -> None:
    """A timer may fire a moment before its time; it is set again."""
    book = live()
    before = book.rig.deadline
    assert book >> a.DeadlinePassed()
    assert book.rig.deadline == before


def test_a_phone_without_audio_is_noted_and_then_lost() -> None:
    """Twilio sends a frame each 20 ms, silence included. A gap is noted once, and its bound is exact."""
    book = greeted(has_line=False)
    book.rig.feed(frame(), a.DeadlinePassed())
    looks: list[tuple[float, str]] = []
    while book.rig.phase is not Phase.OVER:
        assert book.rig.deadline is not None
        book.rig.now = book.rig.deadline[0]
        looks += [
            (book.rig.seconds, type(output.fact).__name__)
            for output in book.rig.feed(a.DeadlinePassed())
            if isinstance(output, a.Record)
        ]
    assert looks == [(5.0, "Noted"), (18.0, "CallEnded")]


def test_a_gap_that_has_closed_is_noted_again_when_it_comes_back() -> None:
    """Each gap is worth a line, not each look at it."""
    book = greeted(has_line=False)
    book.rig.feed(frame(), a.DeadlinePassed())
    warnings: list[float] = []
    for _ in range(2):
        for _ in range(4):  # Every 2 s; the frame is seen at the first of them.
            assert book.rig.deadline is not None
            book.rig.now = book.rig.deadline[0]
            warnings += [book.rig.seconds for _ in book.rig.feed(a.DeadlinePassed())]
        book.rig.feed(frame())
    assert warnings == [5.0, 15.0]


def test_a_phone_that_falls_silent_in_mid_call_is_parked() -> None:
    """The session is left for the stream that may follow."""
    book = greeted(has_line=False)
    assert (
        book
        >> at(14.9, a.DeadlinePassed())
        << any_warning("media_gap")
        >> at(15, a.DeadlinePassed())
        << parks()
    )


def test_a_phone_that_sends_audio_is_there() -> None:
    """One frame between two looks is enough."""
    book = greeted(limits=Limits(media_gap_warning_s=15, caller_silence_s=0))
    for second in range(4, 120, 5):
        book.rig.now = 1000.0 + second
        book.rig.feed(frame(), a.DeadlinePassed())
    assert book.rig.phase is Phase.LIVE


# --- An answer that stays out -------------------------------------------------------------------------


def test_a_model_that_never_answers_the_caller_is_replaced() -> None:
    """Silence on the model leg while an answer is due: first the clip, then another session."""
    book = greeted(limits=PATIENT)
    book.rig.feed(speech_started(), speech_stopped())
    assert (
        book
        >> deadline(Timer.CLIP)
        << clip()
        >> deadline(Timer.CLIP)
        << clip()
        >> deadline(Timer.ANSWER)
        << replaces(why="the model fell silent while an answer was due")
    )
    assert book.rig.seconds == 3 + PATIENT.answer_timeout_s


def test_a_model_that_never_answers_a_request_is_replaced() -> None:
    """The greeting was asked for and does not come. The caller hears clips meanwhile."""
    book = live(limits=PATIENT)
    assert wakes(book, Timer.CLIP) == PATIENT.clip_after_s - 1
    assert silent_until(book, Timer.ANSWER)[-1] == a.DialModel(PLAN.model)
    assert book.rig.seconds == 1 + PATIENT.answer_timeout_s


def test_a_response_that_stops_in_the_middle_is_lost_with_its_session() -> None:
    """Neither audio nor an end."""
    book = answering(greeted(limits=PATIENT))
    assert silent_until(book, Timer.ANSWER)[-1] == a.DialModel(PLAN.model)


def silent_until(book: Playbook, why: Timer) -> list[Output]:
    """Time passes, and but for the machine's own timers nothing happens, up to and including `why`."""
    while True:
        assert book.rig.deadline is not None
        book.rig.now, now_why = book.rig.deadline
        outputs = book.rig.feed(a.DeadlinePassed())
        if now_why is why:
            return outputs


def silent_to_the_end(book: Playbook) -> list[Output]:
    """The same, until the call is over."""
    outputs: list[Output] = []
    while book.rig.deadline is not None:
        book.rig.now = book.rig.deadline[0]
        outputs = book.rig.feed(a.DeadlinePassed())
    return outputs


def test_a_caller_who_waits_for_too_long_gets_the_fallback() -> None:
    """Whatever the model and its replacements were doing meanwhile: the bound is the caller's patience."""
    book = answering(greeted(limits=PATIENT))
    silent_until(book, Timer.ANSWER)
    book.rig.feed(a.ModelConnected(), SESSION_CREATED, SESSION_UPDATED, SESSION_UPDATED)
    outputs = silent_to_the_end(book)
    assert outputs[-2] == a.CloseLeg(a.Leg.PHONE, 1011, "model_lost")
    assert book.rig.seconds == 3.5 + PATIENT.give_up_after_s  # They fell silent 0.5 s before we knew.


def test_agent_audio_starts_the_callers_patience_anew() -> None:
    """Who has just heard the agent waits again from there. A clip does not count."""
    book = answering(greeted(limits=PATIENT))
    book.rig.feed(item("answer", "long"))
    book.rig.now += 5
    book.rig.feed(audio("answer", "long", 2000))
    silent_until(book, Timer.ANSWER)
    silent_until(book, Timer.ANSWER)  # It has said something since the first.
    book.rig.feed(a.ModelConnected(), SESSION_CREATED, SESSION_UPDATED, SESSION_UPDATED)
    silent_to_the_end(book)
    assert book.rig.seconds == 4 + 5 + 2 + PATIENT.give_up_after_s


def test_a_model_that_sends_anything_is_alive() -> None:
    """Audio counts too, though it goes past the machine."""
    book = answering(greeted(limits=PATIENT))
    book.rig.feed(item("answer", "long"))
    assert (
        book
        >> after(7.9, audio("answer", "long", 100))
        << AudioToPhone(100)
        >> after(0.1, a.DeadlinePassed())
        >> after(7.9, done("answer"))
    )
    assert book.rig.phase is Phase.LIVE


def test_a_caller_who_speaks_for_long_is_waited_for() -> None:
    """While the caller speaks no answer is due, and no clip."""
    book = answering(greeted(limits=PATIENT))
    book.rig.feed(done("answer"), speech_started("long"))
    for _ in range(8):
        book.rig.now += 10
        book.rig.feed(a.DeadlinePassed())
    assert book.rig.phase is Phase.LIVE
    assert book >> speech_stopped("long") >> committed("long")
    assert wakes(book, Timer.CLIP) == PATIENT.clip_after_s - 0.5  # The silence that told that they stopped.


def test_a_caller_who_says_nothing_is_waited_for() -> None:
    """Nothing is due: no watch runs out."""
    book = greeted(limits=PATIENT)
    for _ in range(20):
        book.rig.now += 10
        book.rig.feed(a.DeadlinePassed())
    assert book.rig.phase is Phase.LIVE


def test_a_tool_is_bounded_by_its_own_timeout_not_by_the_watch() -> None:
    """The model owes nothing while a tool runs."""
    book = answering(greeted(limits=PATIENT))
    assert book >> tool_call("answer", "call_1") << run_tool("call_1") >> done("answer")
    assert book >> after(8.5, a.DeadlinePassed()) << clip()
    book.rig.feed(tool_finished("call_1"))
    assert wakes(book, Timer.CLIP) == PATIENT.clip_after_s + 1
    silent_until(book, Timer.ANSWER)
    assert book.rig.seconds == 4 + 8.5 + PATIENT.answer_timeout_s


# --- The others ---------------------------------------------------------------------------------------


def test_a_record_waits_for_the_callers_words_no_longer_than_its_bound() -> None:
    """The second model may take its time, or never answer."""
    book = answering(greeted(limits=PATIENT))
    book.rig.feed(item("answer", "it"), audio("answer", "it", 200), done("answer"))
    assert (
        book
        >> after(0.25, PLAYED)
        >> deadline(Timer.TRANSCRIPT)
        << recorded(TurnEnded, number=2, caller=None)
        >> after(1, caller_said("Hello?", "question"))
    )
    assert book.rig.seconds == 4.25 + PATIENT.transcript_timeout_s + 1


def test_several_deadlines_at_once_are_all_kept() -> None:
    """A process that slept wakes to more than one."""
    book = answering(greeted(limits=PATIENT))
    book.rig.feed(done("answer", "failed", code="server_error"), key("1"))
    assert wakes(book, Timer.RETRY) == 1
    book.rig.now += 10
    kinds = [repr(output) for output in book.rig.feed(a.DeadlinePassed())]
    assert any("CreateResponse" in kind for kind in kinds)
    assert any("keypad" in kind for kind in kinds)
    assert sum("CreateResponse" in kind for kind in kinds) == 1


def test_the_first_end_of_several_deadlines_counts() -> None:
    """The others find the call over."""
    book = Playbook(Rig())
    book.rig.feed(start(), a.StreamAdmitted("", ""))
    assert (
        book
        >> after(4500, a.DeadlinePassed())
        << clip()
        << (trouble("dial"), drops())
        << ends_without_model(EndReason.MODEL_UNAVAILABLE, detail="the model leg did not open in time")
    )


def test_a_retry_and_its_answer_leave_no_timer_behind() -> None:
    """A timer that is settled is gone, or the machine would be woken for nothing for ever."""
    book = answering(greeted(limits=PATIENT))
    book.rig.feed(done("answer", "failed", code="server_error"))
    assert book >> deadline(Timer.RETRY) << ask() >> created("again") >> done("again")
    woken = []
    while book.rig.deadline is not None and book.rig.deadline[0] < 1000 + 60:
        woken.append(book.rig.deadline[1])
        book.rig.now = book.rig.deadline[0]
        book.rig.feed(a.DeadlinePassed())
    assert len(woken) <= 3
