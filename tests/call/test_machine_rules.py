"""Every event in every stage: nothing raises, and what has no meaning there changes nothing at all."""

from __future__ import annotations

from typing import get_args

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import entrance
from callbridge.call import events as e
from callbridge.call.entrance import Step
from callbridge.call.facts import EndReason
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.phases import Phase
from callbridge.call.wants import (
    AgentSays,
    AgentTells,
    AnswerStopped,
    KeysOut,
    KeysWanted,
    McpDecided,
    SessionWanted,
    SoundWanted,
    WishSet,
    WishWithdrawn,
    WorkAsked,
)
from callbridge.call.wishes import HangUp
from callbridge.wire import media_streams, realtime_events
from callbridge.wire import realtime_events as rt
from rigs import PLAYED, Input, Output, Rig

FROM_PHONE = frozenset(get_args(media_streams.Parsed))
FROM_MODEL = frozenset(get_args(realtime_events.Parsed))
LOCAL = frozenset(get_args(e.LocalEvent))
SAMPLES: dict[type, e.Event] = {
    type(event): event
    for event in (
        *(media_streams.Connected(), v.start(), v.frame(), v.echo("0-1"), v.key("1"), v.HANGS_UP),
        *(media_streams.UnknownMessage("video"), realtime_events.UnknownEvent("response.video.delta")),
        *(v.SESSION_CREATED, v.SESSION_UPDATED, v.speech_started(), v.speech_stopped(), v.committed()),
        *(v.caller_said("Hello."), realtime_events.CallerTranscriptFailed("user_1"), v.item_added("it")),
        *(v.item_added("it", rt.ItemCreated), v.item_added("it", rt.ItemDone)),
        *(v.created("r"), v.item("r", "it"), v.audio("r", "it", 20), v.audio_done("r", "it")),
        *(realtime_events.AnswerDelta(), realtime_events.CallerDelta()),
        *(v.words("r", "it", "Hello."), v.spare(v.SESSION_UPDATED)),
        *(v.tool_call("r", "call_1"), v.done("r"), v.error("server_error")),
        realtime_events.RateLimitsUpdated((realtime_events.RateLimit("tokens", 0, 1.0),)),
        *(v.admitted("", ""), e.StreamRefused("no"), e.ModelConnected(), e.ModelDialFailed("no")),
        *(
            e.AnswerRanAway(),
            e.CallerIsLoud(),
            e.CallerWasLoud(500),
            v.gone(e.Leg.MODEL),
            e.LegStalled(e.Leg.MODEL, "full"),
        ),
        *(e.BadMessage(e.Leg.MODEL, "not JSON"), v.tool_finished("call_1"), e.ShutdownRequested()),
        *(e.HandOverRequested(), e.SpendRanOver(), e.EndAsked(), e.DeadlinePassed()),
        e.TransferTold("MZ1-1", TransferOutcome.BUSY),
        *(AgentSays("say_1", "Good day."), AgentTells("[News.]"), SessionWanted("one", "Be brief.", ())),
        *(
            AnswerStopped("no_prices", "it"),
            SoundWanted("call"),
            KeysOut("12#"),
            KeysWanted(),
            WishSet(HangUp()),
            WishWithdrawn(),
            McpDecided("mcpr_1", is_given=True),
            WorkAsked("work_1", "work"),
        ),
        *(rt.McpArgumentsDone("mcp_1"), rt.McpCallCompleted("mcp_1"), rt.McpCallFailed("mcp_1")),
        rt.McpListFailed("mcpl_1"),
    )
}

PASSES_BY = {
    *(media_streams.Connected, realtime_events.AudioDelta),
    *(realtime_events.AnswerDelta, realtime_events.CallerDelta),
}
"""Repeated, or moved by the relay."""
SETTLED = {e.StreamAdmitted, e.StreamRefused}
OF_A_SESSION = {
    realtime_events.SessionCreated,
    realtime_events.SessionUpdated,
    realtime_events.RateLimitsUpdated,
}
CONFIRMED = {realtime_events.SessionCreated}
WORDS = {
    realtime_events.CallerTranscript,
    realtime_events.CallerTranscriptFailed,
    realtime_events.McpListFailed,
}
"""A session that an earlier stream has left may still tell them."""
MEANS_SOMETHING = {realtime_events.ErrorEvent, realtime_events.UnknownEvent}
STANDING = PASSES_BY | SETTLED | CONFIRMED | {media_streams.Media}
STAGES: tuple[Step | Phase, ...] = (Step.WAITING, Step.ADMITTING, *Phase)
"""Before there is a call, and while there is one."""
IGNORED: dict[Step | Phase, set[type]] = {
    Step.WAITING: {media_streams.Connected, e.SpendRanOver, e.EndAsked, e.TransferTold} | SETTLED,
    Step.ADMITTING: {
        e.SpendRanOver,
        e.EndAsked,
        e.TransferTold,
        media_streams.Connected,
        media_streams.Media,
        media_streams.MarkEchoed,
        media_streams.Dtmf,
    },
    Phase.DIALLING: PASSES_BY
    | SETTLED
    | (FROM_MODEL - {realtime_events.UnknownEvent})
    | {media_streams.Media, e.SpareSaid, e.AnswerRanAway, e.CallerIsLoud, e.CallerWasLoud},
    Phase.CONFIGURING: PASSES_BY
    | SETTLED
    | (FROM_MODEL - OF_A_SESSION - MEANS_SOMETHING - WORDS)
    | {media_streams.Media, e.SpareSaid, e.AnswerRanAway, e.CallerIsLoud, e.CallerWasLoud},
    Phase.LIVE: STANDING,
    Phase.LEAVING: STANDING,
    Phase.OVER: set(SAMPLES) - {WorkAsked},  # A tool that finishes late may have led to it.
}


def test_there_is_a_sample_of_every_event() -> None:
    """A new event turns this red until somebody has decided what it means; the unions have not come apart."""
    assert set(SAMPLES) == FROM_PHONE | FROM_MODEL | LOCAL
    assert (len(FROM_PHONE), len(FROM_MODEL), len(LOCAL)) == (7, 26, 29)


WAY_IN: tuple[Input, ...] = (v.start(), v.admitted("", ""), e.ModelConnected(), v.SESSION_CREATED)
SPEAKS: tuple[Input, ...] = (v.SESSION_UPDATED, v.created("r"), *v.says("r", "it", 500))
LEAVES: tuple[Input, ...] = (v.tool_call("r", "end", "end_call"), v.tool_finished("end", ends_call=True))
WAY: dict[Step | Phase, tuple[Input, ...]] = {
    Step.WAITING: (),
    Step.ADMITTING: WAY_IN[:1],
    Phase.DIALLING: WAY_IN[:2],
    Phase.CONFIGURING: WAY_IN,
    Phase.LIVE: WAY_IN + SPEAKS,
    Phase.LEAVING: WAY_IN + SPEAKS + LEAVES,
    Phase.OVER: (*WAY_IN, *SPEAKS, v.HANGS_UP),
}
REST: dict[Step | Phase, tuple[Input, ...]] = {
    phase: (
        *(WAY_IN + SPEAKS)[len(WAY[phase]) :],
        v.done("r"),
        *((PLAYED,) if phase is not Phase.OVER else ()),
    )
    for phase in STAGES
}
"""How an ordinary call goes on from there."""


def may_come(phase: Step | Phase) -> list[e.Event]:
    """A sample of each event that can come: none of a model before there is one."""
    return [event for kind, event in SAMPLES.items() if isinstance(phase, Phase) or kind in entrance.RULES]


def in_phase(phase: Step | Phase) -> Rig:
    """A call in a stage of its life."""
    rig = Rig(has_line=False)
    for event in WAY[phase]:
        rig.feed(event)
    assert rig.phase is phase
    return rig


def rest(rig: Rig, phase: Step | Phase) -> list[list[Output]]:
    """All that the call still does."""
    return [rig.feed(event) for event in REST[phase]]


@pytest.mark.parametrize("phase", STAGES, ids=str)
def test_an_event_that_means_nothing_in_a_stage_changes_nothing(phase: Step | Phase) -> None:
    """Neither at once nor later: the call goes on as if it had never come."""
    expected = rest(in_phase(phase), phase)
    for event in IGNORED[phase]:
        rig = in_phase(phase)
        before = rig.deadline
        assert rig.handle(SAMPLES[event]) == (), event
        assert (rig.phase, rig.deadline) == (phase, before), event
        assert rest(rig, phase) == expected, event


@pytest.mark.parametrize("phase", STAGES, ids=str)
def test_every_event_can_come_in_every_stage(phase: Step | Phase) -> None:
    """Nothing raises, and a call that is not over can be woken."""
    for event in may_come(phase):
        rig = in_phase(phase)
        rig.handle(event)
        is_left = rig.phase in {Phase.OVER, Step.SHUT} and not isinstance(event, WorkAsked)
        assert (rig.deadline is None) == is_left, event
        rig.now += 0.01
        rig.handle(e.DeadlinePassed())


@pytest.mark.parametrize("phase", [phase for phase in STAGES if phase is not Phase.OVER], ids=str)
def test_the_end_of_a_phone_leg_is_never_ignored(phase: Step | Phase) -> None:
    """A call whose socket is gone must not live on."""
    bad = e.BadMessage(e.Leg.PHONE, "binary", is_fatal=True)
    for event in (v.gone(e.Leg.PHONE), e.LegStalled(e.Leg.PHONE, "full"), bad, e.ShutdownRequested()):
        rig = in_phase(phase)
        rig.handle(event)
        assert rig.phase in {Phase.OVER, Step.SHUT}, event


def test_an_event_that_nobody_has_thought_of_is_our_own_fault() -> None:
    """It ends this call, loudly, and no other; what was half decided is not done."""
    rig = v.greeted().rig
    with pytest.raises(AssertionError, match="str"):
        rig.handle("surprise")
    *legs, last = rig.fail("no rule")
    assert [type(action) for action in legs] == [a.CloseLeg, a.CloseLeg]
    assert isinstance(last, a.Note)
    assert getattr(last.fact, "reason", None) is EndReason.INTERNAL_ERROR
