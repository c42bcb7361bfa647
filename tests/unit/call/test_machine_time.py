"""Time: one deadline with its reason at every moment, and what becomes of each."""

from __future__ import annotations

from callbridge.call import actions as a
from callbridge.call.facts import EndReason, TurnEnded
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from playbook import Playbook, after, deadline
from rigs import AudioToPhone, Rig
from vocabulary import (
    answering,
    ask,
    audio,
    caller_said,
    committed,
    created,
    done,
    echo,
    ends,
    ends_without_model,
    frame,
    greeted,
    item,
    key,
    live,
    mark,
    recorded,
    run_tool,
    speech_started,
    speech_stopped,
    start,
    tool_call,
    tool_finished,
)

PATIENT = Limits(media_gap_timeout_s=3000)
"""For calls in which the phone's silence is not the matter."""


def wakes(book: Playbook, why: Timer) -> float:
    """When the machine wants to be woken next, which must be for `why`."""
    due = book.rig.call.deadline
    assert due is not None
    assert due[1] is why
    return round(due[0] - book.rig.now, 6)


def test_each_stage_on_the_way_has_its_own_deadline() -> None:
    """A stage that nobody ends is ended by its bound."""
    book = Playbook(Rig())
    limits = Limits()
    assert wakes(book, Timer.START) == limits.start_timeout_s
    book.rig.feed(start())
    assert wakes(book, Timer.START) == limits.start_timeout_s
    book.rig.feed(a.StreamAdmitted("", ""))
    assert wakes(book, Timer.DIAL) == limits.dial_timeout_s
    book.rig.feed(a.ModelConnected())
    assert wakes(book, Timer.CONFIGURE) == limits.configure_timeout_s


def test_a_deadline_that_comes_early_changes_nothing() -> None:
    """A timer may fire a moment before its time; it is set again."""
    book = live()
    before = book.rig.call.deadline
    assert book >> a.DeadlinePassed()
    assert book.rig.call.deadline == before


def test_a_phone_without_audio_is_lost() -> None:
    """Twilio sends a frame each 20 ms, silence included: two looks without a new one are enough."""
    book = greeted(limits=Limits(answer_timeout_s=600))
    book.rig.feed(frame())
    assert (
        book
        >> deadline(Timer.MEDIA_GAP)
        >> deadline(Timer.MEDIA_GAP)
        << ends(EndReason.MEDIA_LOST, detail="no caller audio for 15 s")
    )
    assert book.rig.seconds == 30


def test_a_phone_that_sends_audio_is_there() -> None:
    """One frame between two looks is enough."""
    book = greeted()
    for second in range(4, 120, 5):
        book.rig.now = 1000.0 + second
        book.rig.feed(frame())
        book.rig.feed(a.DeadlinePassed())
    assert book.rig.call.phase is Phase.LIVE


def test_a_call_has_a_greatest_length() -> None:
    """The model's session ends at 60 minutes with an error; the call ends before, with a reason."""
    book = greeted(limits=PATIENT)
    book.rig.now = 1000.0 + PATIENT.call_length_max_s - 1
    book.rig.feed(frame())
    book.rig.feed(a.DeadlinePassed())
    assert book >> deadline(Timer.CALL_LENGTH) << ends(EndReason.LIMIT_DURATION)
    assert book.rig.seconds == PATIENT.call_length_max_s


# --- An answer that stays out -------------------------------------------------------------------------


def test_a_model_that_never_answers_the_caller_is_lost() -> None:
    """Silence on the model leg while an answer is due."""
    book = greeted(limits=PATIENT)
    for event in (speech_started(), speech_stopped()):
        book.rig.feed(event)
    assert (
        book
        >> deadline(Timer.ANSWER)
        << recorded(TurnEnded)
        << ends(EndReason.MODEL_LOST, detail="the model fell silent while an answer was due")
    )
    assert book.rig.seconds == 3 + PATIENT.answer_timeout_s


def test_a_model_that_never_answers_a_request_is_lost() -> None:
    """The greeting was asked for and does not come."""
    book = live(limits=PATIENT)
    assert book >> deadline(Timer.ANSWER) << ends(EndReason.MODEL_LOST)


def test_a_response_that_stops_in_the_middle_is_lost() -> None:
    """Neither audio nor an end."""
    book = answering(greeted(limits=PATIENT))
    assert book >> deadline(Timer.ANSWER) << recorded(TurnEnded) << ends(EndReason.MODEL_LOST)


def test_a_model_that_sends_anything_is_alive() -> None:
    """Audio counts too, though it goes past the machine."""
    book = answering(greeted(limits=PATIENT))
    book.rig.feed(item("answer", "long"))
    assert (
        book
        >> after(14, audio("answer", "long", 100))
        << AudioToPhone(100)
        >> after(1, a.DeadlinePassed())
        >> after(14, done("answer"))
        << mark("0-2")
    )
    assert book.rig.call.phase is Phase.LIVE


def test_a_caller_who_speaks_for_long_is_waited_for() -> None:
    """While the caller speaks no answer is due."""
    book = answering(greeted(limits=PATIENT))
    book.rig.feed(done("answer"))
    book.rig.feed(speech_started("long"))
    for _ in range(8):
        book.rig.now += 10
        book.rig.feed(a.DeadlinePassed())
    assert book.rig.call.phase is Phase.LIVE
    assert book >> speech_stopped("long") >> committed("long")
    assert wakes(book, Timer.ANSWER) == PATIENT.answer_timeout_s


def test_a_caller_who_says_nothing_is_waited_for() -> None:
    """Nothing is due: no watch runs out."""
    book = greeted(limits=PATIENT)
    for _ in range(20):
        book.rig.now += 10
        book.rig.feed(a.DeadlinePassed())
    assert book.rig.call.phase is Phase.LIVE


def test_a_tool_is_bounded_by_its_own_timeout_not_by_the_watch() -> None:
    """The model owes nothing while a tool runs."""
    book = answering(greeted(limits=PATIENT))
    assert book >> tool_call("answer", "call_1") << run_tool("call_1") >> done("answer")
    book.rig.now += 16
    assert book >> a.DeadlinePassed()
    book.rig.feed(tool_finished("call_1"))
    assert wakes(book, Timer.ANSWER) == PATIENT.answer_timeout_s


# --- The others ---------------------------------------------------------------------------------------


def test_a_record_waits_for_the_callers_words_no_longer_than_its_bound() -> None:
    """The second model may take its time, or never answer."""
    book = answering(greeted(limits=PATIENT))
    for event in (item("answer", "it"), audio("answer", "it", 200), done("answer")):
        book.rig.feed(event)
    assert (
        book
        >> after(0.25, echo("0-2"))
        >> deadline(Timer.TRANSCRIPT)
        << recorded(TurnEnded, number=2, caller=None)
        >> after(1, caller_said("Hello?", "question"))
    )
    assert book.rig.seconds == 4.25 + PATIENT.transcript_timeout_s + 1


def test_several_deadlines_at_once_are_all_kept() -> None:
    """A process that slept wakes to more than one."""
    book = answering(greeted(limits=PATIENT))
    book.rig.feed(done("answer", "failed", code="server_error"))
    book.rig.feed(key("1"))
    assert wakes(book, Timer.RETRY) == 1
    book.rig.now += 60
    kinds = [repr(output) for output in book.rig.feed(a.DeadlinePassed())]
    assert any("CreateResponse" in kind for kind in kinds)
    assert any("keypad" in kind for kind in kinds)
    assert sum("CreateResponse" in kind for kind in kinds) == 1


def test_the_first_end_of_several_deadlines_counts() -> None:
    """The others find the call over."""
    book = Playbook(Rig())
    for event in (start(), a.StreamAdmitted("", "")):
        book.rig.feed(event)
    assert (
        book
        >> after(4000, a.DeadlinePassed())
        << ends_without_model(EndReason.MODEL_UNAVAILABLE, detail="the model leg did not open in time")
    )


def test_a_retry_and_its_answer_leave_no_timer_behind() -> None:
    """A timer that is settled is gone, or the machine would be woken for nothing for ever."""
    book = answering(greeted(limits=PATIENT))
    book.rig.feed(done("answer", "failed", code="server_error"))
    assert book >> deadline(Timer.RETRY) << ask() >> created("again") >> done("again")
    woken = []
    while book.rig.call.deadline is not None and book.rig.call.deadline[0] < 1000 + 60:
        woken.append(book.rig.call.deadline[1])
        book.rig.now = book.rig.call.deadline[0]
        book.rig.feed(a.DeadlinePassed())
    assert len(woken) <= 3
