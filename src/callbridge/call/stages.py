"""The stages of a call from socket to end, and what becomes of each event in them.

How a call comes by a session of the model stands in `sessions`, what is said in it in `turns`, how it ends
by itself in `endings`, how long it may be silent in `silence`. Which rule is for which event in which stage
says the table in `machine`, which is also the only one who calls them. Pure, as everything in this room.
"""

from __future__ import annotations

from typing import Final

from callbridge.call import actions as a
from callbridge.call.codes import CLOSE_CODES, PROTOCOL_CODES, SERVER_STOPS
from callbridge.call.endings import SAY_IT_ENDS, Endings
from callbridge.call.facts import (
    CallStarted,
    ClipPlayed,
    EndReason,
    Fact,
    Remembered,
    TurnEnded,
    noted,
    warned,
)
from callbridge.call.limits import Limits
from callbridge.call.memory import Memory, ToolAnswered, TurnSaid
from callbridge.call.phases import Phase, Timer
from callbridge.call.plan import CallPlan
from callbridge.call.playout import Gate, Playout, Tally, Uplink
from callbridge.call.session import Trouble
from callbridge.call.sessions import Sessions
from callbridge.call.silence import CallerWatch, MediaWatch, sound_due
from callbridge.call.summary import summary
from callbridge.call.turns import Turns
from callbridge.wire import media_streams as ms
from callbridge.wire import realtime as rt


class Stages:
    """One call, as it stands.

    Args:
        plan: what the call is to be.
        now: monotonic seconds, when its socket was accepted.
        limits: the bounds; the ordinary ones by default.
        spread: from 0 to 1, drawn at random by whoever makes it: calls that fail together try again apart.
    """

    def __init__(self, plan: CallPlan, now: float, limits: Limits | None = None, spread: float = 0.5) -> None:
        self.limits = limits or Limits()
        self.phase = Phase.WAITING
        self.gate = Gate(held_ms_max=self.limits.held_audio_ms_max)
        self.tally = Tally()
        self.playout = Playout(self.limits)
        self.memory = Memory(self.limits)
        self._media = MediaWatch(self.limits, self.tally)
        silence_s = plan.silence_ms / 1000 or self.limits.meaning_wait_s
        self._caller = CallerWatch(self.limits, self.gate, self.tally, silence_s)
        self.call_sid = ""
        self.stream_sid = ""
        self._admitted_at = now
        self._bad_messages = dict.fromkeys(a.Leg, 0)
        self._is_handing_over = False
        self._clip_at = now
        self.actions: list[a.Action] = []
        self._timers: dict[Timer, float] = {Timer.START: now + self.limits.start_timeout_s}
        self.now = now
        self.turns = Turns(
            plan, self.limits, self.gate, self.playout, self.tally, self._do, self._model_failed
        )
        self._endings = Endings(self.limits, self.turns, self.playout, self.end)
        self.sessions = Sessions(
            plan,
            self.limits,
            spread,
            gate=self.gate,
            tally=self.tally,
            memory=self.memory,
            turns=self.turns,
            do=self._do,
            enter=self._enter,
            end=self.end,
        )

    # --- From socket to stream ---

    def started(self, event: ms.Start, now: float) -> None:
        """Twilio's stream begins: its token is to be checked."""
        facts = event.start
        self.call_sid, self.stream_sid = facts.call_sid, facts.stream_sid
        self.turns.cutting.stream_sid = facts.stream_sid
        if not facts.media_format.is_telephone_mulaw:
            return self.end(EndReason.REJECTED_PROTOCOL, "the stream is not 8 kHz mono µ-law")
        self.phase = Phase.ADMITTING
        self.gate.uplink = Uplink.HELD
        return self._do(a.AdmitStream(facts))

    def started_again(self, event: ms.Start, now: float) -> None:
        """A second start: repeated, or for another stream."""
        if event.start.call_sid == self.call_sid and event.start.stream_sid == self.stream_sid:
            self._record(warned("start_repeated"))
        else:
            self.end(EndReason.REJECTED_PROTOCOL, "a second start names another stream")

    def admitted(self, event: a.StreamAdmitted, now: float) -> None:
        """The token was good: the call begins, or goes on."""
        self._admitted_at = now
        self.memory.entries.extend(event.memory)
        self.turns.transcript.turns = self.memory.turns
        self.turns.waits_since = now
        del self._timers[Timer.START]
        self._media.since = now
        self._timers[Timer.MEDIA_GAP] = now + self.limits.media_gap_warning_s
        self._endings.begin(now, event.age_s)
        self._record(
            CallStarted(self.call_sid, self.stream_sid, event.caller, event.called, event.is_continued)
        )
        self.sessions.begin(now, is_continued=event.is_continued)

    def refused(self, event: a.StreamRefused, now: float) -> None:
        """The token was not good."""
        self.end(EndReason.REJECTED_AUTH, event.why)

    # --- Sessions ---

    def _enter(self, phase: Phase) -> None:
        self.phase = phase

    def _model_failed(self, trouble: Trouble) -> None:
        """The present session is of no more use. A call that ends anyway needs no other one.

        What was said of a farewell, or of the turn before a hand-over, is still heard.
        """
        if not self.sessions.is_open:
            return  # Given up already.
        self._caller.end()
        if self.phase is Phase.LEAVING or self._is_handing_over:
            self.sessions.leave(trouble)
            self.turns.model_gone(self.now)
        else:
            self.sessions.failed(trouble, self.now)

    def spare_said(self, event: a.SpareSaid, now: float) -> None:
        """An event of the second session."""
        self.sessions.spare_said(event.event, now)

    def spare_connected(self, event: a.ModelConnected, now: float) -> None:
        """The leg of the second session is open. No other is dialled in these stages."""
        if event.leg is a.Leg.SPARE:
            self.sessions.connected(event, now)

    def spare_dial_failed(self, event: a.ModelDialFailed, now: float) -> None:
        """The second session could not be dialled."""
        if event.leg is a.Leg.SPARE:
            self.sessions.dial_failed(event, now)

    # --- The live call: the phone ---

    def mark_echoed(self, event: ms.MarkEchoed, now: float) -> None:
        """The phone has played up to a mark, or a clear has thrown it away."""
        self.playout.echoed(event.mark.name, now)

    def key_pressed(self, event: ms.Dtmf, now: float) -> None:
        """The caller pressed a key."""
        self._record(noted("key_pressed"))
        if self.phase is Phase.LEAVING and not self.sessions.is_open:
            return  # There is nobody who could stay because of it.
        self._caller_heard(now)
        self.turns.key_pressed(event.dtmf.digit, now)

    def stopped(self, event: ms.Stopped, now: float) -> None:
        """The caller is gone."""
        self.end(EndReason.CALLER_HANGUP, "")

    # --- The live call: the model ---

    def speech_started(self, event: rt.SpeechStarted, now: float) -> None:
        """The caller speaks."""
        self._caller_heard(now)
        self._caller.begin(now)
        self.turns.speech_started(event, now)

    def speech_stopped(self, event: rt.SpeechStopped, now: float) -> None:
        """The caller's turn is over."""
        self._caller_heard(now)
        self._caller.end()
        self.turns.speech_stopped(event, now)

    def _caller_heard(self, now: float) -> None:
        if self._endings.caller_heard(now):
            self.phase = Phase.LIVE
            self._record(noted("farewell_withdrawn"))

    def response_created(self, event: rt.ResponseCreated, now: float) -> None:
        """The model answers: it has noticed whatever there was."""
        self._caller.end()
        self.turns.response_created(event, now)

    def _look_at_caller(self, now: float) -> None:
        """Whether the caller is quiet while the model says that they speak, or speaks again."""
        quiet_s = self._caller.look(now)
        if quiet_s is not None and self.turns.caller_speaks:
            self._record(noted("speech_ended_unseen", quiet_s=round(quiet_s, 1)))
            self.turns.speech_ended_unseen(now - quiet_s)
        elif quiet_s is None and not self.turns.caller_speaks:
            self.turns.speech_goes_on()

    def response_done(self, event: rt.ResponseDone, now: float) -> None:
        """A response is over, and its price is known."""
        self.turns.response_done(event, now)
        if self.phase is Phase.LIVE and self.sessions.plan.is_too_dear(self.turns.usage):
            self._take_leave(EndReason.LIMIT_COST, SAY_IT_ENDS, now)

    def rate_limits(self, event: rt.RateLimitsUpdated, now: float) -> None:
        """What is left of the account's limits."""
        for limit in event.rate_limits:
            if limit.remaining == 0:  # Failed responses follow.
                self._record(warned("rate_limit_reached", limit=limit.name, resets_s=limit.reset_seconds))

    def unknown_event(self, event: rt.UnknownEvent | ms.UnknownMessage, now: float) -> None:
        """A message that we do not know. It changes nothing."""
        if isinstance(event, rt.UnknownEvent) and event.is_expected:
            return
        self.tally.unknown_events += 1
        if self.tally.unknown_events == 1:  # Once: a new event type may come with every response.
            name = event.type if isinstance(event, rt.UnknownEvent) else event.event
            self._record(warned("unknown_event", type=name[:80]))

    def answer_ran_away(self, event: a.AnswerRanAway, now: float) -> None:
        """More agent audio is unheard than anybody would say."""
        self.turns.answer_ran_away(now)

    # --- Tools ---

    def tool_finished(self, event: a.ToolFinished, now: float) -> None:
        """A tool answered."""
        if (arguments := self.turns.tools.arguments_of(event.call_id)) and not event.ends_call:
            turn = self.turns.transcript.turns
            answered = ToolAnswered(turn, event.call_id, event.name, arguments, event.output)
            self.memory.add(answered)
            self._record(Remembered(answered))
        if self.turns.tool_finished(event, now) and self.phase is Phase.LIVE:
            self.phase = Phase.LEAVING
            self._endings.leave(EndReason.AGENT_HANGUP, now)

    # --- What goes wrong ---

    def out_of_turn(self, event: ms.Media | ms.MarkEchoed | ms.Dtmf, now: float) -> None:
        """What may only come after `start` came before it."""
        self.end(EndReason.REJECTED_PROTOCOL, f"{type(event).__name__} before start")

    def stopped_unstarted(self, event: ms.Stopped, now: float) -> None:
        """A stop without a start."""
        self.end(EndReason.REJECTED_PROTOCOL, "stop before start")

    def leg_gone(self, event: a.LegGone, now: float) -> None:
        """A socket is gone."""
        detail = f"{event.leg.value} leg closed with {event.code} {event.reason}".rstrip()
        if event.leg is a.Leg.SPARE:
            self.sessions.spare_failed(detail, now)
        elif event.leg is a.Leg.MODEL:
            self._model_failed(Trouble(detail))
        elif event.code == SERVER_STOPS:
            self.end(EndReason.SERVICE_STOPPED, detail)
        elif event.code in PROTOCOL_CODES or self.phase in {Phase.WAITING, Phase.ADMITTING}:
            self.end(EndReason.REJECTED_PROTOCOL, detail)
        else:
            self.end(EndReason.MEDIA_LOST, detail)

    def leg_stalled(self, event: a.LegStalled, now: float) -> None:
        """A peer does not read any more."""
        detail = f"{event.leg.value} leg stalled: {event.why}"
        if event.leg is a.Leg.SPARE:
            self.sessions.spare_failed(detail, now)
        elif event.leg is a.Leg.MODEL:
            self._model_failed(Trouble(detail))
        else:
            self.end(EndReason.MEDIA_LOST, detail)

    def bad_message(self, event: a.BadMessage, now: float) -> None:
        """A peer sent what nobody can read."""
        self._bad_messages[event.leg] += 1
        count = self._bad_messages[event.leg]
        if count == 1:  # The rest is counted: a peer may send nothing else.
            self._record(warned("bad_message", leg=event.leg.value, why=event.why))
        if not event.is_fatal and count <= self.limits.bad_messages_max:
            return
        detail = f"{event.leg.value} leg sent {count} bad messages: {event.why}"
        self._bad_messages[event.leg] = 0
        if event.leg is a.Leg.SPARE:
            self.sessions.spare_failed(detail, now)
        elif event.leg is a.Leg.MODEL:
            self._model_failed(Trouble(detail))
        else:
            self.end(EndReason.REJECTED_PROTOCOL, detail)

    # --- The process goes away ---

    def shut_down(self, event: a.ShutdownRequested, now: float) -> None:
        """The process stops."""
        self.end(EndReason.SERVICE_STOPPED, "")

    def hand_over(self, event: a.HandOverRequested, now: float) -> None:
        """The process will stop: the turn that is going on may end."""
        if self.phase not in _STANDING:
            self.end(EndReason.HANDED_OVER, "")
        elif not self._is_handing_over:  # The turn that is going on may end; `_settle` sees when.
            self._is_handing_over = True
            self.sessions.over()
            self._timers[Timer.HAND_OVER] = now + self.limits.hand_over_timeout_s

    # --- Time ---

    def deadline_passed(self, event: a.DeadlinePassed, now: float) -> None:
        """The time has come for whatever is due."""
        for timer in sorted(due := self.due(), key=due.__getitem__):
            # What one of them does may have moved or ended another.
            if self.due().get(timer, now + 1) <= now:
                self._expired(timer, now)

    def _expired(self, timer: Timer, now: float) -> None:
        match timer:
            case Timer.START:
                self.end(EndReason.REJECTED_PROTOCOL, "no start in time")
            case Timer.CLIP:
                self._play_clip()
            case Timer.GIVE_UP:
                why = f"the agent said nothing for {self.limits.give_up_after_s:g} s"
                self.end(self.sessions.reason_without, why)
            case Timer.ANSWER | Timer.RETRY | Timer.KEYS:
                _OF_TURNS[timer](self.turns, now)
            case Timer.TRANSCRIPT:
                pass  # `_settle` records what is late.
            case Timer.MEDIA_GAP:
                self._check_media(now)
            case Timer.CALLER_QUIET:
                self._look_at_caller(now)
            case Timer.HAND_OVER:
                reason = self._endings.leaving_for or EndReason.HANDED_OVER
                self.end(reason, "in the middle of a turn")
            case _ if timer in self.sessions.due:
                self.sessions.expired(timer, now)
            case _:
                if (limit := self._endings.expired(timer, now)) is not None:
                    self._take_leave(*limit, now)

    def _play_clip(self) -> None:
        self._clip_at = self.now
        self.tally.clips += 1
        self._record(ClipPlayed("a session" if self.phase in _CONNECTING else "an answer"))
        self._do(a.PlayClip())

    def _take_leave(self, reason: EndReason, words: str, now: float) -> None:
        """A limit is reached: the agent says so, and the call ends when that was heard."""
        if self.phase is Phase.LIVE:
            self.phase = Phase.LEAVING
            self._endings.leave(reason, now, words)
        elif self.phase is Phase.LEAVING:
            self._endings.stays_reached(reason, now)
        else:
            self.end(reason, "")

    def _check_media(self, now: float) -> None:
        """Looks often: after a short while to note a gap, after a longer one to end the stream."""
        if self._media.look(now):
            self._record(warned("media_gap", gap_s=round(now - self._media.since, 1)))
        if self._media.is_lost(now):
            gap_s = self.limits.media_gap_timeout_s
            self.end(EndReason.MEDIA_LOST, f"no caller audio for {gap_s:g} s")
        lost_at = self._media.since + self.limits.media_gap_timeout_s
        self._timers[Timer.MEDIA_GAP] = min(now + self.limits.media_gap_warning_s, lost_at)

    def due(self) -> dict[Timer, float]:
        """When to look at what. Nothing once the call is over."""
        if self.phase is Phase.OVER:
            return {}
        due, turns = self._timers.copy(), self.turns
        if turns.watch.by is not None:
            due[Timer.ANSWER] = turns.watch.by
        if turns.retry_at is not None:
            due[Timer.RETRY] = turns.retry_at
        if turns.keys_at is not None:
            due[Timer.KEYS] = turns.keys_at
        if self._caller.by is not None and self.phase in _STANDING:
            due[Timer.CALLER_QUIET] = self._caller.by
        if turns.transcript.deadline is not None:
            due[Timer.TRANSCRIPT] = turns.transcript.deadline
        if self.phase in _ADMITTED:
            is_quiet = self.phase is Phase.LIVE and turns.is_idle
            is_connecting = self.phase in _CONNECTING
            due |= self._endings.due(is_quiet=is_quiet) | self.sessions.due
            due |= sound_due(
                self.limits,
                self.playout,
                waits_since=turns.waits_since,
                tool_done_at=turns.tool_done_at,
                connecting_since=self.sessions.began_at if is_connecting else None,
                clip_at=self._clip_at,
            )
        return due

    # --- After every event ---

    def settle(self, now: float) -> None:
        """What follows from the state rather than from one event: turns that ended, last words heard."""
        if self.phase not in _ADMITTED:
            return
        is_idle = self.phase in _STANDING and self.turns.is_idle
        if is_idle:
            self._settle_idle(now)
        elif self.phase in _STANDING:
            self.sessions.somebody_spoke(now)
            if self.phase is Phase.LEAVING:
                self._endings.extend_farewell(now)
        for turn in self.turns.transcript.ended(now):
            self._turn_ended(turn)
        if is_idle and self.playout.is_drained:
            self._settle_quiet(now)

    def _settle_idle(self, now: float) -> None:
        self.turns.rest()
        if self.playout.is_drained:
            self.turns.close_turn(now)
        elif self.phase is Phase.LEAVING or self._is_handing_over or self.sessions.has_spare:
            self.turns.mark()

    def _settle_quiet(self, now: float) -> None:
        """Nobody speaks, nothing is owed, and all was heard: the moment for what must not disturb."""
        if self._endings.leaving_for is not None:
            self.end(self._endings.leaving_for, "")
        elif self._is_handing_over:
            self.end(EndReason.HANDED_OVER, "")
        else:
            self.sessions.quiet(now)

    # --- The end ---

    def end(self, reason: EndReason, detail: str) -> None:
        """Closes the legs and records the call. Only the first end counts."""
        if self.phase is Phase.OVER:
            return
        is_live = self.phase is Phase.LIVE and self.sessions.is_open
        # A session that waits for a tool of ours would wait for ever: the next one is told, and asks anew.
        is_parked = is_live and reason is EndReason.MEDIA_LOST and not len(self.turns.tools)
        if is_parked:
            self.turns.leave_behind(self.now)
        self.phase = Phase.OVER
        self.gate.uplink = Uplink.SHUT
        self.gate.audible_response_id = None
        self._timers.clear()
        self.sessions.over()
        self.turns.over()
        self.turns.cutting.freeze(self.now)
        self.turns.close_turn(self.now)
        for turn in self.turns.transcript.ended(self.now, is_last=True):
            self._turn_ended(turn)
        if is_parked:
            self._do(a.ParkModel())
        elif self.sessions.is_open:
            self._do(a.CloseLeg(a.Leg.MODEL, 1000, ""))
        self._do(a.CloseLeg(a.Leg.PHONE, CLOSE_CODES.get(reason, 1000), reason.value))
        self._record(
            summary(
                reason,
                detail,
                turns=self.turns,
                tally=self.tally,
                playout=self.playout,
                since=self._admitted_at,
                now=self.now,
            )
        )

    def _turn_ended(self, turn: TurnEnded) -> None:
        self._record(turn)
        if turn.caller or turn.agent:
            self.memory.add(TurnSaid(turn.number, turn.caller, turn.agent))

    # --- Small parts ---

    def _do(self, action: a.Action) -> None:
        self.actions.append(action)

    def _record(self, fact: Fact) -> None:
        self.actions.append(a.Record(fact))


_OF_TURNS: Final = {
    Timer.ANSWER: Turns.answer_overdue,
    Timer.RETRY: Turns.retry_due,
    Timer.KEYS: Turns.keys_finished,
}
_STANDING: Final = frozenset({Phase.LIVE, Phase.LEAVING})
_CONNECTING: Final = frozenset({Phase.DIALING, Phase.CONFIGURING})
_ADMITTED: Final = _STANDING | _CONNECTING
