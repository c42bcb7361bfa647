"""Every event in every stage: nothing raises, and what has no meaning there changes nothing at all."""

from __future__ import annotations

from typing import get_args

import pytest

from callbridge.call import actions as a
from callbridge.call.facts import EndReason
from callbridge.call.phases import Phase
from callbridge.wire import media_streams, realtime
from rigs import PLAYED, Input, Output, Rig
from vocabulary import (
    HANGS_UP,
    SESSION_CREATED,
    SESSION_UPDATED,
    audio,
    audio_done,
    caller_said,
    committed,
    created,
    done,
    echo,
    error,
    frame,
    gone,
    greeted,
    item,
    item_added,
    key,
    says,
    spare,
    speech_started,
    speech_stopped,
    start,
    tool_call,
    tool_finished,
    words,
)

FROM_PHONE = frozenset(get_args(media_streams.Parsed))
FROM_MODEL = frozenset(get_args(realtime.Parsed))
LOCAL = frozenset(get_args(a.LocalEvent))
SAMPLES: dict[type, a.Event] = {
    type(event): event
    for event in (
        *(media_streams.Connected(), start(), frame(), echo("0-1"), key("1"), HANGS_UP),
        *(media_streams.UnknownMessage("video"), realtime.UnknownEvent("response.video.delta")),
        *(SESSION_CREATED, SESSION_UPDATED, speech_started(), speech_stopped(), committed()),
        *(caller_said("Hello."), realtime.CallerTranscriptFailed("user_1"), item_added("it")),
        *(realtime.ItemTruncated("it", 1), realtime.ItemDeleted("it"), created("r"), item("r", "it")),
        *(audio("r", "it", 20), realtime.AnswerDelta(), audio_done("r", "it"), words("r", "it", "Hello.")),
        *(tool_call("r", "call_1"), done("r"), error("server_error")),
        realtime.RateLimitsUpdated((realtime.RateLimit("tokens", 1, 0, 1.0),)),
        *(a.StreamAdmitted("", ""), a.StreamRefused("no"), a.ModelConnected(), a.ModelDialFailed("no")),
        *(spare(SESSION_UPDATED), a.AnswerRanAway(), gone(a.Leg.MODEL), a.LegStalled(a.Leg.MODEL, "full")),
        *(a.BadMessage(a.Leg.MODEL, "not JSON"), tool_finished("call_1"), a.ShutdownRequested()),
        *(a.HandOverRequested(), a.DeadlinePassed()),
    )
}

# --- What means nothing in which stage ----------------------------------------------------------------

PASSES_BY = {media_streams.Connected, realtime.AudioDelta, realtime.AnswerDelta}
"""Repeated, or moved by the relay."""
SETTLED = {a.StreamAdmitted, a.StreamRefused}
NOT_DIALLED = FROM_MODEL | {a.ModelConnected, a.ModelDialFailed, a.SpareSaid, a.AnswerRanAway}
OF_A_SESSION = {realtime.SessionCreated, realtime.SessionUpdated, realtime.RateLimitsUpdated}
CONFIRMED = {realtime.SessionCreated, realtime.SessionUpdated, realtime.ItemTruncated, realtime.ItemDeleted}
MEANS_SOMETHING = {realtime.ErrorEvent, realtime.UnknownEvent}
STANDING = PASSES_BY | SETTLED | CONFIRMED | {media_streams.Media}
IGNORED: dict[Phase, set[type]] = {
    Phase.WAITING: PASSES_BY | SETTLED | (NOT_DIALLED - {realtime.UnknownEvent}) | {a.ToolFinished},
    Phase.ADMITTING: PASSES_BY
    | (NOT_DIALLED - {realtime.UnknownEvent})
    | {a.ToolFinished, media_streams.Media, media_streams.MarkEchoed, media_streams.Dtmf},
    Phase.DIALING: PASSES_BY
    | SETTLED
    | (FROM_MODEL - {realtime.UnknownEvent})
    | {media_streams.Media, a.SpareSaid, a.AnswerRanAway},
    Phase.CONFIGURING: PASSES_BY
    | SETTLED
    | (FROM_MODEL - OF_A_SESSION - MEANS_SOMETHING)
    | {media_streams.Media, a.SpareSaid, a.AnswerRanAway},
    Phase.LIVE: STANDING,
    Phase.LEAVING: STANDING,
    Phase.OVER: set(SAMPLES),
}


def test_there_is_a_sample_of_every_event() -> None:
    """A new event turns this red until somebody has decided what it means; the unions have not come apart."""
    assert set(SAMPLES) == FROM_PHONE | FROM_MODEL | LOCAL
    assert (len(FROM_PHONE), len(FROM_MODEL), len(LOCAL)) == (7, 21, 13)


WAY_IN: tuple[Input, ...] = (start(), a.StreamAdmitted("", ""), a.ModelConnected(), SESSION_CREATED)
SPEAKS: tuple[Input, ...] = (SESSION_UPDATED, created("r"), *says("r", "it", 500))
LEAVES: tuple[Input, ...] = (tool_call("r", "end", "end_call"), tool_finished("end", ends_call=True))
WAY: dict[Phase, tuple[Input, ...]] = {
    Phase.WAITING: (),
    Phase.ADMITTING: WAY_IN[:1],
    Phase.DIALING: WAY_IN[:2],
    Phase.CONFIGURING: WAY_IN,
    Phase.LIVE: WAY_IN + SPEAKS,
    Phase.LEAVING: WAY_IN + SPEAKS + LEAVES,
    Phase.OVER: (*WAY_IN, *SPEAKS, HANGS_UP),
}
REST: dict[Phase, tuple[Input, ...]] = {
    phase: (*(WAY_IN + SPEAKS)[len(WAY[phase]) :], done("r"), *((PLAYED,) if phase is not Phase.OVER else ()))
    for phase in Phase
}
"""How an ordinary call goes on from there."""


def in_phase(phase: Phase) -> Rig:
    """A call in a stage of its life."""
    rig = Rig(has_line=False)
    for event in WAY[phase]:
        rig.feed(event)
    assert rig.phase is phase
    return rig


def rest(rig: Rig, phase: Phase) -> list[list[Output]]:
    """All that the call still does."""
    return [rig.feed(event) for event in REST[phase]]


@pytest.mark.parametrize("phase", Phase, ids=str)
def test_an_event_that_means_nothing_in_a_stage_changes_nothing(phase: Phase) -> None:
    """Neither at once nor later: the call goes on as if it had never come."""
    expected = rest(in_phase(phase), phase)
    for event in IGNORED[phase]:
        rig = in_phase(phase)
        before = rig.deadline
        assert rig.handle(SAMPLES[event]) == (), event
        assert (rig.phase, rig.deadline) == (phase, before), event
        assert rest(rig, phase) == expected, event


@pytest.mark.parametrize("phase", Phase, ids=str)
def test_every_event_can_come_in_every_stage(phase: Phase) -> None:
    """Nothing raises, and a call that is not over can be woken."""
    for event in SAMPLES.values():
        rig = in_phase(phase)
        rig.handle(event)
        assert (rig.deadline is None) == (rig.phase is Phase.OVER), event
        rig.now += 0.01
        rig.handle(a.DeadlinePassed())


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.OVER], ids=str)
def test_the_end_of_a_phone_leg_is_never_ignored(phase: Phase) -> None:
    """A call whose socket is gone must not live on."""
    bad = a.BadMessage(a.Leg.PHONE, "binary", is_fatal=True)
    for event in (gone(a.Leg.PHONE), a.LegStalled(a.Leg.PHONE, "full"), bad, a.ShutdownRequested()):
        rig = in_phase(phase)
        rig.handle(event)
        assert rig.phase is Phase.OVER, event


def test_an_event_that_nobody_has_thought_of_is_our_own_fault() -> None:
    """It ends this call, loudly, and no other; what was half decided is not done."""
    rig = greeted().rig
    with pytest.raises(AssertionError, match="str"):
        rig.handle("surprise")
    *legs, last = rig.fail("no rule")
    assert [type(action) for action in legs] == [a.CloseLeg, a.CloseLeg]
    assert isinstance(last, a.Record)
    assert getattr(last.fact, "reason", None) is EndReason.INTERNAL_ERROR
