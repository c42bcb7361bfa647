"""One call as a machine: `handle(event, now)` answers what to do, `deadline` says when to wake it.

The machine owns the stages of a call from socket to end. What the model's turn protocol needs stands in
`turns`; audio does not pass here at all, it obeys the `gate` and fills the `playout` ledger. Nothing here
may await, read a clock, log, draw a random number or know a socket.

`RULES` at the end of this module states for every stage and every event what becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Final, TypeAlias

from callbridge.call import actions as a
from callbridge.call.codes import CLOSE_CODES, PROTOCOL_CODES, SERVER_STOPS
from callbridge.call.facts import AgentReady, CallEnded, CallStarted, EndReason, Fact, noted, warned
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from callbridge.call.plan import CallPlan
from callbridge.call.playout import Gate, Playout, Tally, Uplink
from callbridge.call.turns import Turns
from callbridge.wire import media_streams as ms
from callbridge.wire import realtime as rt
from callbridge.wire.realtime_commands import UpdateSession


class Call:
    """One call. All actions of one event are to be performed before the next event is handed in."""

    def __init__(self, plan: CallPlan, now: float, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.phase = Phase.WAITING
        self.gate = Gate()
        self.tally = Tally()
        self.playout = Playout(self.limits)
        self.call_sid = ""
        self.stream_sid = ""
        self._plan = plan
        self._admitted_at = now
        self._frames_at_gap_check = 0
        self._bad_messages = dict.fromkeys(a.Leg, 0)
        self._model_is_open = False
        self._actions: list[a.Action] = []
        self._timers: dict[Timer, float] = {Timer.START: now + self.limits.start_timeout_s}
        self._now = now
        self.turns = Turns(
            plan, self.limits, self.gate, self.playout, self.tally, self._actions.append, self._end
        )

    # --- The way in ---

    def handle(self, event: a.Event, now: float) -> tuple[a.Action, ...]:
        """Takes one event at `now` (monotonic seconds) and answers what to do, in order."""
        assert now >= self._now, "time does not run backwards"
        self._now = now
        rule = RULES[self.phase].get(type(event), _no_rule)
        rule(self, event, now)
        if isinstance(event, _FROM_MODEL):
            self.turns.model_is_alive(now)
        self._settle(now)
        actions = tuple(self._actions)
        self._actions.clear()
        return actions

    @property
    def deadline(self) -> tuple[float, Timer] | None:
        """When to hand in `DeadlinePassed`, and why. Nothing once the call is over."""
        due = self._due()
        if not due:
            return None
        why = min(due, key=due.__getitem__)
        return due[why], why

    def fail(self, detail: str, now: float) -> tuple[a.Action, ...]:
        """Ends the call because of our own fault; safe in any state."""
        self._now = now
        self._actions.clear()
        if self.phase is not Phase.OVER:
            self._end(EndReason.INTERNAL_ERROR, detail)
        actions = tuple(self._actions)
        self._actions.clear()
        return actions

    def __repr__(self) -> str:
        return f"<Call {self.call_sid or '-'} {self.phase.value} turn {self.turns.transcript.turns}>"

    # --- From socket to session ---

    def _started(self, event: ms.Start, now: float) -> None:
        facts = event.start
        self.call_sid, self.stream_sid = facts.call_sid, facts.stream_sid
        if not facts.media_format.is_telephone_mulaw:
            return self._end(EndReason.REJECTED_PROTOCOL, "the stream is not 8 kHz mono µ-law")
        self.phase = Phase.ADMITTING
        self.gate.uplink = Uplink.HELD
        return self._do(a.AdmitStream(facts))

    def _started_again(self, event: ms.Start, now: float) -> None:
        if event.start.call_sid == self.call_sid and event.start.stream_sid == self.stream_sid:
            self._record(warned("start_repeated"))
        else:
            self._end(EndReason.REJECTED_PROTOCOL, "a second start names another stream")

    def _admitted(self, event: a.StreamAdmitted, now: float) -> None:
        self.phase = Phase.DIALING
        self._admitted_at = now
        del self._timers[Timer.START]
        self._timers[Timer.DIAL] = now + self.limits.dial_timeout_s
        self._timers[Timer.MEDIA_GAP] = now + self.limits.media_gap_timeout_s
        self._timers[Timer.CALL_LENGTH] = now + self.limits.call_length_max_s
        self._record(CallStarted(self.call_sid, self.stream_sid, event.caller, event.called))
        self._do(a.DialModel())

    def _refused(self, event: a.StreamRefused, now: float) -> None:
        self._end(EndReason.REJECTED_AUTH, event.why)

    def _connected(self, event: a.ModelConnected, now: float) -> None:
        self._model_is_open = True
        self.phase = Phase.CONFIGURING
        del self._timers[Timer.DIAL]
        self._timers[Timer.CONFIGURE] = now + self.limits.configure_timeout_s

    def _dial_failed(self, event: a.ModelDialFailed, now: float) -> None:
        self._end(EndReason.MODEL_UNAVAILABLE, event.why)

    def _session_created(self, event: rt.SessionCreated, now: float) -> None:
        self._update_session()

    def _update_session(self) -> None:
        update_id = self.turns.next_command_id()
        self._do(a.SendToModel(UpdateSession(event_id=update_id, session=self._plan.session)))

    def _configuring_error(self, event: rt.ErrorEvent, now: float) -> None:
        """The whole update was rejected. The transcription model is the one part we can do without."""
        error = event.error
        self.turns.errors += 1
        names = f"{error.param} {error.message}"
        if self._plan.has_transcription and "transcription" in names:
            self._record(warned("transcription_refused", code=error.code, message=error.message))
            self._plan = self._plan.without_transcription()
            self.turns.has_transcription = False
            self._update_session()
        else:
            self._end(EndReason.MODEL_UNAVAILABLE, f"{error.code or 'error'}: {error.message}")

    def _configured(self, event: rt.SessionUpdated, now: float) -> None:
        if not event.session.speaks_mulaw:
            self._end(EndReason.MODEL_UNAVAILABLE, "the model did not confirm audio/pcmu both ways")
            return
        del self._timers[Timer.CONFIGURE]
        self.phase = Phase.LIVE
        after_ms = round((now - self._admitted_at) * 1000)
        held_ms = self.tally.frames_from_phone * 20
        model = event.session.model or self._plan.model
        self._record(AgentReady(model, after_ms, held_ms, self._plan.has_transcription))
        # The greeting is asked for before the held audio is sent: otherwise the caller's "hello?"
        # would be answered first.
        self.turns.begin(self.stream_sid, self._plan.greeting_options, now)
        self.gate.uplink = Uplink.OPEN
        self._do(a.OpenUplink())

    # --- The live call: the phone ---

    def _mark_echoed(self, event: ms.MarkEchoed, now: float) -> None:
        self.playout.echoed(event.mark.name, now)

    def _key_pressed(self, event: ms.Dtmf, now: float) -> None:
        self._record(noted("key_pressed"))
        self._stay()
        self.turns.key_pressed(event.dtmf.digit, now)

    def _stopped(self, event: ms.Stopped, now: float) -> None:
        self._end(EndReason.CALLER_HANGUP, "")

    # --- The live call: the model ---

    def _speech_started(self, event: rt.SpeechStarted, now: float) -> None:
        self._stay()
        self.turns.speech_started(event, now)

    def _stay(self) -> None:
        """Nobody is hung up upon who says "oh, wait", or presses a key."""
        if self.phase is Phase.LEAVING:
            self.phase = Phase.LIVE
            del self._timers[Timer.FAREWELL]
            self._record(noted("farewell_withdrawn"))

    def _rate_limits(self, event: rt.RateLimitsUpdated, now: float) -> None:
        for limit in event.rate_limits:
            if limit.remaining == 0:  # Failed responses follow.
                self._record(warned("rate_limit_reached", limit=limit.name, resets_s=limit.reset_seconds))

    def _unknown_event(self, event: rt.UnknownEvent | ms.UnknownMessage, now: float) -> None:
        if isinstance(event, rt.UnknownEvent) and event.is_expected:
            return
        self.tally.unknown_events += 1
        if self.tally.unknown_events == 1:  # Once: a new event type may come with every response.
            name = event.type if isinstance(event, rt.UnknownEvent) else event.event
            self._record(warned("unknown_event", type=name[:80]))

    # --- Tools ---

    def _tool_finished(self, event: a.ToolFinished, now: float) -> None:
        if self.turns.tool_finished(event, now) and self.phase is Phase.LIVE:
            self.phase = Phase.LEAVING
            self._extend_farewell(now)

    def _extend_farewell(self, now: float) -> None:
        """The bound moves with the words: they may still be on their way from the model."""
        unheard_s = self.playout.unheard_ms(now) / 1000
        self._timers[Timer.FAREWELL] = now + unheard_s + self.limits.farewell_timeout_s

    # --- What goes wrong ---

    def _out_of_turn(self, event: ms.Media | ms.MarkEchoed | ms.Dtmf, now: float) -> None:
        self._end(EndReason.REJECTED_PROTOCOL, f"{type(event).__name__} before start")

    def _stopped_unstarted(self, event: ms.Stopped, now: float) -> None:
        self._end(EndReason.REJECTED_PROTOCOL, "stop before start")

    def _leg_gone(self, event: a.LegGone, now: float) -> None:
        detail = f"{event.leg.value} leg closed with {event.code} {event.reason}".rstrip()
        if event.leg is a.Leg.MODEL:
            self._model_is_open = False
            was_live = self.turns.has_spoken
            self._end(EndReason.MODEL_LOST if was_live else EndReason.MODEL_UNAVAILABLE, detail)
        elif event.code == SERVER_STOPS:
            self._end(EndReason.SERVICE_STOPPED, detail)
        elif event.code in PROTOCOL_CODES or self.phase in {Phase.WAITING, Phase.ADMITTING}:
            self._end(EndReason.REJECTED_PROTOCOL, detail)
        else:
            self._end(EndReason.MEDIA_LOST, detail)

    def _leg_stalled(self, event: a.LegStalled, now: float) -> None:
        reason = EndReason.MODEL_LOST if event.leg is a.Leg.MODEL else EndReason.MEDIA_LOST
        self._end(reason, f"{event.leg.value} leg stalled: {event.why}")

    def _bad_message(self, event: a.BadMessage, now: float) -> None:
        self._bad_messages[event.leg] += 1
        count = self._bad_messages[event.leg]
        if count == 1:  # The rest is counted: a peer may send nothing else.
            self._record(warned("bad_message", leg=event.leg.value, why=event.why))
        if not event.is_fatal and count <= self.limits.bad_messages_max:
            return
        detail = f"{event.leg.value} leg sent {count} bad messages: {event.why}"
        lost = event.leg is a.Leg.MODEL
        self._end(EndReason.MODEL_LOST if lost else EndReason.REJECTED_PROTOCOL, detail)

    def _shut_down(self, event: a.ShutdownRequested, now: float) -> None:
        self._end(EndReason.SERVICE_STOPPED, "")

    # --- Time ---

    def _deadline_passed(self, event: a.DeadlinePassed, now: float) -> None:
        for timer, at in sorted(self._due().items(), key=lambda item: item[1]):
            if at <= now and self.phase is not Phase.OVER:
                self._expired(timer, now)

    def _expired(self, timer: Timer, now: float) -> None:
        match timer:
            case Timer.START:
                self._end(EndReason.REJECTED_PROTOCOL, "no start in time")
            case Timer.DIAL:
                self._end(EndReason.MODEL_UNAVAILABLE, "the model leg did not open in time")
            case Timer.CONFIGURE:
                self._end(EndReason.MODEL_UNAVAILABLE, "the model did not confirm the session in time")
            case Timer.MEDIA_GAP:
                self._check_media_gap(now)
            case Timer.CALL_LENGTH:
                self._end(EndReason.LIMIT_DURATION, "")
            case Timer.FAREWELL:
                self._farewell_overdue(now)
            case Timer.ANSWER:
                self.turns.answer_overdue(now)
            case Timer.RETRY:
                self.turns.retry_due(now)
            case Timer.KEYS:
                self.turns.keys_finished(now)
            case Timer.TRANSCRIPT:
                pass  # `_settle` records what is late.

    def _farewell_overdue(self, now: float) -> None:
        if self.turns.is_idle:
            self._end(EndReason.AGENT_HANGUP, "the last words were not confirmed in time")
        else:  # They are still being made: audio goes past the machine, so no event has moved the bound.
            self._extend_farewell(now)

    def _check_media_gap(self, now: float) -> None:
        if self.tally.frames_from_phone == self._frames_at_gap_check:
            self._end(EndReason.MEDIA_LOST, f"no caller audio for {self.limits.media_gap_timeout_s:g} s")
        self._frames_at_gap_check = self.tally.frames_from_phone
        self._timers[Timer.MEDIA_GAP] = now + self.limits.media_gap_timeout_s

    def _due(self) -> dict[Timer, float]:
        if self.phase is Phase.OVER:
            return {}
        due, turns = self._timers.copy(), self.turns
        if turns.answer_by is not None:
            due[Timer.ANSWER] = turns.answer_by
        if turns.retry_at is not None:
            due[Timer.RETRY] = turns.retry_at
        if turns.keys_at is not None:
            due[Timer.KEYS] = turns.keys_at
        if turns.transcript.deadline is not None:
            due[Timer.TRANSCRIPT] = turns.transcript.deadline
        return due

    # --- After every event ---

    def _settle(self, now: float) -> None:
        """What follows from the state rather than from one event: turns that ended, last words heard."""
        if self.phase not in _STANDING:
            return
        if self.turns.is_idle:
            self._settle_idle(now)
        elif self.phase is Phase.LEAVING:
            self._extend_farewell(now)
        for turn in self.turns.transcript.ended(now):
            self._record(turn)

    def _settle_idle(self, now: float) -> None:
        if not self.playout.is_drained:
            if self.phase is Phase.LEAVING:
                self.turns.mark()
            return
        self.turns.close_turn(now)
        if self.phase is Phase.LEAVING:
            self._end(EndReason.AGENT_HANGUP, "")

    # --- The end ---

    def _end(self, reason: EndReason, detail: str) -> None:
        """Closes both legs and records the call. Only the first end counts."""
        if self.phase is Phase.OVER:
            return
        self.phase = Phase.OVER
        self.gate.uplink = Uplink.SHUT
        self.gate.audible_response_id = None
        self._timers.clear()
        self.turns.close_turn(self._now)
        for turn in self.turns.transcript.ended(self._now, is_last=True):
            self._record(turn)
        if self._model_is_open:
            self._do(a.CloseLeg(a.Leg.MODEL, 1000, ""))
        self._do(a.CloseLeg(a.Leg.PHONE, CLOSE_CODES.get(reason, 1000), reason.value))
        self._record(self._summary(reason, detail))

    def _summary(self, reason: EndReason, detail: str) -> CallEnded:
        turns, tally = self.turns, self.tally
        latencies, began_at = turns.transcript.response_ms, self.playout.began_at
        return CallEnded(
            reason=reason,
            detail=detail,
            duration_ms=round((self._now - self._admitted_at) * 1000),
            turns=turns.transcript.turns,
            interruptions=turns.interruptions,
            tools_used=turns.tools_used,
            frames_from_phone=tally.frames_from_phone,
            frames_to_model=tally.frames_to_model,
            frames_dropped=tally.frames_dropped,
            frames_to_phone=tally.frames_to_phone,
            audio_to_phone_ms=tally.downlink_bytes // 8,
            deltas_dropped=tally.deltas_dropped,
            usage=turns.usage,
            first_audio_ms=None if began_at is None else round((began_at - self._admitted_at) * 1000),
            response_ms_p50=round(median(latencies)) if latencies else None,
            response_ms_max=max(latencies, default=None),
            errors=turns.errors,
        )

    # --- Small parts ---

    def _do(self, action: a.Action) -> None:
        self._actions.append(action)

    def _record(self, fact: Fact) -> None:
        self._actions.append(a.Record(fact))


_FROM_MODEL: Final = (rt.ServerEvent, rt.UnknownEvent)
_STANDING: Final = frozenset({Phase.LIVE, Phase.LEAVING})


# --- The rules --------------------------------------------------------------------------------------

Rule: TypeAlias = Callable[[Call, Any, float], None]


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that changes nothing in this stage, with the reason."""

    why: str

    def __call__(self, call: Call, event: a.Event, now: float) -> None:
        """Does nothing, on purpose."""


def _no_rule(call: Call, event: a.Event, now: float) -> None:
    raise AssertionError(f"{type(event).__name__} in {call.phase.value} has no rule")


def _turn(method: Callable[[Turns, Any, float], object]) -> Rule:
    """The rule that hands an event on to the turn protocol."""

    def rule(call: Call, event: a.Event, now: float) -> None:
        method(call.turns, event, now)

    return rule


_REPEATED = Ignored("said before, and nothing depends on it")
_NO_MODEL = Ignored("the model leg is not open: no event of the model can come")
_NOT_ASKED = Ignored("the session is not confirmed: no audio was sent and no response asked for")
_NOBODY_YET = Ignored("there is nobody yet who could be told")
_ANSWERED = Ignored("answers a question that is settled")
_NOT_DIALED = Ignored("nothing was dialled")
_CANNOT_RUN = Ignored("no tool runs before the session is confirmed")
_IS_OVER = Ignored("the call is over")
_PASSES_BY = Ignored("the relay moves this past the machine")
_CONFIRMED = Ignored("confirms a command of ours")

# One row for each event; the cells are the stages in their order, without OVER, where all is ignored.
_ROWS: Final[Mapping[type, tuple[Rule, Rule, Rule, Rule, Rule, Rule]]] = {
    # From the phone.
    ms.Connected: (_REPEATED,) * 6,
    ms.Start: (Call._started, *(Call._started_again,) * 5),
    ms.Media: (Call._out_of_turn, *(_PASSES_BY,) * 5),
    ms.MarkEchoed: (Call._out_of_turn, *(_NOBODY_YET,) * 3, *(Call._mark_echoed,) * 2),
    ms.Dtmf: (Call._out_of_turn, *(_NOBODY_YET,) * 3, *(Call._key_pressed,) * 2),
    ms.Stopped: (Call._stopped_unstarted, *(Call._stopped,) * 5),
    ms.UnknownMessage: (Call._unknown_event,) * 6,
    # From the model.
    rt.SessionCreated: (*(_NO_MODEL,) * 3, Call._session_created, _REPEATED, _REPEATED),
    rt.SessionUpdated: (*(_NO_MODEL,) * 3, Call._configured, _CONFIRMED, _CONFIRMED),
    rt.SpeechStarted: (*(_NO_MODEL,) * 3, _NOT_ASKED, *(Call._speech_started,) * 2),
    rt.SpeechStopped: (*(_NO_MODEL,) * 3, _NOT_ASKED, *(_turn(Turns.speech_stopped),) * 2),
    rt.InputCommitted: (*(_NO_MODEL,) * 3, _NOT_ASKED, *(_turn(Turns.input_committed),) * 2),
    rt.ItemAdded: (*(_NO_MODEL,) * 3, _NOT_ASKED, *(_turn(Turns.item_added),) * 2),
    rt.ItemTruncated: (*(_NO_MODEL,) * 3, _NOT_ASKED, _CONFIRMED, _CONFIRMED),
    rt.ItemDeleted: (*(_NO_MODEL,) * 3, _NOT_ASKED, _CONFIRMED, _CONFIRMED),
    rt.CallerTranscript: (*(_NO_MODEL,) * 3, _NOT_ASKED, *(_turn(Turns.caller_transcribed),) * 2),
    rt.CallerTranscriptFailed: (*(_NO_MODEL,) * 3, _NOT_ASKED, *(_turn(Turns.caller_not_transcribed),) * 2),
    rt.ResponseCreated: (*(_NO_MODEL,) * 3, _NOT_ASKED, *(_turn(Turns.response_created),) * 2),
    rt.OutputItemAdded: (*(_NO_MODEL,) * 3, _NOT_ASKED, *(_turn(Turns.output_item_added),) * 2),
    rt.OutputItemDone: (*(_NO_MODEL,) * 3, _NOT_ASKED, *(_turn(Turns.output_item_done),) * 2),
    rt.AudioDelta: (_PASSES_BY,) * 6,
    rt.AnswerDelta: (_PASSES_BY,) * 6,
    rt.AudioDone: (*(_NO_MODEL,) * 3, _NOT_ASKED, *(_turn(Turns.audio_done),) * 2),
    rt.AgentTranscript: (*(_NO_MODEL,) * 3, _NOT_ASKED, *(_turn(Turns.agent_transcribed),) * 2),
    rt.ResponseDone: (*(_NO_MODEL,) * 3, _NOT_ASKED, *(_turn(Turns.response_done),) * 2),
    rt.RateLimitsUpdated: (*(_NO_MODEL,) * 3, *(Call._rate_limits,) * 3),
    rt.ErrorEvent: (*(_NO_MODEL,) * 3, Call._configuring_error, *(_turn(Turns.error),) * 2),
    rt.UnknownEvent: (Call._unknown_event,) * 6,
    # Local.
    a.StreamAdmitted: (_ANSWERED, Call._admitted, *(_ANSWERED,) * 4),
    a.StreamRefused: (_ANSWERED, Call._refused, *(_ANSWERED,) * 4),
    a.ModelConnected: (*(_NOT_DIALED,) * 2, Call._connected, *(_ANSWERED,) * 3),
    a.ModelDialFailed: (*(_NOT_DIALED,) * 2, Call._dial_failed, *(_ANSWERED,) * 3),
    a.LegGone: (Call._leg_gone,) * 6,
    a.LegStalled: (Call._leg_stalled,) * 6,
    a.BadMessage: (Call._bad_message,) * 6,
    a.ToolFinished: (*(_CANNOT_RUN,) * 4, *(Call._tool_finished,) * 2),
    a.ShutdownRequested: (Call._shut_down,) * 6,
    a.DeadlinePassed: (Call._deadline_passed,) * 6,
}

RULES: Final[Mapping[Phase, Mapping[type, Rule]]] = {
    phase: {event: (*row, _IS_OVER)[index] for event, row in _ROWS.items()}
    for index, phase in enumerate(Phase)
}
"""What becomes of every event in every stage."""
