"""Time: one deadline with its reason at every moment, and how long nothing may be heard."""

from __future__ import annotations

from dataclasses import replace

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import CallerWordsCame, EndReason, Noted, TurnEnded
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from callbridge.wire import media_streams as ms
from playbook import Id, Playbook, after, at, deadline
from rigs import PLAYED, AudioToModel, AudioToPhone, Rig

LIMITS = Limits()
FRAME_UP = AudioToModel(20)


def dialling(clip_ms: int = 1000) -> Playbook:
    book = Playbook(Rig(clip_ms=clip_ms))
    book.rig.feed(v.start(), v.admitted("", ""))
    return book


def test_each_stage_on_the_way_has_its_own_deadline() -> None:
    """A stage that nobody ends is ended by its bound."""
    rig = Rig(limits=v.PATIENT)
    assert rig.due(1001) == (1000 + LIMITS.start_timeout_s, Timer.START)
    rig.feed(v.start())
    assert rig.deadline == (1000 + LIMITS.start_timeout_s, Timer.START)
    rig.feed(v.admitted("", ""))
    assert [(at_s, why) for at_s, why, _ in rig.wakes(3.9)] == [(1.5, Timer.CLIP)]
    rig.now = 1004.5
    rig.feed(e.DeadlinePassed())
    assert rig.deadline == (1000 + LIMITS.dial_timeout_s, Timer.DIAL)
    rig.feed(e.ModelConnected())
    rig.now = 1007.0
    rig.feed(e.DeadlinePassed())
    assert rig.deadline == (1004.5 + LIMITS.configure_timeout_s, Timer.CONFIGURE)


def test_a_deadline_that_comes_early_changes_nothing() -> None:
    """A timer may fire a moment before its time; it is set again."""
    book = v.live()
    before = book.rig.deadline
    assert book >> e.DeadlinePassed()
    assert book.rig.deadline == before


def test_several_deadlines_at_once_are_all_kept() -> None:
    """A process that slept wakes to more than one."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    book.rig.feed(v.done("answer", "failed", code="server_error"), v.key("1"))
    assert book.rig.deadline == (1005.0, Timer.RETRY)
    book.rig.now += 10
    kinds = [repr(output) for output in book.rig.feed(e.DeadlinePassed())]
    assert sum("CreateResponse" in kind for kind in kinds) == 1
    assert any("keypad" in kind for kind in kinds)


def test_the_first_end_of_several_deadlines_counts() -> None:
    """The others find the call over."""
    assert (
        dialling()
        >> after(90, e.DeadlinePassed())
        << v.clip()
        << (v.trouble("dial"), v.drops())
        << v.ends_without_model(EndReason.MODEL_UNAVAILABLE, detail="the model leg did not open in time")
    )


def test_a_retry_and_its_answer_leave_no_timer_behind() -> None:
    """A timer that is settled is gone, or the machine would be woken for nothing for ever."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    book.rig.feed(v.done("answer", "failed", code="server_error"))
    assert book >> deadline(Timer.RETRY) << v.ask()
    assert book >> v.answers("again", "it", 100) << AudioToPhone(100) >> after(0.2, PLAYED)
    assert len(book.rig.wakes(60)) <= 3


def test_a_record_waits_for_the_callers_words_no_longer_than_its_bound() -> None:
    """The second model may take its time, or never answer."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    book.rig.feed(*v.says("answer", "it", 200), v.done("answer"))
    assert book >> after(0.25, PLAYED)
    assert book >> deadline(Timer.TRANSCRIPT) << v.recorded(TurnEnded, turn=2, caller=None)
    late = v.recorded(CallerWordsCame, turn=2, caller="Hello?")
    assert book >> after(1, v.caller_said("Hello?", "question")) << late
    assert book.rig.seconds == 4.25 + LIMITS.transcript_timeout_s + 1


def test_a_phone_without_audio_is_noted_at_each_gap_and_then_lost() -> None:
    """A gap is noted once, not at each look. At its bound the session is left for what may follow."""
    book = v.greeted(has_line=False)
    book.rig.feed(v.frame())
    assert book >> at(4, e.DeadlinePassed()) >> at(6, e.DeadlinePassed()) << v.any_warning("media_gap")
    assert book >> at(8, e.DeadlinePassed()) >> v.frame() << FRAME_UP >> at(10, e.DeadlinePassed())
    assert book >> at(12, e.DeadlinePassed()) << v.any_warning("media_gap") >> at(14, e.DeadlinePassed())
    assert book >> at(24.9, e.DeadlinePassed()) >> deadline(Timer.MEDIA_GAP) << v.parks()
    assert book.rig.seconds == 10 + LIMITS.media_gap_timeout_s


def test_a_phone_that_sends_audio_is_there() -> None:
    """One frame between two looks is enough."""
    book = v.greeted(limits=Limits(media_gap_warning_s=15, caller_silence_s=0), has_line=False)
    for second in range(4, 120, 5):
        assert book >> at(second, v.frame()) << FRAME_UP >> e.DeadlinePassed()


def test_who_waits_for_an_answer_hears_clips_and_at_last_gets_the_fallback() -> None:
    """The clips are counted from the last sound, the fallback from when the caller began to wait: 3.5 s."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    assert book >> deadline(Timer.CLIP) << v.clip()
    assert book.rig.seconds == 3.5 + LIMITS.clip_after_s
    assert book >> deadline(Timer.CLIP) << v.clip()
    assert book.rig.seconds == 3.5 + 2 * LIMITS.clip_after_s + 1  # The first was 1 s long.
    why = "the model fell silent while an answer was due"
    assert book >> deadline(Timer.ANSWER) << v.replaces(why=why)
    assert book.rig.seconds == 4 + LIMITS.answer_timeout_s
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED, v.SESSION_UPDATED)
    *_, (ended_at, _, outputs) = book.rig.wakes()
    assert ended_at == 3.5 + LIMITS.give_up_after_s
    assert a.CloseLeg(e.Leg.PHONE, 1011, "model_lost") in outputs


def test_a_model_that_never_answers_a_request_is_replaced() -> None:
    """The greeting was asked for and does not come."""
    book = v.live(limits=v.PATIENT)
    clips, lost = book.rig.wakes(1 + LIMITS.answer_timeout_s)[:-1], book.rig.now
    assert [why for _, why, _ in clips] == [Timer.CLIP, Timer.CLIP]
    assert lost == 1001 + LIMITS.answer_timeout_s
    assert book.rig.phase is Phase.DIALLING


def test_agent_audio_puts_the_clip_and_the_fallback_off() -> None:
    """Who has just heard the agent waits again from there. A clip does not count."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    book.rig.feed(v.item("answer", "it"))
    book.rig.now += 2
    book.rig.feed(v.audio("answer", "it", 2000))
    assert book >> deadline(Timer.CLIP) << v.clip()
    assert book.rig.seconds == 6 + 2 + LIMITS.clip_after_s
    book.rig.wakes(14.5)
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED, v.SESSION_UPDATED)
    assert book.rig.wakes()[-1][0] == 8 + LIMITS.give_up_after_s


def test_a_phone_that_began_late_is_heard_for_longer() -> None:
    """As its echo has proven: the clip waits for the last word, wherever the phone is."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    book.rig.feed(*v.says("answer", "it", 1000))
    assert book >> at(5.35, PLAYED) >> deadline(Timer.CLIP) << v.clip()  # 50 ms there and back, 300 late.
    assert round(book.rig.seconds, 3) == 5.3 + LIMITS.clip_after_s


def test_an_end_that_is_told_long_after_the_last_word_does_not_put_the_clip_off() -> None:
    """Its mark comes back late because it was sent late: the caller has heard nothing since the word."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    book.rig.feed(*v.says("answer", "it", 100))
    book.rig.now += 2
    book.rig.feed(v.audio_done("answer", "it"), v.item("answer", "more"))
    book.rig.now += 0.05
    book.rig.feed(PLAYED)
    assert book >> deadline(Timer.CLIP) << v.clip()
    assert round(book.rig.seconds, 3) == 4.1 + LIMITS.clip_after_s


def test_a_phone_that_echoes_nothing_any_more_does_not_put_the_clip_off_for_ever() -> None:
    """An overdue echo could mean that the phone is late; it must not mean that nobody is told anything."""
    book = v.answering(v.greeted())
    book.rig.feed(v.audio("answer", "it", 400))
    assert book >> deadline(Timer.CLIP) << v.clip()
    assert round(book.rig.seconds, 3) == 4.4 + LIMITS.clip_after_s


def test_who_waits_for_anybody_hears_the_clip_sooner() -> None:
    """Nobody is there at all: that is worse than an answer that stays out."""
    book = dialling()
    assert book >> deadline(Timer.CLIP) << v.clip()
    assert book.rig.seconds == LIMITS.connect_clip_after_s


def test_a_session_that_is_lost_in_a_quiet_moment_is_missed_later() -> None:
    """Nobody waits: the caller has heard all, and may think."""
    book = v.greeted(limits=v.PATIENT)
    assert book >> at(60, v.gone(e.Leg.MODEL)) << v.replaces() >> deadline(Timer.CLIP) << v.clip()
    assert book.rig.seconds == 60 + LIMITS.clip_after_s


def test_a_caller_who_spoke_to_a_session_that_is_lost_hears_the_clip_sooner() -> None:
    """They wait from then on, and for anybody. Before that they spoke, though a tool ran for them."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1") >> v.done("answer")
    book.rig.feed(v.caller_said("Are you open?", "question"))
    assert book >> at(5, v.speech_started()) << v.recorded(TurnEnded)
    assert book >> at(9, v.gone(e.Leg.MODEL)) << v.replaces() >> deadline(Timer.CLIP) << v.clip()
    assert book.rig.seconds == 9 + LIMITS.connect_clip_after_s


def test_a_tool_is_bounded_by_its_own_timeout_and_gives_the_agent_time_but_no_silence() -> None:
    """The model owes nothing while it runs. From its answer on the fallback is counted, the clip is not."""
    book = v.answering(v.greeted(limits=replace(v.PATIENT, answer_timeout_s=14)))
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1") >> v.done("answer")
    assert book >> at(11, e.DeadlinePassed()) << v.clip()
    assert book >> at(12, v.tool_finished("call_1")) << (*v.tool_result(Id(), "call_1"), v.ask())
    assert book >> at(13, v.created("reply")) >> deadline(Timer.CLIP) << v.clip()
    assert book.rig.seconds == 15
    assert book.rig.wakes()[-1][0] == 12 + LIMITS.give_up_after_s


def test_a_model_that_sends_anything_is_alive() -> None:
    """Audio counts too, though it goes past the machine; and the wait is counted from the last of it."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    book.rig.feed(v.item("answer", "long"))
    assert book >> after(7.9, v.audio("answer", "long", 7000)) << AudioToPhone(7000)
    assert book >> after(0.1, e.DeadlinePassed()) >> deadline(Timer.ANSWER) << v.replaces()
    assert round(book.rig.seconds, 3) == 4 + 7.9 + LIMITS.answer_timeout_s


def test_a_caller_who_speaks_for_long_is_waited_for() -> None:
    """While the caller speaks no answer is due, and no clip."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    book.rig.feed(*v.says("answer", "it", 100), v.done("answer"), v.speech_started("long"))
    assert [why for _, why, done_then in book.rig.wakes(48) if done_then] == [Timer.TRANSCRIPT]
    assert book >> v.speech_stopped("long") >> v.committed("long")
    assert book.rig.deadline == (1048 + LIMITS.clip_after_s - 0.5, Timer.CLIP)  # They fell silent before.


def test_a_caller_who_says_nothing_is_waited_for() -> None:
    """Nothing is due: no watch runs out."""
    book = v.greeted(limits=v.PATIENT)
    assert len(book.rig.wakes(200)) <= 1


def test_a_call_without_a_clip_is_not_woken_without_end() -> None:
    """The clip that is not there makes no sound: its time must move all the same."""
    woken = dialling(clip_ms=0).rig.wakes()
    assert woken[-1][0] < 10
    assert len(woken) < 10


def test_the_clip_is_an_interruption_like_any_audio_of_ours_but_nothing_is_cut_of_the_model() -> None:
    """The model knows nothing of it. What it says meanwhile plays behind the clip."""
    book = v.answering(v.greeted())
    assert book >> at(6.5, e.DeadlinePassed()) << v.clip() >> v.item("answer", "it")
    assert book >> at(6.7, v.audio("answer", "it", 2000)) << AudioToPhone(2000)
    outputs = book.rig.feed(v.speech_started("again"))
    sent = [output.command for output in outputs if isinstance(output, a.SendToModel)]
    assert [getattr(command, "item_id", None) for command in sent] == ["it"]
    assert book.rig.has_played_all


LOUD_FRAME = ms.Media(ms.MediaChunk(bytes((0x10, 0x90)) * 80))


def stalled() -> Playbook:
    """At 4 s the model says that the caller speaks, and then nothing any more."""
    book = v.greeted(limits=v.PATIENT, has_line=False)
    assert book >> at(4, v.speech_started())
    return book


def line(book: Playbook, *, loud_s: float = 0.0, quiet_s: float = 0.0) -> list[str]:
    """The caller is loud and then quiet. Answers what was done or noted, and how long after 4 s."""
    seen = []
    for event, seconds in ((LOUD_FRAME, loud_s), (v.frame(), quiet_s)):
        for number in range(round(seconds / 0.02)):
            book.rig.now += 0.02
            outputs = book.rig.feed(event if number % 15 < 12 else v.frame())  # Gaps between words.
            outputs += [one for _, _, done_then in book.rig.wakes(book.rig.seconds) for one in done_then]
            for output in outputs:
                if isinstance(output, a.PlayClip | a.DialModel):
                    seen.append(f"{type(output).__name__} {book.rig.seconds - 4:.1f}")
                elif isinstance(output, a.Note) and isinstance(output.fact, Noted):
                    seen.append(output.fact.event)
    return seen


UNSEEN = "speech_ended_unseen"


@pytest.mark.parametrize(
    ("loud_s", "quiet_s", "seen"),
    [
        (12.0, 0.9, []),
        (2.0, 3.4, [UNSEEN, "model_asked", "PlayClip 5.0"]),
        (2.0, 4.0, [UNSEEN, "model_asked", "PlayClip 5.0", "DialModel 5.5"]),
    ],
    ids=["who speaks does not wait", "a clip", "another session"],
)
def test_a_model_that_stalls_while_the_caller_speaks_is_noticed_by_the_silence_of_the_line(
    loud_s: float, quiet_s: float, seen: list[str]
) -> None:
    """It never says that they stopped: asked after 2 s of quiet, a clip after 3 s, another session."""
    assert line(stalled(), loud_s=loud_s, quiet_s=quiet_s) == seen


def test_a_caller_is_quiet_after_the_silence_of_turn_detection_and_a_margin() -> None:
    """0.5 s of silence and 0.5 s of margin; looked at twice a second."""
    book = stalled()
    assert line(book, loud_s=0.5, quiet_s=0.96) == []
    assert line(book, quiet_s=0.6) == [UNSEEN]


@pytest.mark.parametrize("digit", "1#")
def test_keys_do_not_put_off_the_look_at_the_line(digit: str) -> None:
    """However fast they are pressed: only the first of a message begins a turn."""
    book, seen = stalled(), []
    assert line(book, loud_s=0.6) == []
    for _ in range(16):
        book.rig.feed(v.key(digit))
        seen += line(book, quiet_s=0.1)
    assert seen == [UNSEEN]


def test_a_caller_who_only_paused_does_not_wait() -> None:
    """They go on before the model has said anything: no clip into their words, and no other session."""
    book = stalled()
    assert line(book, loud_s=1.0, quiet_s=1.6) == [UNSEEN]
    assert line(book, loud_s=12.0) == []
    assert line(book, quiet_s=3.5) == [UNSEEN, "model_asked", "PlayClip 17.6", "DialModel 18.1"]


def test_an_answer_ends_the_watch() -> None:
    """From then on the line's quiet means nothing."""
    book = stalled()
    assert book >> after(1, v.speech_stopped()) >> v.created("answer") >> v.item("answer", "it")
    assert book >> v.audio("answer", "it", 8000) << AudioToPhone(8000)
    assert line(book, quiet_s=5) == []
