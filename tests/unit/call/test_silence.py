"""How long nothing may be heard, by the caller and of the caller."""

from __future__ import annotations

import pytest

from callbridge.call import actions as a
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from callbridge.wire import media_streams as ms
from playbook import Id, Playbook, after, at, deadline
from rigs import PLAYED, AudioToPhone, Rig
from vocabulary import (
    PATIENT,
    STREAM_SID,
    answering,
    ask,
    audio,
    clip,
    created,
    done,
    frame,
    gone,
    greeted,
    item,
    replaces,
    run_tool,
    speech_started,
    speech_stopped,
    start,
    tool_call,
    tool_finished,
    tool_result,
)

LIMITS = Limits()

# --- What the caller hears ----------------------------------------------------------------------------


def test_who_waits_for_an_answer_hears_clips_and_at_last_the_fallback() -> None:
    """The clips are counted from the last sound, the fallback from when the caller began to wait."""
    book = answering(greeted(limits=PATIENT))  # They fell silent at 3.5 s.
    assert book >> deadline(Timer.CLIP) << clip()
    assert book.rig.seconds == 3.5 + LIMITS.clip_after_s
    assert book >> deadline(Timer.CLIP) << clip()
    assert book.rig.seconds == 3.5 + 2 * LIMITS.clip_after_s + 1  # The first was 1 s long.
    assert book >> at(11, created("late")) >> at(18, created("later"))  # The model is alive.
    while book.rig.phase is not Phase.OVER:
        book.rig.now = max(book.rig.now, book.rig.deadline[0])  # type: ignore[index]  # It is not over.
        book.rig.feed(a.DeadlinePassed())
    assert book.rig.seconds == 3.5 + LIMITS.give_up_after_s


def test_agent_audio_puts_both_off() -> None:
    """Who has just heard the agent waits again from there."""
    book = answering(greeted(limits=PATIENT))
    book.rig.feed(item("answer", "it"), audio("answer", "it", 2000))
    assert book >> deadline(Timer.CLIP) << clip()
    assert book.rig.seconds == 4 + 2 + LIMITS.clip_after_s
    assert book >> at(11, done("answer")) >> PLAYED
    assert book.rig.phase is Phase.LIVE


def test_a_phone_that_began_late_is_heard_for_longer() -> None:
    """As its echo has proven: the clip waits for the last word, wherever the phone is."""
    book = answering(greeted(limits=PATIENT))
    book.rig.feed(item("answer", "it"), audio("answer", "it", 1000))
    assert book >> at(5.35, PLAYED) >> deadline(Timer.CLIP) << clip()  # 50 ms there and back, 300 late.
    assert round(book.rig.seconds, 3) == 5.3 + LIMITS.clip_after_s


def test_who_waits_for_anybody_hears_the_clip_sooner() -> None:
    """Nobody is there at all: that is worse than an answer that stays out."""
    book = Playbook(Rig())
    book.rig.feed(start(), a.StreamAdmitted("", ""))
    assert book >> deadline(Timer.CLIP) << clip()
    assert book.rig.seconds == LIMITS.connect_clip_after_s


def test_a_session_that_is_lost_in_a_quiet_moment_is_missed_later() -> None:
    """Nobody waits: the caller has heard all, and may think."""
    book = greeted(limits=PATIENT)
    assert book >> at(60, gone(a.Leg.MODEL)) << replaces() >> deadline(Timer.CLIP) << clip()
    assert book.rig.seconds == 60 + LIMITS.clip_after_s


def test_a_tool_that_answered_gives_the_agent_its_time_but_no_silence() -> None:
    """The fallback is counted from there, the clip is not."""
    book = answering(greeted(limits=PATIENT))
    assert book >> tool_call("answer", "call_1") << run_tool("call_1") >> done("answer")
    assert book >> at(11, a.DeadlinePassed()) << clip()
    assert book >> at(12, tool_finished("call_1")) << (*tool_result(Id(), "call_1"), ask())
    assert book >> at(13, created("reply")) >> deadline(Timer.CLIP) << clip()
    assert book.rig.seconds == 15
    assert book >> at(20, created("again"))
    while book.rig.phase is not Phase.OVER:
        book.rig.now = max(book.rig.now, book.rig.deadline[0])  # type: ignore[index]  # It is not over.
        book.rig.feed(a.DeadlinePassed())
    assert book.rig.seconds == 12 + LIMITS.give_up_after_s


def test_a_call_without_a_clip_is_not_woken_without_end() -> None:
    """The clip that is not there makes no sound: its time must move all the same."""
    rig = Rig(clip_ms=0)
    rig.feed(start(), a.StreamAdmitted("", ""))
    woken = 0
    while (due := rig.due(2000)) is not None:
        rig.now = max(rig.now, due[0])
        rig.feed(a.DeadlinePassed())
        woken += 1
    assert rig.seconds < 10
    assert woken < 10


def test_a_phone_that_echoes_nothing_any_more_does_not_put_the_clip_off_for_ever() -> None:
    """An overdue echo could mean that the phone is late; it must not mean that nobody is told anything."""
    book = answering(greeted())
    book.rig.feed(audio("answer", "it", 400))
    assert book >> deadline(Timer.CLIP) << clip()
    assert round(book.rig.seconds, 3) == 4.4 + LIMITS.clip_after_s


def test_the_clip_is_an_interruption_like_any_audio_of_ours_but_nothing_is_cut_of_the_model() -> None:
    """The model knows nothing of it. What it says meanwhile plays behind the clip."""
    book = answering(greeted())
    assert book >> at(6.5, a.DeadlinePassed()) << clip() >> item("answer", "it")
    assert book >> at(6.7, audio("answer", "it", 2000)) << AudioToPhone(2000)
    outputs = book.rig.feed(speech_started("again"))
    sent = [output.command for output in outputs if isinstance(output, a.SendToModel)]
    assert [getattr(command, "item_id", None) for command in sent] == ["it"]
    assert book.rig.has_played_all


# --- A caller of whom the model says that they speak ----------------------------------------------------

LOUD_FRAME = ms.Media(ms.MediaChunk(bytes((0x10, 0x90)) * 80), STREAM_SID)


def line(book: Playbook, *, loud_s: float = 0.0, quiet_s: float = 0.0) -> list[str]:
    """The caller is loud and then quiet; answers what was done of it, and when. The model stalls."""
    rig, seen = book.rig, []
    for event, seconds in ((LOUD_FRAME, loud_s), (frame(), quiet_s)):
        for _ in range(round(seconds / 0.02)):
            rig.now += 0.02
            outputs = rig.feed(event)
            while (due := rig.deadline) is not None and due[0] <= rig.now:
                outputs += rig.feed(a.DeadlinePassed())
            kinds = [type(one).__name__ for one in outputs if isinstance(one, a.PlayClip | a.DialModel)]
            seen += [f"{kind} {rig.seconds - 4:.1f}" for kind in kinds]
    return seen


def stalled() -> Playbook:
    """At 4 s the model says that the caller speaks, and then nothing any more."""
    book = greeted(limits=PATIENT, has_line=False)
    assert book >> at(4, speech_started())
    return book


@pytest.mark.parametrize(
    ("loud_s", "quiet_s", "seen"),
    [
        (12.0, 0.9, []),
        (2.0, 3.4, ["PlayClip 5.0"]),
        (2.0, 8.9, ["PlayClip 5.0", "PlayClip 9.0", "DialModel 10.0"]),
    ],
    ids=["who speaks does not wait", "a clip", "another session"],
)
def test_a_model_that_stalls_while_the_caller_speaks_is_noticed_by_the_silence_of_the_line(
    loud_s: float, quiet_s: float, seen: list[str]
) -> None:
    """It never says that they stopped: a clip after 3 s of quiet, another session after 8 s."""
    assert line(stalled(), loud_s=loud_s, quiet_s=quiet_s) == seen


def test_a_caller_who_only_paused_does_not_wait() -> None:
    """They go on before the model has said anything: no clip into their words, and no other session."""
    book = stalled()
    assert line(book, loud_s=1.0, quiet_s=1.6) == []
    assert line(book, loud_s=12.0) == []
    assert line(book, quiet_s=3.5) == ["PlayClip 17.6"]


def test_a_caller_is_quiet_after_the_silence_of_turn_detection_and_a_margin() -> None:
    """0.5 s of silence and 0.5 s of margin; looked at twice a second."""
    book = stalled()
    line(book, loud_s=0.5)
    (before, after_it) = (line_notes(book, 0.96), line_notes(book, 0.6))
    assert (before, after_it) == ([], ["speech_ended_unseen"])


def line_notes(book: Playbook, quiet_s: float) -> list[str]:
    """What is noted of so much quiet."""
    notes = []
    for _ in range(round(quiet_s / 0.02)):
        book.rig.now += 0.02
        outputs = book.rig.feed(frame())
        while (due := book.rig.deadline) is not None and due[0] <= book.rig.now:
            outputs += book.rig.feed(a.DeadlinePassed())
        notes += [one.fact.event for one in outputs if isinstance(one, a.Record)]  # type: ignore[union-attr]  # Notes alone.
    return notes


def test_an_answer_ends_the_watch() -> None:
    """From then on the line's quiet means nothing."""
    book = stalled()
    assert book >> after(1, speech_stopped()) >> created("answer") >> item("answer", "it")
    assert book >> audio("answer", "it", 8000) << AudioToPhone(8000)
    assert line_notes(book, 5) == []
