"""How long nothing may be heard: times only, from tables."""

from __future__ import annotations

import pytest

from callbridge.call import actions as a
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from callbridge.call.playout import Gate, Playout, Tally
from callbridge.call.silence import AnswerWatch, CallerWatch, MediaWatch, sound_due
from callbridge.wire import media_streams as ms
from rigs import PLAYED, Rig
from vocabulary import STREAM_SID, answering, audio, frame, greeted, speech_started, start

NEVER = float("-inf")


@pytest.mark.parametrize(
    ("waits_since", "connecting_since", "clip_at", "tool_done_at", "due"),
    [
        (None, None, NEVER, NEVER, {}),
        (10.0, None, NEVER, NEVER, {Timer.CLIP: 13.0, Timer.GIVE_UP: 25.0}),
        (10.0, 12.0, NEVER, NEVER, {Timer.CLIP: 11.5, Timer.GIVE_UP: 25.0}),
        (None, 12.0, NEVER, NEVER, {Timer.CLIP: 15.0}),
        (10.0, None, 13.0, NEVER, {Timer.CLIP: 16.0, Timer.GIVE_UP: 25.0}),
        (10.0, None, NEVER, 17.0, {Timer.CLIP: 13.0, Timer.GIVE_UP: 32.0}),
    ],
    ids=["nobody waits", "for an answer", "for anybody", "in a quiet moment", "again", "after a tool"],
)
def test_when_the_caller_hears_something(
    waits_since: float | None,
    connecting_since: float | None,
    clip_at: float,
    tool_done_at: float,
    due: dict[Timer, float],
) -> None:
    """The clip is counted from the last sound, the fallback from the last of the agent."""
    found = sound_due(
        Limits(),
        Playout(),
        waits_since=waits_since,
        tool_done_at=tool_done_at,
        connecting_since=connecting_since,
        clip_at=clip_at,
    )
    assert found == due


def waiting(playout: Playout, *, clip_at: float) -> dict[Timer, float]:
    """For an answer since 10 s."""
    return sound_due(
        Limits(), playout, waits_since=10.0, tool_done_at=NEVER, connecting_since=None, clip_at=clip_at
    )


def test_agent_audio_puts_both_off_and_a_clip_only_the_next_clip() -> None:
    playout = Playout()
    playout.sent("item", 8 * 2000, 10.0)
    due = waiting(playout, clip_at=NEVER)
    assert due == {Timer.CLIP: 15.0, Timer.GIVE_UP: 27.0}
    playout.clip_sent(8 * 1000, 15.0)
    due = waiting(playout, clip_at=15.0)
    assert due == {Timer.CLIP: 19.0, Timer.GIVE_UP: 27.0}


def test_a_call_without_a_clip_is_not_woken_without_end() -> None:
    """The clip that is not there makes no sound: its time must move all the same."""
    rig = Rig(clip_ms=0)
    for event in (start(), a.StreamAdmitted("", "")):
        rig.feed(event)
    woken = 0
    while rig.phase is not Phase.OVER:
        assert rig.deadline is not None
        rig.now = max(rig.now, rig.deadline[0])
        rig.feed(a.DeadlinePassed())
        woken += 1
    assert rig.seconds < 10
    assert woken < 10


def test_a_phone_that_echoes_nothing_any_more_does_not_put_the_clip_off_for_ever() -> None:
    """An overdue echo could mean that the phone is late; it must not mean that nobody is told anything."""
    book = answering(greeted())
    book.rig.feed(audio("answer", "it", 400))
    for _ in range(100):
        if book.rig.call.tally.clips:
            break
        assert book.rig.deadline is not None
        book.rig.now = max(book.rig.now, book.rig.deadline[0])
        book.rig.feed(a.DeadlinePassed())
    assert book.rig.call.tally.clips
    assert book.rig.seconds <= 4.4 + Limits().clip_after_s


def test_the_clip_is_an_interruption_like_any_audio_of_ours_but_nothing_is_cut_of_the_model() -> None:
    """The model knows nothing of it."""
    book = answering(greeted())
    book.rig.now = 1006.5
    book.rig.feed(a.DeadlinePassed())
    outputs = book.rig.feed(speech_started("again"))
    assert not any(isinstance(output, a.SendToModel) for output in outputs)
    assert book.rig.call.playout.is_drained
    assert book.rig.feed(PLAYED) == []


def test_a_silent_model_is_told_from_one_that_sends_audio() -> None:
    """Audio goes past the machine; the relay notes it. The wait is counted from the last of it."""
    tally = Tally(from_model_at=10.0)
    watch = AnswerWatch(Limits(), tally)
    watch.begin(10.0)
    assert watch.by == 18.0
    assert watch.is_silent(18.0)
    tally.from_model_at = 15.0
    assert not watch.is_silent(18.0)
    assert watch.by == 23.0


def test_a_gap_is_noted_once_and_lost_at_its_bound() -> None:
    tally = Tally()
    watch = MediaWatch(Limits(), tally, since=0.0)
    looks = [(watch.look(at), watch.is_lost(at)) for at in (1.9, 2.0, 4.0, 14.9, 15.0)]
    assert looks == [(False, False), (True, False), (False, False), (False, False), (False, True)]
    tally.frames_from_phone += 1
    assert (watch.look(16.0), watch.is_lost(16.0)) == (False, False)
    assert watch.look(18.0)


# --- A caller of whom the model says that they speak ----------------------------------------------------


def test_a_caller_is_quiet_after_the_silence_of_turn_detection_and_a_margin() -> None:
    """Counted in frames since the last loud one: 0.5 s of silence and 0.5 s of margin are 50 of them."""
    gate, tally = Gate(), Tally(frames_from_phone=100)
    watch = CallerWatch(Limits(), gate, tally, silence_s=0.5)
    watch.begin(10.0)
    assert (gate.hears_caller, watch.by) == (True, 10.5)
    tally.frames_from_phone = 149
    assert watch.look(10.98) is None
    tally.frames_from_phone = 150
    assert watch.look(11.0) == 1.0
    tally.loud_at_frame = 150
    assert watch.look(11.5) is None
    watch.end()
    assert (gate.hears_caller, watch.by) == (False, None)


LOUD_FRAME = ms.Media(ms.MediaChunk(bytes((0x10, 0x90)) * 80), STREAM_SID)


def spoken_to_a_model_that_stalls(loud_s: float, quiet_s: float) -> Rig:
    """The model says that the caller speaks, and then nothing any more."""
    rig = greeted(limits=Limits(media_gap_warning_s=60, media_gap_timeout_s=60)).rig
    rig.now += 1
    rig.feed(speech_started())
    for loud, seconds in ((True, loud_s), (False, quiet_s)):
        for _ in range(round(seconds / 0.02)):
            rig.now += 0.02
            rig.feed(LOUD_FRAME if loud else frame())
            while (due := rig.deadline) is not None and due[0] <= rig.now:
                rig.feed(a.DeadlinePassed())
    return rig


def test_a_model_that_stalls_while_the_caller_speaks_is_noticed_by_the_silence_of_the_line() -> None:
    """It never says that they stopped: a clip after 3 s of quiet, another session after 8 s."""
    speaking = spoken_to_a_model_that_stalls(loud_s=12.0, quiet_s=0.9)
    assert speaking.call.tally.clips == 0, "who speaks does not wait"
    assert speaking.call.turns.caller_speaks
    waiting_for_it = spoken_to_a_model_that_stalls(loud_s=2.0, quiet_s=3.6)
    assert waiting_for_it.call.tally.clips == 1
    replaced = spoken_to_a_model_that_stalls(loud_s=2.0, quiet_s=8.5)
    assert replaced.call.phase is Phase.DIALING


def test_a_caller_who_only_paused_does_not_wait() -> None:
    """They go on before the model has said anything: no clip into their words."""
    rig = spoken_to_a_model_that_stalls(loud_s=1.0, quiet_s=1.6)
    assert rig.call.turns.waits_since is not None
    for _ in range(400):
        rig.now += 0.02
        rig.feed(LOUD_FRAME)
        while (due := rig.deadline) is not None and due[0] <= rig.now:
            rig.feed(a.DeadlinePassed())
    assert rig.call.turns.caller_speaks
    assert (rig.call.tally.clips, rig.phase) == (0, Phase.LIVE)


def test_an_answer_ends_the_watch() -> None:
    """From then on the frames are not looked at."""
    book = answering(greeted())
    assert not book.rig.call.gate.hears_caller
