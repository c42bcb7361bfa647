"""The table of rules: every event in every stage is handled, or ignored with a reason. No holes."""

from __future__ import annotations

from typing import get_args

import pytest

from callbridge.call import actions as a
from callbridge.call.facts import EndReason
from callbridge.call.machine import RULES, Ignored
from callbridge.call.phases import Phase
from callbridge.wire import media_streams, realtime
from rigs import Input, Rig
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
    live,
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
EVENTS = FROM_PHONE | FROM_MODEL | LOCAL

PAIRS = [(phase, event) for phase in Phase for event in sorted(EVENTS, key=lambda event: event.__name__)]


def test_the_unions_are_what_the_table_is_made_for() -> None:
    """A union that came apart would make the tests below agree with anything."""
    assert (len(FROM_PHONE), len(FROM_MODEL), len(LOCAL)) == (7, 21, 13)


@pytest.mark.parametrize(("phase", "event"), PAIRS, ids=lambda part: getattr(part, "__name__", str(part)))
def test_every_event_has_a_rule_or_a_reason_in_every_stage(phase: Phase, event: type) -> None:
    """A new event type turns this red until somebody has decided what it means."""
    rule = RULES[phase][event]
    assert callable(rule)
    if isinstance(rule, Ignored):
        assert len(rule.why.split()) >= 3


def test_the_table_has_no_rows_for_what_cannot_come() -> None:
    """A row without an event would be dead."""
    for phase in Phase:
        assert set(RULES[phase]) == EVENTS


def test_a_call_that_is_over_ignores_everything() -> None:
    """Nothing can bring it back."""
    assert all(isinstance(rule, Ignored) for rule in RULES[Phase.OVER].values())


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.ADMITTING, Phase.DIALING])
def test_before_the_model_leg_is_open_no_event_of_the_model_changes_anything(phase: Phase) -> None:
    """None can come; if one does, it decides nothing."""
    for event in FROM_MODEL - {realtime.UnknownEvent}:
        assert isinstance(RULES[phase][event], Ignored)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.OVER])
def test_the_end_of_a_leg_is_never_ignored(phase: Phase) -> None:
    """A call whose socket is gone must not live on."""
    for event in (a.LegGone, a.LegStalled, a.BadMessage, a.ShutdownRequested, a.DeadlinePassed):
        assert not isinstance(RULES[phase][event], Ignored)


def test_an_ignored_event_does_nothing() -> None:
    """The reason is for the reader; the call stays as it was."""
    book = live()
    before = book.rig.call.deadline
    assert book >> media_streams.Connected() >> a.ModelConnected() >> a.StreamRefused("too late")
    assert book.rig.call.deadline == before
    assert book.rig.call.phase is Phase.LIVE


def test_an_event_that_nobody_has_thought_of_is_our_own_fault() -> None:
    """It ends this call, loudly, and no other."""
    call = greeted().rig.call
    with pytest.raises(AssertionError, match="str in live has no rule"):
        call.handle("surprise", 2000.0)  # type: ignore[arg-type]  # The fault that is tested.
    (*_, last) = call.fail("no rule", 2000.0)
    assert isinstance(last, a.Record)
    assert getattr(last.fact, "reason", None) is EndReason.INTERNAL_ERROR


# --- The product, walked ------------------------------------------------------------------------------

SAMPLES: dict[type, Input] = {
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


def in_phase(phase: Phase) -> Rig:
    """A call in a stage of its life."""
    rig = Rig()
    way: tuple[Input, ...] = (start(), a.StreamAdmitted("", ""), a.ModelConnected(), SESSION_CREATED)
    taken = {Phase.WAITING: 0, Phase.ADMITTING: 1, Phase.DIALING: 2, Phase.CONFIGURING: 3}
    for event in way[: taken.get(phase, len(way))]:
        rig.feed(event)
    if phase in {Phase.LIVE, Phase.LEAVING, Phase.OVER}:
        for event in (SESSION_UPDATED, created("r"), item("r", "it"), audio("r", "it", 500)):
            rig.feed(event)
    if phase is Phase.LEAVING:
        for event in (tool_call("r", "end", "end_call"), tool_finished("end", ends_call=True)):
            rig.feed(event)
    if phase is Phase.OVER:
        rig.feed(HANGS_UP)
    assert rig.call.phase is phase
    return rig


def test_there_is_a_sample_of_every_event() -> None:
    """Otherwise the walk below would leave something out."""
    assert set(SAMPLES) == EVENTS


@pytest.mark.parametrize(("phase", "event"), PAIRS, ids=lambda part: getattr(part, "__name__", str(part)))
def test_every_event_can_come_in_every_stage(phase: Phase, event: type) -> None:
    """Nothing raises; an event that is ignored leaves stage and actions alone; time goes on."""
    rig = in_phase(phase)
    rule = RULES[phase][event]
    outputs = rig.call.handle(SAMPLES[event], rig.now)
    if isinstance(rule, Ignored):
        assert outputs == ()
        assert rig.call.phase is phase
    assert (rig.call.deadline is None) == (rig.call.phase is Phase.OVER)
    rig.call.handle(a.DeadlinePassed(), rig.now + 0.01)
