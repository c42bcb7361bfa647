"""What becomes of every event in every phase: `RULES`, at the end of this module.

Most events belong to one part of the call; what belongs to none stands here as a function of all parts. Who
speaks and what is owed has a table of its own (`floor/table`).

Vendor pages: https://www.twilio.com/docs/voice/media-streams/websocket-messages ("Twilio docs") and
https://developers.openai.com/api/docs/guides/realtime-conversations
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Final, TypeAlias

from callbridge.call import events as e
from callbridge.call.codes import PROTOCOL_CODES, SERVER_STOPS
from callbridge.call.endings import WISHED, Endings
from callbridge.call.facts import EndReason, warned
from callbridge.call.floor.floor import Floor
from callbridge.call.floor.hearing import Hearing
from callbridge.call.floor.ladder import Ladder
from callbridge.call.linger import Linger
from callbridge.call.mcp import McpCalls
from callbridge.call.on_hold import OnHold
from callbridge.call.parts import Parts
from callbridge.call.phases import Phase
from callbridge.call.rating import CallerWordsRated
from callbridge.call.sessions.sessions import Sessions
from callbridge.call.sessions.trouble import Trouble
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
from callbridge.wire import media_streams as ms
from callbridge.wire import realtime_events as rt

# --- The phone ------------------------------------------------------------------------------------------


def started_again(parts: Parts, event: ms.Start, now: float) -> None:
    """A second start: repeated, or for another stream. Each has one (Twilio docs, "Start message")."""
    out = parts.out
    if event.start.call_sid == out.call_sid and event.start.stream_sid == out.stream_sid:
        parts.tally.starts_repeated += 1
        if parts.tally.starts_repeated == 1:
            out.note(warned("start_repeated"))
    else:
        out.then(e.StreamMustEnd(EndReason.REJECTED_PROTOCOL, "a second start names another stream"))


def mark_echoed(parts: Parts, event: ms.MarkEchoed, now: float) -> None:
    """The phone has played up to a mark, or a clear has thrown it away (Twilio docs, "Mark message")."""
    parts.playout.echoed(event.mark.name, now)
    _note_heard(parts, now)


def _note_heard(parts: Parts, now: float) -> None:
    progress = parts.floor.in_progress
    heard = parts.playout.heard_items(now, progress.unfinished if progress is not None else ())
    parts.transcript.agent_was_heard(heard)
    for item in heard:
        parts.floor.interruption.heard(item)


def key_pressed(parts: Parts, event: ms.Dtmf, now: float) -> None:
    """The caller pressed a key (Twilio docs, "DTMF message")."""
    digit, plan, keys = event.dtmf.digit, parts.sessions.plan, parts.floor.keys
    is_alone, stands = not keys.are_being_pressed, parts.sessions.stands
    if digit == plan.person_key and is_alone and not (keys.wanted.are_digits and stands):
        # Whatever the model does: it may be what they want to get away from.
        parts.out.then(e.StreamMustEnd(EndReason.PERSON_WANTED, ""))
        return
    leaving_for = parts.endings.leaving_for
    # A key withdraws the agent's own goodbye, and nothing that a limit has ended. Without a session the last
    # words only play out: nobody could answer the key.
    if leaving_for is not None and not (leaving_for in WISHED and stands):
        return
    if digit in plan.menu_keys and is_alone and not keys.wanted.are_digits:
        if keys.may_lead(now):
            parts.floor.menu_key_pressed(digit, now)
    else:
        parts.floor.key_pressed(digit, now)


def stopped(parts: Parts, event: ms.Stopped, now: float) -> None:
    """The caller is gone (Twilio docs, "Stop message")."""
    parts.out.then(e.StreamMustEnd(EndReason.CALLER_HANGUP, ""))


# --- The model ------------------------------------------------------------------------------------------


def response_done(parts: Parts, event: rt.ResponseDone, now: float) -> None:
    """A response is over, and its price is known."""
    parts.bill.response_done(event.response, parts.sessions.plan)
    parts.ladder.response_done(event, now)
    if parts.sessions.plan.is_too_dear(parts.bill.cost_microdollars):
        parts.out.then(e.LimitReached(EndReason.LIMIT_COST))


def rate_limits(parts: Parts, event: rt.RateLimitsUpdated, now: float) -> None:
    """What is left of the account's limits (Realtime reference, rate_limits.updated)."""
    for limit in event.rate_limits:
        if limit.remaining == 0:  # The next responses fail with rate_limit_exceeded until it resets.
            parts.out.note(warned("rate_limit_reached", limit=limit.name[:80], resets_s=limit.reset_seconds))


def unknown_event(parts: Parts, event: rt.UnknownEvent | ms.UnknownMessage, now: float) -> None:
    """A message that we do not know. It changes nothing."""
    if isinstance(event, rt.UnknownEvent) and event.is_expected:
        return
    parts.tally.unknown_events += 1
    if parts.tally.unknown_events == 1:  # Once: a new event type may come with every response.
        name = event.type if isinstance(event, rt.UnknownEvent) else event.event
        parts.out.note(warned("unknown_event", type=name[:80]))


def error_while_opening(parts: Parts, event: rt.ErrorEvent, now: float) -> None:
    """An error of a session that is not confirmed yet."""
    parts.tally.errors += 1
    parts.sessions.error(event, now)


def error(parts: Parts, event: rt.ErrorEvent, now: float) -> None:
    """An error of a session that stands."""
    parts.tally.errors += 1
    parts.asking.error(event, now)


def spare_connected(parts: Parts, event: e.ModelConnected, now: float) -> None:
    """The leg of the second session is open. No other is dialled while there is a session."""
    if event.leg is e.Leg.SPARE:
        parts.sessions.connected(event, now)


def spare_dial_failed(parts: Parts, event: e.ModelDialFailed, now: float) -> None:
    """The second session could not be dialled."""
    if event.leg is e.Leg.SPARE:
        parts.sessions.dial_failed(event, now)


def caller_transcribed(parts: Parts, event: rt.CallerTranscript, now: float) -> None:
    """The caller's words came, and perhaps how sure their writer is of them."""
    parts.bill.transcribed(event, parts.sessions.plan)
    parts.hearing.caller_transcribed(event, now)
    if (confidence := event.confidence) is not None:
        parts.out.note(CallerWordsRated(event.item_id, int(100 * confidence)))


def caller_transcribed_late(parts: Parts, event: rt.CallerTranscript, now: float) -> None:
    """The caller's words came after the end of the stream."""
    parts.bill.transcribed(event, parts.sessions.plan)
    parts.floor.caller_transcribed(event, now)


def tool_finished(parts: Parts, event: e.ToolFinished, now: float) -> None:
    """A tool answered."""
    parts.waiting_sound.tool_answered(event.call_id)
    parts.mcp.work_ended(event.call_id, now)
    is_granted = parts.ladder.tool_finished(event, now) and parts.sessions.stands
    if is_granted and event.wish is not None and parts.endings.leaving_for is None:
        parts.endings.leave_for(event.wish, now)


def session_amended(parts: Parts, event: rt.SessionUpdated, now: float) -> None:
    """The session is what it was to become: what waited for that is asked for."""
    parts.sessions.amended(event)
    parts.asking.if_free(now)


def agent_says(parts: Parts, event: AgentSays, now: float) -> None:
    """The agent's own code wants something said."""
    parts.floor.sayings.wanted(event, now)
    parts.asking.if_free(now)


def agent_tells(parts: Parts, event: AgentTells, now: float) -> None:
    """The agent's own code has something for the model."""
    parts.news.came(event, now)
    parts.asking.if_free(now)


def answer_stopped(parts: Parts, event: AnswerStopped, now: float) -> None:
    """The agent's own code does not want heard what the agent is saying."""
    parts.stopping.stop(event, now)
    parts.asking.if_free(now)


def session_wanted(parts: Parts, event: SessionWanted, now: float) -> None:
    """The agent wants other instructions and tools, from the next moment on in which nobody speaks."""
    parts.sessions.amendments.wanted = event
    parts.asking.if_free(now)


def sound_wanted(parts: Parts, event: SoundWanted, now: float) -> None:
    """A tool takes longer than a moment. It may have answered in the same one."""
    if event.call_id in parts.tools.running:
        parts.waiting_sound.wanted(event.call_id, now)


def keys_out(parts: Parts, event: KeysOut, now: float) -> None:
    """The agent presses keys. When they leave the machine sees."""
    parts.pressed_keys.wanted(event.keys)


def keys_wanted(parts: Parts, event: KeysWanted, now: float) -> None:
    """How keys are put together from now on."""
    parts.floor.keys.wanted = event


def work_asked(parts: Parts, event: WorkAsked, now: float) -> None:
    """Code of the agent's own is to run."""
    parts.tools.begin_work(event, now)


def tool_finished_late(parts: Parts, event: e.ToolFinished, now: float) -> None:
    """A tool answered after the end of the stream: the next stream of the call may want to know."""
    parts.ladder.tools.finish(event)


def item_known(parts: Parts, event: rt.ItemKnown, now: float) -> None:
    """An item is in the conversation."""
    parts.ladder.item_added(event, now)
    parts.mcp.known(event, parts.floor.in_progress, now)


def output_item_added(parts: Parts, event: rt.OutputItemAdded, now: float) -> None:
    """The response begins an item."""
    parts.ladder.output_item_added(event, now)
    parts.mcp.begins(event.item, parts.floor.in_progress, now)


def output_item_done(parts: Parts, event: rt.OutputItemDone, now: float) -> None:
    """An item of a response is whole."""
    parts.ladder.output_item_done(event, now)
    parts.mcp.done(event.item, parts.floor.in_progress, now)


# --- What goes wrong ------------------------------------------------------------------------------------


def leg_gone(parts: Parts, event: e.LegGone, now: float) -> None:
    """A socket is gone."""
    detail = f"{event.leg.value} leg closed with {event.code} {event.reason}".rstrip()
    reason = EndReason.MEDIA_LOST
    if event.code == SERVER_STOPS:
        reason = EndReason.SERVICE_STOPPED
    elif event.code in PROTOCOL_CODES:
        reason = EndReason.REJECTED_PROTOCOL
    _leg_failed(parts, event.leg, reason, Trouble.of_close(detail, event.code, event.reason), now)


def leg_stalled(parts: Parts, event: e.LegStalled, now: float) -> None:
    """A peer does not read any more."""
    detail = f"{event.leg.value} leg stalled: {event.why}"
    _leg_failed(parts, event.leg, EndReason.MEDIA_LOST, Trouble(detail), now)


def bad_message(parts: Parts, event: e.BadMessage, now: float) -> None:
    """A peer sent what nobody can read."""
    bad = parts.bad_messages[event.leg]
    if bad.is_first:
        parts.out.note(warned("bad_message", leg=event.leg.value, why=event.why))
    if bad.add(now, parts.limits) or event.is_fatal:
        detail = f"{event.leg.value} leg sent {bad.in_words(event)}"
        bad.clear()
        _leg_failed(parts, event.leg, EndReason.REJECTED_PROTOCOL, Trouble(detail), now)


def _leg_failed(parts: Parts, leg: e.Leg, reason: EndReason, trouble: Trouble, now: float) -> None:
    """A leg is of no more use. Without the phone the stream ends, for `reason`; the model can be replaced."""
    match leg:
        case e.Leg.PHONE:
            parts.out.then(e.StreamMustEnd(reason, trouble.why))
        case e.Leg.MODEL:
            parts.out.then(e.SessionFailed(trouble))
        case e.Leg.SPARE:
            parts.sessions.spare_failed(trouble.why, now)


def audio_done(parts: Parts, event: rt.AudioDone, now: float) -> None:
    """An item's audio is whole. Where the caller has heard all of it before, no echo is to come any more."""
    parts.ladder.audio_done(event, now)
    _note_heard(parts, now)


# --- What the process wants -----------------------------------------------------------------------------


def shut_down(parts: Parts, event: e.ShutdownRequested, now: float) -> None:
    """The process stops."""
    parts.out.then(e.StreamMustEnd(EndReason.SERVICE_STOPPED, ""))


def spend_ran_over(parts: Parts, event: e.SpendRanOver, now: float) -> None:
    """All calls together cost more than they may."""
    parts.out.then(e.LimitReached(EndReason.LIMIT_SPEND_TOTAL))


def end_asked(parts: Parts, event: e.EndAsked, now: float) -> None:
    """An operator wants it to end."""
    parts.out.then(e.LimitReached(EndReason.OPERATOR_HANGUP))


def hand_over(parts: Parts, event: e.HandOverRequested, now: float) -> None:
    """The process will stop: the turn that is going on may end. When it has, the machine sees."""
    if parts.sessions.is_connecting:
        # The next process dials for itself; a call that only waits for its goodbye needs no other one.
        parts.out.then(e.StreamMustEnd(parts.endings.leaving_for or EndReason.HANDED_OVER, ""))
    elif parts.hand_over_by is None:
        parts.hand_over_by = now + parts.limits.hand_over_timeout_s
        parts.sessions.over()


# --- The table ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """An event is for a part of the call: `act(part, event, now)`."""

    of: Callable[[Parts], Any]
    act: Callable[[Any, Any, float], None]


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event changes nothing, with the reason."""

    why: str


Cell: TypeAlias = Rule | Ignored
_Row: TypeAlias = tuple[Cell, Cell, Cell]

_floor: Final = partial(Rule, attrgetter("floor"))
_ladder: Final = partial(Rule, attrgetter("ladder"))
_sessions: Final = partial(Rule, attrgetter("sessions"))
_hearing: Final = partial(Rule, attrgetter("hearing"))
_endings: Final = partial(Rule, attrgetter("endings"))
_linger: Final = partial(Rule, attrgetter("linger"))
_mcp: Final = partial(Rule, attrgetter("mcp"))
_on_hold: Final = partial(Rule, attrgetter("on_hold"))


def _all_parts(parts: Parts) -> Parts:
    return parts


_here: Final = partial(Rule, _all_parts)

_REPEATED = Ignored("said before, and nothing depends on it")
_NO_MODEL = Ignored("the model leg is not open: no event of the model can come")
_NOT_ASKED = Ignored("the session is not confirmed: no audio was sent and no response asked for")
_ANSWERED = Ignored("answers a question that is settled")
_NO_SPARE = Ignored("there is no second session, or no use for it any more")
_NOTHING_SENT = Ignored("no agent audio was sent, or none that could run away")
_HELD = Ignored("the caller's audio waits for the session")
_IS_OVER = Ignored("the call is over")
_PASSES_BY = Ignored("the relay moves this past the machine")


def _always(cell: Cell) -> _Row:
    return cell, cell, cell


def _standing(cell: Cell) -> _Row:
    """A row of an event that only a confirmed session sends, and only a session that stands understands."""
    return _NO_MODEL, _NOT_ASKED, cell


def _knowing(cell: Cell) -> _Row:
    """A row of an event that a session of an earlier stream may send before it is confirmed anew."""
    return _NO_MODEL, cell, cell


# One row for each event; the cells are DIALLING, CONFIGURING, LIVE. While LEAVING all is as in LIVE: what the
# caller says then still counts, and may keep the agent. What is heard of a call that is OVER stands below.
_ROWS: Final[Mapping[type, _Row]] = {
    # From the phone.
    ms.Connected: _always(_REPEATED),
    ms.Start: _always(_here(started_again)),
    ms.Media: _always(_PASSES_BY),
    ms.MarkEchoed: _always(_here(mark_echoed)),
    ms.Dtmf: _always(_here(key_pressed)),
    ms.Stopped: _always(_here(stopped)),
    ms.UnknownMessage: _always(_here(unknown_event)),
    # From the model.
    rt.SessionCreated: (_NO_MODEL, _sessions(Sessions.created), _REPEATED),
    rt.SessionUpdated: (_NO_MODEL, _sessions(Sessions.updated), _here(session_amended)),
    rt.SpeechStarted: _standing(_floor(Floor.speech_started)),
    rt.SpeechStopped: _standing(_floor(Floor.speech_stopped)),
    rt.InputCommitted: _standing(_hearing(Hearing.input_committed)),
    rt.ItemAdded: _standing(_here(item_known)),
    rt.ItemCreated: _standing(_here(item_known)),
    rt.ItemDone: _standing(_here(item_known)),
    rt.CallerTranscript: _knowing(_here(caller_transcribed)),
    rt.CallerTranscriptFailed: _knowing(_floor(Floor.caller_not_transcribed)),
    rt.ResponseCreated: _standing(_ladder(Ladder.response_created)),
    rt.OutputItemAdded: _standing(_here(output_item_added)),
    rt.OutputItemDone: _standing(_here(output_item_done)),
    rt.McpArgumentsDone: _standing(_mcp(McpCalls.asked)),
    rt.McpCallCompleted: _standing(_mcp(McpCalls.completed)),
    rt.McpCallFailed: _standing(_mcp(McpCalls.failed)),
    rt.McpListFailed: _knowing(_mcp(McpCalls.list_failed)),
    rt.AudioDelta: _always(_PASSES_BY),
    rt.AnswerDelta: _always(_PASSES_BY),
    rt.CallerDelta: _always(_PASSES_BY),
    rt.AudioDone: _standing(_here(audio_done)),
    rt.AgentTranscript: _standing(_ladder(Ladder.agent_transcribed)),
    rt.ResponseDone: _standing(_here(response_done)),
    rt.RateLimitsUpdated: (_NO_MODEL, _here(rate_limits), _here(rate_limits)),
    rt.ErrorEvent: (_NO_MODEL, _here(error_while_opening), _here(error)),
    rt.UnknownEvent: _always(_here(unknown_event)),
    # Local.
    e.StreamAdmitted: _always(_ANSWERED),
    e.StreamRefused: _always(_ANSWERED),
    e.ModelConnected: (_sessions(Sessions.connected), _here(spare_connected), _here(spare_connected)),
    e.ModelDialFailed: (_sessions(Sessions.dial_failed), _here(spare_dial_failed), _here(spare_dial_failed)),
    e.SpareSaid: (_NO_SPARE, _NO_SPARE, _sessions(Sessions.spare_said)),
    e.AnswerRanAway: (_NOTHING_SENT, _NOTHING_SENT, _floor(Floor.answer_ran_away)),
    e.CallerIsLoud: (_HELD, _HELD, _hearing(Hearing.caller_is_loud)),
    e.CallerWasLoud: (_HELD, _HELD, _hearing(Hearing.caller_was_loud)),
    e.LegGone: _always(_here(leg_gone)),
    e.LegStalled: _always(_here(leg_stalled)),
    e.BadMessage: _always(_here(bad_message)),
    e.ToolFinished: _always(_here(tool_finished)),
    e.ShutdownRequested: _always(_here(shut_down)),
    e.HandOverRequested: _always(_here(hand_over)),
    e.SpendRanOver: _always(_here(spend_ran_over)),
    e.EndAsked: _always(_here(end_asked)),
    e.TransferTold: _always(_on_hold(OnHold.told)),
    # From the agent's own code.
    AgentSays: _always(_here(agent_says)),
    AgentTells: _always(_here(agent_tells)),
    AnswerStopped: _always(_here(answer_stopped)),
    SessionWanted: _always(_here(session_wanted)),
    SoundWanted: _always(_here(sound_wanted)),
    KeysOut: _always(_here(keys_out)),
    KeysWanted: _always(_here(keys_wanted)),
    WishSet: _always(_endings(Endings.wish)),
    WishWithdrawn: _always(_endings(Endings.withdraw)),
    McpDecided: _always(_mcp(McpCalls.decided)),
    WorkAsked: _always(_here(work_asked)),
}

_ONCE_OVER: Final[Mapping[type, Cell]] = {
    rt.CallerTranscript: _here(caller_transcribed_late),
    rt.CallerTranscriptFailed: _floor(Floor.caller_not_transcribed),
    rt.ResponseCreated: _linger(Linger.response_created),
    e.ToolFinished: _here(tool_finished_late),
    WorkAsked: _linger(Linger.work_asked),
    e.LegGone: _linger(Linger.leg_gone),
    e.LegStalled: _linger(Linger.leg_gone),
    e.BadMessage: _linger(Linger.bad_message),
    e.ShutdownRequested: _linger(Linger.shut_down),
}
"""While a call lingers. The rest has no meaning any more."""

_PHASES: Final = (Phase.DIALLING, Phase.CONFIGURING, Phase.LIVE)
_BY_PHASE: Final = {
    phase: {event: row[index] for event, row in _ROWS.items()} for index, phase in enumerate(_PHASES)
}

RULES: Final[Mapping[Phase, Mapping[type, Cell]]] = {
    **_BY_PHASE,
    Phase.LEAVING: _BY_PHASE[Phase.LIVE],
    Phase.OVER: {**dict.fromkeys(_ROWS, _IS_OVER), **_ONCE_OVER},
}
"""What becomes of every event in every phase. That the deadline has come is for the machine itself."""
